//! Weights as endpoints of a cluster: what Envoy is told, and that it could take it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::HealthStatus;
use envoy_types::pb::envoy::config::core::v3::address::Address;
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{ClusterLoadAssignment, LbEndpoint};
use envoy_types::pb::google::protobuf::UInt32Value;
use foreshift_domain::Timestamp;
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{EdsCluster, EdsTarget, Mode, Role};
use foreshift_domain::prediction::ModelVersion;
use foreshift_domain::signal::Health;
use foreshift_domain::weights::{FULL_BP, RouteWeights, TargetWeight, Version};
use foreshift_xds::{AssignmentError, PARTS_PER_BP, Resource, check, endpoints};
use proptest::prelude::*;
use prost::Message;

const NOW: Timestamp = Timestamp::from_secs(60);

/// Targets `t0`, `t1` and so on, each with its role, baseline and number of endpoints.
fn cluster(targets: &[(Role, u32, u16)], strict_priorities: bool) -> EdsCluster {
    let target = |(index, (role, baseline_bp, count)): (u16, &(Role, u32, u16))| EdsTarget {
        target: format!("t{index}").into(),
        role: *role,
        baseline_bp: *baseline_bp,
        endpoints: (0..*count)
            .map(|port| SocketAddr::from(([10, 0, index as u8, (port >> 8) as u8], 8_000 + port)))
            .collect(),
    };
    EdsCluster {
        name: "search".to_owned(),
        route: "search".into(),
        strict_priorities,
        targets: (0..).zip(targets).map(target).collect(),
    }
}

fn weights(cluster: &EdsCluster, weights_bp: &[u32]) -> RouteWeights {
    let target = |(target, weight_bp): (&EdsTarget, &u32)| TargetWeight {
        target: target.target.clone(),
        role: target.role,
        baseline_bp: target.baseline_bp,
        weight_bp: *weight_bp,
        planned_bp: *weight_bp,
        health: Some(Health::Up),
        risks: Vec::new(),
    };
    RouteWeights {
        route: "search".into(),
        version: Version {
            epoch: 1,
            sequence: 7,
        },
        mode: Mode::Auto,
        targets: cluster.targets.iter().zip(weights_bp).map(target).collect(),
        reason: Reason::Baseline,
        decision: 7,
        model: ModelVersion::default(),
        decided_at: Timestamp::from_secs(50),
        valid_until: Timestamp::from_secs(100),
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

fn resource(cluster: &EdsCluster, weights: Option<&RouteWeights>, now: Timestamp) -> Resource {
    let (mut resources, refused) = endpoints([cluster].into_iter(), |_| weights, now);
    assert_eq!((resources.ttl, refused), (None, Vec::new()));
    resources
        .by_name
        .remove("search")
        .expect("a cluster is always there")
}

fn told(resource: &Resource) -> ClusterLoadAssignment {
    ClusterLoadAssignment::decode(resource.body.value.as_slice()).expect("an assignment")
}

/// By target, from the third part of the address: priority, sum of the weights, and whether it drains.
fn by_target(assignment: &ClusterLoadAssignment) -> BTreeMap<String, (u32, u32, bool)> {
    let mut targets = BTreeMap::new();
    for level in &assignment.endpoints {
        for endpoint in &level.lb_endpoints {
            let target = format!("t{}", address(endpoint).split('.').nth(2).expect("four parts"));
            let drains = endpoint.health_status == i32::from(HealthStatus::Draining);
            let told = targets.entry(target).or_insert((level.priority, 0, drains));
            assert_eq!(
                (told.0, told.2),
                (level.priority, drains),
                "one target, one state"
            );
            told.1 += endpoint.load_balancing_weight.expect("a weight").value;
        }
    }
    targets
}

fn address(endpoint: &LbEndpoint) -> String {
    let Some(HostIdentifier::Endpoint(endpoint)) = &endpoint.host_identifier else {
        panic!("{endpoint:?}");
    };
    match endpoint
        .address
        .as_ref()
        .and_then(|address| address.address.as_ref())
    {
        Some(Address::SocketAddress(socket)) => socket.address.clone(),
        other => panic!("{other:?}"),
    }
}

const HALVES: [(Role, u32, u16); 2] = [(Role::Primary, 5_000, 3), (Role::Primary, 5_000, 1)];
const STANDBY: [(Role, u32, u16); 2] = [(Role::Primary, 10_000, 1), (Role::Secondary, 0, 2)];

#[test]
fn a_weight_is_divided_over_its_endpoints_without_loss_and_none_drains() {
    let cluster = cluster(&HALVES, false);
    let weights = weights(&cluster, &[9_999, 1]);
    let resource = resource(&cluster, Some(&weights), NOW);
    let targets = by_target(&told(&resource));
    assert_eq!(targets["t0"], (0, 9_999 * PARTS_PER_BP, false));
    assert_eq!(targets["t1"], (0, PARTS_PER_BP, false));
    assert_eq!(resource.carries.len(), 1);
}

#[test]
fn a_target_at_nothing_drains_and_has_a_weight_all_the_same() {
    let cluster = cluster(&HALVES, false);
    let targets = by_target(&told(&resource(
        &cluster,
        Some(&weights(&cluster, &[0, 10_000])),
        NOW,
    )));
    assert_eq!(targets["t0"], (0, 3, true));
    assert_eq!(targets["t1"], (0, FULL_BP * PARTS_PER_BP, false));
}

#[test]
fn without_weights_that_hold_the_endpoints_are_there_with_those_at_rest() {
    let cluster = cluster(&HALVES, false);
    let at_rest = resource(&cluster, None, NOW);
    assert_eq!(by_target(&told(&at_rest))["t0"].1, 5_000 * PARTS_PER_BP);
    let steered = weights(&cluster, &[0, 10_000]);
    let lapsed = resource(&cluster, Some(&steered), steered.valid_until);
    assert_eq!((&lapsed.version, lapsed.carries.len()), (&at_rest.version, 0));
    let shadow = RouteWeights {
        mode: Mode::Shadow,
        ..weights(&cluster, &[5_000, 5_000])
    };
    assert_eq!(resource(&cluster, Some(&shadow), NOW).version, at_rest.version);
}

#[test]
fn the_version_is_that_of_the_weights_whoever_says_them() {
    let cluster = cluster(&HALVES, false);
    let one = weights(&cluster, &[6_000, 4_000]);
    let another = RouteWeights {
        version: Version {
            epoch: 9,
            sequence: 1,
        },
        ..one.clone()
    };
    let version = |weights: &RouteWeights| resource(&cluster, Some(weights), NOW).version;
    assert_eq!(version(&one), version(&another));
    assert_ne!(version(&one), version(&weights(&cluster, &[6_001, 3_999])));
}

#[test]
fn with_strict_priorities_a_secondary_at_rest_stands_by_unless_it_is_down() {
    let cluster = cluster(&STANDBY, true);
    let mut weights = weights(&cluster, &[10_000, 0]);
    let targets = by_target(&told(&resource(&cluster, Some(&weights), NOW)));
    assert_eq!((targets["t0"].0, targets["t0"].2), (0, false));
    assert_eq!(
        (targets["t1"].0, targets["t1"].2),
        (1, false),
        "Envoy may fail over to it"
    );
    weights.targets[1].health = Some(Health::Down);
    let targets = by_target(&told(&resource(&cluster, Some(&weights), NOW)));
    assert!(targets["t1"].2, "what is down does not stand by");
}

#[test]
fn with_strict_priorities_a_primary_at_nothing_drains_to_the_secondaries() {
    let cluster = cluster(&STANDBY, true);
    let targets = by_target(&told(&resource(
        &cluster,
        Some(&weights(&cluster, &[0, 10_000])),
        NOW,
    )));
    assert_eq!((targets["t0"].2, targets["t1"].2), (true, false));
}

#[test]
fn what_envoy_would_refuse_is_left_out_and_named() {
    let mut cluster = cluster(&HALVES, false);
    cluster.targets[1].endpoints = cluster.targets[0].endpoints.clone();
    let (resources, refused) = endpoints([&cluster].into_iter(), |_| None, NOW);
    assert!(resources.by_name.is_empty());
    assert!(matches!(refused.as_slice(), [(name, AssignmentError::Twice { .. })] if name == "search"));
}

#[test]
fn assignments_that_envoy_refuses_are_told_apart() {
    let cluster = cluster(&STANDBY, true);
    let sound = told(&resource(&cluster, None, NOW));
    let broken = |change: fn(&mut ClusterLoadAssignment)| {
        let mut assignment = sound.clone();
        change(&mut assignment);
        check(&assignment).expect_err("refused")
    };
    fn weight(value: u32) -> Option<UInt32Value> {
        Some(UInt32Value { value })
    }
    let of = |change: fn(&mut ClusterLoadAssignment)| broken(change).to_string();
    let first = "10.0.1.0:8000";
    assert_eq!(
        of(|it| it.endpoints[1].lb_endpoints[0].load_balancing_weight = weight(0)),
        format!("{first} has no weight")
    );
    assert_eq!(
        of(|it| it.endpoints[1].lb_endpoints[0].load_balancing_weight = None),
        format!("{first} has no weight")
    );
    assert_eq!(
        broken(|it| it.endpoints[1].lb_endpoints[0].load_balancing_weight = weight(u32::MAX)),
        AssignmentError::TooHeavy { priority: 1 }
    );
    assert_eq!(
        broken(|it| it.endpoints[1].priority = 2),
        AssignmentError::PriorityGap { missing: 1 }
    );
    assert_eq!(
        of(|it| it.endpoints[1].lb_endpoints[1] = it.endpoints[1].lb_endpoints[0].clone()),
        format!("{first} is there twice")
    );
    assert_eq!(
        broken(|it| it.endpoints[0].lb_endpoints[0].host_identifier = None),
        AssignmentError::NoAddress
    );
}

prop_compose! {
    /// Some targets, their weights, and whether priorities are strict.
    fn plans()(
        targets in prop::collection::vec((any::<bool>(), 0_u32..=10_000, 0_u32..=10_000, 1_u16..=1_000), 1..6),
        strict in any::<bool>(),
    ) -> (EdsCluster, Vec<u32>) {
        let role = |is_primary| if is_primary { Role::Primary } else { Role::Secondary };
        let shape = targets.iter().map(|(is_primary, baseline, _, count)| (role(*is_primary), *baseline, *count));
        let mut shape: Vec<_> = shape.collect();
        whole(shape.iter_mut().map(|target| &mut target.1).collect());
        let mut weights: Vec<u32> = targets.iter().map(|target| target.2).collect();
        whole(weights.iter_mut().collect());
        (cluster(&shape, strict), weights)
    }
}

/// Makes shares sum to the whole, keeping those at nothing there as long as one is not.
fn whole(mut shares: Vec<&mut u32>) {
    let mut rest = FULL_BP;
    for share in &mut shares {
        **share = (**share).min(rest);
        rest -= **share;
    }
    if let Some(first) = shares.first_mut() {
        **first += rest;
    }
}

proptest! {
    #[test]
    fn every_plan_is_one_that_envoy_takes_and_keeps_its_proportions((cluster, weights_bp) in plans()) {
        let weights = weights(&cluster, &weights_bp);
        let assignment = told(&resource(&cluster, Some(&weights), NOW));
        prop_assert_eq!(check(&assignment), Ok(()));
        for (target, (_, sum, drains)) in by_target(&assignment) {
            let index: usize = target[1..].parse().expect("an index");
            if weights_bp[index] > 0 {
                prop_assert_eq!((sum, drains), (weights_bp[index] * PARTS_PER_BP, false));
            } else {
                prop_assert!(drains || cluster.strict_priorities);
            }
        }
    }
}
