//! How fast the recording is produced: never faster than was asked for, and never far ahead of the consumer.

use std::time::Duration as Wait;

use foreshift_domain::{Duration, Timestamp};

/// Signals and log lines that may be on their way: seconds of the recording, and a quarter of the bytes that a
/// partition of the mock cluster keeps. It drops what it no longer keeps without a word.
pub(super) const MAX_AHEAD: u64 = 8_000;

/// When what may be produced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    start: Timestamp,
    speed: f64,
}

impl Pace {
    /// Plays a recording that begins at `start`, `speed` times as fast as it was recorded.
    pub(super) fn new(start: Timestamp, speed: f64) -> Self {
        Self { start, speed }
    }

    /// Whether an emission of `time` may be produced this long after the beginning.
    pub(super) fn allows(self, time: Timestamp, elapsed: Wait, produced: u64, handled: u64) -> bool {
        time <= self.due(elapsed) && produced.saturating_sub(handled) < MAX_AHEAD
    }

    /// How far the recording should be this long after the beginning.
    fn due(self, elapsed: Wait) -> Timestamp {
        self.start + Duration::from_secs_f64(elapsed.as_secs_f64() * self.speed)
    }
}

#[cfg(test)]
mod tests {
    use foreshift_ingest::source::mock::{KEPT_BYTES, KEPT_SETS};
    use foreshift_sim::{Policy, Scenario};

    use super::super::feed::encoded_bytes;
    use super::*;

    #[test]
    fn nothing_is_produced_before_its_time() {
        let pace = Pace::new(Timestamp::from_secs(100), 10.0);
        let second = Wait::from_secs(1);
        assert!(pace.allows(Timestamp::from_secs(110), second, 0, 0));
        assert!(!pace.allows(Timestamp::from_secs(111), second, 0, 0));
    }

    #[test]
    fn a_consumer_that_stands_still_stops_the_producer() {
        let pace = Pace::new(Timestamp::from_secs(100), 1e9);
        let mut produced = 0;
        while pace.allows(Timestamp::from_secs(200), Wait::from_secs(1), produced, 7) {
            produced += 1;
        }
        assert_eq!(produced, MAX_AHEAD + 7);
    }

    #[test]
    fn what_may_be_on_its_way_fits_into_the_mock_cluster() {
        for scenario in Scenario::ALL {
            let recording = scenario.recording(7);
            let largest = recording
                .run(Policy::Stay)
                .map(|emission| encoded_bytes(&emission))
                .max();
            let bytes = largest.unwrap() as u64 * MAX_AHEAD;
            assert!(bytes < KEPT_BYTES as u64 / 2, "{scenario:?}: {bytes} bytes");
        }
        assert!(MAX_AHEAD < KEPT_SETS as u64);
    }
}
