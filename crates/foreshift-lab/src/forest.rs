//! A random forest as a challenger: smartcore's weighted regressor on labels of 0 and 1, made into our trees.
//!
//! smartcore knows no missing values: they are learned as a value below all others, and in our trees go where
//! that value went. Its trees can be had through serde only.

use anyhow::{Context, bail};
use foreshift_predict::trees::{Child, Leaf, Link, Split, Tree, Trees};
use serde::Deserialize;
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::arrays::Array2;
use smartcore::linalg::basic::matrix::DenseMatrix;

/// How the forest is grown.
#[derive(Clone, Debug)]
pub(crate) struct Params {
    pub(crate) trees: usize,
    pub(crate) max_depth: u16,
    pub(crate) min_rows: usize,
    pub(crate) seed: u64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            trees: 50,
            max_depth: 10,
            min_rows: 20,
            seed: 0,
        }
    }
}

/// smartcore's forest, as serde writes it.
#[derive(Deserialize)]
struct Written {
    forest_regressor: Forest,
}

#[derive(Deserialize)]
struct Forest {
    trees: Vec<WrittenTree>,
}

#[derive(Deserialize)]
struct WrittenTree {
    #[serde(rename = "nodes")]
    places: Vec<Place>,
}

/// A split or a leaf; the first is the root.
#[derive(Deserialize)]
struct Place {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

/// Grows a forest on columns of features, labels of 0 and 1, and weights. NaN is missing.
///
/// The trees' mean is the probability. It is held away from 0 and 1 by what half a row of mean weight would be
/// among all rows, since a forest says 0 wherever its leaves happen to hold no positive.
///
/// # Errors
/// When smartcore refuses the rows, or its forest cannot be read.
pub(crate) fn fit(
    columns: &[Vec<f64>],
    labels: &[f64],
    weights: &[f64],
    params: &Params,
) -> anyhow::Result<Trees> {
    let fills: Vec<f64> = columns.iter().map(|column| below(column)).collect();
    let filled = columns.iter().zip(&fills).flat_map(|(column, fill)| {
        column
            .iter()
            .map(move |value| if value.is_nan() { *fill } else { *value })
    });
    let matrix: DenseMatrix<f64> = DenseMatrix::from_iterator(filled, labels.len(), columns.len(), 1);
    let wanted = RandomForestRegressorParameters {
        max_depth: Some(params.max_depth),
        min_samples_leaf: params.min_rows,
        min_samples_split: 2 * params.min_rows,
        n_trees: params.trees,
        // A third of the features at each split, as is usual for a regression.
        m: Some(columns.len().div_ceil(3)),
        keep_samples: false,
        seed: params.seed,
    };
    let forest = RandomForestRegressor::fit_with_weights(&matrix, &labels.to_vec(), weights, wanted)
        .map_err(|error| anyhow::anyhow!("the forest does not fit: {error}"))?;
    let json = serde_json::to_string(&forest).context("the forest cannot be written")?;
    let written: Written = serde_json::from_str(&json).context("the forest cannot be read")?;
    let count = written.forest_regressor.trees.len();
    let trees: anyhow::Result<Vec<Tree>> = written
        .forest_regressor
        .trees
        .iter()
        .map(|tree| convert(&tree.places, &fills, count))
        .collect();
    let floor = 0.5 / (labels.len() as f64 + 1.0);
    let bare = Trees::new(columns.len(), 0.0, Link::Probability { floor }, &trees?)?;
    cover(&bare, columns, weights)
}

/// A value below all of a column's, to stand for a missing one.
fn below(column: &[f64]) -> f64 {
    let least = column.iter().copied().fold(f64::INFINITY, f64::min);
    let least = if least.is_finite() { least } else { 0.0 };
    least - 1.0 - least.abs()
}

/// One tree, its leaves divided by the number of trees: ours are summed.
fn convert(places: &[Place], fills: &[f64], count: usize) -> anyhow::Result<Tree> {
    // Splits and leaves are numbered apart, in the order they are written in.
    let is_split = |place: &Place| place.true_child.is_some();
    let mut numbered = Vec::with_capacity(places.len());
    let (mut splits, mut leaves) = (0_u16, 0_u16);
    for place in places {
        let (number, child): (&mut u16, fn(u16) -> Child) = if is_split(place) {
            (&mut splits, Child::Split)
        } else {
            (&mut leaves, Child::Leaf)
        };
        numbered.push(child(*number));
        *number = number
            .checked_add(1)
            .context("a tree of the forest is too large")?;
    }
    let child = |index: Option<usize>| {
        let child = index.and_then(|index| numbered.get(index));
        child.copied().context("a tree of the forest has a loose end")
    };
    let mut tree = Tree::default();
    for place in places {
        if !is_split(place) {
            tree.leaves.push(Leaf {
                value: place.output / count as f64,
                cover: 1.0,
            });
            continue;
        }
        let (Some(threshold), Some(fill)) = (place.split_value, fills.get(place.split_feature)) else {
            bail!("a tree of the forest has a split without a threshold");
        };
        tree.splits.push(Split {
            feature: u16::try_from(place.split_feature)?,
            threshold,
            missing_left: *fill <= threshold,
            left: child(place.true_child)?,
            right: child(place.false_child)?,
        });
    }
    Ok(tree)
}

/// The same trees, with the weight of the rows that end in each leaf: smartcore does not keep it.
fn cover(trees: &Trees, columns: &[Vec<f64>], weights: &[f64]) -> anyhow::Result<Trees> {
    let mut counted = trees.trees();
    for tree in &mut counted {
        for leaf in &mut tree.leaves {
            // A bootstrap may have been told apart where all rows are not.
            leaf.cover = 1e-9;
        }
    }
    let mut row = vec![f64::NAN; columns.len()];
    for (index, weight) in weights.iter().enumerate() {
        for (place, column) in row.iter_mut().zip(columns) {
            *place = column.get(index).copied().unwrap_or(f64::NAN);
        }
        trees.leaves(&row, |tree, leaf| {
            if let Some(leaf) = counted.get_mut(tree).and_then(|tree| tree.leaves.get_mut(leaf)) {
                leaf.cover += weight;
            }
        });
    }
    Ok(Trees::new(columns.len(), trees.base(), trees.link(), &counted)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first feature is the rule, the second where the first is missing, the third nothing.
    fn world(rows: usize) -> (Vec<Vec<f64>>, Vec<f64>, Vec<f64>) {
        let mut random = fastrand::Rng::with_seed(5);
        let mut columns = vec![Vec::new(); 3];
        let (mut labels, mut weights) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let mut row = [random.f64(), random.f64(), random.f64()];
            let likely = if random.f64() < 0.2 {
                row[0] = f64::NAN;
                row[1] > 0.7
            } else {
                row[0] > 0.8
            };
            labels.push(f64::from(u8::from(
                random.f64() < if likely { 0.6 } else { 0.02 },
            )));
            weights.push(if likely { 1.0 } else { 2.0 });
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        (columns, labels, weights)
    }

    fn row(columns: &[Vec<f64>], index: usize) -> Vec<f64> {
        columns.iter().map(|column| column[index]).collect()
    }

    #[test]
    fn the_planted_rule_is_found_also_where_the_value_is_missing() {
        let (columns, labels, weights) = world(3000);
        let trees = fit(&columns, &labels, &weights, &Params::default()).unwrap();
        let says = |row: [f64; 3]| trees.probability(&row);
        assert!(says([0.95, 0.5, 0.5]) > 0.3);
        assert!(says([0.2, 0.5, 0.5]) < 0.1);
        assert!(says([f64::NAN, 0.95, 0.5]) > 0.3);
        assert!(says([f64::NAN, 0.2, 0.5]) < 0.1);
    }

    #[test]
    fn our_trees_say_what_the_forest_says() {
        let (mut columns, labels, weights) = world(800);
        // Without missing values both read the same rows.
        for value in &mut columns[0] {
            *value = if value.is_nan() { 0.5 } else { *value };
        }
        let params = Params {
            trees: 7,
            ..Params::default()
        };
        let trees = fit(&columns, &labels, &weights, &params).unwrap();
        let matrix: DenseMatrix<f64> = DenseMatrix::from_iterator(columns.concat().into_iter(), 800, 3, 1);
        let wanted = RandomForestRegressorParameters {
            max_depth: Some(params.max_depth),
            min_samples_leaf: params.min_rows,
            min_samples_split: 2 * params.min_rows,
            n_trees: params.trees,
            m: Some(1),
            keep_samples: false,
            seed: params.seed,
        };
        let forest = RandomForestRegressor::fit_with_weights(&matrix, &labels, &weights, wanted).unwrap();
        let Link::Probability { floor } = trees.link() else {
            panic!("{:?}", trees.link());
        };
        for (index, theirs) in forest.predict(&matrix).unwrap().into_iter().enumerate() {
            let ours = trees.probability(&row(&columns, index));
            assert!(
                (ours - theirs.clamp(floor, 1.0 - floor)).abs() < 1e-9,
                "{ours} {theirs}"
            );
        }
    }

    #[test]
    fn what_features_add_sums_to_the_log_odds() {
        let (columns, labels, weights) = world(1000);
        let trees = fit(&columns, &labels, &weights, &Params::default()).unwrap();
        let mut added = [0.0; 3];
        for index in 0..100 {
            let row = row(&columns, index);
            let expected = trees.contributions(&row, &mut added);
            assert!((expected + added.iter().sum::<f64>() - trees.logit(&row)).abs() < 1e-9);
        }
    }
}
