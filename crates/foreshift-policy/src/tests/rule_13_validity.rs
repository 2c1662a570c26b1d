use foreshift_domain::Duration;
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn every_plan_is_valid_for_a_while_and_is_looked_at_again_before_it_lapses(
        route in any_route(), history in history(Allow::ALL),
    ) {
        let limits = &route.settings.limits;
        for seen in run(&route, &history) {
            let (now, next) = (seen.given.now, seen.plan.next_look.unwrap());
            prop_assert!(seen.plan.valid_until > now && seen.plan.valid_until <= now + limits.valid_for);
            prop_assert!(next > now && next <= seen.plan.valid_until);
        }
    }

    #[test]
    fn a_plan_that_is_looked_at_when_told_never_lapses(route in any_route(), history in history(Allow::NOBODY)) {
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        for moment in &history {
            given.apply(moment);
            given.plan(&route, &mut state);
        }
        let mut valid_until = state.valid_until();
        let mut now = given.now;
        given.drive(&route, &mut state, Duration::HOUR * 2, |plan| {
            assert!(now <= valid_until);
            valid_until = plan.valid_until;
            now = plan.next_look.unwrap_or(now);
        });
    }
}

#[test]
fn a_plan_that_does_not_change_is_renewed_at_half_of_its_validity() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    let mut renewals = 0;
    let mut until = None;
    given.drive(&route, &mut state, Duration::from_secs(1_490), |plan| {
        renewals += u32::from(until.is_some_and(|until| plan.valid_until > until));
        until = Some(plan.valid_until);
    });
    assert_eq!(renewals, 9);
}
