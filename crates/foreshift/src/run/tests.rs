//! The whole process in one test: no Kafka, an Envoy that streams its access logs.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, HttpAccessLogEntry, HttpResponseProperties,
};
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, Identifier, LogEntries,
};
use envoy_types::pb::google::protobuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::codegen::tokio_stream;

use super::*;

const PROCESS: &str = r#"
receive: {address: "127.0.0.1:0"}
listen:
  grpc: {address: "127.0.0.1:0"}
  operator: {address: "127.0.0.1:0"}
  http: {address: "127.0.0.1:0"}
storage: {dir: state}
shutdown_deadline: 5s
"#;

const FALLBACK: &str = "routes:\n  - name: chat\n    targets: [{name: eu, role: primary, baseline: 50%}, \
                        {name: us, role: primary, baseline: 50%}]\n";

/// Long enough for the slowest machine; a test that passes takes none of it.
const PATIENCE: Duration = Duration::from_secs(60);

fn message(entries: usize) -> StreamAccessLogsMessage {
    let now = self::core::wall();
    let common = AccessLogCommon {
        start_time: Some(protobuf::Timestamp {
            seconds: now.as_micros() / 1_000_000,
            nanos: 0,
        }),
        upstream_cluster: "eu".into(),
        ..AccessLogCommon::default()
    };
    let response = HttpResponseProperties {
        response_code: Some(protobuf::UInt32Value { value: 200 }),
        ..HttpResponseProperties::default()
    };
    let entry = HttpAccessLogEntry {
        common_properties: Some(common),
        response: Some(response),
        ..HttpAccessLogEntry::default()
    };
    StreamAccessLogsMessage {
        identifier: Some(Identifier {
            node: Some(Node {
                id: "gw-1".into(),
                ..Node::default()
            }),
            log_name: "foreshift".into(),
        }),
        log_entries: Some(LogEntries::HttpLogs(HttpAccessLogEntries {
            log_entry: vec![entry; entries],
        })),
    }
}

async fn metrics(http: SocketAddr) -> String {
    let mut stream = tokio::net::TcpStream::connect(http).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_access_logs_over_grpc_reach_the_engine_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let process =
        foreshift_config::parse_process(PROCESS, "f", Path::new(dir.path()), std::iter::empty()).unwrap();
    let fallback = foreshift_config::parse_fallback(FALLBACK, "f").unwrap().value;
    let running = start(&process.value, Arc::new(fallback)).await.unwrap();
    let (receive, http) = running.servers.receive_and_http().unwrap();

    let mut envoy = AccessLogServiceClient::connect(format!("http://{receive}"))
        .await
        .unwrap();
    envoy
        .stream_access_logs(tokio_stream::iter([message(3), message(4)]))
        .await
        .unwrap();
    let seen = async {
        loop {
            let text = metrics(http).await;
            if text.contains("foreshift_ingest_accepted_total 7") {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let text = tokio::time::timeout(PATIENCE, seen).await.unwrap();
    assert!(
        text.contains("foreshift_ingest_received_items_total{receiver=\"als\"} 7"),
        "{text}"
    );
    assert!(
        !text.contains("foreshift_ingest_connected"),
        "there is no kafka to be connected to"
    );
    running.until(async {}).await.unwrap();
}
