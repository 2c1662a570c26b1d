//! What can be chosen of a training.

use foreshift_predict::trees::{MAX_DEPTH, MAX_LEAVES, MAX_TREES};
use serde::{Deserialize, Serialize};

/// Rows in a bin of a numerical feature, as far as its values allow.
pub(crate) const MIN_ROWS_IN_BIN: usize = 3;

/// How early stopping tells a better round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The weighted mean log-loss.
    #[default]
    LogLoss,
    /// One less the weighted average precision.
    AveragePrecision,
}

/// How trees are trained. What is not said is as LightGBM has it, but for the number of trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// At most so many trees: 1 to 10,000. Default 200.
    pub trees: usize,
    /// Leaves of a tree: 2 to 4096. Default 31.
    pub leaves: usize,
    /// Splits from a root to a leaf: 1 to 128. Default 128, which says no more than `leaves`.
    pub max_depth: usize,
    /// What each tree's word counts: above 0, at most 1. Default 0.1.
    pub learning_rate: f64,
    /// L2 penalty on leaves, at least 0. Default 0.
    pub lambda: f64,
    /// Least sum of the hessian, weight x p (1 - p), in a leaf: at least 0. Default 0.001.
    pub min_child_weight: f64,
    /// Least number of rows in a leaf: at least 1. Default 20.
    pub min_rows: usize,
    /// Least gain of a split, at least 0. Default 0.
    pub min_gain: f64,
    /// Largest leaf in log-odds, before the learning rate; above 0. Default none. Rare positives want one: a
    /// leaf of positives alone is otherwise as far out as its rows were unlikely.
    pub max_step: Option<f64>,
    /// Bins of a feature: 2 to 255, one of them for missing values where there are any. Default 255.
    pub bins: usize,
    /// Share of the rows that a tree sees: above 0, at most 1. Default 1.
    pub row_fraction: f64,
    /// Trees until the rows are drawn anew: at least 1. Default 1.
    pub row_every: usize,
    /// Share of the features that a tree sees: above 0, at most 1. Default 1.
    pub feature_fraction: f64,
    /// For each feature 1 if the log-odds may only rise with it, -1 if they may only fall, 0 if either. Empty:
    /// all 0.
    pub monotone: Vec<i8>,
    /// Stop when this many rounds brought nothing better on the validation rows, and keep the trees up to the
    /// best round; at least 1. Default none.
    pub stop_after: Option<usize>,
    /// What early stopping goes by.
    pub metric: Metric,
    /// Of the draws of rows and features. Default 0.
    pub seed: u64,
    /// Threads, at least 1. The result is the same for any number. Default 1.
    pub threads: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            trees: 200,
            leaves: 31,
            max_depth: MAX_DEPTH,
            learning_rate: 0.1,
            lambda: 0.0,
            min_child_weight: 1e-3,
            min_rows: 20,
            min_gain: 0.0,
            max_step: None,
            bins: 255,
            row_fraction: 1.0,
            row_every: 1,
            feature_fraction: 1.0,
            monotone: Vec::new(),
            stop_after: None,
            metric: Metric::default(),
            seed: 0,
            threads: 1,
        }
    }
}

impl Params {
    /// The first parameter that is out of its range.
    pub(crate) fn fault(&self, features: usize) -> Option<&'static str> {
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let penalty = |value: f64| value >= 0.0 && value.is_finite();
        let checks = [
            ("trees", (1..=MAX_TREES).contains(&self.trees)),
            ("leaves", (2..=MAX_LEAVES).contains(&self.leaves)),
            ("max_depth", (1..=MAX_DEPTH).contains(&self.max_depth)),
            ("learning_rate", share(self.learning_rate)),
            ("lambda", penalty(self.lambda)),
            ("min_child_weight", penalty(self.min_child_weight)),
            ("min_rows", self.min_rows >= 1),
            ("min_gain", penalty(self.min_gain)),
            (
                "max_step",
                self.max_step.is_none_or(|step| step > 0.0 && step.is_finite()),
            ),
            ("bins", (2..=255).contains(&self.bins)),
            ("row_fraction", share(self.row_fraction)),
            ("row_every", self.row_every >= 1),
            ("feature_fraction", share(self.feature_fraction)),
            ("monotone", self.are_monotone_sound(features)),
            ("stop_after", self.stop_after != Some(0)),
            ("threads", (1..=256).contains(&self.threads)),
        ];
        checks.into_iter().find(|(_, holds)| !holds).map(|(name, _)| name)
    }

    fn are_monotone_sound(&self, features: usize) -> bool {
        let sound = self
            .monotone
            .iter()
            .all(|constraint| (-1..=1).contains(constraint));
        sound && (self.monotone.is_empty() || self.monotone.len() == features)
    }
}
