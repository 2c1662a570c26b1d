use foreshift_domain::command::Action;
use foreshift_domain::fallback::Mode;
use foreshift_domain::signal::Health;

use crate::world::*;

/// Predictions of a target that has just failed are alarms; two that came true are enough.
fn cautious(precision: f64) -> String {
    YAML.replace(
        "enter: 0.5, exit: 0.3, full: 0.8",
        "enter: 0.001, exit: 0.0005, full: 0.01",
    )
    .replace(
        "auto_after: off",
        &format!(
            "min_dwell: 0s, max_flips_per_hour: 1000, auto_after: {{alarms: 2, precision: {precision}}}"
        ),
    )
}

/// A target fails, comes back, and is at risk; `again` says that it fails once more.
fn scare(engine: &mut foreshift_engine::Engine, from: u32, again: bool) {
    feed(engine, &steady(from, from + 10));
    feed(engine, &[health(f64::from(from) + 10.0, "alpha", Health::Down)]);
    feed(engine, &steady(from + 10, from + 15));
    feed(engine, &[health(f64::from(from) + 15.0, "alpha", Health::Up)]);
    feed(engine, &steady(from + 15, from + 80));
    if again {
        feed(engine, &[health(f64::from(from) + 80.0, "alpha", Health::Down)]);
        feed(engine, &steady(from + 80, from + 85));
        feed(engine, &[health(f64::from(from) + 85.0, "alpha", Health::Up)]);
        feed(engine, &steady(from + 85, from + 150));
    }
}

#[test]
fn in_mode_auto_predictions_move_nothing_before_they_have_come_true_on_the_route() {
    // Only the target that fails is at risk.
    let yaml = cautious(0.5).replace(
        "enter: 0.001, exit: 0.0005, full: 0.01",
        "enter: 0.05, exit: 0.02, full: 0.1",
    );
    let mut engine = engine(&yaml);
    scare(&mut engine, 0, false);
    assert_eq!(
        weight_bp(&engine, "llm", "alpha"),
        6_000,
        "no alarm has come true yet"
    );
    let held = engine.publish().routes["llm"]
        .targets
        .iter()
        .any(|target| target.planned_bp != target.baseline_bp);
    assert!(!held);
    scare(&mut engine, 80, true);
    scare(&mut engine, 230, true);
    scare(&mut engine, 380, false);
    assert!(
        weight_bp(&engine, "llm", "alpha") < 6_000,
        "alarms have come true"
    );
}

#[test]
fn reactive_rules_act_from_the_start() {
    let mut engine = engine(&cautious(0.5));
    feed(&mut engine, &steady(0, 10));
    feed(&mut engine, &[health(10.0, "alpha", Health::Down)]);
    feed(&mut engine, &steady(10, 15));
    assert!(weight_bp(&engine, "llm", "alpha") < 6_000);
}

#[test]
fn a_person_who_says_auto_with_a_reason_takes_it_upon_himself() {
    let mut engine = engine(&cautious(1.0));
    feed(&mut engine, &steady(0, 1));
    let auto = Action::SetMode {
        route: Some("llm".into()),
        mode: Mode::Auto,
    };
    let outputs = feed(&mut engine, &[command(1.0, "1", auto)]);
    assert!(
        decisions(&outputs)
            .iter()
            .any(|decision| decision.request_id.as_deref() == Some("1"))
    );
    scare(&mut engine, 2, false);
    assert!(weight_bp(&engine, "llm", "alpha") < 6_000);
}
