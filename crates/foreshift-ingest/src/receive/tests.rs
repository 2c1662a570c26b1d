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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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

/// An export over HTTP: status, headers and body of the answer.
async fn posted(stage: &Stage, path: &str, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = tokio::net::TcpStream::connect(stage.address)
        .await
        .expect("it listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    // An answer may come, and the connection end, before all of a body that is too long is sent.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .expect("a status")
        .parse()
        .expect("a number");
    (status, head, answer[end + 4..].to_vec())
}

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json; charset=utf-8\r\n";

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, body).expect("packed");
    encoder.finish().expect("packed")
}

#[tokio::test]
async fn exports_over_http_are_read_in_both_encodings_plain_and_packed() {
    let mut stage = Stage::set(100);
    let proto = prost::Message::encode_to_vec(&level());
    let json = serde_json::to_vec(&level()).expect("JSON");
    let gzip = "content-encoding: gzip\r\n";
    for (headers, body) in [
        (PROTOBUF.to_owned(), proto.clone()),
        (format!("{PROTOBUF}{gzip}"), packed(&proto)),
        (JSON.to_owned(), json.clone()),
        (format!("{JSON}{gzip}"), packed(&json)),
    ] {
        let (status, head, answer) = posted(&stage, "/v1/metrics", &headers, &body).await;
        assert_eq!(status, 200, "{head} {}", String::from_utf8_lossy(&answer));
        let kind = headers.split([';', '\r']).next().expect("a kind");
        assert!(head.contains(kind), "{head}");
        assert_eq!(stage.signals().len(), 1);
    }
    let (status, ..) = posted(&stage, "/v1/logs", JSON, b"{\"resourceLogs\":[]}").await;
    assert_eq!(status, 200);
    let (status, ..) = posted(&stage, "/v1/traces", PROTOBUF, b"").await;
    assert_eq!(status, 200, "an empty export says nothing, and is one");
    assert_eq!(stage.counters.read(Receiver::Otlp).items, 4);
}

#[tokio::test]
async fn what_is_no_export_over_http_is_refused_by_what_is_wrong_with_it() {
    let stage = Stage::set(100);
    let too_long = vec![0; MAX_EXPORT_BYTES + 1];
    let gzip = format!("{PROTOBUF}content-encoding: gzip\r\n");
    for (headers, body, expected) in [
        (JSON, &b"{\"resourceMetrics\": secret}"[..], 400),
        (PROTOBUF, b"\xff\xff", 400),
        (gzip.as_str(), b"no gzip", 400),
        (PROTOBUF, &too_long, 413),
        (gzip.as_str(), &packed(&too_long), 413),
        ("content-type: text/plain\r\n", b"", 415),
        ("", b"", 415),
    ] {
        let (status, head, answer) = posted(&stage, "/v1/metrics", headers, body).await;
        assert_eq!(status, expected, "{headers}");
        assert!(!head.contains("retry-after"), "{head}: it must not be sent again");
        assert!(!String::from_utf8_lossy(&answer).contains("secret"));
    }
    assert_eq!(stage.counters.read(Receiver::Otlp).items, 0);
}

#[tokio::test]
async fn a_sender_over_http_without_room_is_told_when_to_come_again() {
    let stage = Stage::set(2);
    let body = prost::Message::encode_to_vec(&level());
    assert_eq!(posted(&stage, "/v1/metrics", PROTOBUF, &body).await.0, 200);
    let (status, head, _) = posted(&stage, "/v1/metrics", PROTOBUF, &body).await;
    assert!(status == 503 && head.contains("retry-after: 1"), "{head}");
    assert_eq!(stage.counters.read(Receiver::Otlp).refused_exports, 1);
}
