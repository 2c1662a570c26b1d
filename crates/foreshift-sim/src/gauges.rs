//! Levels that a target reports.

use foreshift_domain::Timestamp;
use foreshift_domain::signal::Gauge;

use crate::effects::Signs;
use crate::recording::TargetSpec;
use crate::rng::{Purpose, Stream};

/// Length of a provider's quota window.
const QUOTA_WINDOW_US: i64 = 1_800_000_000;

/// Where noise of a target's gauges comes from, with the habits of its memory.
#[derive(Clone, Debug)]
pub(crate) struct GaugeNoise {
    stream: Stream,
    /// Time between two collections of garbage.
    saw_us: i64,
    /// What a collection frees, as a share of the limit.
    saw: f64,
}

impl GaugeNoise {
    pub(crate) fn new(seed: u64, target: u64) -> Self {
        let stream = Stream::of(seed, Purpose::Gauge, target);
        Self {
            stream,
            saw_us: (stream.range(0, 25.0, 90.0) * 1e6) as i64,
            saw: stream.range(1, 0.015, 0.04),
        }
    }

    /// All gauges of a target at `now`.
    pub(crate) fn read(
        &self,
        spec: &TargetSpec,
        now: Timestamp,
        signs: &Signs,
        in_flight: usize,
        waiting: usize,
    ) -> Vec<Gauge> {
        let busy = in_flight as f64;
        let mut gauges = vec![
            gauge(
                "in_flight",
                busy,
                Some(spec.workers() as f64 + f64::from(spec.queue_bound)),
            ),
            gauge("queue_depth", waiting as f64, Some(f64::from(spec.queue_bound))),
            gauge(
                "pool_used",
                self.pool(spec, now, signs, busy),
                Some(spec.pool_limit),
            ),
            gauge(
                "memory_used",
                self.memory_mib(spec, now, signs),
                Some(spec.memory_limit_mib),
            ),
        ];
        if let Some(quota) = spec.quota {
            let left = (quota * self.quota_left(now, signs)).round();
            gauges.push(gauge("quota_remaining", left, None));
        }
        gauges
    }

    fn pool(&self, spec: &TargetSpec, now: Timestamp, signs: &Signs, busy: f64) -> f64 {
        let wander = 0.10 + 0.05 * self.stream.child(2).smooth(now.as_micros(), 30_000_000);
        (busy + (wander + signs.pool) * spec.pool_limit)
            .round()
            .clamp(0.0, spec.pool_limit)
    }

    fn memory_mib(&self, spec: &TargetSpec, now: Timestamp, signs: &Signs) -> f64 {
        let at = now.as_micros();
        let saw = at.rem_euclid(self.saw_us) as f64 / self.saw_us as f64;
        let wander = 0.03 * self.stream.child(3).smooth(at, 300_000_000);
        let noise = 0.004 * self.stream.child(4).normal(at as u64);
        let share = spec.memory_level + self.saw * (saw - 0.5) + wander + noise + signs.memory;
        (share.clamp(0.02, 0.995) * spec.memory_limit_mib).round()
    }

    /// Share of the quota that is left: falls over the window to a level that differs from window to window.
    fn quota_left(&self, now: Timestamp, signs: &Signs) -> f64 {
        let shifted = now.as_micros() + (self.stream.unit(5) * QUOTA_WINDOW_US as f64) as i64;
        let window = shifted.div_euclid(QUOTA_WINDOW_US) as u64;
        let part = shifted.rem_euclid(QUOTA_WINDOW_US) as f64 / QUOTA_WINDOW_US as f64;
        let last = self.stream.child(6).range(window, 0.05, 0.5);
        (1.0 - (1.0 - last) * part) * (1.0 - signs.quota).clamp(0.0, 1.0)
    }
}

fn gauge(name: &str, value: f64, limit: Option<f64>) -> Gauge {
    Gauge {
        name: name.into(),
        value,
        limit,
    }
}
