use foreshift_domain::Duration;
use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::Mode;
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_pin_wins_at_once_in_every_mode(route in any_route(), history in history(Allow::ALL)) {
        for seen in run(&route, &history) {
            let Some(pin) = &seen.given.pin else { continue };
            let mut asked = pin.clone();
            asked.resize(route.targets.len(), 0);
            prop_assert_eq!(&seen.plan.weights, &normalize(&asked));
            prop_assert_eq!(seen.plan.reason, Reason::Pinned);
        }
    }

    #[test]
    fn a_freeze_holds_the_weights_whatever_happens(route in any_route(), history in history(Allow::ALL)) {
        for seen in run(&route, &history) {
            if seen.given.frozen && seen.given.pin.is_none() {
                prop_assert_eq!(&seen.plan.planned, &seen.from(&route));
                prop_assert_eq!(seen.plan.reason, Reason::Frozen);
            }
        }
    }

    #[test]
    fn below_auto_the_baseline_is_published(route in any_route(), history in history(Allow::ALL)) {
        let baseline = RouteState::new(&route, START).planned();
        for seen in run(&route, &history) {
            if seen.given.mode != Mode::Auto && seen.given.pin.is_none() {
                prop_assert_eq!(&seen.plan.weights, &baseline);
            }
        }
    }
}

#[test]
fn a_pin_overrides_the_rate_and_after_it_weights_walk() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.pin = Some(vec![0, 10_000]);
    assert_eq!(given.plan(&route, &mut state).weights, [0, 10_000]);
    given.pin = None;
    given.now = given.now + Duration::from_secs(1);
    let plan = given.plan(&route, &mut state);
    assert_eq!((plan.weights, plan.reason), (vec![500, 9_500], Reason::Restore));
}

#[test]
fn a_switch_to_auto_walks_from_the_published_baseline() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.mode = Mode::Shadow;
    given.facts[0].risk = Some(0.9);
    let shadow = given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
    assert_eq!(shadow.weights, [5_000, 5_000]);
    assert!(shadow.planned[0] < 300, "the shadow plan has moved all the way");
    given.mode = Mode::Auto;
    let auto = given.plan(&route, &mut state);
    assert_eq!(auto.weights, [4_500, 5_500]);
    assert!(auto.begins_predictive_shift);
}
