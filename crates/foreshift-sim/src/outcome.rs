//! What a run came to: requests that failed, requests that were slow, and how full targets got.

use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::faults::Fault;
use crate::policy::WeightChange;
use crate::recording::Recording;

/// Load is the mean over windows of this length.
const LOAD_WINDOW_S: i64 = 10;

/// What a run came to, counted at the clients: a request that succeeded at the second attempt did not fail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The policy: `stay`, `breaker` or `timeline`.
    pub policy: String,
    /// Requests of clients.
    pub requests: u64,
    /// Requests that failed, after retries.
    pub failed: u64,
    /// Requests that succeeded, but took longer than the route's SLO allows for the 99th percentile.
    pub slow: u64,
    /// The same by route, in the order of the recording.
    pub routes: Vec<RouteOutcome>,
    /// Attempts by target, in the order of the recording.
    pub targets: Vec<TargetOutcome>,
    /// The highest load of a target while it had no fault of its own: requests a second over its capacity.
    pub peak_survivor_load: f64,
}

/// What a run came to on one route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteOutcome {
    /// The route.
    pub route: RouteName,
    /// Requests of clients.
    pub requests: u64,
    /// Requests that failed, after retries.
    pub failed: u64,
    /// Requests that succeeded, but slowly.
    pub slow: u64,
}

/// What a run came to at one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetOutcome {
    /// The target.
    pub target: TargetName,
    /// Attempts that it was sent, retries included.
    pub attempts: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Its highest load, in any 10 s: attempts a second over its capacity.
    pub peak_load: f64,
}

/// The same world under three policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Staying put.
    pub stay: Outcome,
    /// A reactive breaker.
    pub breaker: Outcome,
    /// The recorded weights.
    pub foreshift: Outcome,
}

impl Comparison {
    /// Requests that fail when staying put and not under the recorded weights; negative when it got worse.
    pub fn saved_against_stay(&self) -> i64 {
        difference(self.stay.failed, self.foreshift.failed)
    }

    /// Requests that fail under the breaker and not under the recorded weights; negative when it got worse.
    pub fn saved_against_breaker(&self) -> i64 {
        difference(self.breaker.failed, self.foreshift.failed)
    }
}

fn difference(of: u64, less: u64) -> i64 {
    i64::try_from(i128::from(of) - i128::from(less)).unwrap_or(i64::MAX)
}

/// How long before the onset the first shift came; negative when it came after it.
pub fn lead_time(first_shift: Timestamp, onset: Timestamp) -> Duration {
    onset.since(first_shift)
}

impl Recording {
    /// When weights first moved away from a fault's target, from its first sign (or its onset, without one) to
    /// its end; `None` when they never did.
    pub fn first_shift(&self, changes: &[WeightChange], fault: &Fault) -> Option<Timestamp> {
        let (route, spec) = self.targets().find(|(_, spec)| spec.name == fault.target)?;
        let from = fault.precursor_start.unwrap_or(fault.onset);
        changes
            .iter()
            .filter(|change| change.route == route.name && change.time >= from && change.time < fault.end)
            .filter(|change| {
                let weight = change.weights.iter().find(|(target, _)| target == &fault.target);
                weight.map_or(0, |(_, weight)| *weight) < spec.baseline_bp
            })
            .map(|change| change.time)
            .min()
    }

    /// Runs the same world under the baseline, the breaker and these recorded weights.
    pub fn compare(&self, changes: Vec<WeightChange>) -> Comparison {
        use crate::policy::{BreakerSettings, Policy};
        Comparison {
            stay: self.run(Policy::Stay).finish(),
            breaker: self.run(Policy::Breaker(BreakerSettings::default())).finish(),
            foreshift: self.run(Policy::Timeline(changes)).finish(),
        }
    }
}

/// Counts while a run goes on.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    outcome: Outcome,
    windows: Vec<Window>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    index: i64,
    attempts: u64,
    failing: bool,
}

impl Tally {
    pub(crate) fn new(recording: &Recording, policy: &str) -> Self {
        let route = |name: &RouteName| RouteOutcome {
            route: name.clone(),
            requests: 0,
            failed: 0,
            slow: 0,
        };
        let target = |name: &TargetName| TargetOutcome {
            target: name.clone(),
            attempts: 0,
            failed_attempts: 0,
            peak_load: 0.0,
        };
        Self {
            outcome: Outcome {
                policy: policy.to_owned(),
                routes: recording.routes.iter().map(|spec| route(&spec.name)).collect(),
                targets: recording.targets().map(|(_, spec)| target(&spec.name)).collect(),
                ..Outcome::default()
            },
            windows: vec![Window::default(); recording.targets().count()],
        }
    }

    /// One attempt goes out to a target.
    pub(crate) fn attempt(&mut self, now: Timestamp, target: usize, failing: bool, capacity_rps: f64) {
        self.roll(now, target, capacity_rps);
        if let Some(window) = self.windows.get_mut(target) {
            window.attempts += 1;
            window.failing |= failing;
        }
        if let Some(counts) = self.outcome.targets.get_mut(target) {
            counts.attempts += 1;
        }
    }

    /// Closes the target's window when `now` is past it.
    fn roll(&mut self, now: Timestamp, target: usize, capacity_rps: f64) {
        let index = now.as_micros().div_euclid(LOAD_WINDOW_S * 1_000_000);
        let (Some(window), Some(counts)) =
            (self.windows.get_mut(target), self.outcome.targets.get_mut(target))
        else {
            return;
        };
        if window.index == index {
            return;
        }
        let load = window.attempts as f64 / LOAD_WINDOW_S as f64 / capacity_rps;
        counts.peak_load = counts.peak_load.max(load);
        if !window.failing {
            self.outcome.peak_survivor_load = self.outcome.peak_survivor_load.max(load);
        }
        *window = Window {
            index,
            ..Window::default()
        };
    }

    pub(crate) fn attempt_failed(&mut self, target: usize) {
        if let Some(counts) = self.outcome.targets.get_mut(target) {
            counts.failed_attempts += 1;
        }
    }

    /// One request of a client is over.
    pub(crate) fn settled(&mut self, route: usize, failed: bool, slow: bool) {
        self.outcome.requests += 1;
        self.outcome.failed += u64::from(failed);
        self.outcome.slow += u64::from(slow);
        if let Some(counts) = self.outcome.routes.get_mut(route) {
            counts.requests += 1;
            counts.failed += u64::from(failed);
            counts.slow += u64::from(slow);
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome.clone()
    }
}
