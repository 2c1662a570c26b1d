use foreshift_domain::Duration;
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn while_too_many_alarm_no_shift_on_predictions_begins_or_deepens(
        route in any_route(), history in history(Allow { rooms: true, fleet: true, ..Allow::RISKS }),
    ) {
        for seen in run(&route, &history).into_iter().filter(|seen| !seen.lapsed()) {
            if !seen.given.fleet.predictive_frozen {
                continue;
            }
            let pairs = seen.before.targets.iter().zip(&seen.plan.keeps).zip(&route.targets);
            // A secondary without a baseline shifts nothing away; its risk may still disqualify it.
            for ((was, is), _) in pairs.filter(|(_, target)| target.baseline_bp > 0) {
                prop_assert!(*is >= was.turn.keep.min(was.shifted_keep));
            }
            prop_assert!(!seen.plan.begins_predictive_shift);
        }
    }

    #[test]
    fn reactive_shifts_go_on_all_the_same(route in any_route(), down in 0_usize..34) {
        let mut drained = Vec::new();
        for predictive_frozen in [false, true] {
            let mut state = RouteState::new(&route, START);
            let mut given = Given::new(&route);
            given.fleet.predictive_frozen = predictive_frozen;
            let at = down % route.targets.len();
            given.facts[at] = hard_down();
            drained.push(given.drive(&route, &mut state, Duration::from_secs(60), |_| {}).planned);
        }
        prop_assert_eq!(&drained[0], &drained[1]);
    }
}

#[test]
fn a_frozen_shift_still_expires() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0].risk = Some(0.9);
    given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
    given.fleet.predictive_frozen = true;
    let plan = given.drive(&route, &mut state, Duration::HOUR, |_| {});
    assert_eq!(plan.planned, [5_000, 5_000]);
}

#[test]
fn where_most_targets_of_a_route_alarm_a_shift_does_not_deepen_however_small_the_fleet() {
    let route = route(3, 0);
    let (mut state, mut given) = (RouteState::new(&route, START), Given::new(&route));
    for (at, facts) in given.facts.iter_mut().enumerate() {
        facts.domain = u32::try_from(at).ok();
    }
    let baseline = given.plan(&route, &mut state).planned;
    given.facts[0].risk = Some(0.9);
    let mut alone = state.clone();
    let shifted = given
        .clone()
        .drive(&route, &mut alone, Duration::from_secs(60), |_| {});
    assert!(shifted.planned[0] < baseline[0]);

    given.facts[1].risk = Some(0.9);
    let frozen = given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
    assert_eq!(frozen.planned, baseline);
    assert!(frozen.clauses.iter().any(|clause| clause.rule == 11));
}

#[test]
fn alarms_of_one_domain_with_a_way_out_do_not_freeze_their_route() {
    let route = route(3, 0);
    let (mut state, mut given) = (RouteState::new(&route, START), Given::new(&route));
    for (facts, domain) in given.facts.iter_mut().zip([1, 1, 2]) {
        facts.domain = Some(domain);
    }
    let baseline = given.plan(&route, &mut state).planned;
    for at in 0..2 {
        given.facts[at].risk = Some(0.9);
    }
    let plan = given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
    assert!(plan.planned[2] > baseline[2]);
}
