//! One target of the fleet: how its troubles grow under its load, and what is reported of it.

use foreshift_domain::signal::{
    Gauge, Health, LatencyBin, Observation, OutcomeCounts, OutcomeKind, OutcomeWindow, Signal,
};
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};

use super::STEP;
use super::trouble::{Kind, Shows, Trouble};
use crate::rng::{Purpose, Stream};

/// Requests a second at rest.
pub(super) const TARGET_RPS: f64 = 10.0;
/// What load brings about grows at this share of the load at rest or more, and heals below.
const GROWS_FROM: f64 = 0.7;
/// It heals this many times as fast as it grows.
const HEALS: f64 = 1.5;
/// Share of requests that fail on a good day, and of a target that fails.
const GOOD_DAY: f64 = 0.002;
const FAILING: f64 = 0.6;
/// Median latency on a good day, and its spread in log units.
const LATENCY_MS: f64 = 40.0;
const SPREAD: f64 = 0.4;
/// Latencies are drawn for at most this many requests of a window: a histogram needs no more.
const LATENCIES: u64 = 24;
/// Upper ends of the bins of latency, in milliseconds.
const BINS_MS: [i64; 10] = [15, 22, 32, 47, 68, 100, 150, 220, 320, 1_000];

/// A target under way.
#[derive(Clone, Debug)]
pub(super) struct ReactingTarget<'a> {
    pub(super) name: TargetName,
    pub(super) route: RouteName,
    /// Load, as a share of that at rest.
    pub(super) load: f64,
    troubles: &'a [Trouble],
    next: usize,
    current: Option<Current<'a>>,
    requests: Stream,
    gauges: Stream,
}

/// The trouble that it is in.
#[derive(Clone, Copy, Debug)]
struct Current<'a> {
    trouble: &'a Trouble,
    /// 0 to 1; at 1 it fails.
    grown: f64,
    /// Whether a scare has turned around.
    shrinks: bool,
    fails_until: Option<Timestamp>,
}

/// How a target is.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    level: f64,
    shows: Shows,
    failing: bool,
}

impl<'a> ReactingTarget<'a> {
    pub(super) fn new(
        seed: u64,
        index: u64,
        name: TargetName,
        route: RouteName,
        troubles: &'a [Trouble],
    ) -> Self {
        Self {
            name,
            route,
            load: 1.0,
            troubles,
            next: 0,
            current: None,
            requests: Stream::of(seed, Purpose::Request, index),
            gauges: Stream::of(seed, Purpose::Gauge, index),
        }
    }

    /// One step from `from` on; what was reported of it.
    pub(super) fn step(&mut self, from: Timestamp, index: u64) -> Vec<Signal> {
        let condition = self.condition(from);
        // A moment before the step ends: it is counted in the bucket that it is of.
        let at = from + STEP - Duration::from_millis(1);
        let window = self.window(condition, index);
        let mut signals = Vec::with_capacity(4);
        let mut report = |observation| {
            signals.push(Signal {
                time: at,
                target: self.name.clone(),
                route: Some(self.route.clone()),
                gateway: None,
                endpoint: None,
                observation,
            });
        };
        // Without probes nobody would know when a target that was drained is well again.
        report(Observation::Health(if condition.failing {
            Health::Down
        } else {
            Health::Up
        }));
        if window.counts.total() > 0 {
            report(Observation::Window(Box::new(window)));
        }
        let levels = [
            ("memory_used", condition.shows.memory, 1, 0.45),
            ("pool_used", condition.shows.pool, 2, 0.35),
        ];
        for (name, shows, stream, rest) in levels {
            let noise = self.gauges.child(stream);
            let drift = 0.06 * noise.smooth(at.as_micros(), 1_200_000_000);
            let value = rest + shows * condition.level + drift + 0.015 * noise.normal(index);
            report(Observation::Gauge(Gauge {
                name: name.into(),
                value: value.clamp(0.0, 1.0) * 100.0,
                limit: Some(100.0),
            }));
        }
        signals
    }

    /// Moves the trouble on by a step, and begins the next one when it is due.
    fn condition(&mut self, now: Timestamp) -> Condition {
        if self.current.is_none() {
            let due = self
                .troubles
                .get(self.next)
                .filter(|trouble| trouble.start <= now);
            if let Some(trouble) = due {
                self.next += 1;
                self.current = Some(Current {
                    trouble,
                    grown: 0.0,
                    shrinks: false,
                    fails_until: None,
                });
            }
        }
        let Some(current) = &mut self.current else {
            return Condition::default();
        };
        if !current.moves_on(now, self.load) {
            self.current = None;
            return Condition::default();
        }
        Condition {
            level: current.grown.min(1.0),
            shows: current.trouble.shows,
            failing: current.fails_until.is_some(),
        }
    }

    fn window(&self, condition: Condition, index: u64) -> OutcomeWindow {
        let draws = self.requests.child(index);
        let expected = TARGET_RPS * STEP.as_secs_f64() * self.load;
        let requests = (expected + libm::sqrt(expected) * draws.normal(0))
            .round()
            .max(0.0) as u64;
        let failing = if condition.failing {
            FAILING
        } else {
            GOOD_DAY + condition.shows.errors * condition.level
        };
        let (outcomes, latencies) = (draws.child(1), draws.child(2));
        let failed = (0..requests)
            .filter(|request| outcomes.unit(*request) < failing)
            .count() as u64;
        let mut counts = OutcomeCounts::default();
        counts.add(OutcomeKind::ServerError, failed);
        counts.add(OutcomeKind::Success, requests - failed);
        let slower = condition.shows.latency * condition.level;
        let mut bins = [0_u64; BINS_MS.len()];
        for request in 0..requests.min(LATENCIES) {
            let millis = LATENCY_MS * libm::exp(slower + SPREAD * latencies.normal(request));
            let place = BINS_MS.partition_point(|upper| (*upper as f64) < millis);
            if let Some(bin) = bins.get_mut(place.min(BINS_MS.len() - 1)) {
                *bin += 1;
            }
        }
        let latency = BINS_MS.iter().zip(bins).filter(|(_, count)| *count > 0);
        OutcomeWindow {
            length: STEP,
            counts,
            latency: latency
                .map(|(upper, count)| LatencyBin {
                    upper: Duration::from_millis(*upper),
                    count,
                })
                .collect(),
        }
    }
}

impl Current<'_> {
    /// Whether it goes on.
    fn moves_on(&mut self, now: Timestamp, load: f64) -> bool {
        if let Some(until) = self.fails_until {
            return now < until;
        }
        let grows = STEP.as_secs_f64() / self.trouble.lead.as_secs_f64();
        let heals = self.trouble.kind == Kind::Induced && load < GROWS_FROM;
        self.grown += match (self.shrinks, heals) {
            (true, _) => -grows,
            (_, true) => -HEALS * grows,
            _ => grows,
        };
        self.shrinks |= self.grown >= self.trouble.peak;
        if self.grown >= 1.0 || self.trouble.kind == Kind::Abrupt {
            self.grown = 1.0;
            self.fails_until = Some(now + self.trouble.fails_for);
        }
        self.grown > 0.0
    }
}
