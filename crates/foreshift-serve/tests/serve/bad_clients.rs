//! Clients that flood, stall, lie or vanish: bounded, counted, and no harm to others.

use std::time::Duration;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use crate::harness::{Running, STUCK, open, start, weights, world};
use crate::xds::{Gateway, TYPE};

/// What every client of HTTP/2 sends first, and settings that change nothing.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Waits until a counter is there: those who are counted do not wait for it.
async fn counted(running: &Running, name: &str, at_least: f64) {
    timeout(STUCK, async {
        while counter(running, name) < at_least {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("{name} is {}", counter(running, name)));
}

fn counter(running: &Running, name: &str) -> f64 {
    let metrics = running.outside.counters.export();
    metrics
        .iter()
        .find(|metric| metric.name == name)
        .expect("known")
        .value
}

/// Whether a well-behaved gateway is told the newest weights.
async fn others_are_unharmed(running: &Running) {
    let mut gateway = Gateway::connect(running, None).await.expect("open to all");
    gateway.subscribe().await;
    let told = gateway.next().await.expect("told");
    gateway.answer(&told, None).await;
    running.publish(weights("api", 1_000, 4_000));
    assert!(gateway.next().await.is_ok());
}

#[tokio::test]
async fn a_flood_of_connections_is_turned_away_and_those_who_are_in_go_on() {
    let mut config = open();
    config.limits.max_connects_per_peer_per_s = 2;
    let running = start(config, world()).await;
    let client = running.client(None).await;
    for _ in 0..100 {
        let mut stream = TcpStream::connect(running.serving.addresses.listen)
            .await
            .expect("the kernel accepts");
        let mut byte = [0];
        // Who is let in is not answered: it says nothing.
        let _ = timeout(Duration::from_millis(1), stream.read(&mut byte)).await;
    }
    counted(&running, "connections_too_fast_total", 50.0).await;
    assert_eq!(client.weights(&[]).await.expect("it goes on").len(), 2);
    // The flood is over: a second later all may come.
    timeout(STUCK, async {
        let server = format!("http://{}", running.serving.addresses.listen);
        let config = || foreshift_serve::client::ClientConfig {
            server: server.clone(),
            ..Default::default()
        };
        while foreshift_serve::client::Client::connect(config()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("not stuck");
}

#[tokio::test]
async fn a_connection_that_is_only_half_there_is_closed() {
    let mut config = open();
    config.limits.keepalive_interval = Duration::from_millis(100);
    config.limits.keepalive_timeout = Duration::from_secs(2);
    let running = start(config, world()).await;
    let mut vanished = TcpStream::connect(running.serving.addresses.listen)
        .await
        .expect("it connects");
    vanished.write_all(PREFACE).await.expect("it writes");
    counted(&running, "connections_open", 1.0).await;
    let mut heard = Vec::new();
    // It answers no ping, and does not hang up.
    let _ = timeout(STUCK, vanished.read_to_end(&mut heard))
        .await
        .expect("closed by the server");
    timeout(STUCK, async {
        while counter(&running, "connections_open") > 0.0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its room is free");
    others_are_unharmed(&running).await;
}

#[tokio::test]
async fn metadata_that_is_too_large_ends_the_stream() {
    let running = start(open(), world()).await;
    let mut gateway = Gateway::connect(&running, None).await.expect("open to all");
    let large = Value {
        kind: Some(Kind::StringValue("x".repeat(2 << 20))),
    };
    gateway
        .send(DeltaDiscoveryRequest {
            node: Some(Node {
                id: "edge-7".to_owned(),
                metadata: Some(Struct {
                    fields: [("large".to_owned(), large)].into(),
                }),
                ..Node::default()
            }),
            type_url: TYPE.to_owned(),
            ..DeltaDiscoveryRequest::default()
        })
        .await;
    let status = gateway.next().await.expect_err("refused");
    assert_eq!(status.code(), Code::OutOfRange);
    assert_eq!(counter(&running, "xds_oversized_total"), 1.0);
    others_are_unharmed(&running).await;
}

#[tokio::test]
async fn answers_to_what_was_never_sent_say_nothing() {
    let running = start(open(), world()).await;
    let mut gateway = Gateway::connect(&running, None).await.expect("open to all");
    gateway.subscribe().await;
    let first = gateway.next().await.expect("told");
    for nonce in ["no such nonce", "0", "ffff"] {
        let mut wrong = first.clone();
        wrong.nonce = nonce.to_owned();
        gateway.answer(&wrong, Some("refused")).await;
    }
    counted(&running, "xds_stale_total", 3.0).await;
    assert_eq!(counter(&running, "xds_refused_total"), 0.0);
    running.publish(weights("api", 7, 5_000));
    gateway.answer(&first, None).await;
    assert!(gateway.next().await.is_ok(), "the right answer counts");
    others_are_unharmed(&running).await;
}

#[tokio::test]
async fn a_gateway_that_never_answers_is_counted_and_holds_up_nobody() {
    let mut config = open();
    config.xds.layer.ttl = foreshift_domain::Duration::from_millis(300);
    let running = start(config, world()).await;
    let mut silent = Gateway::connect(&running, None).await.expect("open to all");
    silent.subscribe().await;
    silent.next().await.expect("told");
    counted(&running, "xds_slow_total", 2.0).await;
    others_are_unharmed(&running).await;
}
