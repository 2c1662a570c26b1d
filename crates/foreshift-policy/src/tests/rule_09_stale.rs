use foreshift_domain::Duration;
use foreshift_domain::decision::Reason;
use foreshift_domain::signal::{Health, OutcomeKind};
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn nothing_raises_a_silent_target_that_was_last_seen_down_but_the_trickle(
        route in any_route(), history in history(Allow::NOBODY),
    ) {
        let limits = &route.settings.limits;
        for seen in run(&route, &history) {
            let before = seen.from(&route);
            let silent_down = |at: usize| {
                let facts = &seen.given.facts[at];
                facts.stale && facts.health.is_down()
            };
            // When every target is silent and down, the sum leaves no choice but to stay.
            for at in (0..route.targets.len()).filter(|at| silent_down(*at)) {
                let floor = (route.targets[at].baseline_bp * limits.floor_bp).div_ceil(10_000);
                let most = before[at].max(floor);
                prop_assert!(seen.plan.planned[at] <= most, "{} above {most}", seen.plan.planned[at]);
            }
        }
    }

    #[test]
    fn going_silent_takes_nothing_from_a_target(route in any_route(), history in history(Allow::NOBODY)) {
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        for moment in &history {
            given.apply(moment);
            given.plan(&route, &mut state);
        }
        let before = state.clone();
        for facts in &mut given.facts {
            facts.stale = true;
        }
        let plan = given.plan(&route, &mut state);
        for (at, (was, is)) in before.targets.iter().zip(&plan.keeps).enumerate() {
            prop_assert!(*is >= was.turn.keep || given.facts[at].health.is_down());
        }
    }

    #[test]
    fn after_hold_and_decay_silent_targets_are_back_at_baseline(
        route in any_route(), history in history(Allow { rooms: true, ..Allow::RISKS }),
    ) {
        let limits = route.settings.limits.clone();
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        for moment in &history {
            given.apply(moment);
            given.plan(&route, &mut state);
        }
        for facts in &mut given.facts {
            facts.stale = true;
        }
        let walk = Duration::from_secs(10_000 / i64::from(limits.max_step_bp_per_s) + 3);
        let span = limits.valid_for + limits.decay + limits.min_dwell + walk + Duration::HOUR;
        let plan = given.drive(&route, &mut state, span, |_| {});
        prop_assert_eq!(plan.planned, RouteState::new(&route, START).planned());
    }

    #[test]
    fn silence_alone_never_changes_a_judgement(
        successes in 0_u64..50, failures in 0_u64..50, in_a_row in 0_u32..8, silence_s in 61_i64..100_000,
    ) {
        let (triggers, staleness) = (triggers(), Duration::from_secs(120));
        let mut state = ReactiveState::default();
        let mut evidence = Evidence { consecutive_errors: in_a_row, last_seen: START, ..Evidence::default() };
        evidence.counts.add(OutcomeKind::Success, successes);
        evidence.counts.add(OutcomeKind::ServerError, failures);
        evidence.last_success = (successes > 0).then_some(START);
        let before = judge(&mut state, &evidence, &triggers, staleness, START);
        evidence.counts = Default::default();
        let mut now = START;
        for _ in 0..20 {
            now = now + Duration::from_secs(silence_s);
            let after = judge(&mut state, &evidence, &triggers, staleness, now);
            prop_assert!(after.health == before.health || (before.health.is_none() && after.health == Some(Health::Up)));
        }
    }
}

#[test]
fn stale_telemetry_holds_then_decays_and_says_which() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0].risk = Some(0.9);
    given.drive(&route, &mut state, Duration::from_secs(20), |_| {});
    given.facts[0].stale = true;
    let mut reasons = Vec::new();
    let plan = given.drive(&route, &mut state, Duration::from_secs(900), |plan| {
        if reasons.last() != Some(&plan.reason) {
            reasons.push(plan.reason);
        }
    });
    assert_eq!(reasons, [Reason::StaleHold, Reason::StaleDecay, Reason::Baseline]);
    assert_eq!(plan.planned, [5_000, 5_000]);
}

#[test]
fn a_target_silent_while_down_stays_drained_for_days_and_alerts() {
    let route = route(2, 0);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0] = hard_down();
    given.drive(&route, &mut state, Duration::from_secs(20), |_| {});
    for facts in &mut given.facts {
        facts.stale = true;
    }
    let plan = given.drive(&route, &mut state, Duration::DAY * 3, |plan| {
        assert_eq!(plan.planned, [0, 10_000])
    });
    assert_eq!(plan.reason, Reason::StaleHold);
    assert!(plan.notes.contains(&Note::StaleDown { target: 0 }));
}

#[test]
fn an_idle_secondary_is_silent_and_takes_over_all_the_same() {
    let route = route(1, 1);
    let mut state = RouteState::new(&route, START);
    let mut given = Given::new(&route);
    given.facts[0] = hard_down();
    given.facts[1] = TargetFacts {
        stale: true,
        ..TargetFacts::default()
    };
    let plan = given.drive(&route, &mut state, Duration::from_secs(20), |_| {});
    assert_eq!((plan.planned, plan.reason), (vec![0, 10_000], Reason::HardDown));
}
