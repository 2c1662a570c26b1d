//! When clients send requests: a Poisson process whose rate goes in waves. No policy can change it.

use std::f64::consts::TAU;

use foreshift_domain::{Duration, Timestamp};

use crate::effects::Spike;
use crate::recording::{Recording, RouteSpec};
use crate::rng::{Purpose, Stream};

/// The rate never exceeds this many times the route's mean: waves of 24 % under a spike of at most 1.6.
const PEAK: f64 = 2.0;
/// Period of the slow wave, in seconds.
const DAY_S: f64 = 86_400.0;
/// Period of the fast wave, in seconds.
const MINUTES_S: f64 = 420.0;

/// The arrivals of one route.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals<'a> {
    stream: Stream,
    wave: Stream,
    rate_rps: f64,
    spikes: Vec<&'a Spike>,
    candidate: u64,
    at: Timestamp,
    end: Timestamp,
}

impl<'a> Arrivals<'a> {
    pub(crate) fn new(recording: &'a Recording, route: usize, spec: &RouteSpec) -> Self {
        Self {
            stream: Stream::of(recording.seed, Purpose::Arrival, route as u64),
            wave: Stream::of(recording.seed, Purpose::Wave, route as u64),
            rate_rps: spec.rate_rps,
            spikes: recording
                .spikes
                .iter()
                .filter(|spike| spike.route == route)
                .collect(),
            candidate: 0,
            at: recording.start,
            end: recording.end(),
        }
    }

    /// Requests a second at `now`.
    fn rate_at(&self, now: Timestamp) -> f64 {
        let at_s = now.as_secs_f64();
        let wave = |index, period: f64| libm::sin(TAU * (at_s / period + self.wave.unit(index)));
        let slow = 0.10 * wave(0, DAY_S) + 0.06 * wave(1, MINUTES_S);
        let noise = 0.08 * self.wave.smooth(now.as_micros(), 45_000_000);
        let spike: f64 = self.spikes.iter().map(|spike| spike.factor_at(now)).product();
        self.rate_rps * (1.0 + slow + noise) * spike
    }
}

/// Time and number of each request; the numbers ascend, and have gaps.
impl Iterator for Arrivals<'_> {
    type Item = (Timestamp, u64);

    fn next(&mut self) -> Option<Self::Item> {
        // Thinning: candidates at the peak rate, each kept with the probability rate / peak.
        let peak = self.rate_rps * PEAK;
        loop {
            let gap_s = -libm::log(1.0 - self.stream.unit(2 * self.candidate)) / peak;
            self.at = self.at + Duration::from_secs_f64(gap_s);
            if self.at >= self.end {
                return None;
            }
            let number = self.candidate;
            self.candidate += 1;
            if self.stream.unit(2 * number + 1) * peak < self.rate_at(self.at) {
                return Some((self.at, number));
            }
        }
    }
}
