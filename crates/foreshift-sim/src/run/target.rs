//! What a target does by itself, step by step: stalls, gauges, answers to probes, log lines.

use foreshift_domain::signal::{Health, Observation, Signal};
use foreshift_domain::{Duration, TargetName, Timestamp};

use super::{PROBES_UP, TargetState};
use crate::effects::Effects;
use crate::emission::{Emission, LogLine};
use crate::logs;
use crate::rng::Stream;

/// Length of a step in seconds.
const STEP_S: f64 = 0.1;
/// Probes that fail in a row until a target is reported down.
const PROBES_DOWN: i32 = 3;
/// Ordinary log lines a second, and worried ones on a good day.
const ORDINARY_PER_S: f64 = 0.12;
const WORRIED_PER_S: f64 = 0.004;

/// The stream of the worried lines that come of a fault or a decoy.
pub(super) const WORRIED_BY_EPISODE: u64 = 3;

/// The line of a stream in the step that begins at `now`, if it writes one at this rate: when, and its bits.
pub(super) fn line_at(draws: Stream, per_s: f64, now: Timestamp, steps: u64) -> Option<(Timestamp, u64)> {
    (draws.unit(3 * steps) < per_s * STEP_S).then(|| {
        let at = now + Duration::from_micros(draws.range(3 * steps + 1, 0.0, 100_000.0) as i64);
        (at, draws.bits(3 * steps + 2))
    })
}

impl TargetState<'_> {
    pub(super) fn effects_at(&self, now: Timestamp, seed: u64) -> Effects {
        self.schedule.effects(now, seed)
    }

    pub(super) fn stall_by_chance(&mut self, now: Timestamp, steps: u64) {
        let rate = self.effects.signs.stall_per_s;
        if rate > 0.0 && self.stalls.unit(2 * steps) < rate * STEP_S {
            let length = Duration::from_millis(self.stalls.range(2 * steps + 1, 80.0, 420.0) as i64);
            self.server.stall(now, length);
        }
    }

    pub(super) fn read_gauges(&mut self, now: Timestamp) -> Vec<Signal> {
        let waiting = self.server.waiting(now);
        let signs = &self.effects.signs;
        let gauges = self.gauges.read(self.spec, now, signs, self.in_flight, waiting);
        gauges
            .into_iter()
            .map(|gauge| self.plain(now, Observation::Gauge(gauge)))
            .collect()
    }

    /// Probes the target once; gives its state as the gateway sees it.
    pub(super) fn probe(&mut self, now: Timestamp, steps: u64) -> Health {
        let signs = &self.effects.signs;
        let failing = signs.connect_failure + signs.hang + signs.lost + signs.error;
        let full = self.server.waiting(now) >= self.spec.queue_bound as usize;
        let well = !full && self.probes.unit(steps) >= failing;
        self.probed = if well {
            self.probed.max(0) + 1
        } else {
            self.probed.min(0) - 1
        };
        if self.probed <= -PROBES_DOWN {
            self.health = Health::Down;
        } else if self.probed >= PROBES_UP {
            self.health = Health::Up;
        }
        self.health
    }

    pub(super) fn write_logs(&self, now: Timestamp, steps: u64, out: &mut Vec<Emission>) {
        let name: &TargetName = &self.spec.name;
        let mut line = |source: u64, rate: f64, write: &dyn Fn(Timestamp, u64) -> LogLine| {
            if let Some((at, bits)) = line_at(self.log_lines.child(source), rate, now, steps) {
                out.push(Emission::Log(write(at, bits)));
            }
        };
        line(0, ORDINARY_PER_S, &|at, bits| logs::ordinary(at, name, bits));

        line(1, WORRIED_PER_S, &|at, bits| {
            logs::worried(at, name, logs::stray(bits), bits)
        });
        let rate = self.effects.signs.log_per_s;
        if let Some(topic) = self.effects.failure_topic {
            line(2, rate, &|at, bits| logs::failing(at, name, topic, bits));
        } else if let Some(topic) = self.effects.topic {
            line(WORRIED_BY_EPISODE, rate, &|at, bits| {
                logs::worried(at, name, topic, bits)
            });
        }
    }

    fn plain(&self, time: Timestamp, observation: Observation) -> Signal {
        Signal {
            time,
            target: self.spec.name.clone(),
            route: None,
            gateway: None,
            endpoint: None,
            observation,
        }
    }

    pub(super) fn signal(&self, time: Timestamp, observation: Observation) -> Emission {
        Emission::Signal(self.plain(time, observation))
    }
}
