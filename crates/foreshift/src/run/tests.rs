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
use foreshift_registry::{By, Manifest, ModelName, Registry, RegistryError, Release};
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

/// A registry with the shipped champion and two more versions of it.
fn registry(root: &Path) -> (Registry, [ModelName; 3]) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/live/3");
    let (manifest, model) = foreshift_registry::load_model(&shipped).unwrap();
    let registry = Registry::create(root).unwrap();
    let names = [(); 3].map(|()| {
        let add = |name: ModelName| -> Result<Release, RegistryError> {
            let text = model.to_json().unwrap().replace("live@3", &name.to_string());
            Ok(Release {
                manifest: Manifest {
                    name,
                    ..manifest.clone()
                },
                model: text.into_bytes(),
                metrics: "{}".to_owned(),
                card: String::new(),
            })
        };
        registry.add("live", add).unwrap()
    });
    registry
        .promote(&names[0], None, &by("the first"), false, None)
        .unwrap();
    (registry, names)
}

fn by(reason: &str) -> By<'_> {
    By {
        who: "ana",
        reason,
        at: self::core::wall(),
    }
}

async fn serves(http: SocketAddr, place: &str, model: &str) {
    let shown = format!("foreshift_model_info{{place=\"{place}\",model=\"{model}\",simulated=\"true\"}} 1");
    let seen = async {
        while !metrics(http).await.contains(&shown) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .unwrap_or_else(|_| panic!("{model} is not {place}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_is_followed_a_broken_one_is_not_and_a_drift_alarm_leads_back() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("models");
    let (registry, [first, second, third]) = registry(&root);
    let text = format!("{PROCESS}models_path: models\n");
    let process =
        foreshift_config::parse_process(&text, "f", Path::new(dir.path()), std::iter::empty()).unwrap();
    let fallback = foreshift_config::parse_fallback(FALLBACK, "f").unwrap().value;
    let running = start(&process.value, Arc::new(fallback)).await.unwrap();
    models::watch(root.clone(), running.models.clone(), running.stop.subscribe());
    let (_, http) = running.servers.receive_and_http().unwrap();
    serves(http, "champion", "live@1").await;

    registry.challenge(&second, &by("try it")).unwrap();
    serves(http, "challenger", "live@2").await;
    registry
        .promote(&second, Some(&first), &by("it won"), false, None)
        .unwrap();
    serves(http, "champion", "live@2").await;

    // A version that breaks after it was promoted: what serves goes on, and the next sound one is followed.
    registry
        .promote(&third, Some(&second), &by("by mistake"), true, None)
        .unwrap();
    std::fs::write(registry.dir(&third).join("model.json"), "{").unwrap();
    registry.challenge(&first, &by("a challenger beside")).unwrap();
    serves(http, "challenger", "live@1").await;
    registry
        .roll_back("live", Some(&third), &by("it is broken"))
        .unwrap();
    serves(http, "champion", "live@2").await;

    let back = models::roll_back(&root, "live@2", "log-loss has doubled", self::core::wall()).unwrap();
    assert_eq!(back, Some(first));
    serves(http, "champion", "live@1").await;
    let history = registry.aliases().unwrap().history;
    assert_eq!(
        history.last().map(|change| change.who.as_str()),
        Some("foreshift")
    );
    let none_before = models::roll_back(&root, "live@1", "again", self::core::wall());
    assert!(none_before.is_err());
    running.until(async {}).await.unwrap();
}
