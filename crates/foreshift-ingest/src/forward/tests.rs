use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::*;
use crate::decode::Decoder;
use crate::decode::Format;
use crate::decode::envoy::EnvoyKeys;
use crate::source::mock::MockKafka;
use crate::source::{KafkaSettings, KafkaSource, Membership, Positions, Source, StartAt, TopicSettings};

const PATIENCE: Duration = Duration::from_millis(20);

fn topics() -> ForwardTopics {
    let [access_logs, metrics, logs, traces] = ["als", "metrics", "logs", "traces"].map(str::to_owned);
    ForwardTopics {
        access_logs,
        metrics,
        logs,
        traces,
    }
}

fn forward(brokers: &str, capacity_kib: usize) -> Forward {
    let forward = Forward::with_room(brokers, topics(), &BTreeMap::new(), capacity_kib);
    forward.expect("the properties are right")
}

fn text(text: &str) -> AnyValue {
    AnyValue {
        value: Some(any_value::Value::StringValue(text.to_owned())),
    }
}

/// Log lines of so many bytes each, all of one resource.
fn lines(count: usize, bytes: usize) -> ExportLogsServiceRequest {
    let line = |number| LogRecord {
        time_unix_nano: 1_740_830_400_000_000_000 + number as u64,
        body: Some(text(&"x".repeat(bytes))),
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: vec![KeyValue {
                    key: "foreshift.target".into(),
                    value: Some(text("eu")),
                    ..KeyValue::default()
                }],
                ..Resource::default()
            }),
            scope_logs: vec![ScopeLogs {
                log_records: (0..count).map(line).collect(),
                schema_url: "scope".into(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

#[test]
fn an_export_longer_than_a_record_is_parted_and_nothing_of_it_is_lost_or_out_of_order() {
    let whole = lines(1_000, 100);
    let records = halves::records(whole.clone(), 9_000).expect("it can be parted");
    assert!(records.len() > 10 && records.iter().all(|record| record.len() <= 9_000));
    let mut joined = Vec::new();
    for record in records {
        let part = ExportLogsServiceRequest::decode(record.as_slice()).expect("an export");
        let [resource] = part.resource_logs.as_slice() else {
            panic!("one resource")
        };
        assert_eq!(resource.resource, whole.resource_logs[0].resource);
        assert_eq!(resource.scope_logs[0].schema_url, "scope");
        joined.extend(resource.scope_logs[0].log_records.clone());
    }
    assert_eq!(joined, whole.resource_logs[0].scope_logs[0].log_records);
}

#[test]
fn a_metric_of_many_points_is_parted_by_its_points() {
    let point = |number| NumberDataPoint {
        time_unix_nano: number,
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: "requests".into(),
        data: Some(Data::Sum(Sum {
            data_points: (1..=1_000).map(point).collect(),
            aggregation_temporality: 2,
            is_monotonic: true,
        })),
        ..Metric::default()
    };
    let export = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    let mut times = Vec::new();
    for record in halves::records(export, 500).expect("it can be parted") {
        let part = ExportMetricsServiceRequest::decode(record.as_slice()).expect("an export");
        let metric = &part.resource_metrics[0].scope_metrics[0].metrics[0];
        let Some(Data::Sum(sum)) = &metric.data else {
            panic!("a sum")
        };
        assert!(metric.name == "requests" && sum.aggregation_temporality == 2 && sum.is_monotonic);
        times.extend(sum.data_points.iter().map(|point| point.time_unix_nano));
    }
    assert_eq!(times, (1..=1_000).collect::<Vec<_>>());
}

#[test]
fn one_line_that_is_longer_than_a_record_is_refused_with_its_length() {
    assert!(halves::records(lines(1, 10_000), 9_000).is_err_and(|length| length > 10_000));
}

#[tokio::test]
async fn what_waits_for_brokers_that_are_gone_is_bounded_and_senders_are_told() {
    let forward = forward("127.0.0.1:1", 8);
    let taken = (0..20).filter(|_| forward.access_logs(&[0; 1_000], None)).count();
    assert_eq!((taken, forward.waiting_kib()), (8, 8));
    let export = forward.export("logs", None, lines(1, 10), PATIENCE).await;
    assert_eq!(export, Err(PushError::Full));
    let too_large = forward.export("logs", None, lines(200, 100), PATIENCE).await;
    assert!(
        matches!(too_large, Err(PushError::TooLarge { most: 8, .. })),
        "{too_large:?}"
    );
    assert_eq!((forward.counters().queued, forward.counters().dropped), (8, 0));
    assert!(!forward.flush(Duration::from_millis(10)));
}

#[tokio::test]
async fn a_sender_that_waits_gets_room_before_one_that_forgets_and_delivery_gives_it_back() {
    let kafka = MockKafka::start(&[("als", 1), ("logs", 1)]).expect("a broker");
    let forward = forward(&kafka.brokers(), 2);
    for _ in 0..50 {
        let export = forward.export("logs", Some("a"), lines(1, 10), Duration::from_secs(20));
        export.await.expect("room comes back with each delivery");
    }
    assert!(forward.flush(Duration::from_secs(20)));
    assert_eq!((forward.counters().delivered, forward.waiting_kib()), (50, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_read_from_kafka_as_it_was_sent() {
    let kafka = MockKafka::start(&[("logs", 1)]).expect("a broker");
    let forward = forward(&kafka.brokers(), MAX_WAITING_KIB);
    let export = lines(3_000, 1_000);
    let export = forward.export("logs", None, export, Duration::from_secs(1));
    export.await.expect("there is room");
    assert!(forward.flush(Duration::from_secs(20)));
    assert!(forward.counters().delivered > 3, "{:?}", forward.counters());
    let settings = KafkaSettings {
        brokers: kafka.brokers(),
        topics: vec![TopicSettings {
            name: "logs".into(),
            format: Format::OtlpLogsProto,
        }],
        membership: Membership::Assign,
        start: StartAt::Oldest,
        allow_gaps: false,
        properties: BTreeMap::new(),
    };
    let decoder = Decoder::new(EnvoyKeys::default()).expect("a decoder");
    let mut source = KafkaSource::open(settings, decoder, &Positions::new()).expect("opened");
    let until = Instant::now() + Duration::from_secs(30);
    let mut lines = 0;
    while lines < 3_000 {
        assert!(Instant::now() < until, "{lines} came");
        let batch = source.poll(10_000, Duration::from_millis(200)).expect("a batch");
        lines += batch.items();
    }
    assert_eq!(lines, 3_000);
}
