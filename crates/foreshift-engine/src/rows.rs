//! Rows: what a target looked like at a prediction tick, for those who train models and check them. None is made
//! unless it was asked for.

use foreshift_domain::{RouteName, TargetName, Timestamp};

use crate::engine::Engine;
use crate::pending::thinning_hash;
use crate::target::Target;
use crate::tick::FeatureRow;

/// One target at one prediction tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The tick.
    pub tick: Timestamp,
    /// The target.
    pub target: TargetName,
    /// Its first route; empty when it is on none.
    pub route: RouteName,
    /// The feature vector, in the order of the catalogue, then of the declared ones; NaN is missing.
    pub features: Box<[f64]>,
    /// Whether an incident can begin: `false` in one, and while the target cools down after it.
    pub at_risk: bool,
    /// Its weight on the first route in basis points; `None` before weights are published.
    pub weight_bp: Option<u32>,
    /// That weight over its baseline there; `None` without a baseline. Below 1 we moved traffic away.
    pub weight_share: Option<f64>,
    /// Whether an alarm of it is held out from action on that route, as of the plan before the tick.
    pub held_out: bool,
    /// Probability with which the alarm is treated as it is; 1 without an alarm, and where nothing was drawn.
    pub propensity: f64,
    /// Requests seen in all that say something about the target.
    pub requests: u64,
    /// Signals of health seen in all.
    pub health_signals: u64,
    /// Whether any counted request was ever seen.
    pub counted: bool,
    /// Requests below which its SLO cannot be judged.
    pub min_requests: u32,
    /// Newest telemetry.
    pub last_seen: Timestamp,
}

/// The share of predictions that are sampled: what they were made from takes more room than all the rest.
const SAMPLED: f64 = 0.01;

/// On average no more than so many samples a prediction tick, however many targets there are.
const MAX_SAMPLED_PER_TICK: f64 = 4.0;

/// Other bits than those by which rows are thinned.
const SAMPLE_SEED: u64 = 0x5EED_0F5A_3B1E_D000;

impl Engine {
    /// Says whether each prediction tick gives an [`Output::Row`](crate::Output::Row) for each target, before its
    /// [`Output::Predictions`](crate::Output::Predictions). It is off at first, and after a restart.
    pub fn give_rows(&mut self, give: bool) {
        self.gives_rows = give;
    }

    /// Says whether prediction ticks give an [`Output::Served`](crate::Output::Served), before their
    /// [`Output::Predictions`](crate::Output::Predictions), for each alarm that begins and for one prediction in a
    /// hundred, drawn by a hash of target and tick, and for fewer of a large fleet. It is off at first, and after a
    /// restart.
    pub fn give_samples(&mut self, give: bool) {
        self.gives_samples = give;
    }

    pub(crate) fn samples(&self, target: &Target, tick: Timestamp) -> bool {
        let share = SAMPLED.min(MAX_SAMPLED_PER_TICK / self.targets.len().max(1) as f64);
        let draw = thinning_hash(target.seed ^ SAMPLE_SEED, tick) as f64 / u64::MAX as f64;
        draw < share
    }

    pub(crate) fn row_of(
        &self,
        target: &Target,
        tick: Timestamp,
        at_risk: bool,
        features: &FeatureRow,
    ) -> Row {
        let route = target.routes.first();
        let published = route.and_then(|name| self.routes.get(name)?.published.as_ref());
        let weight = published.and_then(|weights| {
            let mut all = weights.targets.iter();
            all.find(|weight| weight.target == target.config.name)
        });
        Row {
            tick,
            target: target.config.name.clone(),
            route: route.cloned().unwrap_or_else(|| RouteName::from("")),
            features: Box::from(&**features),
            at_risk,
            weight_bp: weight.map(|weight| weight.weight_bp),
            weight_share: target.weight_share,
            held_out: target.held_out,
            propensity: target.propensity,
            requests: target.features.counters().outcomes.evidence(),
            health_signals: target.health_signals,
            counted: target.features.counters().outcomes.total() > 0,
            min_requests: target.slo.min_requests,
            last_seen: target.features.last_seen(),
        }
    }
}
