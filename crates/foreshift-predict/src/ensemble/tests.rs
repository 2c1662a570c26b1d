use foreshift_domain::{Digest, Duration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::metrics::{Quality, rank};
use crate::mixture::Expert;
use crate::test_stream::Stream;
use crate::trees::{Child, Leaf, Split, Tree};
use crate::{Detail, InputSpec, Model, Params, TargetModel, probability_of};

const START: Timestamp = Timestamp::from_secs(1_700_000_000);

fn inputs(count: usize) -> Vec<InputSpec> {
    let input = |i| InputSpec {
        name: format!("feature_{i}"),
        edges: vec![-2.0, -1.0, 0.0, 1.0, 2.0],
        heads: crate::ALL_HEADS,
        missing_tells: true,
        rarity: false,
    };
    (0..count).map(input).collect()
}

fn linear(count: usize) -> Model {
    let horizons = [Duration::from_secs(120), Duration::from_secs(600)];
    let shared = Rates {
        alpha: 0.3,
        beta: 0.3,
        l1: 0.0,
        l2: 0.1,
    };
    let params = Params {
        shared,
        ..Params::default()
    };
    let fresh = Model::fresh("test@1", Digest::of(b"schema"), inputs(count), &horizons);
    fresh.with_params(params).unwrap()
}

/// High where features 0 and 1 have the same sign, low where they differ: what no sum of single features says.
fn same_sign(features: usize, height: f64) -> Trees {
    let split = |feature, left, right| Split {
        feature,
        threshold: 0.0,
        missing_left: true,
        left,
        right,
    };
    let leaf = |value| Leaf { value, cover: 10.0 };
    let tree = Tree {
        splits: vec![
            split(0, Child::Split(1), Child::Split(2)),
            split(1, Child::Leaf(0), Child::Leaf(1)),
            split(1, Child::Leaf(2), Child::Leaf(3)),
        ],
        leaves: vec![leaf(height), leaf(-height), leaf(-height), leaf(height)],
    };
    Trees::new(features, -1.0, Link::Logit, &[tree]).unwrap()
}

fn with_trees(height: f64) -> Model {
    let trees = vec![same_sign(2, height), same_sign(3, height)];
    linear(3).with_trees(trees, EnsembleParams::default()).unwrap()
}

fn tick(i: usize) -> Timestamp {
    START + Duration::from_secs(i as i64)
}

fn say(model: &Model, target: &TargetModel, i: usize, row: &[f64]) -> f64 {
    let mut out = [0.0; 2];
    model.predict(target, tick(i), row, &mut out).unwrap();
    out[0]
}

/// Teaches rows whose log-odds are `truth`; returns what was said of the last half of them.
fn teach(
    model: &mut Model,
    target: &mut TargetModel,
    rows: usize,
    truth: impl Fn(&[f64]) -> f64,
) -> Vec<(f64, bool)> {
    let (mut stream, mut said) = (Stream::new(21), Vec::new());
    for i in 0..rows {
        let row: Vec<f64> = (0..3).map(|_| 1.5 * stream.normal()).collect();
        let positive = stream.uniform() < probability_of(truth(&row));
        if i >= rows / 2 {
            said.push((say(model, target, i, &row), positive));
        }
        let example = model.encode(target, tick(i), &row);
        for head in 0..2 {
            model.learn(head, target, &example, positive, 1.0);
        }
    }
    said
}

fn apart(row: &[f64]) -> f64 {
    if (row[0] > 0.0) == (row[1] > 0.0) {
        1.5
    } else {
        -3.5
    }
}

fn log_loss(said: &[(f64, bool)]) -> f64 {
    let mut quality = Quality::default();
    said.iter()
        .for_each(|(p, positive)| quality.add(*p, *positive, 1.0));
    quality.log_loss().unwrap()
}

#[test]
fn trees_say_what_no_sum_of_features_says() {
    let learned = |mut model: Model| {
        let mut target = TargetModel::default();
        teach(&mut model, &mut target, 6_000, apart)
    };
    let (plain, beside) = (learned(linear(3)), learned(with_trees(2.0)));
    let auc = |said: &[(f64, bool)]| rank(&mut said.to_vec()).unwrap().auc;
    assert!(
        auc(&plain) < 0.6 && auc(&beside) > 0.8,
        "{} {}",
        auc(&plain),
        auc(&beside)
    );
    assert!(log_loss(&beside) < 0.8 * log_loss(&plain));
}

#[test]
fn trees_that_have_come_to_be_wrong_are_unlearned() {
    // The trees say the opposite of what holds: their share goes, and the linear model learns what their leaves mean.
    let (mut model, mut target) = (with_trees(-2.0), TargetModel::default());
    let said = teach(&mut model, &mut target, 20_000, apart);
    assert!(rank(&mut said.clone()).unwrap().auc > 0.8);
    let shares = model.ensemble.as_ref().unwrap().heads[0].shares;
    assert!(shares.of(Expert::Trees) < 0.2, "{shares:?}");
}

#[test]
fn what_is_learned_of_one_head_leaves_the_shares_of_the_other() {
    let (mut model, mut target) = (with_trees(2.0), TargetModel::default());
    let example = model.encode(&target, START, &[1.0, 1.0, 0.0]);
    model.learn(1, &mut target, &example, true, 1.0);
    let heads = &model.ensemble.as_ref().unwrap().heads;
    assert_eq!(
        heads[0].shares,
        Shares::in_proportion(EnsembleParams::default().home)
    );
    assert_ne!(heads[1].shares, heads[0].shares);
}

#[test]
fn a_model_with_trees_reads_back_and_a_linear_one_keeps_the_old_format() {
    let (mut model, mut target) = (with_trees(2.0), TargetModel::default());
    teach(&mut model, &mut target, 500, apart);
    let text = model.to_json().unwrap();
    assert!(text.starts_with("{\"format\":3,"));
    let again = Model::from_json(&text).unwrap();
    assert_eq!((again.to_json().unwrap(), &again), (text, &model));
    let row = [0.3, -0.4, f64::NAN];
    assert_eq!(
        say(&again, &target, 9, &row).to_bits(),
        say(&model, &target, 9, &row).to_bits()
    );
    assert!(linear(3).to_json().unwrap().starts_with("{\"format\":1,"));
}

#[test]
fn features_that_came_after_the_model_are_not_read_by_its_trees_either() {
    let (model, target) = (with_trees(2.0), TargetModel::default());
    let row = [0.3, -0.4, 0.1];
    let longer = [0.3, -0.4, 0.1, 77.0];
    assert_eq!(
        say(&model, &target, 9, &row).to_bits(),
        say(&model, &target, 9, &longer).to_bits()
    );
}

#[test]
fn trees_that_do_not_fit_the_model_are_refused() {
    let params = EnsembleParams::default();
    let one = vec![same_sign(3, 1.0)];
    assert!(matches!(
        linear(3).with_trees(one, params),
        Err(ModelError::Size { expected: 2, .. })
    ));
    let wide = vec![same_sign(4, 1.0), same_sign(4, 1.0)];
    assert!(matches!(
        linear(3).with_trees(wide, params),
        Err(ModelError::Size { expected: 4, .. })
    ));
    let wild = EnsembleParams {
        home: [f64::NAN, 0.5, 0.5, 0.0],
        ..params
    };
    let trees = vec![same_sign(3, 1.0), same_sign(3, 1.0)];
    assert!(matches!(
        linear(3).with_trees(trees, wild),
        Err(ModelError::OutOfRange { .. })
    ));
}

#[test]
fn of_the_time_they_were_grown_on_trees_say_nothing_and_nothing_is_learned_of_them() {
    let params = EnsembleParams {
        speaks_from: tick(100),
        ..EnsembleParams::default()
    };
    let trees = vec![same_sign(3, 3.0), same_sign(3, 3.0)];
    let (mut plain, mut own) = (linear(3), TargetModel::default());
    let (mut model, mut target) = (
        linear(3).with_trees(trees, params).unwrap(),
        TargetModel::default(),
    );
    // In an ensemble nothing bends.
    let calibrations = plain.calibrations.iter_mut();
    calibrations.for_each(|calibration| calibration.bend = None);
    teach(&mut plain, &mut own, 100, apart);
    teach(&mut model, &mut target, 100, apart);
    let row = [1.0, 1.0, 0.0];
    assert_eq!(say(&model, &target, 99, &row), say(&plain, &own, 99, &row));
    assert_eq!(
        model.ensemble.as_ref().unwrap().heads[0].shares,
        Shares::in_proportion(params.home)
    );
    assert!(say(&model, &target, 100, &row) > say(&plain, &own, 100, &row));
    let why = |model: &Model, target: &TargetModel, at| model.explain(0, target, tick(at), &row);
    assert_eq!(
        why(&model, &target, 99),
        why(&plain, &own, 99),
        "nor do they explain anything"
    );
    assert_ne!(why(&model, &target, 100), why(&plain, &own, 100));
}

#[test]
fn new_trees_take_over_the_shares_and_calibration_of_those_before() {
    let (mut model, mut target) = (with_trees(2.0), TargetModel::default());
    teach(&mut model, &mut target, 2_000, apart);
    let before = model.ensemble.as_ref().unwrap().heads[0].clone();
    let trees = vec![same_sign(3, 1.0), same_sign(3, 1.0)];
    let model = model.with_trees(trees, EnsembleParams::default()).unwrap();
    let after = &model.ensemble.as_ref().unwrap().heads[0];
    assert_eq!(
        (after.shares, &after.calibration),
        (before.shares, &before.calibration)
    );
    assert_ne!(
        after.leaves_add(&[0]),
        before.leaves_add(&[0]),
        "leaves are learned anew"
    );
}

#[test]
fn what_was_asked_is_explained_later_as_it_was_said_by_a_copy_of_the_model() {
    let (mut model, mut target) = (with_trees(2.0), TargetModel::default());
    teach(&mut model, &mut target, 500, apart);
    let row = [0.3, -0.4, f64::NAN];
    let (asked, then) = (model.asked(&target, tick(501), &row), model.clone());
    let said = model.explain(0, &target, tick(501), &row);
    model.observe(&mut target, tick(900), true);
    model.incident_began(&mut target, tick(900));
    teach(&mut model, &mut target, 500, apart);
    assert_eq!(then.explain_asked(0, &asked, Detail::Full).logit, said.logit);
    assert_ne!(model.explain(0, &target, tick(901), &row).logit, said.logit);
}

#[test]
fn contributions_of_a_forest_and_of_what_is_learned_of_its_leaves_sum_to_the_logit() {
    let forest = |features| {
        let like = same_sign(features, 0.2).trees();
        Trees::new(
            features,
            0.3,
            Link::Probability { floor: 0.01 },
            &[like.clone(), like].concat(),
        )
        .unwrap()
    };
    let (trees, mut target) = (vec![forest(2), forest(3)], TargetModel::default());
    let mut model = linear(3).with_trees(trees, EnsembleParams::default()).unwrap();
    teach(&mut model, &mut target, 1_000, apart);
    for row in [[1.0, 1.0, 0.0], [1.0, -1.0, 2.0], [f64::NAN, 0.1, -0.2]] {
        let said = model.explain(1, &target, tick(1_001), &row);
        let sum = said.base + said.contributions.iter().map(|term| term.logit).sum::<f64>();
        let calibration = said
            .contributions
            .iter()
            .find(|term| term.feature == "calibration")
            .unwrap();
        assert!((sum - said.logit).abs() < 1e-6);
        assert!(calibration.logit.abs() < 3.0, "{said:?}");
        let of_first = said
            .contributions
            .iter()
            .find(|term| term.feature == "feature_0")
            .unwrap();
        assert!(of_first.logit != 0.0 || row[0].is_nan());
    }
}

#[test]
fn predicting_allocates_nothing() {
    let (mut model, mut target) = (
        with_trees(2.0).with_plain(|input| input.heads),
        TargetModel::default(),
    );
    teach(&mut model, &mut target, 50, apart);
    let mut out = [0.0; 2];
    let row = [0.3, -0.4, f64::NAN];
    let counted = allocation_counter::measure(|| {
        model.predict(&target, tick(60), &row, &mut out).unwrap();
    });
    assert_eq!(counted.count_total, 0);
}

/// The third of three inputs says how rare something is.
fn with_rarity() -> Model {
    let mut inputs = inputs(3);
    inputs[2].rarity = true;
    let horizons = [Duration::from_secs(120), Duration::from_secs(600)];
    let fresh = Model::fresh("test@1", Digest::of(b"schema"), inputs, &horizons);
    let trees = vec![same_sign(2, 0.1), same_sign(2, 0.1)];
    fresh.with_trees(trees, EnsembleParams::default()).unwrap()
}

/// Teaches rows of which one in five is rare by four decades, and those are positive more often.
fn teach_rarity(model: &mut Model, target: &mut TargetModel, rows: usize) {
    let mut stream = Stream::new(3);
    for i in 0..rows {
        let rare = stream.uniform() < 0.2;
        let row = [0.0, 0.0, if rare { 4.0 } else { 0.3 }];
        let positive = stream.uniform() < if rare { 0.3 } else { 0.01 };
        let example = model.encode(target, tick(i), &row);
        model.learn(0, target, &example, positive, 1.0);
    }
}

#[test]
fn the_anomaly_expert_says_what_the_prior_says_until_a_rarity_is_known_and_learns_what_one_is_worth() {
    let (mut model, mut target) = (with_rarity(), TargetModel::default());
    let of = |model: &Model, target: &TargetModel, rarity: f64| {
        let row = [0.0, 0.0, rarity];
        let said = model.logits(target, tick(0), &row, &model.layout().place(&row), |_| {});
        (said.anomaly[0], said.hazard[0])
    };
    let (fresh, prior) = of(&model, &target, 12.0);
    assert_eq!(fresh, prior, "nothing was learned yet");
    teach_rarity(&mut model, &mut target, 5_000);
    let (unknown, prior) = of(&model, &target, f64::NAN);
    assert_eq!(unknown, prior);
    let (rare, common) = (of(&model, &target, 4.0).0, of(&model, &target, 0.3).0);
    assert!(rare > common + 1.0, "{rare} {common}");
}

#[test]
fn an_explanation_has_a_term_of_the_anomaly_expert_which_is_its_share_of_what_the_rarity_adds() {
    let (mut model, mut target) = (with_rarity(), TargetModel::default());
    teach_rarity(&mut model, &mut target, 5_000);
    let term = |rarity: f64| {
        let explanation = model.explain(0, &target, tick(9_000), &[0.0, 0.0, rarity]);
        let mut terms = explanation.contributions.iter();
        terms.find(|term| term.feature == "anomaly").unwrap().logit
    };
    assert!(term(4.0) > 0.0 && term(2.0) * 2.0 - term(4.0) < 1e-9);
    assert_eq!((term(0.0), term(f64::NAN)), (0.0, 0.0));
    let plain = linear(3).explain(0, &target, tick(0), &[0.0; 3]);
    assert!(plain.contributions.iter().all(|term| term.feature != "anomaly"));
}

#[test]
fn an_ensemble_with_what_its_anomaly_expert_learned_reads_back_and_new_trees_keep_it() {
    let (mut model, mut target) = (with_rarity(), TargetModel::default());
    teach_rarity(&mut model, &mut target, 500);
    let again = Model::from_json(&model.to_json().unwrap()).unwrap();
    assert_eq!(again, model);
    let line = model.ensemble.as_ref().unwrap().heads[0].line;
    assert_ne!(line, Default::default());
    let trees = vec![same_sign(2, 1.0), same_sign(2, 1.0)];
    let regrown = model.with_trees(trees, EnsembleParams::default()).unwrap();
    assert_eq!(regrown.ensemble.unwrap().heads[0].line, line);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn contributions_of_the_whole_ensemble_sum_to_the_logit(
        rarity in any::<bool>(),
        has_plain in any::<bool>(),
        lessons in prop::collection::vec((prop::array::uniform3(-3.0..3.0), any::<bool>()), 0..80),
        row in prop::array::uniform3(prop_oneof![-3.0..3.0, Just(f64::NAN)]),
    ) {
        let model = if rarity { with_rarity() } else { with_trees(3.0) };
        let model = if has_plain { model.with_plain(|input| input.heads) } else { model };
        let (mut model, mut target) = (model, TargetModel::default());
        for (i, (lesson, positive)) in lessons.iter().enumerate() {
            let example = model.encode(&target, tick(i), lesson);
            model.learn(i % 2, &mut target, &example, *positive, 1.0);
        }
        let mut out = [0.0; 2];
        model.predict(&target, tick(99), &row, &mut out).unwrap();
        for (head, probability) in out.iter().enumerate() {
            let explanation = model.explain(head, &target, tick(99), &row);
            let sum = explanation.base + explanation.contributions.iter().map(|term| term.logit).sum::<f64>();
            prop_assert!((sum - explanation.logit).abs() < 1e-6, "{:?}", explanation);
            prop_assert!((explanation.probability - probability).abs() < 1e-9);
            // Of what the calibration changed there is nothing that belongs to an expert.
            let calibration = model.calibrations_at(tick(99)).nth(head).unwrap();
            let before = explanation.base + explanation.contributions.iter()
                .filter(|term| term.feature != "calibration").map(|term| term.logit).sum::<f64>();
            prop_assert!((calibration.apply(before) - explanation.logit).abs() < 1e-6);
            let brief = model.explain_asked(head, &model.asked(&target, tick(99), &row), Detail::Brief);
            prop_assert!(brief.contributions.iter().any(|term| term.feature == "trees"));
            for shorter in [brief, explanation.clone().at_most(3)] {
                let sum = shorter.base + shorter.contributions.iter().map(|term| term.logit).sum::<f64>();
                prop_assert!((sum - shorter.logit).abs() < 1e-6, "{:?}", shorter);
                prop_assert_eq!(shorter.logit, explanation.logit);
            }
        }
    }
}
