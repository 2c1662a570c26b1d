//! Rows: what a target looked like at a prediction tick, for those who train models and check them. None is made
//! unless it was asked for.

use foreshift_domain::{RouteName, TargetName, Timestamp};

use crate::engine::Engine;
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

impl Engine {
    /// Says whether each prediction tick gives an [`Output::Row`](crate::Output::Row) for each target, before its
    /// [`Output::Predictions`](crate::Output::Predictions). It is off at first, and after a restart.
    pub fn give_rows(&mut self, give: bool) {
        self.gives_rows = give;
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
            requests: target.features.counters().outcomes.evidence(),
            health_signals: target.health_signals,
            counted: target.features.counters().outcomes.total() > 0,
            min_requests: target.slo.min_requests,
            last_seen: target.features.last_seen(),
        }
    }
}
