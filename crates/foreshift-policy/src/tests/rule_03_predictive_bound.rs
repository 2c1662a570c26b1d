use foreshift_domain::Duration;
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn on_predictions_alone_a_route_moves_no_further_than_allowed_and_the_floor_stays(
        route in any_route(), history in history(Allow { rooms: true, stale: true, fleet: true, ..Allow::RISKS }),
    ) {
        let limits = &route.settings.limits;
        for seen in run(&route, &history) {
            let moved = below_baseline(&route, &seen.plan.planned, |_| true);
            prop_assert!(moved <= limits.max_predictive_shift_bp, "moved {moved}");
            let heading = below_baseline(&route, &seen.plan.goal, |_| true);
            prop_assert!(heading <= limits.max_predictive_shift_bp, "heading for {heading}");
            for (target, weight) in route.targets.iter().zip(&seen.plan.planned) {
                let floor = (target.baseline_bp * limits.floor_bp).div_ceil(10_000);
                prop_assert!(*weight >= floor, "{weight} below the floor {floor}");
            }
        }
    }

    #[test]
    fn what_moves_on_predictions_beside_failures_is_bounded_too(
        route in any_route(), history in history(Allow::NOBODY),
    ) {
        let limits = &route.settings.limits;
        for seen in run(&route, &history).into_iter().filter(|seen| !seen.lapsed()) {
            let well = |at: usize| !seen.impaired(at);
            let before = seen.from(&route);
            let (was, is) = (below_baseline(&route, &before, well), below_baseline(&route, &seen.plan.planned, well));
            prop_assert!(is <= was.max(limits.max_predictive_shift_bp), "moved {was} to {is}");
            for (at, (before, weight)) in before.iter().zip(&seen.plan.planned).enumerate() {
                let floor = (route.targets[at].baseline_bp * limits.floor_bp).div_ceil(10_000);
                prop_assert!(seen.hard(at) || *weight >= floor.min(*before), "only a hard-down goes to zero");
            }
        }
    }

    #[test]
    fn a_route_that_may_not_begin_stays_at_baseline(route in any_route(), history in history(Allow::RISKS)) {
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        given.fleet.may_begin_shift = false;
        let baseline = state.planned();
        for moment in &history {
            given.apply(moment);
            let plan = given.plan(&route, &mut state);
            prop_assert_eq!(&plan.planned, &baseline);
            prop_assert!(!plan.begins_predictive_shift);
        }
    }
}

#[test]
fn a_shift_begins_once_and_goes_on_while_no_other_route_may_begin() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0].risk = Some(0.9);
    assert!(given.plan(&route, &mut state).begins_predictive_shift);
    given.fleet.may_begin_shift = false;
    let mut begun = 0;
    let plan = given.drive(&route, &mut state, Duration::from_secs(60), |plan| {
        begun += u32::from(plan.begins_predictive_shift);
    });
    assert_eq!(begun, 0);
    assert_eq!(plan.planned, [250 + 12, 9_738]);
}

#[test]
fn a_confirmed_hard_down_goes_to_zero_and_a_soft_one_to_the_floor() {
    let route = route(2, 0);
    for (hard, left) in [(true, 0), (false, 250)] {
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        given.facts[0] = hard_down();
        given.facts[0].health.hard = hard;
        let plan = given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
        assert_eq!(plan.planned, [left, 10_000 - left]);
    }
}

#[test]
fn graded_risks_over_many_targets_keep_the_route_spread_out() {
    let mut route = route(34, 0);
    route.settings.limits.max_predictive_shift_bp = 10_000;
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    for (at, facts) in given.facts.iter_mut().enumerate() {
        facts.risk = Some(at as f64 / 50.0);
    }
    for facts in given.facts.iter_mut().take(6) {
        facts.health = hard_down().health;
    }
    let plan = given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
    let squares: f64 = plan
        .planned
        .iter()
        .map(|weight| (f64::from(*weight) / 1e4).powi(2))
        .sum();
    assert!(1.0 / squares > 0.6 * 28.0, "effective targets {}", 1.0 / squares);
    assert!(plan.planned.iter().take(6).all(|weight| *weight == 0));
    assert!(plan.planned[6..].is_sorted_by(|safer, riskier| safer >= riskier || riskier - safer <= 1));
}

#[test]
fn a_primary_at_a_little_risk_gives_what_it_frees_to_the_secondary_that_stands_by() {
    let route = route(1, 1);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    let enter = route
        .settings
        .triggers
        .risk
        .as_ref()
        .map_or(0.0, |risk| risk.enter);
    given.facts[0].risk = Some(enter + 0.05);
    let plan = given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
    assert!(
        plan.planned[0] > 5_000 && plan.planned[1] > 0,
        "{:?}",
        plan.planned
    );
}
