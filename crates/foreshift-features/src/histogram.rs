//! Latency as integer counts over fixed bins, three to the octave, and its faded copy.

use foreshift_domain::Duration;
use serde::{Deserialize, Serialize};

/// Bins of a latency histogram: below 0.5 ms, three to the octave from there to 10 minutes, and above.
/// A bin is 20 to 33 % wide, which is finer than the shifts that warn of an incident.
pub const LATENCY_BINS: usize = 64;

/// The first octave that is divided begins at 2^9 us = 0.512 ms.
const FIRST_OCTAVE: u32 = 9;

/// What fades below this is dropped, so that a quiet target's state stays small.
const NEGLIGIBLE: f32 = 1e-6;

/// Counts of latencies over fixed, log-spaced bins. Merges are commutative and associative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SparseHistogram", into = "SparseHistogram")]
pub struct LatencyHistogram {
    bins: [u32; LATENCY_BINS],
    samples: u64,
    log2_sum: u64,
}

/// The same, as bins that are not empty. For what is closed: it is smaller, and merged less often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SparseHistogram {
    bins: Vec<(u8, u32)>,
    samples: u64,
    log2_sum: u64,
}

/// A histogram that fades with time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(u8, f32)>", into = "Vec<(u8, f32)>")]
pub(crate) struct DecayedHistogram {
    bins: [f32; LATENCY_BINS],
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self {
            bins: [0; LATENCY_BINS],
            samples: 0,
            log2_sum: 0,
        }
    }
}

impl LatencyHistogram {
    /// Adds `count` requests of this latency, saturating. A negative span is counted as none at all by the
    /// caller, here it falls into the lowest bin.
    pub fn add(&mut self, latency: Duration, count: u64) {
        if let Some(bin) = self.bins.get_mut(bin_of(latency)) {
            *bin = bin.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
        self.samples = self.samples.saturating_add(count);
        self.log2_sum = self
            .log2_sum
            .saturating_add(log2_q8(latency).saturating_mul(count));
    }

    /// Requests in it.
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// The latency that a share `q` (0 to 1) of the requests does not exceed, interpolated within its bin; `None` when empty.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        quantile_us(self.bins.iter().map(|count| f64::from(*count)), q).map(micros)
    }

    /// Sum of log2(latency in us) over the requests, in 1/256.
    pub(crate) const fn log2_sum(&self) -> u64 {
        self.log2_sum
    }

    pub(crate) fn merge_sparse(&mut self, other: &SparseHistogram) {
        for (index, count) in &other.bins {
            if let Some(bin) = self.bins.get_mut(usize::from(*index)) {
                *bin = bin.saturating_add(*count);
            }
        }
        self.samples = self.samples.saturating_add(other.samples);
        self.log2_sum = self.log2_sum.saturating_add(other.log2_sum);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.samples > 0 {
            for (mine, theirs) in self.bins.iter_mut().zip(other.bins) {
                *mine = mine.saturating_add(theirs);
            }
            self.samples = self.samples.saturating_add(other.samples);
            self.log2_sum = self.log2_sum.saturating_add(other.log2_sum);
        }
    }

    pub(crate) fn to_sparse(&self) -> SparseHistogram {
        let filled = self.bins.iter().zip(0u8..).filter(|(count, _)| **count > 0);
        SparseHistogram {
            bins: if self.samples == 0 {
                Vec::new()
            } else {
                filled.map(|(count, index)| (index, *count)).collect()
            },
            samples: self.samples,
            log2_sum: self.log2_sum,
        }
    }
}

impl From<SparseHistogram> for LatencyHistogram {
    fn from(sparse: SparseHistogram) -> Self {
        let mut dense = Self::default();
        dense.merge_sparse(&sparse);
        dense
    }
}

impl From<LatencyHistogram> for SparseHistogram {
    fn from(dense: LatencyHistogram) -> Self {
        dense.to_sparse()
    }
}

impl Default for DecayedHistogram {
    fn default() -> Self {
        Self {
            bins: [0.0; LATENCY_BINS],
        }
    }
}

impl DecayedHistogram {
    /// Fades what is there to a share `kept` of itself and adds a closed bucket.
    pub(crate) fn fold(&mut self, kept: f64, bucket: &LatencyHistogram) {
        let kept = kept as f32;
        for (mine, theirs) in self.bins.iter_mut().zip(bucket.bins) {
            let faded = *mine * kept;
            *mine = if faded < NEGLIGIBLE { 0.0 } else { faded } + theirs as f32;
        }
    }

    /// Requests in it, faded to `kept`.
    pub(crate) fn samples(&self, kept: f64) -> f64 {
        self.bins.iter().map(|bin| f64::from(*bin)).sum::<f64>() * kept
    }

    /// Quantile in microseconds. Fading leaves quantiles where they are.
    pub(crate) fn quantile_us(&self, q: f64) -> Option<f64> {
        quantile_us(self.bins.iter().map(|bin| f64::from(*bin)), q)
    }
}

impl From<Vec<(u8, f32)>> for DecayedHistogram {
    fn from(sparse: Vec<(u8, f32)>) -> Self {
        let mut dense = Self::default();
        for (index, value) in sparse {
            if let Some(bin) = dense.bins.get_mut(usize::from(index)) {
                *bin = value;
            }
        }
        dense
    }
}

impl From<DecayedHistogram> for Vec<(u8, f32)> {
    fn from(dense: DecayedHistogram) -> Self {
        let bins = dense.bins.into_iter().zip(0u8..);
        bins.filter(|(value, _)| *value > 0.0)
            .map(|(value, index)| (index, value))
            .collect()
    }
}

/// The bin of a latency.
fn bin_of(latency: Duration) -> usize {
    let micros = latency.as_micros().max(0) as u64;
    if micros < 1 << FIRST_OCTAVE {
        return 0;
    }
    let octave = 63 - micros.leading_zeros();
    let third = ((micros - (1 << octave)) * 3) >> octave;
    (1 + (octave - FIRST_OCTAVE) as usize * 3 + third as usize).min(LATENCY_BINS - 1)
}

/// The least latency of a bin, in microseconds.
fn lower_edge_us(bin: usize) -> f64 {
    match bin.checked_sub(1) {
        None => 0.0,
        Some(above) => {
            let octave = FIRST_OCTAVE as usize + above / 3;
            (1u64 << octave.min(62)) as f64 * (1.0 + (above % 3) as f64 / 3.0)
        }
    }
}

fn quantile_us(bins: impl Iterator<Item = f64> + Clone, q: f64) -> Option<f64> {
    let total: f64 = bins.clone().sum();
    if total <= 0.0 {
        return None;
    }
    let rank = q.clamp(0.0, 1.0) * total;
    let (mut below, mut last) = (0.0, None);
    for (bin, count) in bins.enumerate().filter(|(_, count)| *count > 0.0) {
        let (from, to) = (lower_edge_us(bin), upper_edge_us(bin));
        if below + count >= rank {
            return Some(from + (to - from) * ((rank - below) / count).clamp(0.0, 1.0));
        }
        below += count;
        last = Some(to);
    }
    last
}

/// Nothing is known of the spread above the last edge, so the last bin is a point.
fn upper_edge_us(bin: usize) -> f64 {
    lower_edge_us((bin + 1).min(LATENCY_BINS - 1))
}

fn micros(value: f64) -> Duration {
    Duration::from_micros(value.round() as i64)
}

/// log2 of a span in microseconds, in 1/256, by straight lines within octaves: an integer, so that sums
/// agree between orders. Within 0.09 of the true logarithm, and the same everywhere.
pub(crate) fn log2_q8(span: Duration) -> u64 {
    let micros = span.as_micros().max(1) as u64;
    let octave = 63 - micros.leading_zeros();
    let rest = u128::from(micros - (1 << octave));
    u64::from(octave) * 256 + ((rest * 256) >> octave) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_latency_lies_within_the_edges_of_its_bin() {
        for exponent in 0..40 {
            for extra in [0u64, 1, 3, 7] {
                let latency = (1i64 << exponent) + ((1i64 << exponent) * extra as i64) / 8;
                let bin = bin_of(Duration::from_micros(latency));
                assert!(lower_edge_us(bin) <= latency as f64 + 1.0, "{latency} in {bin}");
                if bin < LATENCY_BINS - 1 {
                    assert!((latency as f64) < upper_edge_us(bin) + 1.0, "{latency} in {bin}");
                }
            }
        }
        assert_eq!(bin_of(Duration::from_micros(i64::MAX)), LATENCY_BINS - 1);
        assert_eq!(bin_of(Duration::from_micros(-1)), 0);
        assert!(
            lower_edge_us(LATENCY_BINS - 1) >= 600e6,
            "ten minutes are told apart"
        );
    }

    #[test]
    fn a_quantile_is_within_a_bin_of_the_truth() {
        let mut latency = LatencyHistogram::default();
        for ms in 1..=1_000 {
            latency.add(Duration::from_millis(ms), 1);
        }
        let p99 = latency.quantile(0.99).map_or(0.0, Duration::as_millis_f64);
        let p50 = latency.quantile(0.50).map_or(0.0, Duration::as_millis_f64);
        assert!(
            (p99 / 990.0 - 1.0).abs() < 0.15 && (p50 / 500.0 - 1.0).abs() < 0.15,
            "{p50} {p99}"
        );
        assert_eq!(LatencyHistogram::default().quantile(0.5), None);
    }

    #[test]
    fn what_is_above_ten_minutes_is_the_last_edge_not_infinity() {
        let mut latency = LatencyHistogram::default();
        latency.add(Duration::DAY, 3);
        assert!(latency.quantile(0.99).is_some_and(|p99| p99 < Duration::HOUR));
    }

    #[test]
    fn counts_saturate() {
        let mut latency = LatencyHistogram::default();
        latency.add(Duration::from_millis(1), u64::MAX);
        latency.add(Duration::from_millis(1), 5);
        assert_eq!(latency.samples(), u64::MAX);
        let sparse = latency.to_sparse();
        assert_eq!(LatencyHistogram::from(sparse), latency);
    }

    #[test]
    fn a_faded_histogram_keeps_its_quantiles_and_loses_its_weight() {
        let (mut bucket, mut faded) = (LatencyHistogram::default(), DecayedHistogram::default());
        bucket.add(Duration::from_millis(20), 100);
        bucket.add(Duration::from_millis(900), 2);
        faded.fold(1.0, &bucket);
        let before = faded.quantile_us(0.5);
        faded.fold(0.5, &LatencyHistogram::default());
        assert_eq!(faded.quantile_us(0.5), before);
        assert!((faded.samples(1.0) - 51.0).abs() < 1e-3);
    }
}
