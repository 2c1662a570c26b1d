use super::*;
use crate::model::TargetModel;
use foreshift_domain::Timestamp;

fn model() -> Model {
    let inputs = vec![
        InputSpec {
            name: "a".into(),
            edges: vec![0.0, 0.1, 0.3],
            heads: crate::ALL_HEADS,
        },
        InputSpec {
            name: "b".into(),
            edges: vec![],
            heads: crate::ALL_HEADS,
        },
    ];
    let horizons = [Duration::from_secs(30), Duration::from_secs(120)];
    let mut model = Model::fresh("first@1", Digest::of(b"s"), inputs, &horizons)
        .with_crosses(&[(0, 1)])
        .unwrap();
    let mut target = TargetModel::default();
    for i in 0..50 {
        let at = Timestamp::from_secs(i * 1_000);
        model.observe(&mut target, at, true);
        let example = model.encode(&target, at, &[i as f64 / 70.0, f64::NAN]);
        model.learn((i % 2) as usize, &mut target, &example, i % 7 == 0, 1.7);
    }
    model.incident_began(&mut target, Timestamp::from_secs(60_000));
    model
}

/// The error of a model in whose JSON `from` was replaced by `to`.
fn refused(from: &str, to: &str) -> ModelError {
    let text = model().to_json().unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    Model::from_json(&text.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn a_model_reads_back_equal_and_writes_the_same_text_again() {
    let text = model().to_json().unwrap();
    let again = Model::from_json(&text).unwrap();
    assert_eq!(again, model());
    assert_eq!(again.to_json().unwrap(), text);
}

#[test]
fn another_format_is_named_before_anything_else_is_read() {
    assert_eq!(
        refused("\"format\":1", "\"format\":2,\"news\":true"),
        ModelError::Format { found: 2 }
    );
}

#[test]
fn what_is_no_model_is_refused_with_the_place() {
    assert!(
        refused("\"name\"", "\"nome\"")
            .to_string()
            .contains("line 1 column")
    );
    assert!(matches!(Model::from_json("{"), Err(ModelError::Json { .. })));
    assert!(matches!(Model::from_json("{}"), Err(ModelError::Json { .. })));
}

#[test]
fn nan_is_refused_in_either_direction() {
    assert!(matches!(
        refused("\"n\":[", "\"n\":[null,"),
        ModelError::Json { .. }
    ));
    assert!(matches!(
        refused("\"z\":[", "\"z\":[1e999,"),
        ModelError::Json { .. }
    ));
    let mut broken = model();
    broken.coordinates[0] = (f64::NAN, 1.0).into();
    assert_eq!(
        broken.to_json(),
        Err(ModelError::OutOfRange { what: "gradients" })
    );
}

#[test]
fn sizes_knots_names_and_horizons_are_checked() {
    assert!(matches!(
        refused("\"z\":[", "\"z\":[0.0,"),
        ModelError::Size {
            what: "sums of gradients",
            ..
        }
    ));
    assert!(matches!(
        refused("\"seen\":[", "\"seen\":[0.0,"),
        ModelError::Size { .. }
    ));
    assert_eq!(
        refused("[0.0,0.1,0.3]", "[0.0,0.3,0.1]"),
        ModelError::Edges { input: "a".into() }
    );
    assert_eq!(
        refused("[0.0,0.1,0.3]", "[0.0,0.1,0.1]"),
        ModelError::Edges { input: "a".into() }
    );
    assert_eq!(
        refused("\"name\":\"b\"", "\"name\":\"a\""),
        ModelError::TwoInputs { input: "a".into() }
    );
    assert!(matches!(
        refused("[30000000,", "[0,"),
        ModelError::BadHorizons { .. }
    ));
    assert!(matches!(
        refused("[30000000,", "[120000000,"),
        ModelError::BadHorizons { .. }
    ));
    assert_eq!(
        refused("\"crosses\":[[0,1]]", "\"crosses\":[[0,2]]"),
        ModelError::Cross {
            a: 0,
            b: 2,
            inputs: 2
        }
    );
    assert_eq!(
        refused("\"alpha\":0.", "\"alpha\":-0."),
        ModelError::OutOfRange { what: "params" }
    );
    assert_eq!(
        refused("\"slope\":", "\"slope\":9"),
        ModelError::OutOfRange { what: "calibrations" }
    );
}

#[test]
fn a_model_of_absurd_size_is_refused_before_it_is_built() {
    let inputs: Vec<InputSpec> = (0..3)
        .map(|i| InputSpec {
            name: i.to_string(),
            edges: (0..4_000).map(f64::from).collect(),
            heads: crate::ALL_HEADS,
        })
        .collect();
    let absurd = Model::fresh("absurd", Digest::default(), inputs, &[Duration::HOUR]);
    assert!(matches!(
        absurd.with_crosses(&[(0, 1)]),
        Err(ModelError::TooLarge { .. })
    ));
    let many: Vec<Duration> = (1..=9).map(Duration::from_secs).collect();
    let many = Model::fresh("many", Digest::default(), vec![], &many);
    assert!(matches!(
        many.to_json(),
        Err(ModelError::TooLarge { heads: 9, .. })
    ));
}

#[test]
fn other_features_or_horizons_are_named() {
    let model = model();
    let horizons = [Duration::from_secs(30), Duration::from_secs(120)];
    assert_eq!(model.check_against(Digest::of(b"s"), &horizons), Ok(()));
    assert!(model.check_against(Digest::of(b"t"), &horizons).is_err());
    let error = model
        .check_against(Digest::of(b"s"), &[Duration::HOUR])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model looks ahead 30s, 2m, configured is 1h"
    );
}
