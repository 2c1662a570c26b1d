use foreshift_domain::Duration;
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn no_weight_changes_faster_than_its_bound_over_any_span(route in any_route(), history in history(Allow::NOBODY)) {
        let limits = &route.settings.limits;
        let trace = run(&route, &history);
        let stretches = trace.split(Seen::lapsed).filter(|stretch| !stretch.is_empty());
        for stretch in stretches {
            for (from, first) in stretch.iter().enumerate() {
                let mut hard = false;
                for later in &stretch[from + 1..] {
                    hard |= (0..later.given.facts.len()).any(|at| later.hard(at));
                    let rate = if hard { limits.max_hard_down_step_bp_per_s } else { limits.max_step_bp_per_s };
                    // After a rest a second's worth may come at once.
                    let span = later.given.now.since(first.given.now) + Duration::from_secs(1);
                    let most = f64::from(rate) * span.as_secs_f64();
                    for (was, is) in first.plan.planned.iter().zip(&later.plan.planned) {
                        prop_assert!(f64::from(was.abs_diff(*is)) <= most + 1e-6, "{was} to {is}, allowed {most}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_weight_only_moves_towards_its_goal(route in any_route(), history in history(Allow::NOBODY)) {
        for seen in run(&route, &history).into_iter().filter(|seen| !seen.lapsed()) {
            let before = seen.from(&route);
            for ((was, is), goal) in before.iter().zip(&seen.plan.planned).zip(&seen.plan.goal) {
                prop_assert!(is >= was.min(goal) && is <= was.max(goal));
            }
        }
    }

    #[test]
    fn the_goal_is_reached_by_looking_when_told(route in any_route(), history in history(Allow::NOBODY)) {
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        for moment in &history {
            given.apply(moment);
            given.plan(&route, &mut state);
        }
        // Beyond dwell, decay, the freeze by flips and the slowest walk.
        let span = Duration::from_secs(3_600 + 600 + 1_800 + 20_000);
        let plan = given.drive(&route, &mut state, span, |_| {});
        prop_assert_eq!(&plan.planned, &plan.goal);
    }
}

#[test]
fn a_hard_down_drains_at_the_fast_rate_and_comes_back_at_the_slow_one() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0] = hard_down();
    assert_eq!(given.plan(&route, &mut state).planned, [0, 10_000]);
    given.now = given.now + Duration::from_secs(120);
    given.facts[0] = up();
    assert_eq!(given.plan(&route, &mut state).planned, [500, 9_500]);
    given.now = given.now + Duration::from_millis(500);
    assert_eq!(given.plan(&route, &mut state).planned, [750, 9_250]);
}

#[test]
fn a_quiet_hour_saves_up_no_more_than_a_second() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.drive(&route, &mut state, Duration::HOUR, |_| {});
    given.facts[0].risk = Some(0.9);
    given.predicted_at = given.now;
    assert_eq!(given.plan(&route, &mut state).planned, [4_500, 5_500]);
}
