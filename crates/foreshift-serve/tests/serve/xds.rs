//! xDS over a true server, with a client that speaks it.

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::rpc::Status as Refusal;
use foreshift_domain::fallback::Mode;
use foreshift_domain::weights::RouteWeights;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::harness::{READER, Running, STUCK, guarded, open, start, start_with, weights, world};

pub(crate) const TYPE: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";

/// An Envoy on one delta stream.
pub(crate) struct Gateway {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    responses: Streaming<DeltaDiscoveryResponse>,
}

impl Gateway {
    pub(crate) async fn connect(running: &Running, token: Option<&str>) -> Result<Self, Status> {
        let server = format!("http://{}", running.serving.addresses.listen);
        let mut client = AggregatedDiscoveryServiceClient::connect(server)
            .await
            .expect("it connects");
        let (requests, sent) = mpsc::channel(1_000);
        let mut call = tonic::Request::new(ReceiverStream::new(sent));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a header");
            call.metadata_mut().insert("authorization", value);
        }
        let responses = client.delta_aggregated_resources(call).await?.into_inner();
        Ok(Self { requests, responses })
    }

    pub(crate) async fn send(&self, request: DeltaDiscoveryRequest) {
        // The server may have ended the stream already.
        let _ = self.requests.send(request).await;
    }

    pub(crate) async fn subscribe(&self) {
        let request = DeltaDiscoveryRequest {
            node: Some(Node {
                id: "edge-7".to_owned(),
                ..Node::default()
            }),
            type_url: TYPE.to_owned(),
            resource_names_subscribe: vec!["foreshift".to_owned()],
            ..DeltaDiscoveryRequest::default()
        };
        self.send(request).await;
    }

    pub(crate) async fn answer(&self, response: &DeltaDiscoveryResponse, refusal: Option<&str>) {
        let request = DeltaDiscoveryRequest {
            type_url: TYPE.to_owned(),
            response_nonce: response.nonce.clone(),
            error_detail: refusal.map(|message| Refusal {
                message: message.to_owned(),
                ..Refusal::default()
            }),
            ..DeltaDiscoveryRequest::default()
        };
        self.send(request).await;
    }

    /// The next that it is told. Renewals of what it has, which come by the clock, are taken on the way.
    pub(crate) async fn next(&mut self) -> Result<DeltaDiscoveryResponse, Status> {
        loop {
            let next = timeout(STUCK, self.responses.message()).await.expect("not stuck");
            let next = next?.expect("the stream goes on");
            let renews = |response: &DeltaDiscoveryResponse| {
                let mut resources = response.resources.iter();
                resources.len() > 0 && resources.all(|resource| resource.resource.is_none())
            };
            if !renews(&next) {
                return Ok(next);
            }
            self.answer(&next, None).await;
        }
    }
}

/// The keys of the layer and their weights.
pub(crate) fn keys(response: &DeltaDiscoveryResponse) -> Vec<(String, f64)> {
    let body = response.resources[0].resource.as_ref().expect("a body");
    let layer = Runtime::decode(body.value.as_slice())
        .expect("a layer")
        .layer
        .expect("keys");
    let mut keys: Vec<_> = layer.fields.into_iter().collect();
    keys.sort_by(|left, right| left.0.cmp(&right.0));
    let number = |kind| match kind {
        Some(Kind::NumberValue(number)) => number,
        other => panic!("{other:?} is no weight"),
    };
    keys.into_iter()
        .map(|(key, value)| (key, number(value.kind)))
        .collect()
}

fn shadow(route: &str, sequence: u64) -> RouteWeights {
    RouteWeights {
        mode: Mode::Shadow,
        ..weights(route, sequence, 10_000)
    }
}

#[tokio::test]
async fn a_gateway_is_given_the_routes_that_are_steered_and_what_it_applied_is_reported() {
    let mut running = start_with(open(), world(), 16).await.expect("it starts");
    let mut gateway = Gateway::connect(&running, None).await.expect("open to all");
    gateway.subscribe().await;
    let first = gateway.next().await.expect("told");
    let expected = [
        ("foreshift.api.eu", 10_000.0),
        ("foreshift.api.us", 0.0),
        ("foreshift.front/a.eu", 9_000.0),
        ("foreshift.front/a.us", 1_000.0),
    ];
    assert_eq!(
        keys(&first),
        expected.map(|(key, weight)| (key.to_owned(), weight))
    );
    gateway.answer(&first, None).await;
    let applied = running.outside.applied.recv().await.expect("reported");
    assert_eq!(
        (applied.gateway.as_str(), applied.route.as_str(), applied.error),
        ("edge-7", "api", None)
    );

    running.publish(shadow("front/a", 3));
    let second = gateway.next().await.expect("told");
    assert_eq!(
        keys(&second).len(),
        2,
        "a route in shadow at its baseline is the gateway's own"
    );
    gateway.answer(&second, Some("no such key")).await;
    loop {
        let applied = running.outside.applied.recv().await.expect("reported");
        if let Some(error) = applied.error {
            assert_eq!(error, "no such key");
            break;
        }
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_told_only_the_latest() {
    let running = start(open(), world()).await;
    let mut gateway = Gateway::connect(&running, None).await.expect("open to all");
    gateway.subscribe().await;
    let first = gateway.next().await.expect("told");
    for sequence in 10..40 {
        running.publish(weights(
            "api",
            sequence,
            10_000 - u32::try_from(sequence).expect("small"),
        ));
    }
    gateway.answer(&first, None).await;
    let latest = gateway.next().await.expect("told");
    assert_eq!(keys(&latest)[0].1, 10_000.0 - 39.0, "thirty versions in one go");
}

#[tokio::test]
async fn a_gateway_that_asks_in_a_loop_is_cut_off() {
    let running = start(open(), world()).await;
    let mut gateway = Gateway::connect(&running, None).await.expect("open to all");
    for _ in 0..500 {
        gateway.subscribe().await;
    }
    loop {
        match gateway.next().await {
            Ok(response) => gateway.answer(&response, None).await,
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted);
                break;
            }
        }
    }
    // Others are not harmed.
    let mut other = Gateway::connect(&running, None).await.expect("open to all");
    other.subscribe().await;
    assert!(other.next().await.is_ok());
}

#[tokio::test]
async fn weights_over_xds_need_a_credential_where_there_are_any() {
    let running = start(guarded(), world()).await;
    let refused = Gateway::connect(&running, None).await.err().expect("refused");
    assert!(
        matches!(refused.code(), Code::PermissionDenied | Code::Unauthenticated),
        "{refused}"
    );
    let mut gateway = Gateway::connect(&running, Some(READER))
        .await
        .expect("a reader may read");
    gateway.subscribe().await;
    assert!(gateway.next().await.is_ok());
}
