//! Which weights are in the layer, and when it is another one.

#![allow(
    clippy::expect_used,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::prediction::ModelVersion;
use foreshift_domain::weights::{RouteWeights, TargetWeight, Version};
use foreshift_domain::{Duration, Timestamp};
use foreshift_xds::{LayerSettings, Resource, layer};
use prost::Message;

const VALID_UNTIL: Timestamp = Timestamp::from_secs(100);

/// Two targets at half of the baseline each, of which the first has `first_bp`.
fn route(mode: Mode, first_bp: u32) -> RouteWeights {
    let target = |name: &str, weight_bp| TargetWeight {
        target: name.into(),
        role: Role::Primary,
        baseline_bp: 5_000,
        weight_bp,
        planned_bp: weight_bp,
        health: None,
        risks: Vec::new(),
    };
    RouteWeights {
        route: "api".into(),
        version: Version {
            epoch: 1,
            sequence: 7,
        },
        mode,
        targets: vec![target("eu", first_bp), target("us", 10_000 - first_bp)],
        reason: Reason::Baseline,
        decision: 7,
        model: ModelVersion::default(),
        decided_at: Timestamp::from_secs(50),
        valid_until: VALID_UNTIL,
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

fn resource(route: &RouteWeights, now: Timestamp) -> Resource {
    let settings = LayerSettings {
        name: "foreshift".to_owned(),
        ttl: Duration::from_secs(30),
    };
    let mut resources = layer(&settings, std::iter::once(route), now);
    resources
        .by_name
        .remove("foreshift")
        .expect("there is a layer always")
}

fn keys(resource: &Resource) -> usize {
    let runtime = Runtime::decode(resource.body.value.as_slice()).expect("a layer");
    runtime.layer.expect("keys").fields.len()
}

#[test]
fn weights_are_in_the_layer_until_they_hold_no_more() {
    let steered = route(Mode::Auto, 6_000);
    assert_eq!(keys(&resource(&steered, Timestamp::from_secs(99))), 2);
    let lapsed = resource(&steered, VALID_UNTIL);
    assert_eq!((keys(&lapsed), lapsed.carries.len()), (0, 0));
}

#[test]
fn a_route_that_may_not_be_steered_is_the_gateways_own_unless_a_person_fixed_it() {
    let now = Timestamp::from_secs(60);
    for mode in [Mode::Off, Mode::Shadow, Mode::Recommend] {
        assert_eq!(keys(&resource(&route(mode, 5_000), now)), 0, "{mode:?}");
        assert_eq!(keys(&resource(&route(mode, 9_000), now)), 2, "{mode:?}, pinned");
    }
    assert_eq!(
        keys(&resource(&route(Mode::Auto, 5_000), now)),
        2,
        "steered to its baseline"
    );
}

#[test]
fn the_version_is_that_of_the_weights_whoever_says_them() {
    let now = Timestamp::from_secs(60);
    let one = route(Mode::Auto, 6_000);
    let another = RouteWeights {
        version: Version {
            epoch: 9,
            sequence: 1,
        },
        ..one.clone()
    };
    assert_eq!(resource(&one, now).version, resource(&another, now).version);
    assert_ne!(
        resource(&one, now).version,
        resource(&route(Mode::Auto, 6_001), now).version
    );
}

#[test]
fn weights_that_do_not_sum_to_the_whole_are_not_given_to_anyone() {
    let mut broken = route(Mode::Auto, 6_000);
    broken.targets.pop();
    assert_eq!(keys(&resource(&broken, Timestamp::from_secs(60))), 0);
}
