//! Forgetting by elapsed time: the same function everywhere, so that a gap costs nothing.

use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// Half-lives of decayed incident counts. Absolute, not relative to `timing.windows`: outages of people's
/// systems recur with working days and nightly jobs, whatever the bucket is.
pub const HALF_LIVES: [Duration; 6] = [
    Duration::from_secs(HOUR_S / 2),
    Duration::from_secs(2 * HOUR_S),
    Duration::from_secs(8 * HOUR_S),
    Duration::from_secs(DAY_S),
    Duration::from_secs(7 * DAY_S),
    Duration::from_secs(40 * DAY_S),
];

/// What is left of 1 after `elapsed` in a window of length `window`: e^(-elapsed / window).
/// A negative span leaves 1; a window that is not positive leaves nothing.
pub(crate) fn kept(elapsed: Duration, window: Duration) -> f64 {
    match (elapsed.is_positive(), window.is_positive()) {
        (false, _) => 1.0,
        (true, false) => 0.0,
        (true, true) => libm::exp(-elapsed.as_secs_f64() / window.as_secs_f64()),
    }
}

/// What is left of 1 after `elapsed` with a half-life: 2^(-elapsed / half_life).
pub(crate) fn halved(elapsed: Duration, half_life: Duration) -> f64 {
    if elapsed.is_positive() {
        libm::exp2(-elapsed.as_secs_f64() / half_life.as_secs_f64())
    } else {
        1.0
    }
}

/// Counts that fade with each of [`HALF_LIVES`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DecayedCounts {
    at: Timestamp,
    values: [f64; HALF_LIVES.len()],
}

impl Default for DecayedCounts {
    fn default() -> Self {
        Self {
            at: Timestamp::MIN,
            values: [0.0; HALF_LIVES.len()],
        }
    }
}

impl DecayedCounts {
    /// Adds one that happened at `at`; what happened before the newest one has already faded a little.
    pub(crate) fn add(&mut self, at: Timestamp) {
        if at >= self.at {
            self.values = self.at_time(at).map(|value| value + 1.0);
            self.at = at;
        } else {
            let age = self.at.since(at);
            for (value, half_life) in self.values.iter_mut().zip(HALF_LIVES) {
                *value += halved(age, half_life);
            }
        }
    }

    /// The counts as seen from `now`.
    pub(crate) fn at_time(&self, now: Timestamp) -> [f64; HALF_LIVES.len()] {
        let elapsed = now.since(self.at);
        let mut values = self.values;
        if self.at != Timestamp::MIN {
            for (value, half_life) in values.iter_mut().zip(HALF_LIVES) {
                *value *= halved(elapsed, half_life);
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_halves_in_its_half_life() {
        let mut counts = DecayedCounts::default();
        counts.add(Timestamp::from_secs(0));
        for (index, half_life) in HALF_LIVES.into_iter().enumerate() {
            let value = counts.at_time(Timestamp::from_secs(0) + half_life)[index];
            assert!((value - 0.5).abs() < 1e-12, "{value}");
        }
    }

    #[test]
    fn an_older_one_counts_as_if_it_had_come_in_time() {
        let (early, late) = (Timestamp::from_secs(0), Timestamp::from_secs(5_000));
        let (mut in_order, mut reversed) = (DecayedCounts::default(), DecayedCounts::default());
        in_order.add(early);
        in_order.add(late);
        reversed.add(late);
        reversed.add(early);
        for (a, b) in in_order.at_time(late).into_iter().zip(reversed.at_time(late)) {
            assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn a_window_keeps_one_part_in_e() {
        let window = Duration::from_secs(30);
        assert!((kept(window, window) - 0.367_879_441_171_442_33).abs() < 1e-15);
        assert_eq!(kept(Duration::from_secs(-5), window), 1.0);
        assert_eq!(kept(window, Duration::ZERO), 0.0);
    }
}
