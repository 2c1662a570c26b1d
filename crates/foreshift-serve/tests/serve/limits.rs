use std::time::Duration;

use foreshift_proto::v1;
use foreshift_proto::v1::route_weight_service_client::RouteWeightServiceClient;
use foreshift_serve::ServeConfig;
use foreshift_serve::client::{Client, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::{Running, STUCK, guarded, open, start, world};

fn url(running: &Running) -> String {
    format!("http://{}", running.serving.addresses.listen)
}

async fn channel(running: &Running) -> Channel {
    Endpoint::from_shared(url(running))
        .expect("an address")
        .connect()
        .await
        .expect("it connects")
}

async fn weights_client(running: &Running) -> RouteWeightServiceClient<Channel> {
    RouteWeightServiceClient::connect(url(running))
        .await
        .expect("it connects")
}

fn with_limits(change: impl FnOnce(&mut foreshift_serve::Limits)) -> ServeConfig {
    let mut config = open();
    change(&mut config.limits);
    config
}

#[tokio::test]
async fn an_oversized_message_is_refused() {
    let running = start(with_limits(|limits| limits.max_message_bytes = 1_024), world()).await;
    let mut client = weights_client(&running).await;
    let asked = |bytes| v1::GetRouteWeightsRequest {
        page_token: "x".repeat(bytes),
        ..v1::GetRouteWeightsRequest::default()
    };
    assert!(client.get_route_weights(asked(900)).await.is_ok());
    let status = client.get_route_weights(asked(2_000)).await.expect_err("refused");
    assert_eq!(status.code(), Code::OutOfRange);
}

#[tokio::test]
async fn too_many_names_are_refused() {
    let running = start(open(), world()).await;
    let asked = v1::GetRouteWeightsRequest {
        routes: vec!["api".to_owned(); 1_001],
        ..v1::GetRouteWeightsRequest::default()
    };
    let status = weights_client(&running)
        .await
        .get_route_weights(asked)
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn reports_about_unknown_routes_and_into_a_full_queue_are_refused() {
    let running = start(open(), world()).await;
    let mut client = weights_client(&running).await;
    let report = |route: &str| v1::AppliedReport {
        route: route.to_owned(),
        version: Some(v1::Version {
            epoch: 3,
            sequence: 1,
        }),
        error: String::new(),
    };
    let asked = |reports| v1::ReportAppliedRequest {
        gateway: "edge-1".to_owned(),
        reports,
    };
    let unknown = client
        .report_applied(asked(vec![report("mars")]))
        .await
        .expect_err("refused");
    assert_eq!(unknown.code(), Code::NotFound);
    let full = client
        .report_applied(asked(vec![report("api"), report("api")]))
        .await
        .expect_err("the queue has room for one");
    assert_eq!(full.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_at_once() {
    let running = start(with_limits(|limits| limits.max_connections = 2), world()).await;
    let address = running.serving.addresses.listen;
    let mut held = Vec::new();
    for _ in 0..2 {
        let client = running.client(None).await;
        client.weights(&[]).await.expect("there is room");
        held.push(client);
    }
    let mut third = TcpStream::connect(address).await.expect("the kernel accepts");
    let mut byte = [0];
    // Closed cleanly or reset: in either case it is over.
    let read = timeout(STUCK, third.read(&mut byte)).await.expect("not stuck");
    assert!(matches!(read, Ok(0) | Err(_)));
    assert_eq!(held[0].weights(&[]).await.expect("the first goes on").len(), 2);
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_cut_off() {
    let running = start(
        with_limits(|limits| {
            limits.max_connections = 1;
            limits.handshake_timeout = Duration::from_millis(100);
        }),
        world(),
    )
    .await;
    let mut silent = TcpStream::connect(running.serving.addresses.listen)
        .await
        .expect("it connects");
    silent.write_all(b"PRI * HTTP").await.expect("it writes");
    let mut rest = Vec::new();
    let read = timeout(STUCK, silent.read_to_end(&mut rest))
        .await
        .expect("not stuck");
    assert!(matches!(read, Ok(_) | Err(_)));
    // Its room is free again.
    let config = || ClientConfig {
        server: url(&running),
        ..ClientConfig::default()
    };
    timeout(STUCK, async {
        while Client::connect(config()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("not stuck");
}

#[tokio::test]
async fn health_follows_readiness_and_needs_no_token() {
    let running = start(guarded(), world()).await;
    let mut client = HealthClient::new(channel(&running).await);
    let asked = || HealthCheckRequest {
        service: String::new(),
    };
    let mut changes = client.watch(asked()).await.expect("it watches").into_inner();
    let mut heard = Vec::new();
    for is_ready in [true, false] {
        let status = timeout(STUCK, changes.message())
            .await
            .expect("not stuck")
            .expect("no error");
        heard.push(status.expect("not over").status());
        running.outside.ready.send_replace(is_ready);
    }
    let last = timeout(STUCK, changes.message())
        .await
        .expect("not stuck")
        .expect("no error");
    heard.push(last.expect("not over").status());
    assert_eq!(
        heard,
        [
            ServingStatus::NotServing,
            ServingStatus::Serving,
            ServingStatus::NotServing
        ]
    );
    let checked = client.check(asked()).await.expect("no error").into_inner();
    assert_eq!(checked.status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn reflection_lists_the_services_to_those_who_may_read() {
    let running = start(open(), world()).await;
    let mut client = ServerReflectionClient::new(channel(&running).await);
    let ask = || {
        tokio_stream::iter([ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        }])
    };
    let mut answers = client
        .server_reflection_info(ask())
        .await
        .expect("it answers")
        .into_inner();
    let answer = answers.message().await.expect("no error").expect("an answer");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("a list was asked for");
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for service in [
        "RouteWeightService",
        "PredictionService",
        "OperatorService",
        "StatusService",
    ] {
        assert!(names.contains(&format!("foreshift.v1.{service}")), "{names:?}");
    }
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()));

    let guarded = start(guarded(), world()).await;
    let mut stranger = ServerReflectionClient::new(channel(&guarded).await);
    let status = stranger.server_reflection_info(ask()).await.expect_err("denied");
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_those_who_never_end() {
    let running = start(open(), world()).await;
    let mut client = HealthClient::new(channel(&running).await);
    // A watch of health never ends by itself.
    let asked = HealthCheckRequest {
        service: String::new(),
    };
    let held = client.watch(asked).await.expect("it watches");
    running.stop.send(()).expect("it runs");
    let stopped = timeout(STUCK, running.serving.task).await.expect("not stuck");
    assert!(stopped.expect("no panic").is_ok());
    drop(held);
}
