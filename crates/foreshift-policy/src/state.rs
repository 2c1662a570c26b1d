//! What the plan remembers of a route between two looks at it.

use std::collections::VecDeque;

use foreshift_domain::fallback::{Mode, RouteConfig};
use foreshift_domain::weights::FULL_BP;
use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::held_out::Episode;
use crate::rounding::{normalize, share_out};

/// All of a target's own baseline, in basis points of it. Shares that a target keeps are counted in these.
pub const WHOLE_BP: u32 = 10_000;

/// A target's own share has changed direction when it moved against its last direction by more than this, in
/// basis points of the target's baseline. A quarter: graded risks that tremble by some percent from tick to tick
/// are one shift that is adjusted, not many; draining to any sensible floor, or coming back from it, is more.
pub const FLIP_BP: u32 = 2_500;

/// The most changes of direction remembered. Far above any sensible cap per hour; a cap above it acts as this one.
pub const MAX_FLIPS_KEPT: usize = 1_024;

/// The longest time for which the rate bound saves up: after a quiet hour a step is as large as after a quiet second.
pub(crate) const RATE_BURST: Duration = Duration::from_secs(1);

/// What is remembered of a route. Cheap to clone; a snapshot of it restores the plan to the last bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteState {
    pub(crate) targets: Vec<TargetState>,
    /// The mode of the last plan: going to auto starts over from what is published.
    pub(crate) mode: Mode,
    /// When the last plan lapses and gateways go to baseline.
    pub(crate) valid_until: Timestamp,
    /// Changes of direction that count, oldest first.
    pub(crate) flips: VecDeque<Timestamp>,
    /// Whether a shift on predictions is under way.
    pub(crate) shifting: bool,
    /// The newest known demand, used while all telemetry is stale.
    pub(crate) demand: Option<f64>,
}

/// What is remembered of a target on the route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TargetState {
    /// Planned weight in basis points of the route.
    pub(crate) planned: u32,
    /// When the planned weight last changed: what the rate bound counts from.
    pub(crate) moved_at: Timestamp,
    /// Whether its prediction is an alarm.
    pub(crate) alarm: bool,
    /// Share of its baseline that the newest usable prediction leaves it.
    pub(crate) risk_keep: u32,
    /// When that prediction was made.
    pub(crate) risk_at: Timestamp,
    /// Share that the rules let predictions leave it in the last plan.
    pub(crate) shifted_keep: u32,
    /// Share that the newest telemetry that was not stale left it, hard and soft downs aside.
    pub(crate) seen_keep: u32,
    /// When telemetry was last not stale.
    pub(crate) seen_at: Timestamp,
    /// Share of its baseline that it keeps, after all rules.
    pub(crate) turn: Turn,
    /// Its alarms of late, and whether they are held out.
    pub(crate) episode: Option<Episode>,
}

/// The direction in which the share that a target keeps is going.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// Share of its baseline that the target keeps, in basis points of it.
    pub(crate) keep: u32,
    /// Whether it goes away from baseline or back to it.
    pub(crate) away: bool,
    /// The furthest point in that direction.
    pub(crate) pivot: u32,
    /// When it took that direction; `None` before the first change.
    pub(crate) at: Option<Timestamp>,
    /// When the share last fell; `None` before it first did.
    pub(crate) fell_at: Option<Timestamp>,
}

impl Turn {
    pub(crate) const REST: Self = Self {
        keep: WHOLE_BP,
        away: false,
        pivot: WHOLE_BP,
        at: None,
        fell_at: None,
    };
}

impl TargetState {
    fn at_rest(planned: u32, now: Timestamp) -> Self {
        Self {
            planned,
            moved_at: now - RATE_BURST,
            alarm: false,
            risk_keep: WHOLE_BP,
            risk_at: now,
            shifted_keep: WHOLE_BP,
            seen_keep: WHOLE_BP,
            seen_at: now,
            turn: Turn::REST,
            episode: None,
        }
    }

    /// Whether its alarm is held out from action.
    pub(crate) fn held_out(&self) -> bool {
        self.alarm && self.episode.is_some_and(|episode| episode.held_out())
    }

    /// Probability with which its alarm is treated as it is; 1 without an alarm.
    pub(crate) fn propensity(&self) -> f64 {
        self.episode
            .filter(|_| self.alarm)
            .map_or(1.0, |episode| episode.propensity())
    }
}

/// The configured baseline of a route, made to sum to 10,000 whatever it says.
pub(crate) fn baseline(route: &RouteConfig) -> Vec<u32> {
    let configured: Vec<u32> = route.targets.iter().map(|target| target.baseline_bp).collect();
    normalize(&configured)
}

impl RouteState {
    /// A route at its baseline.
    pub fn new(route: &RouteConfig, now: Timestamp) -> Self {
        Self {
            targets: baseline(route)
                .into_iter()
                .map(|weight| TargetState::at_rest(weight, now))
                .collect(),
            mode: route.settings.mode,
            valid_until: now + route.settings.limits.valid_for,
            flips: VecDeque::new(),
            shifting: false,
            demand: None,
        }
    }

    /// The planned weights in basis points, in the order of the configuration.
    pub fn planned(&self) -> Vec<u32> {
        self.targets.iter().map(|target| target.planned).collect()
    }

    /// Which targets alarm on predictions, in the order of the configuration.
    pub fn alarms(&self) -> Vec<bool> {
        self.targets.iter().map(|target| target.alarm).collect()
    }

    /// When the last plan lapses.
    pub fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// Whether a shift on predictions is under way.
    pub fn is_shifting(&self) -> bool {
        self.shifting
    }

    /// Carries the state over to a changed configuration, by the names of the targets.
    ///
    /// A target that stays keeps its planned weight and walks to a new baseline within the rate bound; a new one
    /// starts at zero and walks up; the weight of one that is gone goes to those that stay, in proportion to what
    /// they have, since it cannot stay where it is. With nothing in common the route starts over at its baseline.
    pub fn reshape(&mut self, old: &RouteConfig, new: &RouteConfig, now: Timestamp) {
        let before = |name| old.targets.iter().position(|target| &target.target == name);
        let mut targets: Vec<TargetState> = new
            .targets
            .iter()
            .map(|target| {
                let known = before(&target.target).and_then(|at| self.targets.get(at));
                known.cloned().unwrap_or_else(|| TargetState::at_rest(0, now))
            })
            .collect();
        let kept: Vec<u64> = targets.iter().map(|target| u64::from(target.planned)).collect();
        if kept.iter().sum::<u64>() == 0 {
            let mut fresh = Self::new(new, now);
            fresh.mode = self.mode;
            *self = fresh;
            return;
        }
        for (target, weight) in targets.iter_mut().zip(share_out(FULL_BP, &kept)) {
            target.planned = weight;
        }
        self.targets = targets;
    }
}
