use foreshift_domain::Digest;
use foreshift_domain::decision::{Cause, Reason};
use foreshift_domain::signal::{Health, OutcomeKind};
use foreshift_domain::weights::FULL_BP;
use foreshift_engine::Output;

use crate::world::*;

#[test]
fn nothing_is_planned_before_time_is_known_and_routes_begin_at_their_baseline() {
    let mut engine = engine(YAML);
    assert!(engine.poll_output().is_none());
    let outputs = feed(&mut engine, &[clock(0.0)]);
    let first = weights(&outputs, "llm");
    assert_eq!(first.len(), 1);
    let bp: Vec<_> = first[0].targets.iter().map(|target| target.weight_bp).collect();
    assert_eq!(bp, [6_000, 4_000, 0]);
    assert!(first[0].valid_until > at(0.0) && first[0].reason == Reason::Baseline);
}

#[test]
fn consecutive_errors_drain_a_target_at_once_and_wellness_brings_it_back() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 10));
    let errors: Vec<_> = (0..6)
        .map(|i| outcome(10.0 + f64::from(i) / 10.0, "alpha", OutcomeKind::ConnectFailure))
        .collect();
    let outputs = feed(&mut engine, &errors);
    let drained = weights(&outputs, "llm").last().copied().unwrap().clone();
    assert_eq!(drained.reason, Reason::HardDown);
    assert!(drained.targets[0].weight_bp < 6_000, "{drained:?}");
    assert_eq!(decisions(&outputs)[0].cause, Cause::Health);
    feed(&mut engine, &steady(11, 100));
    assert_eq!(weight_bp(&engine, "llm", "alpha"), 0, "it dwells");
    feed(&mut engine, &steady(100, 180));
    assert_eq!(weight_bp(&engine, "llm", "alpha"), 6_000);
}

#[test]
fn a_reported_down_moves_traffic_and_other_routes_stay() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 10));
    feed(&mut engine, &[health(10.0, "east", Health::Down)]);
    feed(&mut engine, &steady(10, 14));
    assert_eq!(weight_bp(&engine, "pay", "east"), 0);
    assert_eq!(weight_bp(&engine, "llm", "alpha"), 6_000);
}

#[test]
fn decisions_are_a_chain_of_hashes_and_their_versions_grow() {
    let mut engine = engine(YAML);
    let mut inputs = steady(0, 20);
    inputs.push(health(20.0, "alpha", Health::Down));
    inputs.extend(steady(20, 40));
    inputs.push(health(40.0, "alpha", Health::Up));
    inputs.extend(steady(40, 80));
    let outputs = feed(&mut engine, &inputs);
    let mut previous = Digest::default();
    let mut sequence = 0;
    for output in &outputs {
        let Output::Decision(decision, digest) = output else {
            continue;
        };
        assert_eq!(decision.previous, previous);
        assert_eq!(decision.sequence, sequence + 1);
        assert_eq!(decision.digest().unwrap(), *digest);
        let sum: u32 = decision.targets.iter().map(|target| target.weight_bp).sum();
        assert_eq!(sum, FULL_BP);
        (previous, sequence) = (*digest, decision.sequence);
    }
    assert!(sequence > 4, "only {sequence} decisions");
}

#[test]
fn silence_holds_weights_then_walks_back_but_never_towards_a_target_last_seen_down() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 10));
    feed(&mut engine, &[health(10.0, "east", Health::Down)]);
    feed(&mut engine, &steady(10, 15));
    assert_eq!(weight_bp(&engine, "pay", "east"), 0);
    let silent: Vec<_> = (15..400).map(|second| clock(f64::from(second))).collect();
    feed(&mut engine, &silent);
    assert_eq!(weight_bp(&engine, "pay", "east"), 0);
    assert_eq!(weight_bp(&engine, "llm", "alpha"), 6_000);
}

#[test]
fn a_route_in_shadow_publishes_its_baseline_and_shows_its_plan() {
    let mut engine = engine(&YAML.replace("mode: auto", "mode: shadow"));
    feed(&mut engine, &steady(0, 10));
    feed(&mut engine, &[health(10.0, "east", Health::Down)]);
    let outputs = feed(&mut engine, &steady(10, 14));
    assert_eq!(weight_bp(&engine, "pay", "east"), 5_000);
    let planned = engine.publish().routes.get("pay").unwrap().targets[0].planned_bp;
    assert_eq!(planned, 0);
    assert!(
        decisions(&outputs)
            .iter()
            .all(|decision| decision.targets.iter().all(|t| t.weight_bp == t.baseline_bp))
    );
}

#[test]
fn a_renewal_is_a_decision_too_so_every_version_can_be_explained() {
    let mut engine = engine(YAML);
    let outputs = feed(&mut engine, &steady(0, 200));
    let versions: Vec<_> = weights(&outputs, "llm")
        .iter()
        .map(|weights| weights.version.sequence)
        .collect();
    let decided: Vec<_> = decisions(&outputs)
        .iter()
        .filter(|d| d.route.as_str() == "llm")
        .map(|d| d.sequence)
        .collect();
    assert!(versions.len() > 2, "{versions:?}");
    assert_eq!(versions, decided);
}
