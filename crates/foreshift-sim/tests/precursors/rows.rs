//! What gateways report, folded into one row per target every five seconds.

use std::collections::{BTreeMap, VecDeque};

use foreshift_domain::signal::{Observation, OutcomeKind};
use foreshift_domain::{TargetName, Timestamp};
use foreshift_sim::{Emission, LogLine, Policy, Recording};

pub(crate) const TICK_S: i64 = 5;
/// Ticks kept of the past: five minutes.
const KEPT: usize = 60;
/// Rows of the long window: two minutes.
const LONG: usize = 24;

pub(crate) const NAMES: [&str; 12] = [
    "error_ratio_30s",
    "timeout_ratio_60s",
    "latency_mean_30s",
    "latency_p95_30s",
    "latency_p99_60s",
    "in_flight",
    "queue_depth",
    "pool_used",
    "memory_used",
    "quota_used",
    "worried_log_lines_60s",
    "request_rate",
];
pub(crate) const SIGNALS: usize = NAMES.len();

/// Beginnings of lines that are written on a good day.
const ORDINARY: [&str; 8] = [
    "compacted",
    "cache refresh",
    "scheduled job",
    "slow query",
    "config reload",
    "client request",
    "accepted",
    "retrying",
];

pub(crate) struct Row {
    pub(crate) time: Timestamp,
    /// The signals over their usual windows.
    pub(crate) levels: [f64; SIGNALS],
    /// The same over two minutes.
    pub(crate) long: [f64; SIGNALS],
    /// Whether a deploy was announced within the last five minutes.
    pub(crate) deployed: bool,
}

#[derive(Default, Clone)]
struct Bucket {
    latencies_ms: Vec<f64>,
    failures: f64,
    timeouts: f64,
    log_lines: f64,
    gauges: BTreeMap<String, (f64, f64)>,
    deploys: usize,
}

pub(crate) fn rows(recording: &Recording) -> BTreeMap<TargetName, Vec<Row>> {
    let mut buckets: BTreeMap<TargetName, Bucket> = BTreeMap::new();
    let mut past: BTreeMap<TargetName, VecDeque<Bucket>> = BTreeMap::new();
    let mut rows: BTreeMap<TargetName, Vec<Row>> = BTreeMap::new();
    let mut tick = recording.start + foreshift_domain::Duration::from_secs(TICK_S);
    for emission in recording.run(Policy::Stay) {
        while emission.time() >= tick && tick <= recording.end() {
            for (route, spec) in recording.targets().filter(|(_, spec)| spec.baseline_bp > 0) {
                let window = past.entry(spec.name.clone()).or_default();
                window.push_front(buckets.remove(&spec.name).unwrap_or_default());
                window.truncate(KEPT);
                let slo_ms = route.slo_latency_p99.as_millis_f64();
                let quota = spec.quota.unwrap_or(f64::INFINITY);
                let row = Row {
                    time: tick,
                    levels: levels(
                        window,
                        [6, 12, 6, 6, 12, 3, 3, 3, 3, 1, 12, 6],
                        slo_ms,
                        quota,
                        spec.capacity_rps,
                    ),
                    long: levels(window, [LONG; SIGNALS], slo_ms, quota, spec.capacity_rps),
                    deployed: window.iter().any(|bucket| bucket.deploys > 0),
                };
                rows.entry(spec.name.clone()).or_default().push(row);
            }
            tick = tick + foreshift_domain::Duration::from_secs(TICK_S);
        }
        fold(&mut buckets, emission);
    }
    rows
}

fn fold(buckets: &mut BTreeMap<TargetName, Bucket>, emission: Emission) {
    let bucket = buckets.entry(emission.target().clone()).or_default();
    match emission {
        Emission::Log(LogLine { message, .. }) => {
            bucket.log_lines += f64::from(u8::from(!ORDINARY.iter().any(|begin| message.starts_with(begin))));
        }
        Emission::Signal(signal) => match signal.observation {
            Observation::Outcome(ended) => {
                bucket.failures += f64::from(u8::from(ended.kind.is_failure()));
                bucket.timeouts += f64::from(u8::from(ended.kind == OutcomeKind::Timeout));
                bucket
                    .latencies_ms
                    .extend(ended.latency.map(|latency| latency.as_millis_f64()));
            }
            Observation::Gauge(gauge) => {
                let sum = bucket.gauges.entry(gauge.name.as_str().to_owned()).or_default();
                sum.0 += gauge.value / gauge.limit.unwrap_or(1.0);
                sum.1 += 1.0;
            }
            Observation::Event(_) => bucket.deploys += 1,
            _ => {}
        },
    }
}

fn levels(
    past: &VecDeque<Bucket>,
    spans: [usize; SIGNALS],
    slo_ms: f64,
    quota: f64,
    capacity: f64,
) -> [f64; SIGNALS] {
    let over = |signal: usize| past.iter().take(spans[signal]);
    let count = |signal: usize| {
        over(signal)
            .map(|bucket| bucket.latencies_ms.len() as f64)
            .sum::<f64>()
            .max(1.0)
    };
    let gauge = |signal: usize, name: &str| {
        let sums = over(signal).filter_map(|bucket| bucket.gauges.get(name));
        let (sum, number) = sums.fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        if number > 0.0 { sum / number } else { 0.0 }
    };
    let quantile = |signal: usize, share: f64| {
        let mut all: Vec<f64> = over(signal)
            .flat_map(|bucket| bucket.latencies_ms.iter().copied())
            .collect();
        let rank = (all.len() as f64 * share) as usize;
        if all.is_empty() {
            0.0
        } else {
            *all.select_nth_unstable_by(rank, f64::total_cmp).1 / slo_ms
        }
    };
    let seconds = |signal: usize| (over(signal).count() as f64 * TICK_S as f64).max(1.0);
    [
        over(0).map(|bucket| bucket.failures).sum::<f64>() / count(0),
        over(1).map(|bucket| bucket.timeouts).sum::<f64>() / count(1),
        over(2).flat_map(|bucket| &bucket.latencies_ms).sum::<f64>() / count(2) / slo_ms,
        quantile(3, 0.95),
        quantile(4, 0.99),
        gauge(5, "in_flight"),
        gauge(6, "queue_depth"),
        gauge(7, "pool_used"),
        gauge(8, "memory_used"),
        if quota.is_finite() {
            1.0 - gauge(9, "quota_remaining") / quota
        } else {
            0.0
        },
        over(10).map(|bucket| bucket.log_lines).sum::<f64>() / seconds(10),
        count(11) / seconds(11) / capacity,
    ]
}
