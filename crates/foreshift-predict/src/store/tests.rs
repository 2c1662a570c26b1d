use super::*;
use crate::model::TargetModel;
use foreshift_domain::Timestamp;

fn model() -> Model {
    let inputs = vec![
        InputSpec {
            name: "a".into(),
            edges: vec![0.0, 0.1, 0.3],
            heads: crate::ALL_HEADS,
            missing_tells: true,
            rarity: false,
        },
        InputSpec {
            name: "b".into(),
            edges: vec![],
            heads: crate::ALL_HEADS,
            missing_tells: true,
            rarity: false,
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
        refused("\"format\":1", "\"format\":4,\"news\":true"),
        ModelError::Format { found: 4 }
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
            missing_tells: true,
            rarity: false,
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
    let inputs = model.inputs();
    let refused = |features: &[InputSpec], schema: &[u8], horizons: &[Duration]| {
        let checked = model.check_against(features, Digest::of(schema), horizons);
        checked.unwrap_err().to_string()
    };
    assert_eq!(model.check_against(inputs, Digest::of(b"s"), &horizons), Ok(()));
    assert!(refused(inputs, b"t", &horizons).starts_with("the model was made for features"));
    assert_eq!(
        refused(inputs, b"s", &[Duration::HOUR]),
        "the model looks ahead 30s, 2m, configured is 1h"
    );
    let (mut renamed, mut rebinned) = (inputs.to_vec(), inputs.to_vec());
    renamed[1].name = "c".into();
    rebinned[0].edges.push(0.5);
    assert_eq!(
        refused(&renamed, b"s", &horizons),
        "feature 1 of the model is b, of this build c"
    );
    assert_eq!(
        refused(&rebinned, b"s", &horizons),
        "the knots of feature a are not those that the model was made for"
    );
    assert_eq!(
        refused(&inputs[..1], b"s", &horizons),
        "feature 1 of the model is b, of this build none"
    );
}

#[test]
fn features_that_came_after_the_model_are_not_read() {
    let model = model();
    let horizons = [Duration::from_secs(30), Duration::from_secs(120)];
    let mut features = model.inputs().to_vec();
    features.push(InputSpec {
        name: "new".into(),
        edges: vec![1.0],
        heads: crate::ALL_HEADS,
        missing_tells: true,
        rarity: false,
    });
    assert_eq!(
        model.check_against(&features, Digest::of(b"s"), &horizons),
        Ok(())
    );
    let (target, at) = (TargetModel::default(), Timestamp::from_secs(70_000));
    let said = |row: &[f64]| {
        let mut out = [0.0; 2];
        model.predict(&target, at, row, &mut out).unwrap();
        let example = model.encode(&target, at, row);
        (out.map(f64::to_bits), model.explain(0, &target, at, row), example)
    };
    assert_eq!(
        format!("{:?}", said(&[0.2, 3.0])),
        format!("{:?}", said(&[0.2, 3.0, 9.0]))
    );
    assert!(model.predict(&target, at, &[0.2], &mut [0.0; 2]).is_err());
}
