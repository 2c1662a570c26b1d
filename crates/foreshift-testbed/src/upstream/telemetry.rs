//! What an upstream says of itself: levels and log lines, over OTLP.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tonic::transport::{Channel, Endpoint};

use super::{Upstream, log_lines};
use crate::scenario::Effects;

/// Seconds of the story between two reports.
const EVERY_S: f64 = 1.0;
/// Log lines of a good day, a second of the story.
const ORDINARY_PER_S: f64 = 0.4;
/// Memory in use on a good day, as a share of the limit, and what a collection frees of it.
const MEMORY_USUAL: f64 = 0.52;
const MEMORY_SAW: f64 = 0.03;
/// Seconds of the story between two collections.
const SAW_S: f64 = 40.0;
const MEMORY_LIMIT_MIB: f64 = 4_096.0;
/// An export that takes longer is given up.
const EXPORT: Duration = Duration::from_secs(1);

/// Reports until it is aborted. What cannot be delivered is lost, as with a real sender without a buffer.
pub(crate) async fn report(upstream: Arc<Upstream>, address: String) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(address)?.timeout(EXPORT).connect_lazy();
    let mut metrics = MetricsServiceClient::new(channel.clone());
    let mut logs = LogsServiceClient::new(channel);
    let mut ticks = tokio::time::interval(upstream.scenario.real(EVERY_S));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let effects = upstream.effects();
        if effects.gone {
            continue;
        }
        send(&mut metrics, &mut logs, &upstream, &effects).await;
    }
}

async fn send(
    metrics: &mut MetricsServiceClient<Channel>,
    logs: &mut LogsServiceClient<Channel>,
    upstream: &Upstream,
    effects: &Effects,
) {
    let _ = metrics.export(levels(upstream, effects)).await;
    let lines = lines(effects);
    if !lines.is_empty() {
        let _ = logs.export(records(upstream, lines)).await;
    }
}

fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn resource(upstream: &Upstream) -> Option<Resource> {
    let name = any_value::Value::StringValue(upstream.spec().name.clone());
    Some(Resource {
        attributes: vec![attribute("foreshift.target", name)],
        ..Resource::default()
    })
}

fn levels(upstream: &Upstream, effects: &Effects) -> ExportMetricsServiceRequest {
    let count = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed) as f64;
    let pool = count(&upstream.pool_used) + effects.pool * upstream.pool_size as f64;
    let saw = (upstream.story_s() + 13.0 * upstream.index as f64) / SAW_S;
    let memory =
        MEMORY_USUAL + MEMORY_SAW * (saw.fract() - 0.5) + 0.004 * (fastrand::f64() - 0.5) + effects.memory;
    let queue = upstream.queue_bound as f64;
    let mut levels = vec![
        (
            "in_flight",
            count(&upstream.in_flight),
            Some(queue + upstream.workers.available_permits() as f64),
        ),
        ("queue_depth", count(&upstream.waiting), Some(queue)),
        (
            "pool_used",
            pool.min(upstream.pool_size as f64),
            Some(upstream.pool_size as f64),
        ),
        (
            "memory_used",
            memory.min(0.995) * MEMORY_LIMIT_MIB,
            Some(MEMORY_LIMIT_MIB),
        ),
    ];
    if let (Some(left), Some(quota)) = (upstream.quota_left(effects), upstream.spec().quota) {
        levels.push(("quota_remaining", (left * quota).round(), None));
    }
    let at = now_nanos();
    let metric = |(name, value, limit): (&str, f64, Option<f64>)| Metric {
        name: name.to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint {
                attributes: limit
                    .map(|limit| attribute("foreshift.limit", any_value::Value::DoubleValue(limit)))
                    .into_iter()
                    .collect(),
                time_unix_nano: at,
                value: Some(Value::AsDouble(value)),
                ..NumberDataPoint::default()
            }],
        })),
        ..Metric::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(upstream),
            scope_metrics: vec![ScopeMetrics {
                metrics: levels.into_iter().map(metric).collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

/// The lines that are due, at random times.
fn lines(effects: &Effects) -> Vec<(i32, String)> {
    let due = |per_s: f64| {
        let expected = per_s * EVERY_S;
        expected as usize + usize::from(fastrand::f64() < expected.fract())
    };
    let mut lines: Vec<_> = (0..due(ORDINARY_PER_S)).map(|_| log_lines::ordinary()).collect();
    if let Some(topic) = effects.topic {
        lines.extend((0..due(effects.worried_per_s)).map(|_| log_lines::worried(topic)));
    }
    lines
}

fn records(upstream: &Upstream, lines: Vec<(i32, String)>) -> ExportLogsServiceRequest {
    let at = now_nanos();
    let record = |(severity_number, line)| LogRecord {
        time_unix_nano: at,
        observed_time_unix_nano: at,
        severity_number,
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(line)),
        }),
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(upstream),
            scope_logs: vec![ScopeLogs {
                log_records: lines.into_iter().map(record).collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}
