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
