//! What a gateway is offered: endpoints beside the layer, only its group's routes, and nothing before there is something.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use foreshift_domain::fallback::{EdsCluster, EdsTarget, Role};
use foreshift_domain::published::Published;
use foreshift_serve::Group;
use prost::Message;
use tonic::Code;

use crate::harness::{open, start, start_with, weights, world};
use crate::xds::{Gateway, TYPE, keys};

const ENDPOINTS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/// The route `api` as a cluster.
fn api() -> Arc<[EdsCluster]> {
    let target = |name: &str, role, port| EdsTarget {
        target: name.into(),
        role,
        baseline_bp: if role == Role::Primary { 10_000 } else { 0 },
        endpoints: vec![([127, 0, 0, 1], port).into()],
    };
    Arc::from([EdsCluster {
        name: "api-cluster".to_owned(),
        route: "api".into(),
        strict_priorities: false,
        targets: vec![
            target("eu", Role::Primary, 8_081),
            target("us", Role::Secondary, 8_082),
        ],
    }])
}

fn ask(client: &str, type_url: &str, names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(Node {
            id: client.to_owned(),
            cluster: "proxies".to_owned(),
            ..Node::default()
        }),
        type_url: type_url.to_owned(),
        resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn accept(response: &DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}

/// The weights of the endpoints.
fn endpoint_weights(response: &DeltaDiscoveryResponse) -> Vec<u32> {
    let body = response.resources[0].resource.as_ref().expect("a body");
    let assignment = ClusterLoadAssignment::decode(body.value.as_slice()).expect("an assignment");
    let endpoints = assignment.endpoints.iter().flat_map(|level| &level.lb_endpoints);
    endpoints
        .map(|endpoint| endpoint.load_balancing_weight.expect("a weight").value)
        .collect()
}

#[tokio::test]
async fn one_stream_carries_the_layer_and_endpoints_and_neither_waits_for_the_other() {
    let mut config = open();
    config.xds.layer.ttl = foreshift_domain::Duration::from_secs(3);
    let mut running = start_with(config, world(), 64).await.expect("it starts");
    running.outside.eds.send_replace(api());
    let mut gateway = Gateway::connect(&running, None).await.expect("open to all");
    gateway.send(ask("edge-1", TYPE, &["foreshift"])).await;
    let mut layer = gateway.next().await.expect("told");
    while keys(&layer).len() > 2 {
        // What was there before the clusters were.
        gateway.send(accept(&layer)).await;
        layer = gateway.next().await.expect("told");
    }
    assert!(
        keys(&layer)
            .iter()
            .all(|(key, _)| key.starts_with("foreshift.front/a.")),
        "a route has one way"
    );
    // The layer is not answered: endpoints come all the same.
    gateway
        .send(ask("edge-1", ENDPOINTS, &["api-cluster", "unknown"]))
        .await;
    let first = gateway.next().await.expect("told");
    assert_eq!((first.type_url.as_str(), first.resources.len()), (ENDPOINTS, 1));
    assert!(first.resources[0].ttl.is_none(), "endpoints never expire");
    assert_eq!(
        first.removed_resources,
        ["unknown"],
        "who asks is answered at once"
    );
    assert_eq!(endpoint_weights(&first), [10_000_000, 1]);
    gateway.send(accept(&first)).await;
    running.publish(weights("api", 7, 2_500));
    let second = gateway.next().await.expect("told");
    assert_eq!(endpoint_weights(&second), [2_500_000, 7_500_000]);
    gateway.send(accept(&second)).await;
    applied(&mut running.outside.applied, 7).await;
    // The same weights anew are nothing to be told of, and applied already.
    running.publish(weights("api", 8, 2_500));
    applied(&mut running.outside.applied, 8).await;
}

async fn applied(reports: &mut tokio::sync::mpsc::Receiver<foreshift_domain::Applied>, sequence: u64) {
    loop {
        let report = reports.recv().await.expect("the server runs");
        if report.route.as_str() == "api" && report.version.sequence == sequence {
            assert_eq!((report.gateway.as_str(), report.error), ("edge-1", None));
            return;
        }
    }
}

#[tokio::test]
async fn a_gateway_is_given_the_routes_of_its_group_and_none_without_one() {
    let mut config = open();
    let group = |name: &str, gateways: &str, routes: &str| Group {
        name: name.to_owned(),
        gateways: vec![gateways.to_owned()],
        routes: vec![routes.to_owned()],
    };
    config.xds.groups = vec![
        group("edge", "edge-*", "api"),
        group("front", "front-1", "front/*"),
        group("too late", "edge-*", "*"),
    ];
    let running = start(config, world()).await;
    for (client, routes) in [("edge-9", "api"), ("front-1", "front/a"), ("front-12", "")] {
        let mut gateway = Gateway::connect(&running, None).await.expect("open to all");
        gateway.send(ask(client, TYPE, &["foreshift"])).await;
        let told = keys(&gateway.next().await.expect("told"));
        let prefix = format!("foreshift.{routes}.");
        assert_eq!(told.len(), if routes.is_empty() { 0 } else { 2 }, "{client}");
        assert!(told.iter().all(|(key, _)| key.starts_with(&prefix)), "{told:?}");
    }
}

#[tokio::test]
async fn before_anything_is_published_nobody_is_told_that_nothing_is_steered() {
    let running = start(open(), Published::default()).await;
    let early = Gateway::connect(&running, None).await.err().expect("refused");
    assert_eq!(early.code(), Code::Unavailable);
    running.outside.published.send_replace(Arc::new(world()));
    let mut gateway = loop {
        if let Ok(gateway) = Gateway::connect(&running, None).await {
            break gateway;
        }
        tokio::task::yield_now().await;
    };
    gateway.subscribe().await;
    assert_eq!(keys(&gateway.next().await.expect("told")).len(), 4);
}
