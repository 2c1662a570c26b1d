//! Rows that wait for their label.
//!
//! Every row weighs tick / H: rows of one incident share one unit of weight, and since negatives weigh
//! the same, probabilities stay calibrated. Rows are thinned by hash and weighted back.

use std::collections::VecDeque;

use foreshift_domain::fallback::{Learning, Timing};
use foreshift_domain::{Duration, Timestamp};
use foreshift_predict::{Example, Model, TargetModel};
use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::drift::DriftWatch;
use crate::groups::GroupIndex;
use crate::labels::{Evidence, Label, LabelFacts, Onset};
use crate::output::MAX_HORIZONS;

/// The most rows of one target that wait; the oldest is given up (its label stays unknown). With four
/// horizons and ten rows each this is never reached unless a horizon is far longer than the others.
const MAX_PENDING: usize = 512;

/// The rows of one target that wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    rows: VecDeque<Row>,
    /// By horizon: the tick of the newest row by which the model was judged.
    judged: [Timestamp; MAX_HORIZONS],
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    tick: Timestamp,
    example: Example,
    /// One bit for each horizon whose label is still to come.
    open: u8,
    /// The least share of its own baseline that the target was given since.
    least_share: f64,
    /// What had been seen of the target.
    evidence: Evidence,
}

/// What the labels of a target are learned with.
pub(crate) struct Learner<'a> {
    pub(crate) timing: &'a Timing,
    pub(crate) learning: &'a Learning,
    pub(crate) model: &'a mut Model,
    pub(crate) counters: &'a mut Counters,
    pub(crate) drift: &'a mut DriftWatch,
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

    /// A row begins to wait. `share` is what the target is given of its own baseline.
    pub(crate) fn push(
        &mut self,
        tick: Timestamp,
        example: Example,
        open: u8,
        share: f64,
        evidence: Evidence,
    ) {
        if self.rows.len() >= MAX_PENDING {
            self.rows.pop_front();
        }
        self.rows.push_back(Row {
            tick,
            example,
            open,
            least_share: share,
            evidence,
        });
    }

    /// From now on the target is given this share of its own baseline: what waits is treated by it.
    pub(crate) fn given(&mut self, share: f64) {
        for row in &mut self.rows {
            row.least_share = row.least_share.min(share);
        }
    }

    /// What can be said now is learned: of rows that an onset is ahead of, and of rows whose horizon has passed.
    pub(crate) fn settle(
        &mut self,
        now: Timestamp,
        onset: Option<Onset>,
        seen: Seen,
        target: &mut TargetModel,
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
                    with.learn(head, *horizon, target, &row.example, label);
                }
            }
        }
        self.rows.retain(|row| row.open != 0);
    }

    /// The horizons changed: nothing that waits can be labelled.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}

impl Learner<'_> {
    fn learn(
        &mut self,
        head: usize,
        horizon: Duration,
        target: &mut TargetModel,
        example: &Example,
        label: Label,
    ) {
        let weight = row_share(self.timing, horizon) / share_kept(self.timing, self.learning, horizon);
        match label {
            Label::Positive => {
                self.counters.positives += 1;
                self.model.learn(head, target, example, true, weight);
            }
            Label::Negative => {
                self.counters.negatives += 1;
                self.model.learn(head, target, example, false, weight);
            }
            Label::Unknown => self.counters.unknowns += 1,
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
