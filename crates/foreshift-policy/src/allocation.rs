//! Who gets what others give up.
//!
//! Each target keeps a share of its baseline; the rest is freed and given away in tiers, none above its room:
//!
//! 1. primaries that are well, in proportion to baseline times the square of what they keep: a target at no
//!    risk counts in full, one at risk for less the riskier it is. With several dozen interchangeable targets
//!    this is continuous in the risks, and nothing piles up on a last one that happens to be without alarm;
//! 2. secondaries in their order, each up to its room. While one is usable, primaries at any risk do not count as
//!    well: taking over is what the secondary is there for;
//! 3. all that is not down, the degraded and the silent included;
//! 4. what still does not fit goes back to those that gave it: only what fits moves.

use foreshift_domain::fallback::Role;
use foreshift_domain::signal::Health;
use foreshift_domain::weights::FULL_BP;

use crate::plan::Scene;
use crate::rounding::{fill, portion_up};
use crate::state::{RouteState, WHOLE_BP};

/// A secondary at risk still stands by while it would keep this much of a baseline, in basis points.
const STANDS_BY_KEEP_BP: u32 = 5_000;

/// A target as the allocation sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Share at rest, in basis points of the route.
    pub(crate) baseline: u32,
    /// What it keeps of that, in basis points of the baseline.
    pub(crate) keep: u32,
    /// What it keeps at least, in basis points of the route: a target on its way down whose cause is gone stops
    /// where it is, even while it may not turn yet.
    pub(crate) least: u32,
    /// What it keeps at most, likewise: a target on its way up that should go down again stops where it is.
    pub(crate) most_kept: u32,
    /// What it has now, in basis points of the route.
    pub(crate) planned: u32,
    /// The most it may be given, in basis points of the route; at least its baseline.
    pub(crate) room: u32,
    /// Primary or secondary.
    pub(crate) role: Role,
    /// Its state.
    pub(crate) health: Option<Health>,
    /// Whether its telemetry is stale.
    pub(crate) stale: bool,
}

/// Where a route should go.
pub(crate) struct Allocation {
    /// Weights in basis points; they sum to exactly 10,000.
    pub(crate) weights: Vec<u32>,
    /// Whether a target is down and none could take anything over.
    pub(crate) no_target: bool,
}

impl Scene<'_> {
    /// The targets with what each keeps, what it would keep if it might turn, and its room, as chosen by
    /// `choose(target)`.
    pub(crate) fn shares(&self, state: &RouteState, choose: impl Fn(usize) -> (u32, u32, u32)) -> Vec<Share> {
        let configured = self.input.route.targets.iter().zip(&self.baseline);
        configured
            .zip(self.facts.iter().zip(&state.targets))
            .enumerate()
            .map(|(at, ((target, baseline), (facts, known)))| {
                let (keep, wished, room) = choose(at);
                let wished = portion_up(*baseline, wished.min(WHOLE_BP), WHOLE_BP);
                Share {
                    baseline: *baseline,
                    keep,
                    least: wished.min(known.planned),
                    most_kept: wished.max(known.planned),
                    planned: known.planned,
                    room: room.max(*baseline),
                    role: target.role,
                    health: facts.health.health,
                    stale: facts.stale,
                }
            })
            .collect()
    }
}

impl Share {
    fn down(&self) -> bool {
        self.health == Some(Health::Down)
    }

    /// Serves well as far as is known. An idle secondary is silent because nobody asks it.
    fn well(&self) -> bool {
        let silent = self.stale && self.role == Role::Primary;
        !self.down() && self.health != Some(Health::Degraded) && !silent
    }

    fn appetite(&self) -> u64 {
        // A secondary without a baseline weighs as one basis point: it counts only where nobody else is left.
        let base = match self.role {
            Role::Primary => u64::from(self.baseline),
            Role::Secondary => u64::from(self.baseline.max(1)),
        };
        base * u64::from(self.keep) * u64::from(self.keep)
    }
}

/// Distributes the route.
pub(crate) fn allocate(shares: &[Share]) -> Allocation {
    let mut pot = Pot::new(shares);
    let freed = pot.left;
    let stands_by = |share: &Share| {
        share.role == Role::Secondary && share.well() && share.keep >= STANDS_BY_KEEP_BP && share.room > 0
    };
    let taken_over = shares.iter().any(stands_by);
    pot.pour(|share| {
        let well = share.well() && (!taken_over || share.keep >= WHOLE_BP);
        if share.role == Role::Primary && well {
            share.appetite()
        } else {
            0
        }
    });
    for (at, share) in shares.iter().enumerate() {
        if stands_by(share) {
            pot.pour_one(at);
        }
    }
    pot.pour(|share| if share.down() { 0 } else { share.appetite() });
    let stuck = pot.left == freed;
    pot.give_back();
    let down = shares.iter().any(|share| share.down() && share.baseline > 0);
    Allocation {
        weights: pot.weights,
        no_target: down && freed > 0 && stuck,
    }
}

/// What has been given to whom, and what is left to give.
struct Pot<'a> {
    shares: &'a [Share],
    weights: Vec<u32>,
    left: u32,
}

impl<'a> Pot<'a> {
    fn new(shares: &'a [Share]) -> Self {
        let kept = |share: &Share| {
            let kept = portion_up(share.baseline, share.keep.min(WHOLE_BP), WHOLE_BP);
            kept.max(share.least).min(share.most_kept).min(share.baseline)
        };
        let weights: Vec<u32> = shares.iter().map(kept).collect();
        // Without targets there is nothing to give to; otherwise baselines sum to the whole.
        let whole = if shares.is_empty() { 0 } else { FULL_BP };
        let left = whole.saturating_sub(weights.iter().sum());
        Self {
            shares,
            weights,
            left,
        }
    }

    /// Gives what is left in proportion to `want`, each up to its room.
    fn pour(&mut self, want: impl Fn(&Share) -> u64) {
        let rooms = self.rooms(|share| share.room);
        let wants: Vec<u64> = self.shares.iter().map(want).collect();
        self.add(&wants, &rooms);
    }

    /// Gives what is left to one target, up to its room.
    fn pour_one(&mut self, target: usize) {
        let rooms = self.rooms(|share| share.room);
        let wants: Vec<u64> = (0..self.shares.len()).map(|at| u64::from(at == target)).collect();
        self.add(&wants, &rooms);
    }

    /// Gives what fits nowhere back to those that gave it. A silent target that was last seen down comes last:
    /// before it is raised, others stay at what they have.
    fn give_back(&mut self) {
        let silent_down = |share: &Share| share.stale && share.down();
        self.refill(|share| if silent_down(share) { 0 } else { share.baseline });
        self.refill(|share| share.planned);
        self.refill(|share| share.baseline);
    }

    fn refill(&mut self, level: impl Fn(&Share) -> u32) {
        let gaps = self.rooms(level);
        let wants: Vec<u64> = gaps.iter().map(|gap| u64::from(*gap)).collect();
        self.add(&wants, &gaps);
    }

    fn rooms(&self, level: impl Fn(&Share) -> u32) -> Vec<u32> {
        let pairs = self.shares.iter().zip(&self.weights);
        pairs
            .map(|(share, weight)| level(share).saturating_sub(*weight))
            .collect()
    }

    fn add(&mut self, wants: &[u64], rooms: &[u32]) {
        if self.left == 0 {
            return;
        }
        let (given, left) = fill(self.left, wants, rooms);
        for (weight, more) in self.weights.iter_mut().zip(given) {
            *weight += more;
        }
        self.left = left;
    }
}

#[cfg(test)]
mod tests;
