use foreshift_domain::{Duration, Timestamp};
use proptest::prelude::*;

use super::world::*;
use crate::*;

/// Changes of direction of a target's share, told from the plans alone: when, and whether a hard-down drained.
fn turns(trace: &[Seen], target: usize) -> Vec<(Timestamp, bool)> {
    let Some(first) = trace.first().map(|seen| &seen.before.targets[target].turn) else {
        return Vec::new();
    };
    let (mut away, mut pivot, mut turns) = (first.away, first.pivot, Vec::new());
    for seen in trace {
        let keep = seen.plan.keeps[target];
        let turned = if away {
            keep > pivot + FLIP_BP
        } else {
            keep + FLIP_BP < pivot
        };
        if turned {
            turns.push((seen.given.now, seen.hard(target) && !away));
            away = !away;
            pivot = keep;
        }
        pivot = if away { pivot.min(keep) } else { pivot.max(keep) };
    }
    turns
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn an_alarm_begins_at_enter_and_ends_below_exit(risks in prop::collection::vec(0.0_f64..1.0, 1..60)) {
        let route = route(2, 0);
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        let mut expected = false;
        for risk in risks {
            given.now = given.now + Duration::from_secs(10);
            given.predicted_at = given.now;
            given.facts[0].risk = Some(risk);
            expected = if expected { risk >= 0.2 } else { risk >= 0.3 };
            prop_assert_eq!(given.plan(&route, &mut state).alarms, vec![expected, false]);
        }
    }

    #[test]
    fn a_change_of_direction_waits_for_the_dwell_unless_a_hard_down_drains(
        route in any_route(), history in history(Allow::NOBODY),
    ) {
        let trace = run(&route, &history);
        // A lapse starts over: gateways were at baseline in between.
        for stretch in trace.split(Seen::lapsed) {
            for target in 0..route.targets.len() {
                let turns = turns(stretch, target);
                for pair in turns.windows(2) {
                    let waited = pair[1].0.since(pair[0].0);
                    prop_assert!(pair[1].1 || waited >= route.settings.limits.min_dwell, "turned after {waited:?}");
                }
            }
        }
    }

    #[test]
    fn a_share_that_fell_does_not_rise_before_the_dwell_is_over(
        route in any_route(), history in history(Allow::NOBODY),
    ) {
        let trace = run(&route, &history);
        for stretch in trace.split(Seen::lapsed) {
            for target in 0..route.targets.len() {
                let mut fell_at = None;
                for seen in stretch {
                    let (before, keep) = (seen.before.targets[target].turn.keep, seen.plan.keeps[target]);
                    if keep < before {
                        fell_at = Some(seen.given.now);
                    }
                    let waited = fell_at.map(|at| seen.given.now.since(at));
                    let over = waited.is_none_or(|waited| waited >= route.settings.limits.min_dwell);
                    prop_assert!(keep <= before || over, "rose from {before} to {keep} after {waited:?}");
                }
            }
        }
    }

    #[test]
    fn past_the_cap_nothing_turns_but_hard_downs_that_drain(route in any_route(), history in history(Allow::NOBODY)) {
        for seen in run(&route, &history).into_iter().filter(|seen| !seen.lapsed()) {
            if !seen.plan.notes.iter().any(|note| matches!(note, Note::FlipsFrozen { .. })) {
                continue;
            }
            for (at, (was, is)) in seen.before.targets.iter().zip(&seen.plan.keeps).enumerate() {
                prop_assert!(was.turn.keep == *is || (seen.hard(at) && *is < was.turn.keep));
            }
        }
    }
}

/// Lets target 0 go hard-down and come back every two minutes; returns in which of them the route was frozen throughout.
fn flap(route: &foreshift_domain::fallback::RouteConfig, times: usize) -> Vec<bool> {
    let mut state = RouteState::new(route, START);
    let mut given = Given::new(route);
    let mut frozen = Vec::new();
    for time in 0..times {
        given.facts[0] = if time % 2 == 0 { hard_down() } else { up() };
        let mut throughout = true;
        given.drive(route, &mut state, Duration::from_secs(119), |plan| {
            throughout &= plan
                .notes
                .iter()
                .any(|note| matches!(note, Note::FlipsFrozen { .. }));
        });
        frozen.push(throughout);
        given.now = given.now + Duration::from_secs(2);
    }
    frozen
}

#[test]
fn a_flapping_target_freezes_the_route_and_an_hour_later_it_moves_again() {
    let frozen = flap(&route(2, 0), 60);
    assert!(
        !frozen[..6].contains(&true),
        "six changes are allowed, and the first does not count"
    );
    assert!(frozen[8], "{frozen:?}");
    assert!(
        frozen[8..].contains(&false),
        "the freeze ends by itself: {frozen:?}"
    );
}

#[test]
fn a_route_frozen_by_flapping_keeps_the_target_drained() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    for time in 0..20 {
        given.facts[0] = if time % 2 == 0 { hard_down() } else { up() };
        let plan = given.drive(&route, &mut state, Duration::from_secs(119), |_| {});
        given.now = given.now + Duration::from_secs(2);
        if time % 2 == 0 {
            assert_eq!(plan.planned, [0, 10_000]);
        }
    }
    assert_eq!(state.planned(), [0, 10_000]);
}

#[test]
fn a_failure_of_many_targets_at_once_is_no_flapping() {
    let route = route(34, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    for facts in given.facts.iter_mut().take(20) {
        *facts = hard_down();
    }
    let plan = given.drive(&route, &mut state, Duration::from_secs(600), |_| {});
    assert!(plan.planned.iter().take(20).all(|weight| *weight == 0));
    assert!(
        plan.notes
            .iter()
            .all(|note| !matches!(note, Note::FlipsFrozen { .. }))
    );
}

#[test]
fn risks_that_tremble_are_followed_without_a_change_of_direction() {
    let mut route = route(34, 0);
    route.settings.limits.max_flips_per_hour = 1;
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    for tick in 0..50_u32 {
        for (at, facts) in given.facts.iter_mut().enumerate() {
            facts.risk = Some(0.45 + 0.05 * f64::from((tick + at as u32) % 3));
        }
        given.predicted_at = given.now;
        given.drive(&route, &mut state, Duration::from_secs(29), |plan| {
            assert!(
                plan.notes
                    .iter()
                    .all(|note| !matches!(note, Note::FlipsFrozen { .. }))
            );
        });
        given.now = given.now + Duration::from_secs(1);
    }
}

#[test]
fn the_memory_of_changes_is_bounded_and_a_cap_beyond_it_still_holds() {
    let mut route = route(34, 0);
    route.settings.limits.max_flips_per_hour = u32::MAX;
    route.settings.limits.min_dwell = Duration::ZERO;
    route.settings.limits.max_hard_down_step_bp_per_s = 10_000;
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    let mut frozen = false;
    for time in 0..80 {
        let facts = if time % 2 == 0 { hard_down() } else { up() };
        given.facts = vec![up(); 34];
        given.facts[..33].fill(facts);
        given.now = given.now + Duration::from_secs(2);
        let plan = given.plan(&route, &mut state);
        frozen |= plan
            .notes
            .iter()
            .any(|note| matches!(note, Note::FlipsFrozen { .. }));
        assert!(state.flips.len() <= MAX_FLIPS_KEPT);
    }
    assert!(frozen);
}
