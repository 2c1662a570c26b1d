use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::data::accesslog::v3::{AccessLogCommon, HttpAccessLogEntry};
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, Identifier, LogEntries,
};
use envoy_types::pb::google::protobuf;
use foreshift_domain::signal::Signal;
use futures_util::stream;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use tonic::Code;
use tonic::transport::server::TcpIncoming;

use super::*;
use crate::decode::envoy::EnvoyKeys;
use crate::decoded::Decoded;
use crate::source::Source;
use crate::source::push::{PushSource, channel};

/// Receivers on a port of their own.
struct Stage {
    address: SocketAddr,
    counters: ReceiveCounters,
    source: PushSource,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<Result<(), ReceiveError>>,
}

impl Stage {
    fn set(capacity: usize) -> Self {
        let (push, source) = channel(capacity);
        let decoder = Decoder::new(EnvoyKeys::default()).expect("the table of phrases");
        let receivers = Receivers::new(push, decoder);
        let counters = receivers.counters();
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = incoming.local_addr().expect("an address");
        let (stop, stopping) = watch::channel(false);
        let served = tokio::spawn(receivers.serve(incoming, stopping));
        Self {
            address,
            counters,
            source,
            stop,
            served,
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn signals(&mut self) -> Vec<Signal> {
        let batch = self.source.poll(1_000, Duration::from_secs(10)).expect("a batch");
        let items = batch.runs.into_iter().flat_map(|run| run.items);
        items
            .filter_map(|item| match item.decoded {
                Decoded::Signal { signal, .. } => Some(signal),
                _ => None,
            })
            .collect()
    }
}

fn message(node: Option<&str>, entries: usize) -> StreamAccessLogsMessage {
    let entry = HttpAccessLogEntry {
        common_properties: Some(AccessLogCommon {
            start_time: Some(protobuf::Timestamp {
                seconds: 1_740_830_400,
                nanos: 0,
            }),
            upstream_cluster: "eu".into(),
            ..AccessLogCommon::default()
        }),
        ..HttpAccessLogEntry::default()
    };
    StreamAccessLogsMessage {
        identifier: node.map(|id| Identifier {
            node: Some(Node {
                id: id.into(),
                ..Node::default()
            }),
            log_name: "foreshift".into(),
        }),
        log_entries: Some(LogEntries::HttpLogs(HttpAccessLogEntries {
            log_entry: vec![entry; entries],
        })),
    }
}

fn level() -> ExportMetricsServiceRequest {
    let text = |text: &str| AnyValue {
        value: Some(any_value::Value::StringValue(text.into())),
    };
    let point = NumberDataPoint {
        attributes: vec![KeyValue {
            key: "foreshift.target".into(),
            value: Some(text("eu")),
            ..KeyValue::default()
        }],
        time_unix_nano: 1_740_830_400_000_000_000,
        value: Some(Value::AsDouble(0.5)),
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: "pool.in_use".into(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![point],
        })),
        ..Metric::default()
    };
    let scope = ScopeMetrics {
        metrics: vec![metric],
        ..ScopeMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        }],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_logs_that_are_streamed_come_out_of_the_source_with_their_gateway() {
    let mut stage = Stage::set(1_000);
    let mut client = AccessLogServiceClient::connect(stage.url())
        .await
        .expect("a connection");
    let messages = vec![message(Some("gw-1"), 2), message(None, 1)];
    client
        .stream_access_logs(stream::iter(messages))
        .await
        .expect("taken");
    let signals = tokio::task::block_in_place(|| stage.signals());
    assert_eq!(signals.len(), 3);
    for signal in &signals {
        assert_eq!(signal.target.as_str(), "eu");
        assert_eq!(signal.gateway.as_ref().map(|name| name.as_str()), Some("gw-1"));
    }
    let counters = stage.counters.read(Receiver::AccessLogs);
    assert_eq!((counters.items, counters.dropped), (3, 0));
}

#[tokio::test]
async fn access_logs_past_a_full_buffer_are_dropped_and_counted_and_the_stream_lives_on() {
    let stage = Stage::set(10);
    let mut client = AccessLogServiceClient::connect(stage.url())
        .await
        .expect("a connection");
    let messages = vec![message(Some("gw-1"), 100), message(None, 5)];
    client
        .stream_access_logs(stream::iter(messages))
        .await
        .expect("taken");
    let counters = stage.counters.read(Receiver::AccessLogs);
    assert_eq!((counters.items, counters.dropped), (9, 96));
}

#[tokio::test]
async fn a_stream_that_says_nothing_ends_when_the_process_stops() {
    let stage = Stage::set(10);
    let mut client = AccessLogServiceClient::connect(stage.url())
        .await
        .expect("a connection");
    let first = stream::iter([message(Some("gw-1"), 1)]);
    let silent = futures_util::StreamExt::chain(first, stream::pending());
    let call = tokio::spawn(async move { client.stream_access_logs(silent).await });
    while stage.counters.read(Receiver::AccessLogs).items == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.counters.read(Receiver::AccessLogs).open_calls, 1);
    stage.stop.send_replace(true);
    assert!(call.await.expect("a task").is_ok(), "the end is told as one");
    assert!(stage.served.await.expect("a task").is_ok());
    assert_eq!(stage.counters.read(Receiver::AccessLogs).open_calls, 0);
}

#[tokio::test]
async fn a_message_past_the_bound_ends_its_stream_alone() {
    let stage = Stage::set(10);
    let mut client = AccessLogServiceClient::connect(stage.url())
        .await
        .expect("a connection");
    let huge = message(Some(&"x".repeat(MAX_ACCESS_LOG_BYTES)), 1);
    assert!(client.stream_access_logs(stream::iter([huge])).await.is_err());
    let next = stream::iter([message(None, 1)]);
    client.stream_access_logs(next).await.expect("taken");
    assert_eq!(stage.counters.read(Receiver::AccessLogs).items, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_of_a_collector_are_taken_packed_and_unpacked() {
    let mut stage = Stage::set(1_000);
    let client = MetricsServiceClient::connect(stage.url())
        .await
        .expect("a connection");
    let mut packed = client.clone().send_compressed(CompressionEncoding::Gzip);
    for client in [&mut client.clone(), &mut packed] {
        let answer = client.export(level()).await.expect("taken").into_inner();
        assert_eq!(answer.partial_success, None);
        let signals = tokio::task::block_in_place(|| stage.signals());
        assert_eq!(signals.len(), 1);
    }
    assert_eq!(stage.counters.read(Receiver::Otlp).items, 2);
}

#[tokio::test]
async fn an_export_without_room_is_told_to_come_again_and_counted() {
    let stage = Stage::set(10);
    let client = || async {
        let client = MetricsServiceClient::connect(stage.url()).await;
        client.expect("a connection")
    };
    for _ in 0..5 {
        client().await.export(level()).await.expect("taken");
    }
    let refused = client().await.export(level()).await.expect_err("no room");
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(stage.counters.read(Receiver::Otlp).refused_exports, 1);
}
