//! Histograms of OTLP to latency bins.

use foreshift_domain::Duration;
use foreshift_domain::signal::{LatencyBin, MAX_LATENCY_BINS};
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint};

use super::super::DecodeError;

/// A latency longer than this is one of a clock that jumped.
const MAX_SECONDS: f64 = 365.0 * 86_400.0;

/// Bins of a histogram with explicit bounds. `unit_s` is the length of its unit in seconds.
pub(super) fn explicit(point: &HistogramDataPoint, unit_s: f64) -> Result<Vec<LatencyBin>, DecodeError> {
    let bounds = &point.explicit_bounds;
    if bounds.len() >= MAX_LATENCY_BINS {
        return Err(DecodeError::TooMany {
            most: MAX_LATENCY_BINS,
        });
    }
    // Senders may leave out the buckets, and only count.
    if point.bucket_counts.is_empty() {
        return Ok(Vec::new());
    }
    let ascending = bounds
        .iter()
        .zip(bounds.iter().skip(1))
        .all(|(low, high)| low < high);
    let finite = bounds.iter().all(|bound| bound.is_finite());
    if !ascending || !finite || point.bucket_counts.len() != bounds.len() + 1 {
        return Err(DecodeError::BadField {
            field: "explicit_bounds".into(),
            expected: "ascending, with one bucket more than bounds",
        });
    }
    // The last bucket has no bound: its largest value, where known, or twice the last bound.
    let last = bounds.last().copied().unwrap_or(0.0);
    let open = point
        .max
        .filter(|max| max.is_finite() && *max > last)
        .unwrap_or(last * 2.0);
    let uppers = bounds.iter().copied().chain([open]);
    Ok(bins(
        uppers
            .zip(point.bucket_counts.iter().copied())
            .map(|(upper, count)| (upper * unit_s, count)),
    ))
}

/// Bins of an exponential histogram: those of positive values, and one for zero.
pub(super) fn exponential(
    point: &ExponentialHistogramDataPoint,
    unit_s: f64,
) -> Result<Vec<LatencyBin>, DecodeError> {
    let zero = (point.zero_threshold.max(0.0) * unit_s, point.zero_count);
    let Some(positive) = &point.positive else {
        return Ok(bins([zero].into_iter()));
    };
    if positive.bucket_counts.len() > MAX_LATENCY_BINS {
        return Err(DecodeError::TooMany {
            most: MAX_LATENCY_BINS,
        });
    }
    // The bounds are powers of 2^(2^-scale); the conventions allow scales from -10 to 20.
    if !(-10..=20).contains(&point.scale) {
        return Err(DecodeError::BadField {
            field: "scale".into(),
            expected: "from -10 to 20",
        });
    }
    let width = f64::from(-point.scale).exp2();
    let offset = f64::from(positive.offset);
    let upper = |index: usize| ((offset + index as f64 + 1.0) * width).exp2() * unit_s;
    let positive = positive
        .bucket_counts
        .iter()
        .enumerate()
        .map(|(index, count)| (upper(index), *count));
    Ok(bins([zero].into_iter().chain(positive)))
}

/// Bins in whole microseconds. Empty ones are left out, those that fall on the same microsecond are one.
fn bins(buckets: impl Iterator<Item = (f64, u64)>) -> Vec<LatencyBin> {
    let mut bins: Vec<LatencyBin> = Vec::new();
    for (upper_s, count) in buckets.filter(|(_, count)| *count > 0) {
        let upper = Duration::from_secs_f64(upper_s.clamp(0.0, MAX_SECONDS));
        match bins.last_mut() {
            Some(last) if last.upper >= upper => last.count = last.count.saturating_add(count),
            _ => bins.push(LatencyBin { upper, count }),
        }
    }
    bins
}
