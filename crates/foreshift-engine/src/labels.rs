//! Rows that wait for their label. A label says whether an incident began in (t + guard, t + H]; it is
//! known at the onset, or at t + H, or never, where our own action hid the outcome.
//!
//! Every row weighs tick / H: rows of one incident share one unit of weight, and since negatives weigh
//! the same, probabilities stay calibrated. Rows are thinned by hash and weighted back.

use std::collections::VecDeque;

use foreshift_domain::fallback::{Learning, Timing};
use foreshift_domain::{Duration, Timestamp};
use foreshift_predict::{Example, Model, TargetModel};
use serde::{Deserialize, Serialize};

use crate::counters::Counters;

/// The most rows of one target that wait; the oldest is given up (its label stays unknown). With four
/// horizons and ten rows each this is never reached unless a horizon is far longer than the others.
const MAX_PENDING: usize = 512;

/// The rows of one target that wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    rows: VecDeque<Row>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    tick: Timestamp,
    example: Example,
    /// One bit for each horizon whose label is still to come.
    open: u8,
    /// Whether we had moved traffic away from the target.
    treated: bool,
    /// Evidence about the target seen in all, at the tick.
    evidence: u64,
}

/// What the labels of a target are learned with.
pub(crate) struct Learner<'a> {
    pub(crate) timing: &'a Timing,
    pub(crate) learning: &'a Learning,
    pub(crate) model: &'a mut Model,
    pub(crate) counters: &'a mut Counters,
}

/// What was seen of a target when its rows mature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Evidence seen in all.
    pub(crate) evidence: u64,
    /// How much of it a treated row needs before silence about failures means something.
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
    pub(crate) fn push(&mut self, tick: Timestamp, example: Example, open: u8, treated: bool, evidence: u64) {
        if self.rows.len() >= MAX_PENDING {
            self.rows.pop_front();
        }
        self.rows.push_back(Row {
            tick,
            example,
            open,
            treated,
            evidence,
        });
    }

    /// An incident began: rows that look at it are positive. Rows within the guard are given up, and so are all
    /// when the incident was `planned`: nothing could have shown it.
    pub(crate) fn onset(
        &mut self,
        at: Timestamp,
        planned: bool,
        target: &mut TargetModel,
        with: &mut Learner<'_>,
    ) {
        for row in &mut self.rows {
            for (head, horizon) in with.timing.horizons.iter().enumerate() {
                if row.open & (1 << head) == 0 || at <= row.tick || at > row.tick + *horizon {
                    continue;
                }
                row.open &= !(1 << head);
                if at > row.tick + with.timing.guard && !planned {
                    with.learn(head, *horizon, target, &row.example, true);
                } else {
                    with.counters.unknowns += 1;
                }
            }
        }
        self.rows.retain(|row| row.open != 0);
    }

    /// Event time reached `now`: rows whose horizon has passed are negative, if anything was seen.
    pub(crate) fn mature(
        &mut self,
        now: Timestamp,
        seen: Seen,
        target: &mut TargetModel,
        with: &mut Learner<'_>,
    ) {
        for row in &mut self.rows {
            for (head, horizon) in with.timing.horizons.iter().enumerate() {
                if row.open & (1 << head) == 0 || row.tick + *horizon > now {
                    continue;
                }
                row.open &= !(1 << head);
                let hidden = row.treated && seen.evidence.saturating_sub(row.evidence) < seen.enough;
                if hidden || now.since(seen.last) > with.timing.staleness {
                    with.counters.unknowns += 1;
                } else {
                    with.learn(head, *horizon, target, &row.example, false);
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
        positive: bool,
    ) {
        let weight = row_share(self.timing, horizon) / share_kept(self.timing, self.learning, horizon);
        self.model.learn(head, target, example, positive, weight);
        if positive {
            self.counters.positives += 1;
        } else {
            self.counters.negatives += 1;
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
