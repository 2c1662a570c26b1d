use foreshift_domain::Duration;
use foreshift_domain::decision::Reason;
use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn what_is_away_from_baseline_has_a_reason(route in any_route(), history in history(Allow::ALL)) {
        let baseline = RouteState::new(&route, START).planned();
        for seen in run(&route, &history) {
            prop_assert!(seen.plan.planned == baseline || seen.plan.reason != Reason::Baseline);
        }
    }

    #[test]
    fn what_differs_from_the_proposal_names_a_rule(route in any_route(), history in history(Allow::ALL)) {
        for seen in run(&route, &history) {
            let plan = &seen.plan;
            let bound = |rules: &[u8]| plan.clauses.iter().any(|clause| rules.contains(&clause.rule));
            prop_assert!(plan.goal == plan.proposed || bound(&[2, 3, 5, 6, 8, 9, 10, 11, 16, 17]), "{plan:?}");
            prop_assert!(plan.planned == plan.goal || bound(&[4, 5]), "{plan:?}");
        }
    }

    #[test]
    fn clauses_ascend_and_are_named_as_the_rules_are(route in any_route(), history in history(Allow::ALL)) {
        for seen in run(&route, &history) {
            prop_assert!(seen.plan.clauses.is_sorted_by_key(|clause| clause.rule));
            for clause in &seen.plan.clauses {
                prop_assert_eq!(rule(clause.rule).map(|rule| rule.name), Some(clause.name.as_str()));
            }
        }
    }
}

#[test]
fn each_cause_is_told_from_the_others() {
    let calm = |change: &dyn Fn(&mut Given)| {
        let route = route(2, 1);
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        change(&mut given);
        given
            .drive(&route, &mut state, Duration::from_secs(30), |_| {})
            .reason
    };
    assert_eq!(calm(&|_| {}), Reason::Baseline);
    assert_eq!(
        calm(&|given| given.facts[0].risk = Some(0.7)),
        Reason::PredictedRisk
    );
    assert_eq!(
        calm(&|given| given.facts[0].health.health = Some(foreshift_domain::signal::Health::Degraded)),
        Reason::Degraded
    );
    assert_eq!(calm(&|given| given.facts[0] = hard_down()), Reason::HardDown);
    assert_eq!(
        calm(&|given| given.facts = vec![hard_down(); 3]),
        Reason::NoTarget
    );
    assert_eq!(
        calm(&|given| given.facts[2] = hard_down()),
        Reason::Baseline,
        "an idle secondary carries nothing"
    );
    assert_eq!(calm(&|given| given.frozen = true), Reason::Frozen);
    assert_eq!(calm(&|given| given.pin = Some(vec![10_000])), Reason::Pinned);
}
