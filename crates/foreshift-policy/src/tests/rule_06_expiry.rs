use foreshift_domain::Duration;
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn predictions_that_are_not_renewed_walk_back_to_baseline_in_bounded_time(
        route in any_route(), history in history(Allow { fleet: true, ..Allow::RISKS }),
    ) {
        let limits = route.settings.limits.clone();
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        for moment in &history {
            given.apply(moment);
            given.plan(&route, &mut state);
        }
        // No further tick: the same risks of the same tick are passed again and again.
        let walk = Duration::from_secs(10_000 / i64::from(limits.max_step_bp_per_s) + 3);
        let span = limits.valid_for + limits.decay + limits.min_dwell + walk + Duration::HOUR;
        let plan = given.drive(&route, &mut state, span, |_| {});
        prop_assert_eq!(plan.planned, RouteState::new(&route, START).planned());
        prop_assert!(plan.alarms.iter().all(|alarm| !alarm));
    }

    #[test]
    fn a_restart_after_everything_expired_revives_nothing(
        route in any_route(), history in history(Allow { stale: true, fleet: true, ..Allow::RISKS }),
        late_s in 1_i64..100_000,
    ) {
        let Some(last) = run(&route, &history).pop() else { return Ok(()) };
        let bytes = postcard::to_allocvec(&last.after).unwrap();
        let mut restored: RouteState = postcard::from_bytes(&bytes).unwrap();
        let mut given = last.given;
        given.now = restored.valid_until() + Duration::from_secs(late_s);
        for facts in &mut given.facts {
            facts.risk = None;
        }
        let plan = given.plan(&route, &mut restored);
        prop_assert_eq!(plan.planned, RouteState::new(&route, START).planned());
        prop_assert!(!restored.is_shifting() && !restored.alarms().contains(&true));
    }
}

#[test]
fn a_prediction_holds_for_its_validity_and_then_decays() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0].risk = Some(0.9);
    let held = given.drive(&route, &mut state, Duration::from_secs(299), |_| {});
    given.now = START + Duration::from_secs(450);
    let half = given.drive(&route, &mut state, Duration::from_secs(10), |_| {});
    given.now = START + Duration::from_secs(610);
    let back = given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
    assert!(held.planned[0] < 300 && half.planned[0] > 2_000 && half.planned[0] < 4_500);
    assert_eq!(back.planned, [5_000, 5_000]);
    assert!(half.clauses.iter().any(|clause| clause.rule == 6));
}

#[test]
fn after_a_restart_a_target_known_to_be_down_stays_where_it_was() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0] = hard_down();
    given.drive(&route, &mut state, Duration::from_secs(10), |_| {});
    given.now = given.now + Duration::DAY;
    assert_eq!(given.plan(&route, &mut state).planned, [0, 10_000]);
}
