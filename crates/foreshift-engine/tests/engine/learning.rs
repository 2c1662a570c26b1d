use foreshift_domain::command::Action;
use foreshift_domain::signal::{EventKind, Health, Observation};
use foreshift_domain::{Input, ModelHealth};
use foreshift_engine::{Counters, Engine, Output};

use crate::world::*;

#[test]
fn rows_before_an_incident_are_positive_and_others_negative_once_their_horizon_has_passed() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 300));
    let quiet = engine.counters();
    assert!(quiet.positives == 0 && quiet.negatives > 50, "{quiet:?}");
    feed(&mut engine, &[health(300.0, "alpha", Health::Down)]);
    feed(&mut engine, &steady(300, 305));
    let counters = engine.counters();
    assert_eq!(counters.incidents, 1);
    assert!(counters.positives > 0, "{counters:?}");
}

#[test]
fn an_incident_in_announced_maintenance_teaches_nothing() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 100));
    feed(
        &mut engine,
        &[signal(
            100.0,
            "alpha",
            Observation::Event(EventKind::MaintenanceStart),
        )],
    );
    feed(&mut engine, &steady(100, 110));
    feed(&mut engine, &[health(110.0, "alpha", Health::Down)]);
    feed(&mut engine, &steady(110, 115));
    let counters = engine.counters();
    assert_eq!((counters.incidents, counters.positives), (1, 0), "{counters:?}");
    assert!(counters.unknowns > 0);
}

/// A lone target and its spare, of which the target alone has traffic; a person drains the target at second 300.
fn drained(hidden: &str) -> (Engine, Counters) {
    let yaml = format!(
        "
timing: {{bucket: 1s, tick: 5s, horizons: [30s, 2m], guard: 0s, cooldown: 10s, staleness: 30s}}
learning: {{hidden: {hidden}}}
defaults: {{mode: auto}}
routes:
  - name: llm
    targets:
      - {{name: alpha, role: primary, capacity: 500 rps}}
      - {{name: spare, role: secondary, capacity: 500 rps}}
"
    );
    let mut engine = engine(&yaml);
    feed(&mut engine, &steady(0, 300));
    let before = engine.counters();
    let pin = Action::Pin {
        route: "llm".into(),
        weights: vec![("spare".into(), 10_000)],
    };
    feed(&mut engine, &[command(300.0, "1", pin)]);
    (engine, before)
}

#[test]
fn unknown_outcomes_are_never_counted_as_negative_nor_are_those_whose_traffic_moved_away_after_the_tick() {
    let (mut engine, before) = drained("leave");
    feed(&mut engine, &steady(300, 355));
    let after = engine.counters();
    assert_eq!(
        after.negatives, before.negatives,
        "rows waited for both horizons when it was drained"
    );
    assert!(after.unknowns > before.unknowns, "{after:?}");
    assert_eq!(
        engine.model().version().rows_learned,
        before.negatives,
        "what is left out teaches nothing"
    );
    feed(&mut engine, &steady(355, 600));
    let restored = engine.counters();
    assert!(
        restored.negatives > after.negatives,
        "the pin ended: rows are known again"
    );
}

#[test]
fn hidden_outcomes_are_learned_as_both_and_calibration_never_sees_them() {
    let (mut engine, before) = drained("both");
    let calibrations = engine.model().calibrations().to_vec();
    feed(&mut engine, &steady(300, 355));
    let after = engine.counters();
    assert_eq!(after.negatives, before.negatives);
    assert_eq!(
        engine.model().version().rows_learned,
        before.negatives + after.unknowns - before.unknowns
    );
    assert_eq!(engine.model().calibrations(), calibrations);
}

#[test]
fn a_marked_incident_is_learned_like_a_seen_one() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 100));
    let mark = Action::MarkIncident {
        target: "beta".into(),
        start: at(90.0),
        end: Some(at(95.0)),
    };
    feed(&mut engine, &[command(100.0, "1", mark)]);
    let counters = engine.counters();
    assert!(counters.incidents == 1 && counters.positives > 0, "{counters:?}");
}

#[test]
fn predictions_that_may_not_be_used_are_not_acted_on_and_it_is_said() {
    let eager = YAML.replace(
        "enter: 0.5, exit: 0.3, full: 0.8",
        "enter: 0.001, exit: 0.0005, full: 0.01",
    );
    let mut engine = engine(&eager);
    feed(&mut engine, &steady(0, 10));
    // One that has just failed is likelier to fail again: the hazard prior knows that from the first day.
    feed(&mut engine, &[health(10.0, "alpha", Health::Down)]);
    feed(&mut engine, &steady(10, 15));
    feed(&mut engine, &[health(15.0, "alpha", Health::Up)]);
    feed(&mut engine, &steady(15, 80));
    let shifted = weight_bp(&engine, "llm", "alpha");
    let fault = ModelHealth {
        usable: false,
        reason: "too slow".into(),
    };
    let outputs = feed(&mut engine, &[Input::ModelHealth(fault)]);
    assert!(outputs.iter().any(|output| matches!(output, Output::Alert(_))));
    feed(&mut engine, &steady(80, 200));
    assert_eq!(weight_bp(&engine, "llm", "alpha"), 6_000);
    assert!(
        shifted < 6_000,
        "the prediction was meant to move traffic: {shifted}"
    );
}

#[test]
fn explanations_of_what_is_published_sum_to_their_logit() {
    let mut engine = engine(YAML);
    engine.give_explanations(true);
    feed(&mut engine, &steady(0, 60));
    let published = engine.publish();
    let mut seen = 0;
    for explanation in published.targets.values().flat_map(|target| target.why.ask()) {
        let sum: f64 = explanation
            .contributions
            .iter()
            .map(|contribution| contribution.logit)
            .sum();
        assert!(
            (explanation.base + sum - explanation.logit).abs() < 1e-9,
            "{explanation:?}"
        );
        seen += 1;
    }
    assert_eq!(seen, 2 * 4, "four targets with telemetry, two horizons each");
}

#[test]
fn targets_beyond_the_limit_are_counted_and_refused_and_the_others_count_on() {
    let yaml = "timing: {bucket: 1s, tick: 5s}\nfleet: {max_targets: 3}\ndiscover: true\n";
    let mut engine = engine(yaml);
    let runaway: Vec<_> = (0..1_000)
        .map(|i| {
            outcome(
                1.0,
                &format!("t{i}"),
                foreshift_domain::signal::OutcomeKind::Success,
            )
        })
        .collect();
    let outputs = feed(&mut engine, &runaway);
    let alerts = outputs
        .iter()
        .filter(|output| matches!(output, Output::Alert(_)))
        .count();
    assert_eq!(alerts, 1);
    feed(
        &mut engine,
        &[outcome(1.5, "t0", foreshift_domain::signal::OutcomeKind::Success)],
    );
    let published = engine.publish();
    assert_eq!(published.targets.len(), 3);
    assert_eq!(published.targets.get("t0").unwrap().signals, 2);
    assert_eq!(engine.counters().refused_targets, 997);
}
