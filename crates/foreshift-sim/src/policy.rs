//! Who sets the weights of a run: nobody, a reactive breaker, or a recorded timeline.

use foreshift_domain::fallback::Role;
use foreshift_domain::signal::OutcomeKind;
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::recording::{Recording, RouteSpec};

/// Who sets the weights of a run. A driver in the loop uses [`Policy::Stay`] and [`crate::Run::set_weights`].
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Policy {
    /// The baseline, whatever happens.
    #[default]
    Stay,
    /// A reactive breaker in the gateway, after Envoy's outlier detection.
    Breaker(BreakerSettings),
    /// These weights at these times, in any order.
    Timeline(Vec<WeightChange>),
}

impl Policy {
    /// `stay`, `breaker` or `timeline`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stay => "stay",
            Self::Breaker(_) => "breaker",
            Self::Timeline(_) => "timeline",
        }
    }
}

/// New weights of one route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeightChange {
    /// From when on, in event time.
    pub time: Timestamp,
    /// The route.
    pub route: RouteName,
    /// Weights in basis points; targets left out get 0.
    pub weights: Vec<(TargetName, u32)>,
}

/// Settings of the breaker: Envoy's defaults, but that half of the targets may be ejected where Envoy allows a
/// tenth of the hosts, since a route has few targets. One breaker sees all requests of a route, which makes it
/// faster than those of many gateways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Ejects after this many errors in a row.
    pub consecutive_errors: u32,
    /// Time between looks at ejected targets.
    pub interval: Duration,
    /// An ejection lasts this long, times the number of ejections so far.
    pub base_ejection: Duration,
    /// But no longer than this.
    pub max_ejection: Duration,
    /// No ejection while at least this share of the route's targets is ejected.
    pub max_ejected_share: f64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            consecutive_errors: 5,
            interval: Duration::from_secs(10),
            base_ejection: Duration::from_secs(30),
            max_ejection: Duration::from_secs(300),
            max_ejected_share: 0.5,
        }
    }
}

/// The weights in force, by position of route and target.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    weights: Vec<Vec<u32>>,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    Fixed,
    Breaker {
        settings: BreakerSettings,
        routes: Vec<Vec<BreakerTarget>>,
        next_look: Timestamp,
    },
    Timeline {
        changes: Vec<WeightChange>,
        next: usize,
    },
}

/// What the breaker knows of a target.
#[derive(Clone, Copy, Debug, Default)]
struct BreakerTarget {
    errors_in_row: u32,
    ejected_at: Option<Timestamp>,
    ejections: u32,
}

impl Router {
    pub(crate) fn new(recording: &Recording, policy: Policy) -> Self {
        let weights = recording.routes.iter().map(baseline).collect();
        let rule = match policy {
            Policy::Stay => Rule::Fixed,
            Policy::Breaker(settings) => Rule::Breaker {
                settings,
                routes: recording
                    .routes
                    .iter()
                    .map(|route| vec![BreakerTarget::default(); route.targets.len()])
                    .collect(),
                next_look: recording.start,
            },
            Policy::Timeline(mut changes) => {
                changes.sort_by_key(|change| change.time);
                Rule::Timeline { changes, next: 0 }
            }
        };
        Self { weights, rule }
    }

    /// The target for a request whose draw is `unit` in [0, 1); `None` for a route without weights.
    pub(crate) fn pick(&self, route: usize, unit: f64) -> Option<usize> {
        let weights = self.weights.get(route)?;
        let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut left = (unit * sum as f64) as u64;
        weights.iter().position(|weight| {
            let here = left < u64::from(*weight);
            left = left.saturating_sub(u64::from(*weight));
            here
        })
    }

    pub(crate) fn weights(&self, route: usize) -> &[u32] {
        self.weights.get(route).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn set(&mut self, route: usize, weights: Vec<u32>) {
        if let Some(slot) = self.weights.get_mut(route) {
            *slot = weights;
        }
    }

    /// Moves to `now`: timeline entries that are due, ejections that are over.
    pub(crate) fn advance(&mut self, now: Timestamp, specs: &[RouteSpec]) {
        let due = self.timeline_due(now);
        for (index, weights) in due.iter().filter_map(|change| by_position(specs, change)) {
            self.set(index, weights);
        }
        let Rule::Breaker {
            settings,
            routes,
            next_look,
        } = &mut self.rule
        else {
            return;
        };
        if now < *next_look {
            return;
        }
        *next_look = now + settings.interval;
        for ((weights, targets), spec) in self.weights.iter_mut().zip(routes).zip(specs) {
            for target in targets.iter_mut() {
                target.look(now, settings);
            }
            *weights = without_ejected(spec, targets);
        }
    }

    fn timeline_due(&mut self, now: Timestamp) -> Vec<WeightChange> {
        let Rule::Timeline { changes, next } = &mut self.rule else {
            return Vec::new();
        };
        let from = *next;
        while changes.get(*next).is_some_and(|change| change.time <= now) {
            *next += 1;
        }
        changes.get(from..*next).unwrap_or_default().to_vec()
    }

    /// Shows the breaker how one attempt ended.
    pub(crate) fn observe(
        &mut self,
        now: Timestamp,
        route: usize,
        target: usize,
        kind: OutcomeKind,
        specs: &[RouteSpec],
    ) {
        let Rule::Breaker { settings, routes, .. } = &mut self.rule else {
            return;
        };
        let (Some(targets), Some(spec)) = (routes.get_mut(route), specs.get(route)) else {
            return;
        };
        let ejected = targets
            .iter()
            .filter(|target| target.ejected_at.is_some())
            .count();
        let full = ejected as f64 / targets.len().max(1) as f64 >= settings.max_ejected_share;
        let Some(seen) = targets.get_mut(target) else {
            return;
        };
        seen.errors_in_row = if counts_as_5xx(kind) {
            seen.errors_in_row + 1
        } else {
            0
        };
        if seen.errors_in_row < settings.consecutive_errors || seen.ejected_at.is_some() || full {
            return;
        }
        *seen = BreakerTarget {
            errors_in_row: 0,
            ejected_at: Some(now),
            ejections: seen.ejections + 1,
        };
        let weights = without_ejected(spec, targets);
        self.set(route, weights);
    }
}

impl BreakerTarget {
    /// Lets it back when its time is over; forgets one past ejection for each interval without one.
    fn look(&mut self, now: Timestamp, settings: &BreakerSettings) {
        let Some(since) = self.ejected_at else {
            self.ejections = self.ejections.saturating_sub(1);
            return;
        };
        let length = (settings.base_ejection * i64::from(self.ejections)).min(settings.max_ejection);
        if now.since(since) >= length {
            self.ejected_at = None;
        }
    }
}

/// Envoy counts errors of its own making (timeouts, resets, failed connections) as 5xx, and not 429.
const fn counts_as_5xx(kind: OutcomeKind) -> bool {
    use OutcomeKind::{ConnectFailure, Overload, Reset, ServerError, Timeout};
    matches!(kind, ConnectFailure | Overload | Reset | ServerError | Timeout)
}

fn baseline(route: &RouteSpec) -> Vec<u32> {
    route.targets.iter().map(|target| target.baseline_bp).collect()
}

/// The baseline over targets that are not ejected; with no primary left the secondaries take all.
fn without_ejected(spec: &RouteSpec, targets: &[BreakerTarget]) -> Vec<u32> {
    let kept = |at_rest: &dyn Fn(&crate::TargetSpec) -> u32| -> Vec<u32> {
        let pairs = spec.targets.iter().zip(targets);
        pairs
            .map(|(target, seen)| {
                if seen.ejected_at.is_some() {
                    0
                } else {
                    at_rest(target)
                }
            })
            .collect()
    };
    let primaries = kept(&|target| target.baseline_bp);
    if primaries.iter().any(|weight| *weight > 0) {
        return primaries;
    }
    let secondaries = kept(&|target| if target.role == Role::Secondary { 1 } else { 0 });
    if secondaries.iter().any(|weight| *weight > 0) {
        secondaries
    } else {
        baseline(spec)
    }
}

/// A change by position; `None` for a route that does not exist.
pub(crate) fn by_position(specs: &[RouteSpec], change: &WeightChange) -> Option<(usize, Vec<u32>)> {
    let index = specs.iter().position(|spec| spec.name == change.route)?;
    let mut weights = vec![0; specs.get(index)?.targets.len()];
    for (target, weight) in &change.weights {
        let position = specs.get(index).and_then(|spec| spec.position(target));
        if let Some(slot) = position.and_then(|position| weights.get_mut(position)) {
            *slot = *weight;
        }
    }
    Some((index, weights))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    fn fail(router: &mut Router, recording: &Recording, at_s: i64, target: usize, times: u32) {
        for _ in 0..times {
            let now = recording.start + Duration::from_secs(at_s);
            router.observe(now, 0, target, OutcomeKind::ServerError, &recording.routes);
        }
    }

    #[test]
    fn the_breaker_ejects_at_the_fifth_error_and_lets_back_after_its_time() {
        let recording = Scenario::Leak.recording(1);
        let mut router = Router::new(&recording, Policy::Breaker(BreakerSettings::default()));
        fail(&mut router, &recording, 0, 0, 4);
        assert_eq!(router.pick(0, 0.5), Some(0));
        fail(&mut router, &recording, 0, 0, 1);
        assert_eq!(router.pick(0, 0.5), Some(1), "the idle secondary takes over");
        router.advance(recording.start + Duration::from_secs(29), &recording.routes);
        assert_eq!(router.pick(0, 0.5), Some(1));
        router.advance(recording.start + Duration::from_secs(40), &recording.routes);
        assert_eq!(router.pick(0, 0.5), Some(0));
    }

    #[test]
    fn the_breaker_never_ejects_more_than_half() {
        let recording = Scenario::Leak.recording(1);
        let mut router = Router::new(&recording, Policy::Breaker(BreakerSettings::default()));
        fail(&mut router, &recording, 0, 0, 5);
        fail(&mut router, &recording, 0, 1, 50);
        assert_eq!(router.weights(0), [0, 1]);
    }

    #[test]
    fn a_timeline_applies_each_change_at_its_time() {
        let recording = Scenario::Leak.recording(1);
        let route = recording.routes[0].name.clone();
        let secondary = recording.routes[0].targets[1].name.clone();
        let time = recording.start + Duration::from_secs(5);
        let change = WeightChange {
            time,
            route,
            weights: vec![(secondary, 10_000)],
        };
        let mut router = Router::new(&recording, Policy::Timeline(vec![change]));
        router.advance(recording.start, &recording.routes);
        assert_eq!(router.weights(0), [10_000, 0]);
        router.advance(time, &recording.routes);
        assert_eq!(router.weights(0), [0, 10_000]);
    }
}
