use std::sync::Arc;

use foreshift_domain::signal::Health;
use foreshift_domain::weights::Version;
use foreshift_domain::{Digest, Input, ModelUpdate};
use foreshift_engine::{Alert, Engine, ModelPlace, Output, Snapshot, fresh_model};
use foreshift_predict::{Model, Params, Rates};

use crate::world::*;

/// A model of the configuration, which learns faster than the one that an engine begins with.
fn other(name: &str) -> Model {
    let quick = Rates {
        alpha: 0.5,
        ..Params::default().shared
    };
    let params = Params {
        shared: quick,
        ..Params::default()
    };
    fresh_model(&fallback(YAML))
        .with_params(params)
        .unwrap()
        .released(name)
}

fn update(model: &Model) -> Arc<ModelUpdate> {
    Arc::new(ModelUpdate {
        name: model.version().name,
        model_json: model.to_json().unwrap(),
        simulated: true,
        why: "ana: it was better in shadow".into(),
    })
}

fn challenger(name: &str) -> Input {
    Input::Challenger(Some(update(&other(name))))
}

fn champion(name: &str) -> Input {
    Input::Model(update(&other(name)))
}

/// Traffic with incidents, from one second to another.
fn eventful(from: u32, to: u32) -> Vec<Input> {
    let mut inputs = Vec::new();
    for second in (from..to).step_by(50) {
        let (down, up) = (f64::from(second) + 20.0, f64::from(second) + 30.0);
        inputs.extend(steady(second, second + 20));
        inputs.push(health(down, "alpha", Health::Down));
        inputs.extend(steady(second + 20, second + 30));
        inputs.push(health(up, "alpha", Health::Up));
        inputs.extend(steady(second + 30, second + 50));
    }
    inputs
}

fn told(outputs: &[Output]) -> Vec<String> {
    let all = outputs
        .iter()
        .filter(|output| !matches!(output, Output::Model(_)));
    all.map(|output| format!("{output:?}")).collect()
}

fn versions(outputs: &[Output], route: &str) -> Vec<Version> {
    weights(outputs, route)
        .iter()
        .map(|weights| weights.version)
        .collect()
}

#[test]
fn a_challenger_in_the_shadow_changes_nothing_that_anybody_is_told() {
    let inputs = eventful(0, 200);
    let mut alone = engine(YAML);
    let expected = told(&feed(&mut alone, &inputs));
    let mut shadowed = engine(YAML);
    feed(&mut shadowed, &[challenger("live@7")]);
    assert_eq!(told(&feed(&mut shadowed, &inputs)), expected);
    assert_eq!(shadowed.model(), alone.model());
    assert_eq!(shadowed.counters(), alone.counters());
}

#[test]
fn a_challenger_that_is_the_champions_twin_does_as_well_and_is_not_promoted() {
    let mut engine = engine(YAML);
    let json = engine.model().to_json().unwrap().replace("fresh@1", "twin@1");
    let twin = Model::from_json(&json).unwrap();
    feed(&mut engine, &[Input::Challenger(Some(update(&twin)))]);
    feed(&mut engine, &eventful(0, 400));
    let challenger = engine.models().challenger.unwrap();
    let comparison = challenger.comparison;
    assert!(comparison.champion_log_loss.unwrap() > 0.0);
    assert_eq!(comparison.champion_log_loss, comparison.challenger_log_loss);
    assert!(!comparison.passed && comparison.loss_e_value <= 1.0);
    assert_eq!(
        challenger.model.version.rows_learned,
        engine.model().version().rows_learned
    );
}

#[test]
fn a_promoted_challenger_goes_on_with_all_that_it_learned_in_the_shadow() {
    let mut engine = engine(YAML);
    feed(&mut engine, &[challenger("live@7")]);
    feed(&mut engine, &eventful(0, 200));
    let learned = engine.models().challenger.unwrap().model.version;
    let before = engine.counters();
    assert!(learned.rows_learned > 100, "{learned}");
    let outputs = feed(&mut engine, &[champion("live@7"), Input::Challenger(None)]);
    let changes = outputs.iter().filter_map(|output| match output {
        Output::Model(change) => Some(change),
        _ => None,
    });
    let change = changes.collect::<Vec<_>>();
    assert_eq!(change.len(), 1, "the shadow is empty by itself");
    assert!(change[0].warm && change[0].place == ModelPlace::Champion);
    assert_eq!(engine.model().version(), learned);
    assert!(engine.models().challenger.is_none());
    // Rows that waited are learned from: an incident now has rows ahead of it.
    feed(&mut engine, &[health(200.5, "beta", Health::Down)]);
    feed(&mut engine, &steady(201, 203));
    assert!(engine.counters().positives > before.positives);
}

#[test]
fn a_swap_under_load_keeps_versions_weights_incidents_and_telemetry() {
    for shadow_first in [false, true] {
        let mut engine = engine(YAML);
        let mut outputs = Vec::new();
        if shadow_first {
            outputs.extend(feed(&mut engine, &[challenger("live@7")]));
        }
        outputs.extend(feed(&mut engine, &eventful(0, 100)));
        outputs.extend(feed(&mut engine, &[health(100.2, "alpha", Health::Down)]));
        outputs.extend(feed(&mut engine, &steady(100, 110)));
        let (before, drained) = (engine.publish(), weight_bp(&engine, "llm", "alpha"));
        assert!(drained < 6_000);
        outputs.extend(feed(&mut engine, &[champion("live@7")]));
        assert_eq!(
            weight_bp(&engine, "llm", "alpha"),
            drained,
            "no weight jumps at the swap"
        );
        outputs.extend(feed(&mut engine, &steady(110, 130)));
        let after = engine.publish();
        for (name, target) in &before.targets {
            let now = &after.targets[name.as_str()];
            assert!(
                now.signals >= target.signals && now.incidents == target.incidents,
                "{name}"
            );
        }
        for route in ["llm", "pay"] {
            let versions = versions(&outputs, route);
            assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        }
        assert_eq!(after.models.champion.version.name, "live@7");
        let decided = decisions(&outputs);
        let named = decided.iter().filter(|decision| decision.model.name == "live@7");
        assert!(
            named.count() >= 2,
            "every route has a decision that names the new model"
        );
    }
}

#[test]
fn a_swap_to_a_model_that_was_not_in_the_shadow_keeps_when_targets_failed() {
    let eager = |swap: bool| {
        let mut engine = engine(YAML);
        feed(&mut engine, &eventful(0, 200));
        if swap {
            feed(&mut engine, &[champion("live@7")]);
        }
        feed(&mut engine, &steady(200, 260));
        let published = engine.publish();
        let risk = |target: &str| published.targets[target].prediction.as_ref().unwrap().risks[1].probability;
        (risk("alpha"), risk("east"))
    };
    let (alpha, east) = eager(true);
    assert!(
        alpha > 2.0 * east,
        "alpha failed four times, east never: {alpha} against {east}"
    );
    assert!(eager(false).0 > 0.0);
}

#[test]
fn a_replay_over_challenge_and_promotion_gives_the_same_bytes() {
    let mut inputs = eventful(0, 100);
    inputs.push(challenger("live@7"));
    inputs.extend(eventful(100, 200));
    inputs.push(champion("live@7"));
    inputs.push(challenger("live@8"));
    inputs.extend(eventful(200, 300));
    inputs.push(champion("live@9"));
    inputs.extend(eventful(300, 350));
    let run = |inputs: &[Input]| {
        let mut engine = engine(YAML);
        let outputs = feed(&mut engine, inputs);
        let decided: Vec<Digest> = decisions(&outputs)
            .iter()
            .map(|decision| decision.digest().unwrap())
            .collect();
        (decided, engine.snapshot().unwrap().to_bytes().unwrap())
    };
    // As a journal keeps them: commands, configurations and models as JSON.
    let text = serde_json::to_string(&inputs).unwrap();
    let kept: Vec<Input> = serde_json::from_str(&text).unwrap();
    assert_eq!(run(&inputs), run(&kept));
}

#[test]
fn a_restored_engine_goes_on_with_its_challenger_as_if_nothing_had_happened() {
    let mut whole = engine(YAML);
    feed(&mut whole, &[challenger("live@7")]);
    feed(&mut whole, &eventful(0, 150));
    let bytes = whole.snapshot().unwrap().to_bytes().unwrap();
    let mut restored = Engine::restore(&Snapshot::from_bytes(&bytes).unwrap(), 1).unwrap();
    let inputs = [eventful(150, 250), vec![champion("live@7")], eventful(250, 300)].concat();
    feed(&mut whole, &inputs);
    feed(&mut restored, &inputs);
    assert_eq!(whole.snapshot().unwrap(), restored.snapshot().unwrap());
}

#[test]
fn a_model_that_cannot_be_used_leaves_the_present_one_on_and_it_is_said() {
    let mut engine = engine(YAML);
    feed(&mut engine, &[champion("live@7"), challenger("live@8")]);
    let models = engine.models();
    let elsewhere = YAML.replace("[30s, 2m]", "[1m, 2m]");
    let broken = [
        String::new(),
        "{\"format\": 9}".into(),
        other("x@1")
            .to_json()
            .unwrap()
            .replace("\"format\":1", "\"format\":1,\"more\":1"),
        fresh_model(&fallback(&elsewhere)).to_json().unwrap(),
    ];
    for model_json in broken {
        let update = Arc::new(ModelUpdate {
            name: "live@9".into(),
            model_json,
            ..ModelUpdate::default()
        });
        for input in [Input::Model(Arc::clone(&update)), Input::Challenger(Some(update))] {
            let outputs = feed(&mut engine, &[input]);
            let refused = |output: &Output| matches!(output, Output::Alert(Alert::ModelRefused { name, .. }) if name == "live@9");
            assert!(outputs.iter().any(refused), "{outputs:?}");
            assert_eq!(engine.models(), models);
        }
    }
}

#[test]
fn new_horizons_let_go_of_a_challenger_that_does_not_look_there() {
    let mut engine = engine(YAML);
    feed(&mut engine, &[challenger("live@8")]);
    let outputs = feed(
        &mut engine,
        &[Input::Fallback(fallback(
            &YAML
                .replace("[30s, 2m]", "[1m, 2m]")
                .replace("horizon: 2m", "horizon: 1m"),
        ))],
    );
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Alert(Alert::ModelRefused { .. })))
    );
    assert!(engine.models().challenger.is_none());
}

#[test]
fn every_explanation_of_a_model_trained_on_simulation_says_so() {
    let mut engine = engine(YAML);
    engine.give_explanations(true);
    let explained = |engine: &mut Engine, from: u32| {
        feed(engine, &steady(from, from + 30));
        let published = engine.publish();
        published
            .targets
            .values()
            .flat_map(|target| target.why.ask())
            .collect::<Vec<_>>()
    };
    let before = explained(&mut engine, 0);
    assert!(!before.is_empty() && before.iter().all(|explanation| !explanation.simulated));
    feed(&mut engine, &[champion("live@7")]);
    let after = explained(&mut engine, 30);
    assert!(!after.is_empty() && after.iter().all(|explanation| explanation.simulated));
}
