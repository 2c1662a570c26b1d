use std::sync::Arc;

use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{Mode, Role};
use foreshift_domain::prediction::ModelVersion;
use foreshift_domain::weights::{FULL_BP, TargetWeight, Version};
use proptest::prelude::*;

use super::*;

const UNTIL: Timestamp = Timestamp::from_secs(200);
const NOW: Timestamp = Timestamp::from_secs(100);

/// One route of these targets: name, share at rest, share to apply.
fn published(route: &str, targets: &[(&str, u32, u32)]) -> Published {
    let target = |&(name, baseline_bp, weight_bp): &(&str, u32, u32)| TargetWeight {
        target: name.into(),
        role: Role::Primary,
        baseline_bp,
        weight_bp,
        planned_bp: weight_bp,
        health: None,
        risks: Vec::new(),
    };
    let weights = RouteWeights {
        route: route.into(),
        version: Version::default(),
        mode: Mode::Auto,
        targets: targets.iter().map(target).collect(),
        reason: Reason::Baseline,
        decision: 0,
        model: ModelVersion::default(),
        decided_at: Timestamp::from_secs(0),
        valid_until: UNTIL,
        baseline_confirmed: true,
        propensity: 1.0,
    };
    let mut published = Published::default();
    published.routes.insert(route.into(), Arc::new(weights));
    published
}

/// What HAProxy makes of it for a server of this configured weight: see `server_parse_weight_change_request`.
fn effective(configured: u64, line: &str) -> u64 {
    let percent: u64 = line.trim_end().trim_end_matches('%').parse().unwrap();
    (configured * percent / 100).min(256)
}

#[test]
fn a_target_is_weighed_relative_to_its_share_at_rest() {
    let published = published(
        "api",
        &[("eu", 6_000, 1_500), ("us", 4_000, 6_500), ("ap", 0, 2_000)],
    );
    let line = |question: &str| Answer::to(question, &published, NOW).line();
    assert_eq!(line("api/eu"), "25%\n");
    assert_eq!(line("api/us"), "163%\n");
    assert_eq!(line("api/ap"), "2000%\n");
}

#[test]
fn weights_that_lapsed_are_the_configured_ones_again() {
    let published = published("api", &[("eu", 10_000, 0), ("us", 0, 10_000)]);
    assert_eq!(Answer::to("api/eu", &published, UNTIL), Answer::Lapsed(100));
    assert_eq!(Answer::to("api/us", &published, UNTIL).line(), "0%\n");
}

#[test]
fn a_drained_target_is_weighed_nothing_and_never_called_down() {
    let published = published("api", &[("eu", 10_000, 0), ("us", 0, 10_000)]);
    assert_eq!(Answer::to("api/eu", &published, NOW).line(), "0%\n");
}

#[test]
fn an_unknown_name_is_left_as_configured_and_shown_in_haproxy() {
    let published = published("api", &[("eu", 10_000, 0)]);
    for question in ["api/us", "web/eu", "api", "", "/", "api/eu/", "/api/eu"] {
        let answer = Answer::to(question, &published, NOW);
        assert_eq!(answer.line(), "100% unknown-to-foreshift\n", "{question:?}");
    }
}

#[test]
fn names_may_hold_slashes() {
    let published = published("team/api", &[("aws/eu", 10_000, 5_000)]);
    assert_eq!(Answer::to("team/api/aws/eu", &published, NOW), Answer::Weight(50));
}

proptest! {
    /// With weights in HAProxy's configuration that are the shares at rest, in half a percent each.
    #[test]
    fn haproxy_is_within_a_unit_of_the_share_and_never_at_nothing_for_one_of_a_percent(
        baseline in 0_u64..=100,
        weight_bp in 0_u32..=FULL_BP,
    ) {
        let baseline_bp = u32::try_from(baseline).unwrap() * 100;
        let configured = if baseline == 0 { 2 } else { 2 * baseline };
        let published = published("r", &[("t", baseline_bp, weight_bp)]);
        let effective = effective(configured, &Answer::to("r/t", &published, NOW).line());
        let exact = f64::from(weight_bp) / 50.0;
        // A percentage is a whole number: of a great weight it is coarse.
        let coarse = 1.0 + configured as f64 / 100.0;
        prop_assert!((effective as f64 - exact).abs() <= coarse, "{effective} for {exact}");
        prop_assert!(effective > 0 || weight_bp < 100, "{weight_bp} of {baseline_bp}");
        prop_assert!(weight_bp > 0 || effective == 0);
    }
}
