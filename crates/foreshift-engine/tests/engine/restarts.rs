use foreshift_domain::command::Action;
use foreshift_domain::signal::Health;
use foreshift_engine::{Engine, Output, Snapshot};

use crate::world::*;

#[test]
fn a_restored_engine_goes_on_as_if_nothing_had_happened_but_for_the_epoch() {
    let mut inputs = steady(0, 40);
    inputs.insert(200, health(11.0, "alpha", Health::Down));
    let (before, after) = inputs.split_at(inputs.len() / 2);
    let mut whole = engine(YAML);
    feed(&mut whole, before);
    let bytes = whole.snapshot().unwrap().to_bytes().unwrap();
    let mut restored = Engine::restore(&Snapshot::from_bytes(&bytes).unwrap(), 2).unwrap();
    let again: Vec<_> = std::iter::from_fn(|| restored.poll_output()).collect();
    assert_eq!(weights(&again, "llm")[0].version.epoch, 2);
    let (expected, found) = (feed(&mut whole, after), feed(&mut restored, after));
    let decided = |outputs: &[Output]| {
        let all = decisions(outputs)
            .into_iter()
            .map(|decision| (decision.sequence, decision.time, decision.targets));
        all.collect::<Vec<_>>()
    };
    assert_eq!(decided(&expected), decided(&found));
    assert_eq!(whole.counters(), restored.counters());
}

#[test]
fn a_restart_revives_nothing_that_expired_meanwhile() {
    let mut engine = engine(YAML);
    feed(&mut engine, &steady(0, 10));
    let weights = vec![("west".into(), 10_000)];
    feed(
        &mut engine,
        &[command(
            10.0,
            "1",
            Action::Pin {
                route: "pay".into(),
                weights,
            },
        )],
    );
    assert_eq!(weight_bp(&engine, "pay", "west"), 10_000);
    let snapshot = engine.snapshot().unwrap();
    let mut restored = Engine::restore(&snapshot, 2).unwrap();
    assert_eq!(weight_bp(&restored, "pay", "west"), 10_000);
    feed(&mut restored, &[clock(3_600.0)]);
    assert_eq!(weight_bp(&restored, "pay", "west"), 5_000);
    assert!(restored.publish().overrides.is_empty());
}

#[test]
fn a_damaged_snapshot_is_an_error() {
    let mut bytes = engine(YAML).snapshot().unwrap().to_bytes().unwrap();
    bytes.truncate(bytes.len() / 2);
    assert!(
        Snapshot::from_bytes(&bytes)
            .and_then(|snapshot| Engine::restore(&snapshot, 2))
            .is_err()
    );
    assert!(Snapshot::from_bytes(b"not a snapshot at all").is_err());
}
