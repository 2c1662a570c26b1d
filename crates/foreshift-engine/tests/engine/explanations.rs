//! Alarms, decisions, samples and what is asked for say why, with trees beside the linear model.

use foreshift_domain::command::Action;
use foreshift_domain::decision::Decision;
use foreshift_domain::prediction::{Contribution, Explanation, OTHERS, Served};
use foreshift_domain::signal::Health;
use foreshift_engine::{Engine, Output, fresh_model};
use foreshift_predict::trees::{Child, Leaf, Link, Split, Tree, Trees};
use foreshift_predict::{EnsembleParams, Model};

use crate::world::*;

/// A number in 0 to 1 that looks drawn.
fn drawn(of: u64) -> f64 {
    let mixed = of
        .wrapping_add(0x9E37_79B9_7F4A_7C15)
        .wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Trees of four leaves that split where features lie, missing values among them.
fn trees(features: usize, seed: u64) -> Trees {
    let split = |of: u64, left, right| Split {
        feature: (drawn(of) * features as f64) as u16,
        threshold: 4.0 * drawn(of + 1) - 2.0,
        missing_left: drawn(of + 2) < 0.5,
        left,
        right,
    };
    let trees = (0..30).map(|tree| {
        let of = seed + 1_000 * tree;
        Tree {
            splits: vec![
                split(of, Child::Split(1), Child::Split(2)),
                split(of + 10, Child::Leaf(0), Child::Leaf(1)),
                split(of + 20, Child::Leaf(2), Child::Leaf(3)),
            ],
            leaves: (0..4)
                .map(|leaf| Leaf {
                    value: 0.6 * drawn(of + 30 + leaf) - 0.3,
                    cover: 1.0 + 9.0 * drawn(of + 40 + leaf),
                })
                .collect(),
        }
    });
    Trees::new(features, 0.5, Link::Logit, &trees.collect::<Vec<_>>()).unwrap()
}

/// An engine whose model has trees beside it.
fn engine_with_trees(yaml: &str) -> Engine {
    let fallback = fallback(yaml);
    let model: Model = fresh_model(&fallback);
    let features = model.inputs().len();
    let params = EnsembleParams {
        read_trees: 10,
        ..EnsembleParams::default()
    };
    let beside = vec![trees(features, 1), trees(features, 2)];
    let mut engine = Engine::new(1, fallback, model.with_trees(beside, params).unwrap());
    engine.give_samples(true);
    engine.give_explanations(true);
    engine
}

/// Alarms begin early and end, so that there are many.
fn jumpy(enter: f64) -> String {
    YAML.replace(
        "enter: 0.5, exit: 0.3, full: 0.8",
        &format!("enter: {enter}, exit: {}, full: 0.95", enter / 2.0),
    )
}

fn served(outputs: &[Output]) -> Vec<&Served> {
    let all = outputs.iter().filter_map(|output| match output {
        Output::Served(served) => Some(served.as_ref()),
        _ => None,
    });
    all.collect()
}

fn assert_adds_up(explanation: &Explanation) {
    let added = |one: &Contribution| one.logit;
    let sum = explanation.base + explanation.contributions.iter().map(added).sum::<f64>();
    assert!((sum - explanation.logit).abs() < 1e-6, "{explanation:?}");
    let probability = foreshift_predict::probability_of(explanation.logit);
    assert!((probability - explanation.probability).abs() < 1e-9);
}

/// What was predicted of a target at a tick, by horizon.
fn predicted(outputs: &[Output], id: &foreshift_domain::prediction::PredictionId, head: usize) -> f64 {
    let at_tick = outputs.iter().find_map(|output| match output {
        Output::Predictions(tick) if tick.time == id.tick => {
            tick.targets.iter().find(|one| one.target == id.target)
        }
        _ => None,
    });
    at_tick.unwrap().probabilities.unwrap()[head]
}

/// A day in which targets fail and come back, so that something is learned.
fn unsteady(from: u32) -> Vec<foreshift_domain::Input> {
    let mut inputs = steady(from, from + 60);
    for (after, target) in [(60, "alpha"), (120, "west"), (180, "alpha")] {
        let at = from + after;
        inputs.push(health(f64::from(at), target, Health::Down));
        inputs.extend(steady(at, at + 8));
        inputs.push(health(f64::from(at) + 8.0, target, Health::Up));
        inputs.extend(steady(at + 8, at + 60));
    }
    inputs
}

#[test]
fn alarms_decisions_samples_and_what_is_asked_for_add_up_to_what_was_predicted() {
    let mut engine = engine_with_trees(&jumpy(0.3));
    let mut outputs = Vec::new();
    let mut asked = 0;
    for part in 0..6 {
        for inputs in unsteady(240 * part).chunks(97) {
            outputs.extend(feed(&mut engine, inputs));
            for state in engine.publish().targets.values() {
                let Some(prediction) = &state.prediction else {
                    continue;
                };
                let explanations = state.why.ask();
                assert_eq!(explanations.len(), prediction.risks.len());
                for (explanation, risk) in explanations.iter().zip(&prediction.risks) {
                    assert_adds_up(explanation);
                    assert!((explanation.probability - risk.probability).abs() < 1e-12);
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 100, "{asked}");
    assert!(engine.counters().positives > 0 && engine.counters().negatives > 0);

    let (alarms, samples): (Vec<&Served>, Vec<&Served>) = served(&outputs)
        .into_iter()
        .partition(|one| !one.alarms.is_empty());
    assert!(
        alarms.len() > 5 && !samples.is_empty(),
        "{} {}",
        alarms.len(),
        samples.len()
    );
    for record in alarms.iter().chain(&samples) {
        for explanation in &record.explanations {
            assert_adds_up(explanation);
            let head = usize::from(explanation.horizon.as_secs_f64() > 60.0);
            let said = predicted(&outputs, &record.id, head);
            assert!((explanation.probability - said).abs() < 1e-12);
            let named = explanation.thresholds.iter().map(|one| one.probability);
            assert_eq!(
                named.collect::<Vec<_>>(),
                vec![0.3; head],
                "the trigger looks at the second"
            );
        }
    }
    for alarm in &alarms {
        assert!(alarm.explanations[0].probability >= alarm.explanations[0].thresholds[0].probability);
        assert_eq!(alarm.explanations[0].thresholds[0].route, alarm.alarms[0]);
    }
    assert!(
        alarms[0].explanations[0].contributions.len() > 3,
        "trees speak of features"
    );

    let decided = decisions(&outputs);
    let alarming = decided
        .iter()
        .flat_map(|decision| &decision.targets)
        .filter(|target| target.alarm);
    let mut grounded = 0;
    for target in alarming {
        let grounds = target.grounds.as_ref().unwrap();
        assert_adds_up(&grounds.explanation);
        let id = foreshift_domain::prediction::PredictionId {
            target: target.target.clone(),
            tick: grounds.tick,
        };
        assert!(
            target.risk.unwrap() <= grounds.explanation.probability + 1e-12,
            "it stands, or fades"
        );
        assert!(grounds.explanation.contributions.len() <= 17);
        assert!((grounds.explanation.probability - predicted(&outputs, &id, 1)).abs() < 1e-12);
        grounded += 1;
    }
    assert!(grounded > 5, "{grounded}");
    assert!(decided.iter().all(|decision| {
        decision
            .targets
            .iter()
            .all(|target| target.alarm == target.grounds.is_some())
    }));
    assert_eq!(engine.counters().brief_grounds, 0);
}

#[test]
fn what_is_asked_for_is_of_the_prediction_that_is_shown_though_the_model_has_learned_since() {
    let mut engine = engine_with_trees(YAML);
    feed(&mut engine, &unsteady(0));
    let before = engine.publish();
    let rows = before.models.champion.version.rows_learned;
    // The onset teaches the model before the next tick.
    feed(
        &mut engine,
        &[health(241.0, "alpha", Health::Down), watermark(242.5)],
    );
    let after = engine.publish();
    assert!(after.models.champion.version.rows_learned > rows);
    let (shown, why) = (&after.targets["east"], after.targets["east"].why.ask());
    let prediction = shown.prediction.as_ref().unwrap();
    assert_eq!(
        before.targets["east"].prediction.as_ref().unwrap().risks,
        prediction.risks
    );
    for (explanation, risk) in why.iter().zip(&prediction.risks) {
        assert!((explanation.probability - risk.probability).abs() < 1e-12);
    }
}

#[test]
fn of_more_alarms_at_once_than_the_bound_trees_are_one_term_and_every_one_adds_up() {
    let names: Vec<String> = (0..80).map(|number| format!("t{number}")).collect();
    let mut yaml = jumpy(0.000_001);
    yaml.push_str("  - name: wide\n    targets:\n");
    for name in &names {
        yaml.push_str(&format!(
            "      - {{name: {name}, role: primary, baseline: 1.25%, capacity: 10 rps}}\n"
        ));
    }
    let mut engine = engine_with_trees(&yaml);
    let mut outputs = Vec::new();
    for second in 0..6 {
        for name in &names {
            let signal = outcome(
                f64::from(second),
                name,
                foreshift_domain::signal::OutcomeKind::Success,
            );
            outputs.extend(feed(&mut engine, &[signal]));
        }
        let now = f64::from(second) + 1.0;
        outputs.extend(feed(&mut engine, &[watermark(now), clock(now)]));
    }
    let brief =
        |explanation: &Explanation| explanation.contributions.iter().any(|one| one.feature == "trees");
    let records = served(&outputs);
    assert_eq!(records.iter().filter(|one| !one.alarms.is_empty()).count(), 80);
    let told: Vec<&Explanation> = records.iter().flat_map(|one| &one.explanations).collect();
    told.iter().for_each(|explanation| assert_adds_up(explanation));
    assert_eq!(told.iter().filter(|explanation| !brief(explanation)).count(), 32);

    let freeze = Action::SetMode {
        route: Some("wide".into()),
        mode: foreshift_domain::fallback::Mode::Shadow,
    };
    outputs.extend(feed(&mut engine, &[command(6.1, "1", freeze)]));
    let decision: Decision = decisions(&outputs).pop().unwrap();
    let grounds = decision
        .targets
        .iter()
        .map(|target| &target.grounds.as_ref().unwrap().explanation);
    grounds.clone().for_each(assert_adds_up);
    let others =
        |explanation: &&Explanation| explanation.contributions.iter().any(|one| one.feature == OTHERS);
    assert_eq!(grounds.clone().filter(|one| brief(one)).count(), 48);
    assert!(grounds.clone().any(|one| others(&one)));
    assert_eq!(engine.counters().brief_grounds, 48);
    let why = engine.publish().targets["t79"].why.ask();
    assert!(!why.iter().any(brief), "who asks for one gets all of it");
}

#[test]
fn what_is_recorded_and_asked_for_changes_no_decision_and_a_restart_keeps_the_grounds() {
    let inputs: Vec<_> = (0..3).flat_map(|part| unsteady(240 * part)).collect();
    let mut engine = engine_with_trees(&jumpy(0.3));
    let all = decisions(&feed(&mut engine, &inputs));

    let mut quiet = engine_with_trees(&jumpy(0.3));
    quiet.give_samples(false);
    quiet.give_explanations(false);
    let (first, second) = inputs.split_at(inputs.len() / 2);
    let mut again = decisions(&feed(&mut quiet, first));
    assert!(quiet.publish().targets["alpha"].why.ask().is_empty());
    let snapshot = quiet.snapshot().unwrap();
    let mut quiet = Engine::restore(&snapshot, 1).unwrap();
    again.extend(decisions(&feed(&mut quiet, second)));
    assert!(
        all.iter()
            .flat_map(|one| &one.targets)
            .any(|target| target.grounds.is_some())
    );
    assert_eq!(all.len(), again.len());
    for (one, other) in all.iter().zip(&again) {
        assert_eq!(one.digest().unwrap(), other.digest().unwrap());
    }
}
