//! Whether what the model reads is like what it learned from.

use foreshift_domain::Input;
use foreshift_domain::signal::{Observation, OutcomeKind};
use foreshift_engine::{Engine, Snapshot};
use foreshift_predict::Model;

use crate::world::*;

const SECONDS: u32 = 1_500;

/// A model that has learned from steady traffic, at the beginning of another world.
fn taught() -> Engine {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, SECONDS));
    assert!(engine.input_shift().is_empty(), "it had learned nothing before");
    let learned = Model::from_json(&engine.model().to_json().unwrap()).unwrap();
    Engine::new(1, fallback(YAML), learned.released("taught@1"))
}

/// Steady traffic of which one client in four goes away.
fn given_up() -> Vec<Input> {
    let mut inputs = steady(0, SECONDS);
    let kinds = inputs.iter_mut().filter_map(|input| match input {
        Input::Signal(signal) => match &mut signal.observation {
            Observation::Outcome(outcome) => Some(&mut outcome.kind),
            _ => None,
        },
        _ => None,
    });
    kinds.step_by(4).for_each(|kind| *kind = OutcomeKind::ClientAbort);
    inputs
}

#[test]
fn traffic_like_that_which_was_learned_from_has_not_shifted() {
    let mut engine = taught();
    feed(&mut engine, &steady(0, SECONDS));
    let shift = engine.input_shift();
    let most = shift.first().expect("enough was seen");
    assert!(most.1 < 0.25, "{most:?}");
}

#[test]
fn what_shifted_is_named_and_a_restart_does_not_forget_it() {
    let mut engine = taught();
    feed(&mut engine, &given_up());
    let shift = engine.input_shift();
    let most = shift.first().expect("enough was seen");
    assert!(most.0 == "cut_short_ratio" && most.1 > 0.25, "{most:?}");
    let bytes = engine.snapshot().unwrap().to_bytes().unwrap();
    let back = Engine::restore(&Snapshot::from_bytes(&bytes).unwrap(), 2).unwrap();
    assert_eq!(back.input_shift(), shift);
}
