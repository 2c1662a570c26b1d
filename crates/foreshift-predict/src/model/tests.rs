use foreshift_domain::prediction::Explanation;
use proptest::prelude::*;

use super::*;
use crate::metrics::{Quality, rank};
use crate::test_stream::Stream;

mod anchor;

const START: Timestamp = Timestamp::from_secs(1_700_000_000);

fn horizons() -> [Duration; 2] {
    [Duration::from_secs(120), Duration::from_secs(600)]
}

fn inputs(count: usize) -> Vec<InputSpec> {
    let edges: Vec<f64> = (-4..=4).map(f64::from).collect();
    (0..count)
        .map(|i| InputSpec {
            name: format!("feature_{i}"),
            edges: edges.clone(),
            heads: crate::ALL_HEADS,
            missing_tells: true,
            rarity: false,
        })
        .collect()
}

/// A model that learns fast, since tests are short.
fn fresh(count: usize) -> Model {
    let shared = Rates {
        alpha: 0.3,
        beta: 0.3,
        l1: 0.0,
        l2: 0.1,
    };
    let model = Model::fresh("test@1", Digest::of(b"schema"), inputs(count), &horizons());
    model
        .with_params(Params {
            shared,
            ..Params::default()
        })
        .unwrap()
}

fn predict(model: &Model, target: &TargetModel, tick: Timestamp, row: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; model.horizons().len()];
    model.predict(target, tick, row, &mut out).unwrap();
    out
}

fn tick(i: i64) -> Timestamp {
    START + Duration::from_secs(i)
}

/// Teaches both heads `rows` rows whose log-odds are `truth(row)`; every negative is kept with probability
/// `kept` and weighted back. Labels come `delay` rows late. Returns what was said of the last half of the rows.
fn teach(
    model: &mut Model,
    target: &mut TargetModel,
    rows: usize,
    kept: f64,
    delay: usize,
    truth: impl Fn(&[f64]) -> f64,
) -> Vec<(f64, bool)> {
    let mut stream = Stream::new(11);
    let mut waiting = std::collections::VecDeque::new();
    let mut said = Vec::new();
    for i in 0..rows {
        let row: Vec<f64> = (0..model.inputs().len()).map(|_| 1.5 * stream.normal()).collect();
        let positive = stream.uniform() < probability_of(truth(&row));
        let now = tick(i as i64);
        model.observe(target, now, true);
        if i >= rows / 2 {
            said.push((predict(model, target, now, &row)[0], positive));
        }
        if positive || stream.uniform() < kept {
            let weight = if positive { 1.0 } else { 1.0 / kept };
            waiting.push_back((model.encode(target, now, &row), positive, weight));
        }
        if waiting.len() > delay
            && let Some((example, positive, weight)) = waiting.pop_front()
        {
            for head in 0..model.horizons().len() {
                model.learn(head, target, &example, positive, weight);
            }
        }
    }
    said
}

fn quality(said: &[(f64, bool)]) -> Quality {
    let mut quality = Quality::default();
    said.iter()
        .for_each(|(probability, positive)| quality.add(*probability, *positive, 1.0));
    quality
}

fn sum(explanation: &Explanation) -> f64 {
    explanation.base
        + explanation
            .contributions
            .iter()
            .map(|term| term.logit)
            .sum::<f64>()
}

#[test]
fn a_fresh_model_says_what_the_hazard_prior_says() {
    let (mut model, mut target) = (fresh(3), TargetModel::default());
    model.observe(&mut target, START, true);
    model.incident_began(&mut target, tick(86_400));
    let now = tick(90_000);
    let said = predict(&model, &target, now, &[0.5, f64::NAN, 99.0]);
    for (probability, horizon) in said.iter().zip(horizons()) {
        let logit = target
            .hazard
            .logit(&model.fleet, now, horizon, &model.params.hazard);
        assert!((probability - probability_of(logit)).abs() < 1e-6);
    }
    assert!(said[0] < said[1]);
}

#[test]
fn a_separable_stream_is_learned() {
    let (mut model, mut target) = (fresh(5), TargetModel::default());
    let said = teach(&mut model, &mut target, 20_000, 1.0, 0, |row| {
        if row[0] + row[1] > 3.0 { 9.0 } else { -9.0 }
    });
    let ranking = rank(&mut said.clone()).unwrap();
    assert!(ranking.auc > 0.98, "{ranking:?}");
    assert!(quality(&said).skill().unwrap() > 0.5);
}

#[test]
fn a_bend_that_no_line_has_is_learned() {
    let (mut model, mut target) = (fresh(2), TargetModel::default());
    let said = teach(&mut model, &mut target, 30_000, 1.0, 0, |row| {
        if row[0].abs() < 1.0 { 2.0 } else { -4.0 }
    });
    assert!(rank(&mut said.clone()).unwrap().auc > 0.9);
}

#[test]
fn late_labels_and_thinned_negatives_leave_probabilities_calibrated() {
    for (kept, delay) in [(1.0, 0), (1.0, 600), (0.05, 60)] {
        let (mut model, mut target) = (fresh(4), TargetModel::default());
        let said = teach(&mut model, &mut target, 120_000, kept, delay, |row| {
            -4.0 + row[0] - 0.7 * row[1]
        });
        let quality = quality(&said);
        let ratio = quality.expected_over_observed().unwrap();
        assert!(
            (0.85..1.18).contains(&ratio),
            "kept {kept}, delay {delay}: {ratio}"
        );
        assert!(
            quality.skill().unwrap() > 0.1,
            "kept {kept}, delay {delay}: {:?}",
            quality.skill()
        );
    }
}

#[test]
fn a_target_that_differs_from_the_others_gets_a_bias_of_its_own() {
    let mut model = fresh(1);
    let mut targets = [TargetModel::default(), TargetModel::default()];
    let mut stream = Stream::new(3);
    for i in 0..20_000 {
        for (target, rate) in targets.iter_mut().zip([0.02, 0.2]) {
            let example = model.encode(target, tick(i), &[0.0]);
            model.learn(0, target, &example, stream.uniform() < rate, 1.0);
        }
    }
    let [calm, restless] = targets.map(|target| predict(&model, &target, tick(20_000), &[0.0])[0]);
    assert!(restless > 3.0 * calm, "{calm} {restless}");
}

#[test]
fn missing_is_learned_from_and_named_in_the_explanation() {
    let (mut model, mut target) = (fresh(2), TargetModel::default());
    let mut stream = Stream::new(9);
    for i in 0..5_000 {
        let missing = stream.uniform() < 0.3;
        let row = [if missing { f64::NAN } else { stream.normal() }, stream.normal()];
        let example = model.encode(&target, tick(i), &row);
        model.learn(0, &mut target, &example, missing && stream.uniform() < 0.5, 1.0);
    }
    let explanation = model.explain(0, &target, tick(5_000), &[f64::NAN, 0.0]);
    let of_missing = explanation
        .contributions
        .iter()
        .find(|term| term.feature == "feature_0")
        .unwrap();
    assert!(
        of_missing.value.unwrap().is_nan() && of_missing.logit > 1.0,
        "{explanation:?}"
    );
    assert!(explanation.probability > 0.3);
    assert!(predict(&model, &target, tick(5_000), &[0.0, 0.0])[0] < 0.05);
}

#[test]
fn contributions_are_sorted_by_magnitude_and_ties_by_the_order_of_features() {
    let (model, target) = (fresh(3), TargetModel::default());
    let explanation = model.explain(1, &target, START, &[1.0, 2.0, 3.0]);
    let names: Vec<&str> = explanation
        .contributions
        .iter()
        .map(|term| term.feature.as_str())
        .collect();
    assert!(
        names.ends_with(&[
            "feature_0",
            "feature_1",
            "feature_2",
            "target_bias",
            "calibration"
        ]) || names.starts_with(&["feature_0"]),
        "{names:?}"
    );
    assert!(
        explanation
            .contributions
            .is_sorted_by(|a, b| a.logit.abs() >= b.logit.abs())
    );
}

#[test]
fn a_feature_at_its_usual_value_contributes_next_to_nothing() {
    let (mut model, mut target) = (fresh(2), TargetModel::default());
    let mut stream = Stream::new(4);
    for i in 0..20_000 {
        let unusual = stream.uniform() < 0.01;
        let row = [if unusual { 3.0 } else { 0.0 }, stream.normal()];
        let example = model.encode(&target, tick(i), &row);
        model.learn(
            0,
            &mut target,
            &example,
            stream.uniform() < if unusual { 0.8 } else { 0.01 },
            1.0,
        );
    }
    let of_first = |value: f64| {
        let explanation = model.explain(0, &target, tick(20_000), &[value, 0.0]);
        explanation
            .contributions
            .into_iter()
            .find(|term| term.feature == "feature_0")
            .unwrap()
            .logit
    };
    assert!(of_first(0.0).abs() < 0.1, "{}", of_first(0.0));
    assert!(of_first(3.0) > 1.5, "{}", of_first(3.0));
}

#[test]
fn a_cross_learns_what_neither_input_shows_and_its_share_is_explained() {
    let crossed = fresh(3).with_crosses(&[(0, 1)]).unwrap();
    let truth = |row: &[f64]| {
        if (row[0] > 0.0) == (row[1] > 0.0) {
            2.0
        } else {
            -4.0
        }
    };
    let learned = |mut model: Model| {
        let mut target = TargetModel::default();
        let auc = rank(&mut teach(&mut model, &mut target, 20_000, 1.0, 0, truth))
            .unwrap()
            .auc;
        (auc, model, target)
    };
    let (plain, ..) = learned(fresh(3));
    let (with_cross, model, target) = learned(crossed);
    assert!(plain < 0.6 && with_cross > 0.85, "{plain} {with_cross}");
    let explanation = model.explain(0, &target, tick(20_000), &[2.0, 2.0, 0.0]);
    assert!((sum(&explanation) - explanation.logit).abs() < 1e-9);
    let of = |name: &str| {
        explanation
            .contributions
            .iter()
            .find(|term| term.feature == name)
            .unwrap()
            .logit
    };
    assert!(of("feature_0") > 5.0 * of("feature_2").abs() && of("feature_1") > 5.0 * of("feature_2").abs());
}

#[test]
fn a_row_or_output_of_the_wrong_length_is_refused_and_learning_from_another_models_row_does_nothing() {
    let (mut model, mut target) = (fresh(2), TargetModel::default());
    let mut out = [0.0; 2];
    assert!(model.predict(&target, START, &[1.0], &mut out).is_err());
    assert!(model.predict(&target, START, &[1.0, 2.0], &mut out[..1]).is_err());
    let before = model.clone();
    let foreign = fresh(3).encode(&target, START, &[1.0, 2.0, 3.0]);
    model.learn(0, &mut target, &foreign, true, 1.0);
    let example = model.encode(&target, START, &[1.0, 2.0]);
    model.learn(7, &mut target, &example, true, 1.0);
    for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        model.learn(0, &mut target, &example, true, weight);
    }
    assert_eq!((model, target), (before, TargetModel::default()));
}

#[test]
fn a_broken_target_is_reported_not_predicted() {
    let (model, mut target) = (fresh(1), TargetModel::default());
    target.biases = vec![Coordinate::from((f64::NAN, 1.0)); 2];
    let mut out = [0.0; 2];
    let said = model.predict(&target, START, &[1.0], &mut out);
    assert_eq!(said, Err(ModelError::NotFinite { head: 0 }));
}

#[test]
fn the_version_counts_what_was_learned_and_a_release_starts_over() {
    let (mut model, mut target) = (fresh(1), TargetModel::default());
    let example = model.encode(&target, START, &[1.0]);
    model.learn(0, &mut target, &example, false, 1.0);
    model.learn(1, &mut target, &example, false, 1.0);
    assert_eq!(model.version().to_string(), "test@1+2");
    assert_eq!(model.released("next@2").version().to_string(), "next@2+0");
}

fn any_row() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(
        prop_oneof![
            prop::num::f64::ANY,
            -10.0..10.0,
            Just(f64::NAN),
            Just(f64::INFINITY)
        ],
        4,
    )
}

fn any_lesson() -> impl Strategy<Value = (Vec<f64>, bool, f64, usize, i64)> {
    let weight = prop_oneof![prop::num::f64::ANY, 0.0..30.0];
    (
        any_row(),
        any::<bool>(),
        weight,
        0..3usize,
        prop_oneof![any::<i64>(), 0..1i64 << 50],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_learned_probabilities_stay_inside_and_explanations_exact(
        lessons in prop::collection::vec(any_lesson(), 0..60),
        row in any_row(),
        now in any::<i64>(),
        has_plain in any::<bool>(),
    ) {
        let mut model = fresh(4).with_crosses(&[(0, 3), (1, 2)]).unwrap();
        if has_plain { model = model.with_plain(|input| input.heads) }
        let mut target = TargetModel::default();
        for (row, positive, weight, head, micros) in &lessons {
            let at = Timestamp::from_micros(*micros);
            if *head == 2 { model.incident_began(&mut target, at) } else { model.observe(&mut target, at, *positive) }
            let example = model.encode(&target, at, row);
            model.learn(*head, &mut target, &example, *positive, *weight);
        }
        let now = Timestamp::from_micros(now);
        let said = predict(&model, &target, now, &row);
        for (head, probability) in said.iter().enumerate() {
            prop_assert!(*probability > 0.0 && *probability < 1.0);
            let explanation = model.explain(head, &target, now, &row);
            prop_assert!((sum(&explanation) - explanation.logit).abs() < 1e-9, "{:?}", explanation);
            prop_assert!((explanation.probability - probability).abs() < 1e-12);
            let encoded = model.encode(&target, now, &row).probability(head).unwrap();
            prop_assert!((encoded - probability).abs() < 1e-5);
        }
        let again = Model::from_json(&model.to_json().unwrap()).unwrap();
        prop_assert_eq!(&again, &model);
        let said_again = predict(&again, &target, now, &row);
        prop_assert_eq!(said.iter().map(|p| p.to_bits()).collect::<Vec<_>>(), said_again.iter().map(|p| p.to_bits()).collect::<Vec<_>>());
    }
}

#[test]
fn in_a_world_twice_as_fast_the_same_history_in_half_the_time_predicts_the_same() {
    let predict = |pace: f64| {
        let (mut model, mut target) = (fresh(1).at_pace(pace), TargetModel::default());
        // Ten minutes within one hour of the day: profiles over the day know no pace.
        let at = |second: u32| START + Duration::from_secs_f64(f64::from(second) / pace);
        for second in 0..600 {
            model.observe(&mut target, at(second), true);
            if second % 200 == 100 {
                model.incident_began(&mut target, at(second));
            }
        }
        let mut out = [0.0; 2];
        model.predict(&target, at(600), &[0.5], &mut out).unwrap();
        out
    };
    for (one, two) in predict(1.0).into_iter().zip(predict(2.0)) {
        assert!(one > 1e-3 && (one / two - 1.0).abs() < 1e-4, "{one} {two}");
    }
}

#[test]
fn a_released_model_believes_months_later_what_its_fleet_showed() {
    let (mut model, mut target) = (fresh(1), TargetModel::default());
    for hour in 0..48 {
        let at = START + Duration::from_secs(hour * 3_600);
        model.observe(&mut target, at, true);
        model.incident_began(&mut target, at);
    }
    let unseen = |model: &Model, at: Timestamp| {
        let mut model = model.clone();
        let mut target = TargetModel::default();
        model.observe(&mut target, at, true);
        let mut out = [0.0; 2];
        model.predict(&target, at, &[0.0], &mut out).unwrap();
        out[1]
    };
    let later = START + Duration::from_secs(300 * 86_400);
    let (kept, released) = (
        unseen(&model, later),
        unseen(&model.clone().released("next@2"), later),
    );
    assert!(released > 5.0 * kept && released > 1e-3, "{kept} {released}");
}
