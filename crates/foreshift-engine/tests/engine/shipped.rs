//! The models as they are shipped, in the engine of today.

use foreshift_domain::log::ErrorClass;
use foreshift_domain::signal::OutcomeKind;
use foreshift_domain::{Digest, Input};
use foreshift_engine::{Engine, Output, fresh_model};
use foreshift_features::{FIRST_EDITION, schema_digest};
use foreshift_predict::Model;

use crate::world::*;

const LIVE: [&str; 3] = [
    include_str!("../../../../models/live/1/model.json"),
    include_str!("../../../../models/live/2/model.json"),
    include_str!("../../../../models/live/3/model.json"),
];

/// Traffic with failures and log lines of every class, now more and now less.
fn chequered() -> Vec<Input> {
    let mut inputs = Vec::new();
    for second in 0..400_u32 {
        let start = f64::from(second);
        for (at, target) in ["alpha", "beta", "east", "west"].into_iter().enumerate() {
            for part in 0..4_u32 {
                let failed = (second * 7 + part * 3 + at as u32).is_multiple_of(29);
                let kind = if failed {
                    OutcomeKind::Timeout
                } else {
                    OutcomeKind::Success
                };
                inputs.push(outcome(start + f64::from(part) / 4.0, target, kind));
            }
            if (second / 40 + at as u32).is_multiple_of(3) {
                let line = (second as usize * 5 + at) % ErrorClass::ALL.len();
                let template = (line as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                inputs.push(log(
                    start + 0.5,
                    target,
                    template,
                    ErrorClass::ALL[line],
                    1 + second % 3,
                ));
            }
        }
        inputs.push(watermark(start + 1.0));
    }
    inputs
}

/// What a shipped model says about that, and what it learned from it.
fn said(model: &str) -> String {
    let yaml = YAML
        .replace("horizons: [30s, 2m]", "horizons: [30s, 2m, 10m]")
        .replace("mode: auto", "mode: off");
    let model = Model::from_json(model).unwrap();
    let mut engine = Engine::new(1, fallback(&yaml), model);
    let mut bytes = Vec::new();
    for output in feed(&mut engine, &chequered()) {
        match output {
            Output::Predictions(tick) => tick.targets.iter().for_each(|target| {
                let all = target.probabilities.unwrap();
                all.iter()
                    .for_each(|p| bytes.extend_from_slice(&p.to_bits().to_le_bytes()));
            }),
            Output::Alert(alert) => panic!("{alert:?}"),
            _ => {}
        }
    }
    // The fields came with features that were appended, and change nothing for those before.
    let learned = engine
        .model()
        .to_json()
        .unwrap()
        .replace(",\"missing_tells\":true", "")
        .replace(",\"rarity\":false", "")
        .replace(",\"bend\":null", "")
        .replace(",\"plain\":null", "");
    bytes.extend_from_slice(learned.as_bytes());
    Digest::of(&bytes).to_string()
}

/// Features may be appended to the catalogue; nothing that a shipped model reads may change with it.
#[test]
fn the_shipped_models_say_and_learn_bit_for_bit_what_they_always_did() {
    assert_eq!(
        said(LIVE[0]),
        "c915cda9432da75043f336f09b70a38678bc507f669ef28ed3a4d3dfb1eca074"
    );
    assert_eq!(
        said(LIVE[1]),
        "d3ca03bc560c7a45415829311700bb0592971066c611eea3b51fa7bc3a7286cb"
    );
    assert_eq!(
        said(LIVE[2]),
        "4fd90c794a94a3ea2ec8135196543ea13f8ceadaf868c29bbbdd984d0cb807e1"
    );
}

#[test]
fn a_fresh_model_has_every_cross() {
    let written = fresh_model(&fallback(YAML)).to_json().unwrap();
    let (_, crosses) = written.split_once("\"crosses\":[[").unwrap();
    let (crosses, _) = crosses.split_once("]]").unwrap();
    assert_eq!(crosses.split("],[").count(), foreshift_features::CROSSES.len());
}

#[test]
fn a_fresh_model_has_slopes_for_what_knots_leave_to_trees() {
    let written = fresh_model(&fallback(YAML)).to_json().unwrap();
    let (_, reads) = written.split_once("\"reads\":[").unwrap();
    let (reads, _) = reads.split_once(']').unwrap();
    let left: Vec<&str> = reads.split(',').skip(foreshift_features::FOR_TREES).collect();
    assert!(
        !left.is_empty() && left.iter().all(|heads| *heads == "255"),
        "{reads}"
    );
}

/// Where nobody logs, a fresh model that reads the features of logs says what one without them says.
#[test]
fn appended_features_that_are_missing_change_no_prediction() {
    let inputs: Vec<Input> = chequered()
        .into_iter()
        .filter(|input| !matches!(input, Input::Log(_)))
        .collect();
    let quiet = fallback(&YAML.replace("mode: auto", "mode: off"));
    let predicted = |model: Model| {
        let mut engine = Engine::new(1, quiet.clone(), model);
        let outputs = feed(&mut engine, &inputs);
        let ticks = outputs
            .into_iter()
            .filter(|output| matches!(output, Output::Predictions(_)));
        ticks.map(|tick| format!("{tick:?}")).collect::<Vec<_>>()
    };
    let today = fresh_model(&quiet);
    let reading = |features: usize| {
        let inputs = today.inputs()[..features].to_vec();
        Model::fresh("fresh@1", schema_digest(features), inputs, today.horizons())
    };
    let with_logs = today
        .inputs()
        .iter()
        .rposition(|input| input.name.starts_with("log_"));
    let with_logs = reading(with_logs.unwrap() + 1);
    assert!(
        predicted(with_logs) == predicted(reading(FIRST_EDITION)),
        "another prediction"
    );
}
