//! Gauges over closed buckets: level, slope and distance to the limit of each.

use foreshift_domain::fallback::Timing;
use foreshift_domain::{GaugeName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bucket::{Level, MAX_BUCKET_GAUGES};
use crate::decay::kept;
use crate::windows::{FAST, LONG, MID, SLOW, WINDOWS};

/// The gauges of a target, by name. At most [`MAX_BUCKET_GAUGES`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gauges {
    list: Vec<Track>,
}

/// One gauge over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Track {
    newest: Level,
    /// Means that follow the level, each with the lag of its window.
    means: [f64; WINDOWS],
}

/// What an expression can read of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Its newest value, in its own unit.
    Value,
    /// Its mean with the lag of a window, in its own unit.
    Mean(usize),
    /// Its value over its limit.
    Fullness,
    /// How far it is above its mean of the longest window, in octaves.
    Surge,
    /// Its rise within the second window, as a share of its limit or else of its long mean.
    Slope,
    /// Time until its limit at that slope, in second windows.
    WindowsToLimit,
}

impl Reading {
    /// Their names.
    pub const NAMES: [(&str, Self); 9] = [
        ("value", Self::Value),
        ("mean_fast", Self::Mean(FAST)),
        ("mean_mid", Self::Mean(MID)),
        ("mean_slow", Self::Mean(SLOW)),
        ("mean_long", Self::Mean(LONG)),
        ("fullness", Self::Fullness),
        ("surge", Self::Surge),
        ("slope", Self::Slope),
        ("windows_to_limit", Self::WindowsToLimit),
    ];

    /// The reading of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, reading)| *reading)
    }
}

/// The worst over the gauges of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Worst {
    /// Value over limit.
    pub(crate) fullness: f64,
    /// log2 of the value against its long mean.
    pub(crate) surge: f64,
    /// Rise within the mid window, as a share of the limit or else of the long mean.
    pub(crate) slope: f64,
    /// Time until the limit at that slope, in mid windows.
    pub(crate) windows_to_limit: f64,
}

impl Gauges {
    /// Folds the gauges of a closed bucket. Past the bound a new gauge takes the place of the stalest that is
    /// stale, else it is left out; returns whether one was.
    pub(crate) fn fold(&mut self, timing: &Timing, levels: &[Level], end: Timestamp) -> bool {
        let mut left_out = false;
        for level in levels {
            let found = self
                .list
                .binary_search_by(|track| track.newest.name.cmp(&level.name));
            match found {
                Ok(found) => {
                    if let Some(track) = self.list.get_mut(found) {
                        track.follow(timing, level);
                    }
                }
                Err(place) if self.list.len() < MAX_BUCKET_GAUGES => {
                    self.list.insert(place, Track::new(level));
                }
                Err(_) => left_out |= !self.replace_stale(timing, level, end),
            }
        }
        left_out
    }

    fn replace_stale(&mut self, timing: &Timing, level: &Level, end: Timestamp) -> bool {
        let stale = |track: &Track| end.since(track.newest.time) > timing.staleness;
        let before = self.list.len();
        if let Some(oldest) = (self.list.iter())
            .filter(|track| stale(track))
            .map(|track| track.newest.time)
            .min()
        {
            let mut gone = false;
            self.list.retain(|track| {
                gone || track.newest.time != oldest || {
                    gone = true;
                    false
                }
            });
        }
        if self.list.len() == before {
            return false;
        }
        let place = self.list.partition_point(|track| track.newest.name < level.name);
        self.list.insert(place, Track::new(level));
        true
    }

    /// The newest closed value of a gauge.
    pub(crate) fn newest(&self, name: &GaugeName) -> Option<&Level> {
        let found = self.list.binary_search_by(|track| track.newest.name.cmp(name));
        found
            .ok()
            .and_then(|found| self.list.get(found))
            .map(|track| &track.newest)
    }

    /// One reading of a gauge; NaN when the gauge is unknown or stale, or does not tell.
    pub(crate) fn read(&self, timing: &Timing, tick: Timestamp, name: &GaugeName, reading: Reading) -> f64 {
        let found = self.list.binary_search_by(|track| track.newest.name.cmp(name));
        let track = found.ok().and_then(|found| self.list.get(found));
        let fresh = track.filter(|track| tick.since(track.newest.time) <= timing.staleness);
        fresh.map_or(f64::NAN, |track| match reading {
            Reading::Value => track.newest.value,
            Reading::Mean(window) => track.mean(window),
            Reading::Fullness => track.judge(timing).fullness,
            Reading::Surge => track.judge(timing).surge,
            Reading::Slope => track.judge(timing).slope,
            Reading::WindowsToLimit => track.judge(timing).windows_to_limit,
        })
    }

    /// The worst of the gauges that are not stale at `tick`; NaN where no gauge tells.
    pub(crate) fn worst(&self, timing: &Timing, tick: Timestamp) -> Worst {
        let mut worst = Worst {
            fullness: f64::NAN,
            surge: f64::NAN,
            slope: f64::NAN,
            windows_to_limit: f64::NAN,
        };
        for track in &self.list {
            if tick.since(track.newest.time) <= timing.staleness {
                let of = track.judge(timing);
                // `max` and `min` of floats pass over NaN.
                worst.fullness = worst.fullness.max(of.fullness);
                worst.surge = worst.surge.max(of.surge);
                worst.slope = worst.slope.max(of.slope);
                worst.windows_to_limit = worst.windows_to_limit.min(of.windows_to_limit);
            }
        }
        worst
    }
}

impl Track {
    fn new(level: &Level) -> Self {
        Self {
            newest: level.clone(),
            means: [level.value; WINDOWS],
        }
    }

    fn follow(&mut self, timing: &Timing, level: &Level) {
        let elapsed = level.time.since(self.newest.time);
        for (mean, window) in self.means.iter_mut().zip(timing.windows) {
            *mean = level.value + (*mean - level.value) * kept(elapsed, window);
        }
        self.newest.time = level.time;
        self.newest.value = level.value;
        self.newest.limit = level.limit.or(self.newest.limit);
    }

    fn mean(&self, window: usize) -> f64 {
        self.means.get(window).copied().unwrap_or(f64::NAN)
    }

    /// On a straight rise a mean lags behind by its window: the difference of two lags gives the slope, and noise cancels.
    fn judge(&self, timing: &Timing) -> Worst {
        /// Farther away than this many windows is the same as never.
        const NEVER: f64 = 1e6;
        let seconds = |w: usize| timing.windows.get(w).map_or(0.0, |w| w.as_secs_f64());
        let lag_s = (seconds(SLOW) - seconds(FAST)).max(f64::MIN_POSITIVE);
        let rise = (self.mean(FAST) - self.mean(SLOW)) / lag_s * seconds(MID);
        let usual = self.mean(LONG).abs().max(1e-9);
        let value = self.newest.value;
        Worst {
            fullness: self.newest.limit.map_or(f64::NAN, |limit| value / limit),
            surge: libm::log2((value.max(0.0) + 0.1 * usual) / (1.1 * usual)),
            slope: rise / self.newest.limit.unwrap_or(usual),
            windows_to_limit: self.newest.limit.map_or(f64::NAN, |limit| {
                if value >= limit {
                    0.0
                } else if rise * NEVER <= limit - value {
                    NEVER
                } else {
                    (limit - value) / rise
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::test_timing;
    use foreshift_domain::Duration;

    fn level(name: &str, secs: i64, value: f64, limit: Option<f64>) -> Level {
        Level {
            name: name.into(),
            time: Timestamp::from_secs(secs),
            value,
            limit,
        }
    }

    #[test]
    fn a_straight_rise_tells_its_slope_and_when_it_reaches_the_limit() {
        let (timing, mut gauges) = (test_timing(), Gauges::default());
        for second in 0..3_000 {
            let full = level("queue", second, 0.1 * second as f64, Some(400.0));
            gauges.fold(&timing, &[full], Timestamp::from_secs(second));
        }
        let worst = gauges.worst(&timing, Timestamp::from_secs(3_000));
        let mid_s = timing.windows[MID].as_secs_f64();
        let expected = 0.1 * mid_s / 400.0;
        assert!((worst.slope / expected - 1.0).abs() < 0.05, "{worst:?}");
        assert!(
            (worst.windows_to_limit * mid_s - 1_000.0).abs() < 60.0,
            "{worst:?}"
        );
        assert!((worst.fullness - 0.75).abs() < 0.01);
    }

    #[test]
    fn without_a_limit_fullness_is_missing_and_without_gauges_all_is() {
        let (timing, mut gauges) = (test_timing(), Gauges::default());
        assert!(gauges.worst(&timing, Timestamp::from_secs(0)).slope.is_nan());
        gauges.fold(&timing, &[level("q", 0, 3.0, None)], Timestamp::from_secs(1));
        let worst = gauges.worst(&timing, Timestamp::from_secs(1));
        assert!(worst.fullness.is_nan() && worst.windows_to_limit.is_nan() && worst.surge.abs() < 1e-9);
    }

    #[test]
    fn every_reading_of_a_gauge_is_in_its_own_window_and_missing_when_it_is_stale() {
        let (timing, mut gauges) = (test_timing(), Gauges::default());
        let mut at = Timestamp::from_secs(0);
        for (value, secs) in [(10.0, 1), (20.0, 30)] {
            for _ in 0..secs {
                at = at + Duration::from_secs(1);
                let mut full = level("queue", 0, value, Some(40.0));
                full.time = at;
                gauges.fold(&timing, &[full], at);
            }
        }
        let read =
            |name: &str, tick| gauges.read(&timing, tick, &"queue".into(), Reading::named(name).expect(name));
        assert_eq!((read("value", at), read("fullness", at)), (20.0, 0.5));
        let means = ["mean_long", "mean_slow", "mean_mid", "mean_fast"].map(|name| read(name, at));
        assert!(
            means.is_sorted() && means[0] > 10.0 && means[3] > 19.9,
            "{means:?}"
        );
        assert!(read("slope", at) > 0.0 && read("surge", at) > 0.0 && read("windows_to_limit", at) > 0.0);
        let later = at + timing.staleness + Duration::from_secs(1);
        assert!(Reading::NAMES.iter().all(|(name, _)| read(name, later).is_nan()));
        assert!(gauges.read(&timing, at, &"pool".into(), Reading::Value).is_nan());
    }

    #[test]
    fn a_stale_gauge_says_nothing_and_makes_room() {
        let (timing, mut gauges) = (test_timing(), Gauges::default());
        for n in 0..MAX_BUCKET_GAUGES {
            gauges.fold(
                &timing,
                &[level(&format!("g{n:02}"), 0, 1.0, None)],
                Timestamp::from_secs(1),
            );
        }
        assert!(
            gauges.fold(&timing, &[level("h", 1, 1.0, None)], Timestamp::from_secs(2)),
            "left out"
        );
        let later = Timestamp::from_secs(2) + timing.staleness + Duration::from_secs(1);
        assert!(gauges.worst(&timing, later).surge.is_nan());
        let mut new = level("h", 0, 1.0, None);
        new.time = later;
        assert!(!gauges.fold(&timing, &[new], later), "took a stale one's place");
        assert_eq!(gauges.list.len(), MAX_BUCKET_GAUGES);
    }
}
