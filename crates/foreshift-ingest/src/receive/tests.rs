use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterStats;
use envoy_types::pb::envoy::data::accesslog::v3::{AccessLogCommon, HttpAccessLogEntry};
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, Identifier, LogEntries,
};
use envoy_types::pb::envoy::service::load_stats::v3::LoadStatsRequest;
use envoy_types::pb::envoy::service::load_stats::v3::load_reporting_service_client::LoadReportingServiceClient;
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
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

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
        Self::guarded(capacity, None)
    }

    fn guarded(capacity: usize, gate: Option<Gate>) -> Self {
        Self::encrypted(capacity, gate, None)
    }

    fn encrypted(capacity: usize, gate: Option<Gate>, tls: Option<ServerTlsConfig>) -> Self {
        let (push, source) = channel(capacity);
        let decoder = Decoder::new(EnvoyKeys::default()).expect("the table of phrases");
        let receivers = Receivers {
            gate,
            tls,
            ..Receivers::new(push, decoder)
        };
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

#[tokio::test]
async fn who_may_not_call_is_refused_before_anything_is_read_and_counted() {
    let gate: Gate = Arc::new(|call| match call.metadata().get("authorization") {
        Some(token) if token == "Bearer good" => Ok(()),
        Some(_) => Err(Status::permission_denied("not here for that")),
        None => Err(Status::unauthenticated("credentials are needed")),
    });
    let mut stage = Stage::guarded(100, Some(gate));
    let body = prost::Message::encode_to_vec(&level());
    for (token, expected) in [("", 401), ("authorization: Bearer bad\r\n", 403)] {
        let headers = format!("{PROTOBUF}{token}");
        assert_eq!(posted(&stage, "/v1/metrics", &headers, &body).await.0, expected);
    }
    let mut metrics = MetricsServiceClient::connect(stage.url())
        .await
        .expect("connected");
    let refused = metrics.export(level()).await.expect_err("no token");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut logs = AccessLogServiceClient::connect(stage.url())
        .await
        .expect("connected");
    let refused = logs
        .stream_access_logs(stream::iter([message(Some("gw-1"), 1)]))
        .await;
    assert_eq!(refused.expect_err("no token").code(), Code::Unauthenticated);
    let refused = [Receiver::AccessLogs, Receiver::Otlp].map(|of| stage.counters.read(of).refused_calls);
    assert_eq!(refused, [1, 3]);

    let headers = format!("{PROTOBUF}authorization: Bearer good\r\n");
    assert_eq!(posted(&stage, "/v1/metrics", &headers, &body).await.0, 200);
    assert_eq!(stage.signals().len(), 1);
}

#[tokio::test]
async fn a_client_is_told_to_report_all_its_clusters_and_its_reports_come_out() {
    let mut stage = Stage::set(100);
    let node = Node {
        id: "gw-1".into(),
        client_features: vec!["envoy.lrs.supports_send_all_clusters".into()],
        ..Node::default()
    };
    let first = LoadStatsRequest {
        node: Some(node),
        ..LoadStatsRequest::default()
    };
    let report = LoadStatsRequest {
        cluster_stats: vec![ClusterStats {
            cluster_name: "eu".into(),
            load_report_interval: Some(protobuf::Duration { seconds: 1, nanos: 0 }),
            ..ClusterStats::default()
        }],
        ..LoadStatsRequest::default()
    };
    let mut client = LoadReportingServiceClient::connect(stage.url())
        .await
        .expect("connected");
    let told = client
        .stream_load_stats(stream::iter([first, report]))
        .await
        .expect("taken");
    let told = told
        .into_inner()
        .message()
        .await
        .expect("told")
        .expect("an answer");
    assert!(told.send_all_clusters && told.load_reporting_interval.is_some());
    let signals = tokio::task::spawn_blocking(move || stage.signals())
        .await
        .expect("signals");
    let gateways: Vec<_> = signals
        .iter()
        .map(|signal| signal.gateway.as_ref().map(|of| of.as_str()))
        .collect();
    assert_eq!(gateways, [Some("gw-1"), Some("gw-1")]);
}

#[tokio::test]
async fn a_flood_of_access_logs_is_bounded_and_counted_to_the_last_entry() {
    let stage = Stage::set(1_000);
    let floods = 8;
    let (messages, entries) = (50, 40);
    let streams = (0..floods).map(|_| {
        let url = stage.url();
        tokio::spawn(async move {
            let mut client = AccessLogServiceClient::connect(url).await.expect("connected");
            let flood = (0..messages).map(move |_| message(Some("gw-1"), entries));
            client
                .stream_access_logs(stream::iter(flood))
                .await
                .expect("taken")
        })
    });
    for stream in streams.collect::<Vec<_>>() {
        stream.await.expect("it ends");
    }
    let now = stage.counters.read(Receiver::AccessLogs);
    assert_eq!(now.items + now.dropped, (floods * messages * entries) as u64);
    assert!(now.items <= 1_000 && now.items > 900, "{now:?}");
    assert_eq!(now.open_calls, 0);
}

#[tokio::test]
async fn with_tls_nobody_is_heard_in_clear_text() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, secret) = (key.cert.pem(), key.signing_key.serialize_pem());
    let identity = Identity::from_pem(&certificate, secret);
    let tls = ServerTlsConfig::new().identity(identity);
    let mut stage = Stage::encrypted(100, None, Some(tls));
    let in_clear = MetricsServiceClient::connect(stage.url()).await;
    let refused = match in_clear {
        Ok(mut client) => client.export(level()).await.is_err(),
        Err(_) => true,
    };
    assert!(refused && stage.counters.read(Receiver::Otlp).items == 0);

    let trusting = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&certificate));
    let url = format!("https://localhost:{}", stage.address.port());
    let endpoint = tonic::transport::Endpoint::from_shared(url).expect("an address");
    let channel = endpoint
        .tls_config(trusting)
        .expect("a certificate")
        .connect()
        .await;
    let mut client = MetricsServiceClient::new(channel.expect("connected"));
    client.export(level()).await.expect("taken");
    assert_eq!(stage.signals().len(), 1);
}
