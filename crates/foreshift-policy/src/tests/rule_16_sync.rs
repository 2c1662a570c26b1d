use foreshift_domain::Duration;
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_target_out_of_sync_receives_nothing_beyond_its_baseline(route in any_route(), history in history(Allow::NOBODY)) {
        for seen in run(&route, &history) {
            let before = seen.from(&route);
            for (at, facts) in seen.given.facts.iter().enumerate() {
                if matches!(facts.sync, Sync::Over | Sync::Unknown) {
                    prop_assert!(seen.plan.planned[at] <= route.targets[at].baseline_bp.max(before[at]));
                }
            }
        }
    }
}

#[test]
fn the_next_secondary_is_used_when_the_first_lags() {
    let route = route(1, 2);
    for (sync, expected) in [
        (Sync::Over, [0, 0, 10_000]),
        (Sync::Unknown, [0, 0, 10_000]),
        (Sync::Ok, [0, 10_000, 0]),
    ] {
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        given.facts[0] = hard_down();
        given.facts[1].sync = sync;
        let plan = given.drive(&route, &mut state, Duration::from_secs(20), |_| {});
        assert_eq!(plan.planned, expected);
        assert_eq!(
            plan.clauses.iter().any(|clause| clause.rule == 16),
            sync != Sync::Ok
        );
    }
}

#[test]
fn a_secondary_that_falls_behind_while_it_serves_gives_back() {
    let route = route(2, 1);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0] = hard_down();
    given.facts[1] = hard_down();
    given.drive(&route, &mut state, Duration::from_secs(20), |_| {});
    given.facts[2].sync = Sync::Over;
    let plan = given.drive(&route, &mut state, Duration::from_secs(60), |_| {});
    assert_eq!(plan.planned, [5_000, 5_000, 0]);
}
