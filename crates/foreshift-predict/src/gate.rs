//! Whether a challenger may take the champion's place: both say how likely each row is, and evidence is gathered until
//! it is enough, however often somebody looks.
//!
//! Two tests must reject their null hypothesis, each at [`ALPHA`] and at any stopping time, so that the chance of
//! promoting a challenger for which either null holds is at most [`ALPHA`], though one looks after every row.
//!
//! * **Loss.** Null: the challenger gains nothing. One observation is a *block*: the log-loss of the champion less that
//!   of the challenger, summed over all rows of one group (a failure domain, or a target that has none) whose labels
//!   came known in one period (144 of the longest horizon, a day at most). Rows of one incident, and of targets that
//!   fail together, are thus one piece of evidence. A block is measured in root mean squares of the blocks before it,
//!   gains cut at [`MOST_GAIN`] and losses at [`MOST_LOSS`] of these, and bet on. Besides, its loss over all rows must
//!   be lower, uncut.
//! * **Recall.** Null: the challenger foretells fewer incidents by [`RECALL_MARGIN`] or more. Each model alarms in the
//!   same share of looks (its alarm budget), by a threshold that follows from its own predictions. One observation is an
//!   incident: foretold by the challenger less foretold by the champion, plus the margin.
//!
//! The bet itself is [`betting`]. What the error rate rests on: under the null the expected gain of a block, cut as above
//! and given all blocks before it, is not above 0. A disaster that comes less than once in a hundred blocks may show only
//! after the promotion: the drift alarm and the rollback are for that.

pub mod betting;
mod share;

use std::collections::BTreeMap;

use foreshift_domain::prediction::Comparison;
use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use betting::Wager;
use share::AlarmShare;

use crate::metrics::Quality;

/// The chance of a promotion that was not earned, whenever one looks.
pub const ALPHA: f64 = 0.05;
/// How many of a hundred incidents fewer a challenger may foretell and still count as no worse. To tell equal from
/// equal takes for ever; to tell it within a tenth takes about forty incidents.
pub const RECALL_MARGIN: f64 = 0.1;
/// Gains of a block beyond this many root mean squares count as this many.
pub const MOST_GAIN: f64 = 3.0;
/// Losses of a block beyond this many root mean squares count as this many. Far more than the gains: disasters weigh
/// more than triumphs, and no more is staked than leaves time to see those that come once in twenty blocks.
pub const MOST_LOSS: f64 = 15.0;
/// Blocks that only say how large blocks are.
const SCALE_BLOCKS: u64 = 20;
/// Length of a period in longest horizons.
const BLOCK_HORIZONS: i64 = 144;
/// The most that a model may alarm: a horizon that is long against a day would leave nothing to tell models apart.
const MAX_ALARM_SHARE: f64 = 0.05;
/// The most groups within one period; rows of further ones share one block, which is less evidence and never more.
const MAX_GROUPS: usize = 4_096;
/// Probabilities nearer to 0 or 1 are charged as this: one row cannot decide a block.
const NEAREST: f64 = 1e-6;

/// Compares a challenger with the champion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    horizon: Duration,
    guard: Duration,
    period: Duration,
    /// End of the running period.
    ends: Option<Timestamp>,
    blocks: BTreeMap<u32, Block>,
    /// Squares of all blocks so far.
    squares: f64,
    closed: u64,
    loss: Wager,
    recall: Wager,
    quality: [Quality; 2],
    budgets: [AlarmShare; 2],
    incidents: u64,
    foretold: [u64; 2],
}

/// The rows of one group within the period: what the challenger gained, in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    gain: f64,
}

/// What is kept of one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetAlarms {
    runs: [Option<AlarmRun>; 2],
}

/// Alarms that are less than a horizon apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct AlarmRun {
    first: Timestamp,
    last: Timestamp,
}

/// What both models say of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The champion's probability.
    pub champion: f64,
    /// The challenger's.
    pub challenger: f64,
}

impl Gate {
    /// A gate that has seen nothing. `horizon` is the longest one: alarms at it are what recall is about. Incidents
    /// within `guard` of an alarm were seen, not foretold.
    #[must_use]
    pub fn new(horizon: Duration, guard: Duration) -> Self {
        let period =
            Duration::from_micros(horizon.as_micros().saturating_mul(BLOCK_HORIZONS)).min(Duration::DAY);
        let share = (horizon.as_secs_f64() / period.as_secs_f64()).clamp(0.0, MAX_ALARM_SHARE);
        Self {
            horizon,
            guard,
            period,
            ends: None,
            blocks: BTreeMap::new(),
            squares: 0.0,
            closed: 0,
            loss: Wager::against(MOST_LOSS, 1.0),
            recall: Wager::against(1.0 - RECALL_MARGIN, 0.25),
            quality: [Quality::default(); 2],
            budgets: [AlarmShare::new(share), AlarmShare::new(share)],
            incidents: 0,
            foretold: [0; 2],
        }
    }

    /// Event time reached `now`: blocks of periods that are over become evidence.
    pub fn advance(&mut self, now: Timestamp) {
        let ends = *self.ends.get_or_insert(now.floor_to(self.period) + self.period);
        if now < ends {
            return;
        }
        self.ends = Some(now.floor_to(self.period) + self.period);
        for block in std::mem::take(&mut self.blocks).into_values() {
            self.close(block);
        }
    }

    fn close(&mut self, block: Block) {
        let scale = libm::sqrt(self.squares / self.closed.max(1) as f64);
        if self.closed >= SCALE_BLOCKS && scale > 0.0 {
            self.loss
                .observe((block.gain / scale).clamp(-MOST_LOSS, MOST_GAIN));
        }
        self.squares += block.gain * block.gain;
        self.closed += 1;
    }

    /// Both models look at a target that is at risk, at the longest horizon.
    pub fn look(&mut self, target: &mut TargetAlarms, tick: Timestamp, said: Pair) {
        let pairs = self
            .budgets
            .iter_mut()
            .zip([said.champion, said.challenger])
            .zip(&mut target.runs);
        for ((budget, probability), run) in pairs {
            if !budget.alarms(probability) {
                continue;
            }
            let goes_on = run.filter(|run| tick.since(run.last) <= self.horizon);
            *run = Some(AlarmRun {
                first: goes_on.map_or(tick, |run| run.first),
                last: tick,
            });
        }
    }

    /// The label of a row came known. `group` is what the row's target fails together with; `weight` undoes thinning.
    pub fn matured(&mut self, group: u32, said: Pair, positive: bool, weight: f64) {
        let sound = |probability: f64| probability.is_finite() && (0.0..=1.0).contains(&probability);
        if !sound(said.champion) || !sound(said.challenger) || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let loss = |probability: f64| {
            let of_truth = if positive { probability } else { 1.0 - probability };
            -libm::log(of_truth.clamp(NEAREST, 1.0))
        };
        let [champion, challenger] = &mut self.quality;
        champion.add(said.champion.clamp(NEAREST, 1.0 - NEAREST), positive, weight);
        challenger.add(said.challenger.clamp(NEAREST, 1.0 - NEAREST), positive, weight);
        let group = if self.blocks.len() < MAX_GROUPS || self.blocks.contains_key(&group) {
            group
        } else {
            u32::MAX
        };
        self.blocks.entry(group).or_default().gain += weight * (loss(said.champion) - loss(said.challenger));
    }

    /// An incident began that something could have shown.
    pub fn incident(&mut self, target: &TargetAlarms, onset: Timestamp) {
        let ready = self.budgets.iter().all(AlarmShare::is_ready);
        if !ready {
            return;
        }
        let (horizon, guard) = (self.horizon, self.guard);
        let foretold = target
            .runs
            .map(|run| run.is_some_and(|run| run.last >= onset - horizon && run.first < onset - guard));
        self.incidents += 1;
        for (count, foretold) in self.foretold.iter_mut().zip(foretold) {
            *count += u64::from(foretold);
        }
        let [champion, challenger] = foretold.map(|foretold| f64::from(u8::from(foretold)));
        self.recall.observe(challenger - champion + RECALL_MARGIN);
    }

    /// What is known by now.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        let [champion, challenger] = &self.quality;
        let (of_champion, of_challenger) = (champion.log_loss(), challenger.log_loss());
        let lower = of_champion
            .zip(of_challenger)
            .is_some_and(|(champion, challenger)| challenger < champion);
        let [foretold_by_champion, foretold_by_challenger] = self.foretold;
        Comparison {
            alpha: ALPHA,
            blocks: self.closed,
            champion_log_loss: of_champion,
            challenger_log_loss: of_challenger,
            loss_e_value: self.loss.e_value(),
            incidents: self.incidents,
            foretold_by_champion,
            foretold_by_challenger,
            recall_margin: RECALL_MARGIN,
            recall_e_value: self.recall.e_value(),
            passed: lower && self.loss.rejects(ALPHA) && self.recall.rejects(ALPHA),
        }
    }
}

#[cfg(test)]
mod tests;
