//! What a client is told, whatever it does and whatever changes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    Resource as WireResource,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::rpc::Status;
use foreshift_domain::Duration;
use foreshift_domain::weights::Version;
use foreshift_xds::{
    Aggregated, Answer, DeltaSession, MAX_SUBSCRIPTIONS, Resource, Resources, Session, SotwSession,
};
use proptest::prelude::*;
use prost::Message;

const TYPE: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";

/// One resource for each name, whose version and body are this number.
fn resources(numbers: &[(&str, u64)]) -> Resources {
    let resource = |number: u64| Resource {
        version: number.to_string(),
        body: Any {
            type_url: TYPE.to_owned(),
            value: number.to_be_bytes().to_vec(),
        },
        carries: Arc::new([(
            "r".into(),
            Version {
                epoch: 1,
                sequence: number,
            },
        )]),
    };
    Resources {
        type_url: TYPE.to_owned(),
        ttl: Some(Duration::from_secs(30)),
        by_name: numbers
            .iter()
            .map(|(name, number)| ((*name).to_owned(), resource(*number)))
            .collect(),
    }
}

fn subscribe(names: &[&str]) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: TYPE.to_owned(),
        resource_names_subscribe: names.iter().map(|name| (*name).to_owned()).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn answer(response: &DeltaDiscoveryResponse, refusal: Option<&str>) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: TYPE.to_owned(),
        response_nonce: response.nonce.clone(),
        error_detail: refusal.map(status),
        ..DeltaDiscoveryRequest::default()
    }
}

fn status(message: &str) -> Status {
    Status {
        message: message.to_owned(),
        ..Status::default()
    }
}

#[test]
fn a_subscription_is_answered_and_only_what_changes_follows() {
    let mut session = DeltaSession::default();
    let first = session
        .request(subscribe(&["a"]), &resources(&[("a", 1)]))
        .response
        .expect("told");
    assert_eq!(first.resources[0].version, "1");
    assert!(first.resources[0].resource.is_some() && first.resources[0].ttl.is_some());
    assert_eq!(
        session.update(&resources(&[("a", 2)])),
        None,
        "one answer is in flight"
    );
    let told = session.request(answer(&first, None), &resources(&[("a", 3)]));
    assert!(matches!(told.answer, Some(Answer::Accepted(_))));
    let latest = told.response.expect("what changed meanwhile");
    assert_eq!(latest.resources[0].version, "3", "the latest, in one go");
    assert_eq!(
        session
            .request(answer(&latest, None), &resources(&[("a", 3)]))
            .response,
        None
    );
}

#[test]
fn a_name_that_is_not_there_is_said_to_be_gone_and_comes_when_it_is() {
    let mut session = DeltaSession::default();
    let told = session
        .request(subscribe(&["a"]), &resources(&[]))
        .response
        .expect("told");
    assert_eq!(told.removed_resources, ["a"]);
    let next = session
        .request(answer(&told, None), &resources(&[("a", 1)]))
        .response
        .expect("told");
    assert_eq!(next.resources[0].name, "a");
}

#[test]
fn a_refused_version_is_not_sent_again_and_the_one_before_is_kept_alive() {
    let mut session = DeltaSession::default();
    let good = session
        .request(subscribe(&["a"]), &resources(&[("a", 1)]))
        .response
        .expect("told");
    session.request(answer(&good, None), &resources(&[("a", 1)]));
    let bad = session.update(&resources(&[("a", 2)])).expect("told");
    let told = session.request(answer(&bad, Some("no such key")), &resources(&[("a", 2)]));
    assert!(matches!(told.answer, Some(Answer::Refused(_, reason)) if reason == "no such key"));
    assert_eq!(told.response, None);
    assert_eq!(session.update(&resources(&[("a", 2)])), None);
    let renewal = session.renew(&resources(&[("a", 2)])).expect("a renewal");
    assert_eq!(
        (
            renewal.resources[0].version.as_str(),
            &renewal.resources[0].resource
        ),
        ("1", &None)
    );
    session.request(answer(&renewal, None), &resources(&[("a", 2)]));
    assert!(
        session.update(&resources(&[("a", 3)])).is_some(),
        "a new version is tried"
    );
}

#[test]
fn a_name_subscribed_to_again_is_told_again_and_answers_to_other_nonces_say_nothing() {
    let mut session = DeltaSession::default();
    let first = session
        .request(subscribe(&["a"]), &resources(&[("a", 1)]))
        .response
        .expect("told");
    let mut stale = answer(&first, None);
    stale.response_nonce = "another".to_owned();
    let told = session.request(stale, &resources(&[("a", 1)]));
    assert_eq!(told.answer, Some(Answer::Stale));
    session.request(answer(&first, None), &resources(&[("a", 1)]));
    let again = session
        .request(subscribe(&["a"]), &resources(&[("a", 1)]))
        .response
        .expect("told again");
    assert!(again.resources[0].resource.is_some());
}

#[test]
fn what_may_have_expired_is_told_again_whole() {
    let now = resources(&[("a", 1)]);
    let mut session = DeltaSession::default();
    let first = session.request(subscribe(&["a"]), &now).response.expect("told");
    session.request(answer(&first, None), &now);
    session.lapse();
    let again = session.update(&now).expect("told again");
    assert!(again.resources[0].resource.is_some());
    let mut session = SotwSession::default();
    let first = session.request(ask(&["a"], None), &now).response.expect("told");
    session.request(ask(&["a"], Some(&first)), &now);
    session.lapse();
    assert!(session.update(&now).is_some());
}

#[test]
fn a_renewal_that_came_too_late_is_no_refusal_and_is_made_up_for() {
    let now = resources(&[("a", 1)]);
    let mut session = DeltaSession::default();
    let first = session.request(subscribe(&["a"]), &now).response.expect("told");
    session.request(answer(&first, None), &now);
    let renewal = session.renew(&now).expect("a renewal");
    let told = session.request(answer(&renewal, Some("a resource without a body")), &now);
    assert_eq!(told.answer, None, "it is not the weights that were refused");
    let again = told.response.expect("told again");
    assert!(again.resources[0].resource.is_some(), "whole");
    let told = session.request(answer(&again, Some("no such key")), &now);
    assert!(matches!(told.answer, Some(Answer::Refused(..))) && told.response.is_none());
}

#[test]
fn subscriptions_are_bounded_and_other_types_are_not_answered() {
    let mut session = DeltaSession::default();
    let names: Vec<String> = (0..10_000).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let told = session
        .request(subscribe(&names), &resources(&[]))
        .response
        .expect("told");
    assert_eq!(told.removed_resources.len(), MAX_SUBSCRIPTIONS);
    let mut other = subscribe(&["a"]);
    other.type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
    assert_eq!(
        Aggregated::<DeltaSession>::default()
            .request(other, &[resources(&[("a", 1)])])
            .response,
        None
    );
}

fn ask(names: &[&str], after: Option<&DiscoveryResponse>) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: TYPE.to_owned(),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        response_nonce: after.map(|response| response.nonce.clone()).unwrap_or_default(),
        // As Envoy 1.40 does, it announces no feature.
        node: after.is_none().then(Node::default),
        ..DiscoveryRequest::default()
    }
}

#[test]
fn what_has_a_time_to_live_is_wrapped_and_renewed_whole_over_the_state_of_the_world() {
    for ttl in [true, false] {
        let mut session = SotwSession::default();
        let mut now = resources(&[("a", 1)]);
        if !ttl {
            now.ttl = None;
        }
        let first = session.request(ask(&["a"], None), &now).response.expect("told");
        assert_eq!(session.renew(&now), None, "an answer is in flight");
        assert_eq!(session.request(ask(&["a"], Some(&first)), &now).response, None);
        let body = first.resources[0].clone();
        match session.renew(&now) {
            Some(renewal) => {
                assert!(ttl);
                let resource =
                    WireResource::decode(renewal.resources[0].value.as_slice()).expect("a wrapper");
                assert!(resource.ttl.is_some() && resource.resource.is_some());
            }
            None => {
                assert!(!ttl);
                assert_eq!(body.type_url, TYPE, "it is not wrapped");
            }
        }
    }
}

#[test]
fn a_refused_state_of_the_world_is_neither_renewed_nor_told_again() {
    let now = resources(&[("a", 1)]);
    let mut session = SotwSession::default();
    let first = session.request(ask(&["a"], None), &now).response.expect("told");
    let mut refusal = ask(&["a"], Some(&first));
    refusal.error_detail = Some(status("no such key"));
    let told = session.request(refusal, &now);
    assert!(matches!(told.answer, Some(Answer::Refused(..))) && told.response.is_none());
    session.lapse();
    assert_eq!((session.renew(&now), session.update(&now)), (None, None));
    assert!(
        session.update(&resources(&[("a", 2)])).is_some(),
        "a new version is tried"
    );
}

#[test]
fn an_answer_to_an_older_response_is_overtaken() {
    let mut session = SotwSession::default();
    let first = session
        .request(ask(&["a"], None), &resources(&[("a", 1)]))
        .response
        .expect("told");
    let second = session
        .request(ask(&["a"], Some(&first)), &resources(&[("a", 2)]))
        .response
        .expect("told");
    assert_eq!(
        session
            .request(ask(&["a"], Some(&first)), &resources(&[("a", 3)]))
            .response,
        None
    );
    let told = session.request(ask(&["a"], Some(&second)), &resources(&[("a", 3)]));
    assert!(matches!(told.answer, Some(Answer::Accepted(_))) && told.response.is_some());
}

/// What may happen between a session and its client.
#[derive(Clone, Debug)]
enum Step {
    Change(usize, Option<u64>),
    Subscribe(usize),
    Unsubscribe(usize),
    Accept,
    Refuse,
    Renew,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_usize..3, prop::option::of(0_u64..5)).prop_map(|(name, number)| Step::Change(name, number)),
        (0_usize..3).prop_map(Step::Subscribe),
        (0_usize..3).prop_map(Step::Unsubscribe),
        Just(Step::Accept),
        Just(Step::Refuse),
        Just(Step::Renew),
    ]
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// A client that applies what it accepts.
#[derive(Default)]
struct Client {
    subscribed: BTreeSet<&'static str>,
    has: BTreeMap<String, String>,
    in_flight: Option<DeltaDiscoveryResponse>,
}

impl Client {
    fn receive(&mut self, response: Option<DeltaDiscoveryResponse>) {
        if let Some(response) = response {
            assert!(self.in_flight.is_none(), "two answers in flight");
            for resource in &response.resources {
                let known = self.has.get(&resource.name) == Some(&resource.version);
                assert!(
                    resource.resource.is_some() || known,
                    "renews what the client has not"
                );
            }
            self.in_flight = Some(response);
        }
    }

    fn apply(&mut self, response: &DeltaDiscoveryResponse) {
        for resource in &response.resources {
            self.has.insert(resource.name.clone(), resource.version.clone());
        }
        for name in &response.removed_resources {
            self.has.remove(name);
        }
    }
}

proptest! {
    #[test]
    fn a_client_that_accepts_ends_with_what_is_there(steps in prop::collection::vec(step(), 0..60)) {
        let mut session = DeltaSession::default();
        let mut client = Client::default();
        let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
        for step in steps.into_iter().chain([Step::Change(0, Some(99)), Step::Accept, Step::Accept, Step::Accept]) {
            let now = |numbers: &BTreeMap<&'static str, u64>| {
                resources(&numbers.iter().map(|(name, number)| (*name, *number)).collect::<Vec<_>>())
            };
            match step {
                Step::Change(name, number) => {
                    match number {
                        Some(number) => numbers.insert(NAMES[name], number),
                        None => numbers.remove(NAMES[name]),
                    };
                    client.receive(session.update(&now(&numbers)));
                }
                Step::Subscribe(name) => {
                    client.subscribed.insert(NAMES[name]);
                    client.receive(session.request(subscribe(&[NAMES[name]]), &now(&numbers)).response);
                }
                Step::Unsubscribe(name) => {
                    client.subscribed.remove(NAMES[name]);
                    client.has.remove(NAMES[name]);
                    let mut request = subscribe(&[]);
                    request.resource_names_unsubscribe = vec![NAMES[name].to_owned()];
                    client.receive(session.request(request, &now(&numbers)).response);
                }
                Step::Accept | Step::Refuse => {
                    let refuse = matches!(step, Step::Refuse);
                    if let Some(response) = client.in_flight.take() {
                        if !refuse {
                            client.apply(&response);
                        }
                        let request = answer(&response, refuse.then_some("no"));
                        client.receive(session.request(request, &now(&numbers)).response);
                    }
                }
                Step::Renew => client.receive(session.renew(&now(&numbers))),
            }
        }
        prop_assert!(client.in_flight.is_none());
        let wanted = client.subscribed.contains("a").then_some("99");
        prop_assert_eq!(client.has.get("a").map(String::as_str).filter(|_| client.subscribed.contains("a")), wanted);
    }
}
