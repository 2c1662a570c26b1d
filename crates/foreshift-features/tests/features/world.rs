//! Words for short tests.

use foreshift_domain::fallback::Timing;
use foreshift_domain::log::{ErrorClass, LogEvent};
use foreshift_domain::signal::{Gauge, Health, Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::{Duration, Timestamp};
use foreshift_features::{Column, FEATURES, Surroundings, TargetFeatures};

pub(crate) const START_S: i64 = 1_700_000_000;

pub(crate) fn live() -> Timing {
    Timing {
        bucket: Duration::from_secs(1),
        tick: Duration::from_secs(1),
        horizons: [30, 120, 600].map(Duration::from_secs).to_vec(),
        guard: Duration::from_secs(5),
        windows: [5, 30, 300, 3_600].map(Duration::from_secs),
        cooldown: Duration::from_secs(60),
        staleness: Duration::from_secs(30),
        forget_after: Duration::DAY,
    }
}

pub(crate) fn probes() -> Timing {
    Timing {
        bucket: Duration::from_secs(60),
        tick: Duration::HOUR,
        horizons: vec![Duration::HOUR, Duration::HOUR * 6],
        guard: Duration::ZERO,
        windows: [1, 6, 24, 168].map(|hours| Duration::HOUR * hours),
        cooldown: Duration::ZERO,
        staleness: Duration::HOUR * 72,
        forget_after: Duration::DAY * 30,
    }
}

pub(crate) fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_millis(START_S * 1_000 + ms)
}

pub(crate) fn signal(time: Timestamp, observation: Observation) -> Signal {
    Signal {
        time,
        target: "t".into(),
        route: None,
        gateway: None,
        endpoint: None,
        observation,
    }
}

pub(crate) fn outcome(ms: i64, kind: OutcomeKind, latency_ms: i64) -> Signal {
    let outcome = Outcome {
        kind,
        latency: Some(Duration::from_millis(latency_ms)),
        ttfb: Some(Duration::from_millis(latency_ms / 2)),
        count: 1,
    };
    signal(at_ms(ms), Observation::Outcome(outcome))
}

pub(crate) fn ok(ms: i64) -> Signal {
    outcome(ms, OutcomeKind::Success, 20)
}

pub(crate) fn error(ms: i64) -> Signal {
    outcome(ms, OutcomeKind::ServerError, 20)
}

pub(crate) fn health(ms: i64, health: Health) -> Signal {
    signal(at_ms(ms), Observation::Health(health))
}

pub(crate) fn gauge(ms: i64, name: &str, value: f64, limit: Option<f64>) -> Signal {
    let gauge = Gauge {
        name: name.into(),
        value,
        limit,
    };
    signal(at_ms(ms), Observation::Gauge(gauge))
}

pub(crate) fn log(ms: i64, template: u64, class: ErrorClass) -> LogEvent {
    LogEvent {
        time: at_ms(ms),
        target: "t".into(),
        template,
        class,
        count: 1,
    }
}

pub(crate) fn target() -> TargetFeatures {
    TargetFeatures::new(at_ms(0))
}

pub(crate) fn close(target: &mut TargetFeatures, timing: &Timing, ms: i64) {
    target.close_until(timing, at_ms(ms), &mut |_| {});
}

pub(crate) fn row(target: &TargetFeatures, timing: &Timing, ms: i64) -> Vec<f64> {
    let mut row = vec![0.0; FEATURES.len()];
    target.fill(timing, at_ms(ms), &Surroundings::default(), &mut row);
    row
}

pub(crate) fn of(row: &[f64], column: Column) -> f64 {
    row[column as usize]
}
