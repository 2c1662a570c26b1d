use foreshift_domain::fallback::RouteConfig;
use proptest::prelude::*;

use super::world::*;
use crate::*;

/// The same history on a route that does not look at predictions.
fn reactive_only(route: &RouteConfig, history: &[Moment]) -> Vec<Vec<u32>> {
    let mut route = route.clone();
    route.settings.triggers.risk = None;
    run(&route, history)
        .into_iter()
        .map(|seen| seen.plan.planned)
        .collect()
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_failed_model_leaves_exactly_the_reactive_rules(
        route in any_route(), history in history(Allow { model_failure: false, ..Allow::ALL }), nan: bool,
    ) {
        let expected = reactive_only(&route, &history);
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        for (moment, expected) in history.iter().zip(expected) {
            given.apply(moment);
            given.usable = nan;
            if nan {
                given.facts[0].risk = Some(f64::NAN);
            }
            let plan = given.plan(&route, &mut state);
            prop_assert_eq!(plan.planned, expected);
            prop_assert!(!plan.begins_predictive_shift && !plan.alarms.contains(&true));
            prop_assert!(plan.clauses.iter().any(|clause| clause.rule == 10));
        }
    }
}

#[test]
fn one_risk_that_is_no_probability_spoils_the_tick_for_the_route() {
    let route = route(3, 0);
    for risk in [f64::NAN, 1.01, -0.01, f64::INFINITY] {
        let mut state = RouteState::new(&route, START);
        let mut given = Given::new(&route);
        given.facts[0].risk = Some(0.9);
        given.facts[1].risk = Some(risk);
        let plan = given.plan(&route, &mut state);
        assert_eq!(plan.planned, [3_334, 3_333, 3_333]);
        assert!(plan.notes.contains(&Note::RiskUnusable));
    }
}
