//! A fleet whose faults answer to weights, for experiments on what acting hides.
//!
//! Everything else in this crate fails at the same times whatever is done: that shows what weights save. Here some
//! faults are brought about by load: they grow while the target carries its load, and heal while it is relieved of it.
//! The others go on to fail, and floor traffic shows it. The same fleet can be run untouched, and then says what would
//! have come: the counterfactual that a real fleet never shows.
//!
//! Gateways report counted windows here and not single requests, so that months of a fleet can be run in minutes.

mod target;
mod trouble;

use foreshift_domain::signal::Signal;
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};

use crate::plan::START;
use crate::policy::WeightChange;
use target::{ReactingTarget, TARGET_RPS};
use trouble::Trouble;

/// The world moves, and gateways report, in steps of this length.
pub(super) const STEP: Duration = Duration::from_secs(10);
/// Targets of a route, all primary: one that is drained leaves three, which have room for its share.
const TARGETS: usize = 4;
/// Share of each at rest.
const BASELINE_BP: u32 = 2_500;

/// Time scales of the steps, mode auto, and limits within which predictions can drain one target of a route.
const HEAD: &str = "\
# Made by foreshift-sim for a fleet that answers to weights.
timing:
  bucket: 10s
  tick: 10s
  horizons: [10m]
  guard: 10s
  windows: [30s, 2m, 15m, 2h]
  cooldown: 2m
  staleness: 1m
fleet:
  max_routes_shifted: 10000
  alarm_freeze_share: 1.0
defaults:
  mode: auto
  # The floor must be enough to judge by: a handful of requests breaks an SLO by chance.
  slo: {error_ratio: 0.3, window: 30s, min_requests: 20}
  triggers:
    risk: {horizon: 10m, enter: 0.2, exit: 0.1, full: 0.3}
    window: 30s
    min_requests: 20
  limits:
    floor_bp: 1000
    max_predictive_shift_bp: 5000
    headroom: 0.9
routes:
";

/// A fleet to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReactingSpec {
    /// Its seed.
    pub seed: u64,
    /// How long, in hours.
    pub hours: u32,
    /// How many routes of four targets.
    pub routes: usize,
    /// Share of the faults with signs that load brings about, 0 to 1.
    pub induced_share: f64,
}

/// What is going to happen to a fleet.
#[derive(Clone, Debug)]
pub struct ReactingFleet {
    spec: ReactingSpec,
    /// By target.
    troubles: Vec<Vec<Trouble>>,
}

/// A fleet under way.
#[derive(Clone, Debug)]
pub struct ReactingRun<'a> {
    fleet: &'a ReactingFleet,
    targets: Vec<ReactingTarget<'a>>,
    step: u64,
}

impl ReactingSpec {
    /// The fleet of this seed.
    pub fn fleet(&self) -> ReactingFleet {
        let targets = self.routes * TARGETS;
        ReactingFleet {
            spec: *self,
            troubles: (0..targets)
                .map(|target| trouble::of_target(self, target as u64))
                .collect(),
        }
    }
}

impl ReactingFleet {
    /// The text of a `fallback.yaml` for it. `limits` goes into the limits of all routes, as lines of `key: value`.
    pub fn fallback_yaml(&self, limits: &[(&str, u32)]) -> String {
        let mut text = HEAD.to_owned();
        for (key, value) in limits {
            text = text.replace("  limits:\n", &format!("  limits:\n    {key}: {value}\n"));
        }
        for route in 0..self.spec.routes {
            text += &format!("  - name: {}\n    targets:\n", route_name(route));
            for place in 0..TARGETS {
                let name = target_name(route, place);
                // With room to spare: load is read from whole buckets, which are as long as the window it is read over.
                let capacity_rps = TARGET_RPS * 6.0;
                text += &format!(
                    "      - {{name: {name}, role: primary, baseline_bp: {BASELINE_BP}, capacity: {capacity_rps} rps}}\n"
                );
            }
        }
        text
    }

    /// Begins it, at its baseline.
    pub fn begin(&self) -> ReactingRun<'_> {
        let targets = self.troubles.iter().enumerate().map(|(index, troubles)| {
            let (route, place) = (index / TARGETS, index % TARGETS);
            ReactingTarget::new(
                self.spec.seed,
                index as u64,
                target_name(route, place),
                route_name(route),
                troubles,
            )
        });
        ReactingRun {
            fleet: self,
            targets: targets.collect(),
            step: 0,
        }
    }

    /// When it ends.
    pub fn end(&self) -> Timestamp {
        START + Duration::from_secs(i64::from(self.spec.hours) * 3_600)
    }
}

impl ReactingRun<'_> {
    /// Event time up to which everything has happened.
    pub fn now(&self) -> Timestamp {
        START + STEP * self.step as i64
    }

    /// Sets a route's weights from now on, whatever its `time` says. Unknown routes and targets are ignored, targets
    /// left out get 0.
    pub fn set_weights(&mut self, change: &WeightChange) {
        for target in &mut self.targets {
            if target.route == change.route {
                let weight = change.weights.iter().find(|(name, _)| *name == target.name);
                let weight_bp = weight.map_or(0, |(_, weight_bp)| *weight_bp);
                target.load = f64::from(weight_bp) / f64::from(BASELINE_BP);
            }
        }
    }

    /// Moves on by one step; what was reported of it, in the order of time. `None` when the fleet has ended.
    pub fn step(&mut self) -> Option<Vec<Signal>> {
        if self.now() >= self.fleet.end() {
            return None;
        }
        let (from, index) = (self.now(), self.step);
        self.step += 1;
        let targets = self.targets.iter_mut();
        Some(targets.flat_map(|target| target.step(from, index)).collect())
    }
}

fn route_name(route: usize) -> RouteName {
    format!("route-{route:02}").into()
}

fn target_name(route: usize, place: usize) -> TargetName {
    format!("svc-{route:02}-{}", char::from(b'a' + place as u8)).into()
}

#[cfg(test)]
mod tests;
