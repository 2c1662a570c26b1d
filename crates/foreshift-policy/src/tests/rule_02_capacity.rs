use foreshift_domain::Duration;
use foreshift_domain::fallback::RouteConfig;
use proptest::prelude::*;

use super::world::*;
use crate::*;

/// The most that fits, worked out apart from the code under test; `None` when nothing is known.
fn fits(route: &RouteConfig, facts: &TargetFacts, demand: Option<f64>) -> Option<f64> {
    let (capacity, demand) = (facts.capacity?, demand?);
    let free = route.settings.limits.headroom * capacity - facts.load_elsewhere;
    (demand > 0.0).then(|| (free / demand).clamp(0.0, 1.0) * 10_000.0)
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn no_target_is_given_more_than_fits(route in any_route(), history in history(Allow::NOBODY)) {
        for seen in run(&route, &history) {
            let before = seen.from(&route);
            for (at, facts) in seen.given.facts.iter().enumerate() {
                let Some(fits) = fits(&route, facts, seen.given.demand) else { continue };
                let most = (fits as u32).max(route.targets[at].baseline_bp).max(before[at]);
                prop_assert!(seen.plan.planned[at] <= most, "target {at}: {} of {most}", seen.plan.planned[at]);
            }
        }
    }
}

#[test]
fn only_what_fits_moves_and_the_rule_says_so() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0] = hard_down();
    given.facts[1].capacity = Some(100.0);
    given.demand = Some(100.0);
    let plan = given.drive(&route, &mut state, Duration::from_secs(30), |_| {});
    assert_eq!(plan.planned, [2_000, 8_000]);
    assert!(
        plan.clauses
            .iter()
            .any(|clause| clause.rule == 2 && clause.held_back_bp == 2_000)
    );
}

#[test]
fn load_carried_for_other_routes_takes_room() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0] = hard_down();
    given.facts[1].capacity = Some(100.0);
    given.facts[1].load_elsewhere = 20.0;
    given.demand = Some(100.0);
    let plan = given.drive(&route, &mut state, Duration::from_secs(30), |_| {});
    assert_eq!(plan.planned, [4_000, 6_000]);
}

#[test]
fn an_idle_secondary_takes_over_what_fits_and_the_next_one_the_rest() {
    let route = route(1, 2);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts = vec![hard_down(), TargetFacts::default(), TargetFacts::default()];
    given.facts[1].capacity = Some(75.0);
    given.facts[2].capacity = Some(200.0);
    given.demand = Some(100.0);
    let plan = given.drive(&route, &mut state, Duration::from_secs(30), |_| {});
    assert_eq!(plan.planned, [0, 6_000, 4_000]);
}

#[test]
fn without_counts_the_rule_is_off_and_the_plan_says_so() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0] = hard_down();
    given.facts[1].capacity = Some(1.0);
    let plan = given.drive(&route, &mut state, Duration::from_secs(30), |_| {});
    assert_eq!(plan.planned, [0, 10_000]);
    assert!(plan.notes.contains(&Note::CapacityOff));
}
