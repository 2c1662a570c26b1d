//! How unusual a target's own series are just now, by its own past.
//!
//! Closed buckets add up to a point of each series for every first window, so that a point says something where there
//! are few requests. A span without any is no point: silence is not failure. A rarity fades, so that a short oddity is
//! still seen some ticks later.

use foreshift_domain::fallback::Timing;
use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::anomaly::{Detector, Params, decades};
use crate::bucket::Bucket;
use crate::decay::halved;
use crate::windows::{FAST, MID};

/// Series that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Series {
    /// Share of requests that failed.
    Failures,
    /// Mean log2 of latency.
    Latency,
}

/// How many there are.
const SERIES: usize = 2;
/// Requests without a failure that are added to those of a point: one failure of one request is no outage.
const PRIOR_REQUESTS: f64 = 10.0;

/// There are two detectors for each of ten thousand targets, so tails are as short as they can be. Blocks are
/// a minute of points of five seconds, remembered for eight hours.
const PARAMS: Params = Params {
    expected: 0.4,
    block_points: 12,
    memory_blocks: 480,
    kept_blocks: 16,
    quiet_points: 100,
};

/// Watches the series of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rarities {
    open: Option<Span>,
    /// Apart, and from the first point on: most targets of some installations have no such series.
    watches: [Option<Box<Watch>>; SERIES],
}

/// A first window that buckets are added to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Span {
    end: Timestamp,
    evidence: u64,
    failures: u64,
    latency_samples: u64,
    latency_log2: u64,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Watch {
    detector: Detector,
    /// The rarity as of `at`, in decades.
    rarity: f64,
    at: Timestamp,
}

impl Rarities {
    /// Folds a bucket. Called in ascending order of their ends.
    pub(crate) fn fold(&mut self, timing: &Timing, bucket: &Bucket) {
        let length = timing.windows[FAST].max(timing.bucket);
        let end = bucket.start.floor_to(length) + length;
        if self.open.is_some_and(|span| span.end != end) {
            self.close(timing);
        }
        let span = self.open.get_or_insert_with(|| Span::until(end));
        span.add(bucket);
        if bucket.end >= end {
            self.close(timing);
        }
    }

    /// The rarity of a series as seen from `tick`, in decades; NaN before its past tells what is rare.
    pub(crate) fn read(&self, timing: &Timing, tick: Timestamp, series: Series) -> f64 {
        let watch = self.watches.get(series as usize).and_then(Option::as_deref);
        let warm = watch.filter(|watch| watch.detector.is_warm());
        warm.map_or(f64::NAN, |watch| watch.faded(tick, timing.windows[MID]))
    }

    fn close(&mut self, timing: &Timing) {
        let Some(span) = self.open.take() else {
            return;
        };
        for (watch, point) in self.watches.iter_mut().zip(span.points()) {
            if let Some(point) = point {
                let watch = watch.get_or_insert_with(|| Box::new(Watch::new(span.end)));
                watch.observe(span.end, point, timing.windows[MID]);
            }
        }
    }
}

impl Span {
    const fn until(end: Timestamp) -> Self {
        Self {
            end,
            evidence: 0,
            failures: 0,
            latency_samples: 0,
            latency_log2: 0,
        }
    }

    fn add(&mut self, bucket: &Bucket) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.evidence, bucket.counts.evidence());
        add(&mut self.failures, bucket.counts.failures());
        add(&mut self.latency_samples, bucket.latency.samples());
        add(&mut self.latency_log2, bucket.latency.log2_sum());
    }

    /// A point of each series, in the order of [`Series`]; `None` where nothing was seen.
    fn points(&self) -> [Option<f64>; SERIES] {
        let of = |seen: u64, point: f64| (seen > 0).then_some(point);
        let (evidence, samples) = (self.evidence as f64, self.latency_samples as f64);
        [
            of(self.evidence, self.failures as f64 / (evidence + PRIOR_REQUESTS)),
            of(self.latency_samples, self.latency_log2 as f64 / 256.0 / samples),
        ]
    }
}

impl Watch {
    fn new(at: Timestamp) -> Self {
        Self {
            detector: Detector::new(PARAMS),
            rarity: 0.0,
            at,
        }
    }

    fn observe(&mut self, at: Timestamp, point: f64, half_life: Duration) {
        let new = decades(self.detector.observe(at, point).tail);
        self.rarity = self.faded(at, half_life).max(new);
        self.at = at;
    }

    fn faded(&self, at: Timestamp, half_life: Duration) -> f64 {
        self.rarity * halved(at.since(self.at), half_life)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stream::Stream;

    /// Two series of every target are watched: ten thousand targets are to take less than 80 MiB for it.
    const MAX_BYTES: u64 = 8 * 1024;

    #[test]
    fn watching_a_target_takes_eight_kilobytes_at_most_however_long() {
        let mut stream = Stream::new(4);
        let mut watched = Vec::with_capacity(1);
        let half_life = Duration::from_secs(30);
        let heap = allocation_counter::measure(|| {
            let mut rarities = Rarities::default();
            for second in 0..100_000 {
                let at = Timestamp::from_secs(5 * second);
                for watch in &mut rarities.watches {
                    let watch = watch.get_or_insert_with(|| Box::new(Watch::new(at)));
                    watch.observe(at, stream.normal(), half_life);
                }
            }
            watched.push(rarities);
        });
        let bytes = heap.bytes_current as u64 + size_of::<Rarities>() as u64;
        assert!(bytes <= MAX_BYTES, "{bytes}");
    }
}
