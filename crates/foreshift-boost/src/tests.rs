use foreshift_predict::trees::Trees;

use crate::chance::Chance;
use crate::{BoostError, Columns, Metric, Params, Rows, train};

/// Made-up rows with a known rule: the log-odds rise with the first feature, fall with the second where the
/// third is missing, and do not depend on the rest.
struct World {
    values: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
}

const FEATURES: usize = 11;

fn world(seed: u64, rows: usize) -> World {
    let mut chance = Chance::new(seed);
    let mut world = World {
        values: Vec::new(),
        labels: Vec::new(),
        weights: Vec::new(),
    };
    for _ in 0..rows {
        let mut row: Vec<f64> = (0..FEATURES).map(|_| chance.uniform()).collect();
        let third_is_missing = chance.uniform() < 0.3;
        if third_is_missing {
            row[2] = f64::NAN;
        }
        row[3] = (row[3] * 4.0).floor();
        let logit = 4.0 * row[0] - 3.0 - if third_is_missing { 3.0 * row[1] } else { 0.0 };
        let positive = chance.uniform() < foreshift_predict::probability_of(logit);
        world.labels.push(f64::from(u8::from(positive)));
        world.weights.push(0.5 + chance.uniform());
        world.values.extend(row);
    }
    world
}

impl World {
    fn rows(&self) -> Rows<'_> {
        Rows {
            columns: Columns::from_rows(&self.values, FEATURES).unwrap(),
            labels: &self.labels,
            weights: Some(&self.weights),
            offsets: None,
        }
    }

    fn logits(&self, trees: &Trees) -> Vec<f64> {
        let mut logits = vec![0.0; self.labels.len()];
        trees.logits(&self.values, &mut logits);
        logits
    }

    fn log_loss(&self, trees: &Trees) -> f64 {
        let weights = self.weights.iter().copied();
        crate::loss::log_loss(&self.logits(trees), &self.labels, weights)
    }
}

fn few() -> Params {
    Params {
        trees: 30,
        leaves: 8,
        ..Params::default()
    }
}

#[test]
fn the_planted_rule_is_learned_and_the_rest_is_not() {
    let (world, later) = (world(1, 6000), world(2, 4000));
    let trained = train(&world.rows(), None, &few(), |_| {}).unwrap();
    let base = Trees::new(FEATURES, trained.trees.base(), trained.trees.link(), &[]).unwrap();
    let (ours, without) = (later.log_loss(&trained.trees), later.log_loss(&base));
    assert!(ours < 0.92 * without, "{ours} {without}");
    let gain: f64 = trained.importance.iter().sum();
    let of_rule: f64 = trained.importance[..3].iter().sum();
    assert!(of_rule > 0.85 * gain, "{:?}", trained.importance);
}

#[test]
fn the_trees_are_the_same_on_any_number_of_threads() {
    let world = world(3, 2000);
    let params = Params {
        row_fraction: 0.7,
        feature_fraction: 0.6,
        ..few()
    };
    let one = train(&world.rows(), None, &params, |_| {}).unwrap();
    let json = serde_json::to_string(&one.trees).unwrap();
    for threads in [2, 3, 5, 40] {
        let params = Params {
            threads,
            ..params.clone()
        };
        let several = train(&world.rows(), None, &params, |_| {}).unwrap();
        assert_eq!(several, one);
        assert_eq!(serde_json::to_string(&several.trees).unwrap(), json);
    }
    let other_seed = Params { seed: 1, ..params };
    assert_ne!(train(&world.rows(), None, &other_seed, |_| {}).unwrap(), one);
}

#[test]
fn columns_and_rows_give_the_same_trees() {
    let world = world(4, 500);
    let columns: Vec<Vec<f64>> = (0..FEATURES)
        .map(|feature| {
            world
                .values
                .iter()
                .skip(feature)
                .step_by(FEATURES)
                .copied()
                .collect()
        })
        .collect();
    let mut rows = world.rows();
    let by_row = train(&rows, None, &few(), |_| {}).unwrap();
    rows.columns = Columns::from_slices(columns.iter().map(Vec::as_slice).collect()).unwrap();
    assert_eq!(train(&rows, None, &few(), |_| {}).unwrap(), by_row);
}

#[test]
fn a_missing_value_goes_where_it_was_learned_to_go() {
    for missing_is_positive in [true, false] {
        let values: Vec<f64> = (0..200)
            .map(|i| if i % 2 == 0 { f64::NAN } else { f64::from(i) })
            .collect();
        let label = |value: &f64| f64::from(u8::from(value.is_nan() == missing_is_positive));
        let labels: Vec<f64> = values.iter().map(label).collect();
        let rows = Rows {
            columns: Columns::from_rows(&values, 1).unwrap(),
            labels: &labels,
            weights: None,
            offsets: None,
        };
        let trees = train(&rows, None, &few(), |_| {}).unwrap().trees;
        for (value, label) in values.iter().zip(&labels) {
            assert_eq!(trees.logit(&[*value]) > 0.0, *label > 0.5, "{value}");
        }
    }
}

#[test]
fn a_monotone_constraint_holds_at_every_value() {
    let world = world(5, 3000);
    for direction in [1, -1] {
        let mut params = few();
        params.monotone = vec![0; FEATURES];
        params.monotone[0] = direction;
        params.monotone[1] = direction;
        let trees = train(&world.rows(), None, &params, |_| {}).unwrap().trees;
        for row in world.values.chunks(FEATURES).take(300) {
            for feature in [0, 1] {
                let mut row = row.to_vec();
                let mut last = f64::NEG_INFINITY;
                for step in 0..=50 {
                    row[feature] = f64::from(if direction > 0 { step } else { 50 - step }) / 50.0;
                    let logit = trees.logit(&row);
                    assert!(logit >= last);
                    last = logit;
                }
            }
        }
    }
}

#[test]
fn leaves_keep_to_their_bounds() {
    let world = world(6, 3000);
    let params = Params {
        min_rows: 100,
        max_depth: 3,
        leaves: 31,
        max_step: Some(0.3),
        ..few()
    };
    let trees = train(&world.rows(), None, &params, |_| {}).unwrap().trees;
    let mut counts: Vec<Vec<usize>> = trees
        .leaf_counts()
        .into_iter()
        .map(|leaves| vec![0; leaves])
        .collect();
    for row in world.values.chunks(FEATURES) {
        trees.leaves(row, |tree, leaf| counts[tree][leaf] += 1);
    }
    assert!(counts.iter().all(|leaves| leaves.len() <= 8));
    assert!(counts.iter().flatten().all(|rows| *rows >= 100), "{counts:?}");
    let leaves = || trees.trees().into_iter().flat_map(|tree| tree.leaves);
    assert!(leaves().all(|leaf| leaf.value.abs() <= 0.03 + 1e-12));
    assert!(leaves().any(|leaf| leaf.value.abs() >= 0.03 - 1e-12));
}

#[test]
fn training_stops_when_the_validation_rows_say_so_and_keeps_the_best_round() {
    let (world, held_out) = (world(7, 1000), world(8, 1000));
    for metric in [Metric::LogLoss, Metric::AveragePrecision] {
        let params = Params {
            trees: 400,
            stop_after: Some(10),
            metric,
            ..Params::default()
        };
        let mut rounds = Vec::new();
        let trained = train(&world.rows(), Some(&held_out.rows()), &params, |round| {
            rounds.push(round)
        })
        .unwrap();
        assert_eq!(trained.losses.len(), trained.best_round + 10);
        assert_eq!(rounds.len(), trained.losses.len());
        assert_eq!(trained.trees.len(), trained.best_round);
        let best = trained.losses[trained.best_round - 1];
        assert!(trained.losses.iter().all(|loss| *loss >= best));
        if metric == Metric::LogLoss {
            assert!((held_out.log_loss(&trained.trees) - best).abs() < 1e-12);
        }
    }
}

#[test]
fn a_weight_counts_as_that_many_rows() {
    let world = world(9, 800);
    let repeats: Vec<f64> = (0..800).map(|row| f64::from(row % 3)).collect();
    let mut repeated = (Vec::new(), Vec::new());
    for ((row, label), count) in world.values.chunks(FEATURES).zip(&world.labels).zip(&repeats) {
        for _ in 0..*count as usize {
            repeated.0.extend_from_slice(row);
            repeated.1.push(*label);
        }
    }
    // Few bins of few values, so that both tell the same values apart.
    let coarse = |values: &[f64]| {
        values
            .iter()
            .map(|value| (value * 8.0).floor())
            .collect::<Vec<_>>()
    };
    let (weighted, repeated_values) = (coarse(&world.values), coarse(&repeated.0));
    let params = Params {
        min_rows: 1,
        min_child_weight: 2.0,
        ..few()
    };
    let mut rows = world.rows();
    rows.columns = Columns::from_rows(&weighted, FEATURES).unwrap();
    rows.weights = Some(&repeats);
    let by_weight = train(&rows, None, &params, |_| {}).unwrap().trees;
    let rows = Rows {
        columns: Columns::from_rows(&repeated_values, FEATURES).unwrap(),
        labels: &repeated.1,
        weights: None,
        offsets: None,
    };
    let by_repeat = train(&rows, None, &params, |_| {}).unwrap().trees;
    for row in weighted.chunks(FEATURES) {
        assert!((by_weight.logit(row) - by_repeat.logit(row)).abs() < 1e-6);
    }
}

#[test]
fn trees_start_from_the_offsets_they_are_given() {
    let world = world(10, 3000);
    let first = train(&world.rows(), None, &few(), |_| {}).unwrap().trees;
    let offsets = world.logits(&first);
    let rows = Rows {
        offsets: Some(&offsets),
        ..world.rows()
    };
    let second = train(&rows, None, &few(), |_| {}).unwrap().trees;
    assert_eq!(second.base(), 0.0);
    let longer = train(&world.rows(), None, &Params { trees: 60, ..few() }, |_| {})
        .unwrap()
        .trees;
    for (row, offset) in world.values.chunks(FEATURES).zip(&offsets) {
        assert!((offset + second.logit(row) - longer.logit(row)).abs() < 1e-9);
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    let good = world(11, 100);
    let refused = |change: &dyn Fn(&mut World)| {
        let mut bad = world(11, 100);
        change(&mut bad);
        train(&bad.rows(), None, &few(), |_| {}).unwrap_err()
    };
    assert_eq!(
        refused(&|world| world.labels[3] = f64::NAN),
        BoostError::Value {
            what: "label",
            row: 3
        }
    );
    assert_eq!(
        refused(&|world| world.weights[4] = -1.0),
        BoostError::Value {
            what: "weight",
            row: 4
        }
    );
    assert_eq!(
        refused(&|world| world.values[FEATURES + 2] = f64::INFINITY),
        BoostError::Infinite { feature: 2, row: 1 }
    );
    assert_eq!(
        refused(&|world| world.labels.fill(0.0)),
        BoostError::OneSided { what: "positives" }
    );
    assert_eq!(
        refused(&|world| world.weights.fill(0.0)),
        BoostError::OneSided { what: "positives" }
    );
    assert_eq!(
        refused(&|world| world.labels.fill(1.0)),
        BoostError::OneSided { what: "negatives" }
    );
    assert!(matches!(
        refused(&|world| {
            world.labels.pop();
        }),
        BoostError::Lengths {
            what: "labels",
            found: 99,
            rows: 100
        }
    ));
    assert!(Columns::from_rows(&good.values[1..], FEATURES).is_err());
    assert!(Columns::from_slices(vec![&good.values[1..], &good.values]).is_err());
    let params = |change: &dyn Fn(&mut Params)| {
        let mut params = few();
        change(&mut params);
        train(&good.rows(), None, &params, |_| {})
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        params(&|params| params.leaves = 1),
        "parameter leaves is out of range"
    );
    assert_eq!(
        params(&|params| params.monotone = vec![1]),
        "parameter monotone is out of range"
    );
    assert_eq!(
        params(&|params| params.learning_rate = f64::NAN),
        "parameter learning_rate is out of range"
    );
    assert!(params(&|params| params.stop_after = Some(1)).starts_with("the validation rows are missing"));
}
