//! Static thresholds, as a person on call would set them.

use crate::evaluate::panel::Panel;

pub(super) const ABOUT: &str = "static thresholds: 5 % of requests fail, 5 % get no answer, 5 % are refused, the 99th \
     percentile has doubled, a gauge is at 90 % of its limit, or the target says that it is degraded";

/// Features and where they alarm.
const THRESHOLDS: [(&str, f64); 6] = [
    ("failure_ratio_fast", 0.05),
    ("unreachable_ratio", 0.05),
    ("limited_ratio", 0.05),
    ("latency_p99_shift", 1.0),
    ("gauge_fullness", 0.9),
    ("health_state", 1.0),
];

/// The signal that is farthest up, in thresholds; 0 where nothing is known.
pub(super) fn rank(panel: &Panel) -> Vec<f64> {
    let signals = THRESHOLDS.map(|(name, threshold)| (panel.feature(name), threshold));
    let farthest = |row: usize| {
        let shares = signals
            .iter()
            .filter_map(|(values, threshold)| values.get(row).map(|value| value / threshold));
        shares.filter(|share| share.is_finite()).fold(0.0, f64::max)
    };
    (0..panel.rows.len()).map(farthest).collect()
}
