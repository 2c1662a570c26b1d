use foreshift_domain::fallback::{Criticality, Mode, RouteConfig};
use foreshift_domain::{Duration, Timestamp};

use super::world::*;
use crate::*;

/// An even pair on which this share of alarm episodes is held out.
fn pair(held_out_bp: u32) -> RouteConfig {
    let mut route = route(2, 0);
    route.settings.limits.held_out_bp = held_out_bp;
    route.settings.limits.min_dwell = Duration::ZERO;
    route
}

fn at_risk(risk: f64) -> TargetFacts {
    TargetFacts {
        risk: Some(risk),
        telemetry_age: Some(Duration::ZERO),
        ..TargetFacts::default()
    }
}

fn look(state: &mut RouteState, route: &RouteConfig, now: Timestamp, targets: &[TargetFacts]) -> Plan {
    let input = PlanInput {
        now,
        route,
        mode: Mode::Auto,
        targets,
        demand: None,
        pin: None,
        frozen: false,
        proven: true,
        predictions_usable: true,
        predicted_at: Some(now),
        fleet: FleetView {
            predictive_frozen: false,
            may_begin_shift: true,
        },
    };
    plan(state, &input)
}

/// Alarms of the first target, an hour apart; gives how many were held out, and a plan of each.
fn episodes(route: &RouteConfig, count: i64) -> (usize, Vec<Plan>) {
    let mut state = RouteState::new(route, START);
    let plans: Vec<Plan> = (0..count)
        .map(|hour| {
            let now = START + Duration::HOUR * hour;
            look(&mut state, route, now, &[at_risk(0.0), at_risk(0.0)]);
            look(
                &mut state,
                route,
                now + Duration::from_secs(1),
                &[at_risk(0.9), at_risk(0.0)],
            )
        })
        .collect();
    (plans.iter().filter(|plan| plan.held_out[0]).count(), plans)
}

#[test]
fn nothing_is_held_out_unless_it_was_asked_for() {
    let (held, plans) = episodes(&pair(0), 200);
    assert_eq!(held, 0);
    assert!(plans.iter().all(|plan| plan.propensities == [1.0, 1.0]));
    assert!(
        plans.iter().all(|plan| plan.planned[0] < 5_000),
        "each is acted on"
    );
}

#[test]
fn the_share_held_out_is_the_share_asked_for_and_the_propensity_says_so() {
    let (held, plans) = episodes(&pair(2_000), 2_000);
    assert!((340..=460).contains(&held), "{held} of 2,000 at a fifth");
    for plan in plans {
        let expected = if plan.held_out[0] { 0.2 } else { 0.8 };
        assert!((plan.propensities[0] - expected).abs() < 1e-12 && plan.propensities[1] == 1.0);
    }
}

#[test]
fn a_held_out_alarm_moves_nothing_and_the_plan_says_what_it_would_have_moved() {
    let (_, plans) = episodes(&pair(5_000), 50);
    for plan in &plans {
        let clause = plan.clauses.iter().find(|clause| clause.rule == 17);
        if !plan.held_out[0] {
            assert!(clause.is_none() && plan.planned[0] < 5_000);
            continue;
        }
        assert_eq!(
            (plan.planned.as_slice(), plan.reason),
            (
                [5_000, 5_000].as_slice(),
                foreshift_domain::decision::Reason::HeldOut
            )
        );
        assert!(plan.proposed[0] < 5_000, "the proposal is shown as it was");
        let clause = clause.unwrap();
        assert_eq!(
            (clause.name.as_str(), clause.held_back_bp > 0),
            ("held_out", true)
        );
    }
}

#[test]
fn a_held_out_target_that_goes_silent_is_not_acted_on_for_it() {
    let route = pair(5_000);
    let silent = |risk| TargetFacts {
        stale: true,
        ..at_risk(risk)
    };
    let mut held = 0;
    for hour in 0..20 {
        let (mut state, now) = (RouteState::new(&route, START), START + Duration::HOUR * hour);
        let alarmed = look(&mut state, &route, now, &[at_risk(0.9), at_risk(0.0)]);
        let later = now + Duration::from_secs(5);
        let after = look(&mut state, &route, later, &[silent(0.9), silent(0.0)]);
        if alarmed.held_out[0] {
            assert_eq!((after.planned[0], after.held_out[0]), (5_000, true));
            held += 1;
        }
    }
    assert!(held > 0);
}

#[test]
fn the_same_episodes_are_held_out_whenever_they_are_played() {
    let held = |plans: Vec<Plan>| plans.iter().map(|plan| plan.held_out[0]).collect::<Vec<_>>();
    let (_, first) = episodes(&pair(3_000), 300);
    let (_, again) = episodes(&pair(3_000), 300);
    assert_eq!(held(first), held(again));
}

#[test]
fn a_critical_route_is_never_held_out_whatever_its_limits_say() {
    let mut route = pair(5_000);
    route.settings.criticality = Criticality::Critical;
    assert_eq!(episodes(&route, 300).0, 0);
}

#[test]
fn an_alarm_that_comes_back_within_its_horizon_is_the_same_episode() {
    let route = pair(5_000);
    let mut state = RouteState::new(&route, START);
    let mut seen = Vec::new();
    for second in 0..2_000 {
        let risk = if second % 60 < 30 { 0.9 } else { 0.0 };
        let now = START + Duration::from_secs(second);
        let plan = look(&mut state, &route, now, &[at_risk(risk), at_risk(0.0)]);
        if plan.alarms[0] {
            seen.push(plan.held_out[0]);
        }
    }
    assert!(seen.iter().all(|held| *held == seen[0]), "one draw for all");
}

#[test]
fn reactive_rules_act_on_a_held_out_target() {
    let route = pair(5_000);
    let (at, _) = held_out_at(&route);
    let mut state = RouteState::new(&route, at);
    let held = look(&mut state, &route, at, &[at_risk(0.9), at_risk(0.0)]);
    assert!(held.held_out[0]);
    let mut down = hard_down();
    down.telemetry_age = Some(Duration::ZERO);
    down.risk = Some(0.9);
    let plan = look(
        &mut state,
        &route,
        at + Duration::from_secs(10),
        &[down, at_risk(0.0)],
    );
    assert_eq!(plan.planned[0], 0, "{plan:?}");
}

#[test]
fn no_alarm_is_held_out_without_a_spare_and_a_hold_out_ends_with_the_spare() {
    let route = pair(5_000);
    let (at, mut state) = held_out_at(&route);
    let degraded = TargetFacts {
        health: HealthView {
            health: Some(foreshift_domain::signal::Health::Degraded),
            ..HealthView::default()
        },
        ..at_risk(0.0)
    };
    let later = look(
        &mut state,
        &route,
        at + Duration::from_secs(1),
        &[at_risk(0.9), degraded],
    );
    assert!(!later.held_out[0] && later.propensities[0] == 1.0, "{later:?}");
    let mut state = RouteState::new(&route, at);
    let fresh = look(&mut state, &route, at, &[at_risk(0.9), degraded]);
    assert!(!fresh.held_out[0]);
}

#[test]
fn a_held_out_target_is_given_nothing_of_others() {
    let mut route = route(3, 0);
    route.settings.limits.held_out_bp = 5_000;
    let rest = at_risk(0.0);
    for hour in 0..100 {
        let mut state = RouteState::new(&route, START);
        let now = START + Duration::HOUR * hour;
        let plan = look(&mut state, &route, now, &[at_risk(0.9), rest, rest]);
        if !plan.held_out[0] {
            continue;
        }
        let mut down = hard_down();
        down.telemetry_age = Some(Duration::ZERO);
        let facts = [at_risk(0.9), down, rest];
        let plan = look(&mut state, &route, now + Duration::from_secs(10), &facts);
        let more = plan.planned[0] > 3_334;
        assert!(!(plan.held_out[0] && more), "{plan:?}");
    }
}

/// A moment at which an alarm of the first target is held out.
fn held_out_at(route: &RouteConfig) -> (Timestamp, RouteState) {
    let mut hours = 0..1_000;
    hours
        .find_map(|hour| {
            let now = START + Duration::HOUR * hour;
            let mut state = RouteState::new(route, now);
            let plan = look(&mut state, route, now, &[at_risk(0.9), at_risk(0.0)]);
            plan.held_out[0].then_some((now, state))
        })
        .unwrap()
}
