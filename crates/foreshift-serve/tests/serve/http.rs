use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foreshift_serve::http::HttpConfig;
use foreshift_serve::{Metric, MetricKind, serve_http};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::harness::{Outside, STUCK, channels, loopback, world};

struct Endpoints {
    address: SocketAddr,
    outside: Outside,
    _stop: oneshot::Sender<()>,
}

async fn start(config: HttpConfig) -> Endpoints {
    let (inside, outside) = channels(world(), 1);
    let (stop, stopped) = oneshot::channel::<()>();
    let extra = || {
        vec![Metric {
            name: "dead_letters_total".to_owned(),
            help: "Records that could not be read.".to_owned(),
            kind: MetricKind::Counter,
            labels: vec![("topic".to_owned(), "a\"b".to_owned())],
            value: 4.0,
        }]
    };
    let serving = serve_http(config, inside.published, inside.ready, Arc::new(extra), async {
        drop(stopped.await);
    })
    .await
    .expect("it starts");
    Endpoints {
        address: serving.addresses,
        outside,
        _stop: stop,
    }
}

/// Sends the bytes and reads to the end of the answer.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it connects");
    stream.write_all(request.as_bytes()).await.expect("it writes");
    let mut answer = String::new();
    timeout(STUCK, stream.read_to_string(&mut answer))
        .await
        .expect("not stuck")
        .expect("it reads");
    answer
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = exchange(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    )
    .await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads() {
    let endpoints = start(HttpConfig::new(loopback())).await;
    let (status, body) = get(endpoints.address, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "foreshift_weight_bp{route=\"front/a\",target=\"us\"} 1000",
        "foreshift_target_risk{target=\"eu\",horizon=\"2m\"} 0.25",
        "foreshift_target_requests_total{target=\"eu\",outcome=\"success\"} 41",
        "foreshift_target_telemetry_age_seconds{target=\"eu\"} 5",
        "foreshift_watermark_age_seconds 2",
        "foreshift_engine_signals_total 84",
        "foreshift_dead_letters_total{topic=\"a\\\"b\"} 4",
        "foreshift_ready 0",
    ] {
        assert!(
            body.lines().any(|candidate| candidate == line),
            "{line} is not in\n{body}"
        );
    }
}

#[tokio::test]
async fn readiness_flips_and_liveness_does_not() {
    let endpoints = start(HttpConfig::new(loopback())).await;
    for (is_ready, expected) in [(false, 503), (true, 200), (false, 503)] {
        endpoints.outside.ready.send_replace(is_ready);
        assert_eq!(get(endpoints.address, "/readyz").await.0, expected);
        assert_eq!(get(endpoints.address, "/livez").await.0, 200);
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let endpoints = start(HttpConfig::new(loopback())).await;
    assert_eq!(get(endpoints.address, "/").await.0, 404);
    let posted = exchange(
        endpoints.address,
        "POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
}

#[tokio::test]
async fn a_head_beyond_the_bound_is_refused() {
    let endpoints = start(HttpConfig::new(loopback())).await;
    let long = "x".repeat(20_000);
    let answer = exchange(
        endpoints.address,
        &format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn who_sends_nothing_is_cut_off_and_others_are_served() {
    let config = HttpConfig {
        max_connections: 1,
        request_timeout: Duration::from_secs(1),
        ..HttpConfig::new(loopback())
    };
    let endpoints = start(config).await;
    let mut silent = TcpStream::connect(endpoints.address).await.expect("it connects");
    let mut byte = [0];
    let read = timeout(STUCK, silent.read(&mut byte)).await.expect("not stuck");
    assert!(matches!(read, Ok(0) | Err(_)));
    assert_eq!(get(endpoints.address, "/livez").await.0, 200);
}
