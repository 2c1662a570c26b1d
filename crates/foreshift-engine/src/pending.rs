//! Rows that wait for their label.
//!
//! Every row weighs tick / H: rows of one incident share one unit of weight, and since negatives weigh
//! the same, probabilities stay calibrated. Rows are thinned by hash and weighted back.

use std::collections::VecDeque;

use foreshift_domain::fallback::{HiddenRows, Learning, Timing};
use foreshift_domain::{Duration, Timestamp};
use foreshift_predict::{Example, Lesson, Model, TargetModel};
use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::drift::DriftWatch;
use crate::groups::GroupIndex;
use crate::labels::{Evidence, FloorRecord, Label, LabelFacts, Onset};
use crate::output::MAX_HORIZONS;
use crate::shadow::{Rival, Shadow};

/// The most rows of one target that wait; the oldest is given up (its label stays unknown). With four
/// horizons and ten rows each this is never reached unless a horizon is far longer than the others.
const MAX_PENDING: usize = 512;

/// A row that was held out stands for at most this many: a rarer one would tell more of chance than of the rest.
pub const MAX_INVERSE_PROPENSITY: f64 = 20.0;

/// How many rows one stands for that was treated as it was with this probability.
#[must_use]
pub fn inverse_propensity(propensity: f64) -> f64 {
    (1.0 / propensity).clamp(1.0, MAX_INVERSE_PROPENSITY)
}

/// The rows of one target that wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    rows: VecDeque<Row>,
    /// By horizon: the tick of the newest row by which the model was judged.
    judged: [Timestamp; MAX_HORIZONS],
}

/// A row that waits for its labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) tick: Timestamp,
    pub(crate) example: Example,
    /// What the challenger makes of it, where there was one.
    pub(crate) rival: Option<Rival>,
    /// One bit for each horizon whose label is still to come.
    pub(crate) open: u8,
    /// The least share of its own baseline that the target was given since.
    pub(crate) least_share: f64,
    /// What had been seen of the target.
    pub(crate) evidence: Evidence,
    /// The least probability with which alarms since were treated as they were.
    pub(crate) propensity: f64,
    /// What was predicted when we first moved traffic away, or at the tick if that was before.
    pub(crate) predicted: [f32; MAX_HORIZONS],
}

/// What the labels of a target are learned with.
pub(crate) struct Learner<'a> {
    pub(crate) timing: &'a Timing,
    pub(crate) learning: &'a Learning,
    pub(crate) model: &'a mut Model,
    pub(crate) floor: &'a mut FloorRecord,
    pub(crate) shadow: Option<&'a mut Shadow>,
    pub(crate) counters: &'a mut Counters,
    pub(crate) drift: &'a mut DriftWatch,
}

/// What the models learned of the target whose rows mature.
pub(crate) struct Learned<'a> {
    pub(crate) champion: &'a mut TargetModel,
    pub(crate) challenger: &'a mut TargetModel,
    /// What its rows are one piece of evidence with.
    pub(crate) group: u32,
}

/// What was seen of a target when its rows mature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// The group of its first route.
    pub(crate) group: GroupIndex,
    /// In all.
    pub(crate) evidence: Evidence,
    /// Whether it ever served a counted request.
    pub(crate) counted: bool,
    /// Requests that a treated row needs before silence about failures means something.
    pub(crate) enough: u64,
    /// Newest telemetry.
    pub(crate) last: Timestamp,
}

impl Pending {
    /// Which horizons keep a row at this tick: one bit each. `hash` is uniform and fixed for (target, tick).
    pub(crate) fn keeps(timing: &Timing, learning: &Learning, hash: u64) -> u8 {
        let draw = hash as f64 / u64::MAX as f64;
        let mut mask = 0;
        for (head, horizon) in timing.horizons.iter().enumerate() {
            if draw < share_kept(timing, learning, *horizon) {
                mask |= 1 << head;
            }
        }
        mask
    }

    /// A row begins to wait.
    pub(crate) fn push(&mut self, row: Row) {
        if self.rows.len() >= MAX_PENDING {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }

    /// From now on the target is given this share of its own baseline: what waits is treated by it.
    pub(crate) fn given(&mut self, share: f64, predicted: Option<[f64; MAX_HORIZONS]>) {
        for row in &mut self.rows {
            if let (true, true, Some(predicted)) = (share < 1.0, row.least_share >= 1.0, predicted) {
                row.predicted = predicted.map(|probability| probability as f32);
            }
            row.least_share = row.least_share.min(share);
        }
    }

    /// An alarm of the target is treated as it is with this probability: so is what waits.
    pub(crate) fn drawn(&mut self, propensity: f64) {
        for row in &mut self.rows {
            row.propensity = row.propensity.min(propensity);
        }
    }

    /// What can be said now is learned: of rows that an onset is ahead of, and of rows whose horizon has passed.
    pub(crate) fn settle(
        &mut self,
        now: Timestamp,
        onset: Option<Onset>,
        seen: Seen,
        mut learned: Learned<'_>,
        with: &mut Learner<'_>,
    ) {
        for row in &mut self.rows {
            for (head, horizon) in with.timing.horizons.iter().enumerate() {
                if row.open & (1 << head) == 0 {
                    continue;
                }
                let facts = LabelFacts {
                    tick: row.tick,
                    horizon: *horizon,
                    onset,
                    known_until: now,
                    ended: false,
                    least_share: row.least_share,
                    evidence: seen.evidence.since(row.evidence),
                    counted: seen.counted,
                    enough: seen.enough,
                    last_seen: seen.last,
                };
                if let Some(label) = facts.label(with.timing) {
                    row.open &= !(1 << head);
                    if label != Label::Unknown
                        && let Some(judged) = self.judged.get_mut(head)
                        && row.tick >= *judged + *horizon
                        && let Some(probability) = row.example.probability(head)
                    {
                        *judged = row.tick;
                        let positive = label == Label::Positive;
                        with.drift
                            .add(seen.group, (head, *horizon), probability, positive);
                    }
                    with.learn(head, &facts, &mut learned, row, label);
                }
            }
        }
        self.rows.retain(|row| row.open != 0);
    }

    /// The horizons or the model changed: nothing that waits can be labelled, or learned by who placed it.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    /// The challenger is gone.
    pub(crate) fn forget_rivals(&mut self) {
        self.rows.iter_mut().for_each(|row| row.rival = None);
    }

    /// The challenger is champion now: what it made of the rows is what they are learned by. Those from before it came
    /// are given up.
    pub(crate) fn take_over(&mut self) {
        self.rows.retain_mut(|row| match row.rival.take() {
            Some(rival) => {
                row.example = rival.example;
                true
            }
            None => false,
        });
    }
}

impl Learner<'_> {
    fn learn(&mut self, head: usize, facts: &LabelFacts, learned: &mut Learned<'_>, row: &Row, label: Label) {
        let horizon = facts.horizon;
        let weight = row_share(self.timing, horizon) / share_kept(self.timing, self.learning, horizon);
        let predicted = row.predicted.get(head).map_or(f64::NAN, |p| f64::from(*p));
        let known = label != Label::Unknown;
        if facts.treated() && !facts.silent() && (known || facts.hidden()) {
            self.floor.note(predicted, label == Label::Positive, weight);
        }
        let positive = match label {
            Label::Positive => {
                self.counters.positives += 1;
                1.0
            }
            Label::Negative => {
                self.counters.negatives += 1;
                0.0
            }
            Label::Unknown => {
                self.counters.unknowns += 1;
                let teaches = facts.hidden() && self.learning.hidden == HiddenRows::Both;
                if !teaches {
                    return;
                }
                self.floor.averted(predicted, facts.silent())
            }
        };
        // Calibration is held to what came where we did nothing; what was held out stands for the rest.
        let calibration = if facts.treated() || !known {
            0.0
        } else {
            weight * inverse_propensity(row.propensity)
        };
        let lesson = Lesson {
            positive,
            weight,
            calibration,
        };
        self.model.teach(head, learned.champion, &row.example, lesson);
        if let (Some(shadow), Some(rival)) = (self.shadow.as_deref_mut(), &row.rival) {
            shadow
                .model
                .teach(head, learned.challenger, &rival.example, lesson);
            if let (true, Some(said)) = (known, rival.said(head)) {
                shadow
                    .gate
                    .matured(learned.group, said, label == Label::Positive, weight);
            }
        }
    }
}

/// The weight of one row: as many as fit into the horizon make one.
fn row_share(timing: &Timing, horizon: Duration) -> f64 {
    (timing.tick.as_secs_f64() / horizon.as_secs_f64()).min(1.0)
}

fn share_kept(timing: &Timing, learning: &Learning, horizon: Duration) -> f64 {
    (learning.rows_per_horizon * row_share(timing, horizon)).min(1.0)
}

/// A uniform hash of a target and a tick (the finaliser of SplitMix64, Steele et al. 2014).
pub(crate) fn thinning_hash(target_seed: u64, tick: Timestamp) -> u64 {
    let mut x = target_seed ^ (tick.as_micros() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
