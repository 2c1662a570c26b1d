//! Boosting: tree after tree, each against what is still wrong.

use std::sync::Arc;
use std::sync::mpsc::channel;

use foreshift_predict::MAX_LOGIT;
use foreshift_predict::trees::{Link, MAX_FEATURES, Tree, Trees, TreesError};

use crate::bins::{Binned, bin, cut};
use crate::chance::Chance;
use crate::grow::{Grower, Lists};
use crate::histogram::{self, Scale, Sums};
use crate::loss::{average_precision, gradient, log_loss};
use crate::params::{Metric, Params};
use crate::partition::Partition;
use crate::rows::Rows;
use crate::shard::{Crew, Job, Shard, Table};
use crate::split::Rules;

/// Rows that one training takes: 16 million.
pub const MAX_ROWS: usize = histogram::MAX_ROWS;
/// Histograms of all leaves at once: 131,072 of 4 KiB, half a GiB.
const MAX_HISTOGRAMS: usize = 1 << 17;

/// Why nothing was trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BoostError {
    /// Two lists that belong together differ in length.
    #[error("{what} of length {found} for {rows} rows")]
    Lengths {
        /// Which list.
        what: &'static str,
        /// Its length.
        found: usize,
        /// How long it should be.
        rows: usize,
    },
    /// A label that is not 0 or 1, a weight that is negative, or a number that is not finite.
    #[error("the {what} of row {row} is out of range")]
    Value {
        /// What is out of range.
        what: &'static str,
        /// Of which row, from 0.
        row: usize,
    },
    /// A feature's value is infinite.
    #[error("feature {feature} of row {row} is infinite")]
    Infinite {
        /// Which feature, from 0.
        feature: usize,
        /// Of which row, from 0.
        row: usize,
    },
    /// All that has weight has the same label.
    #[error("there are no {what}")]
    OneSided {
        /// Which label is not there.
        what: &'static str,
    },
    /// More rows, features or histograms than the bound.
    #[error("{what} are past the bound of {bound}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        bound: usize,
    },
    /// A parameter is out of its range.
    #[error("parameter {name} is out of range")]
    Param {
        /// Which.
        name: &'static str,
    },
    /// Early stopping needs rows of validation, which must have the same features.
    #[error("the validation rows {reason}")]
    Validation {
        /// What is wrong with them.
        reason: &'static str,
    },
    /// A thread ended before its work did.
    #[error("a training thread ended early")]
    Thread,
    /// What was trained does not pass its check.
    #[error("the trained trees are not sound")]
    Trees(#[from] TreesError),
}

/// Where a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Trees so far.
    pub trees: usize,
    /// Trees there may be.
    pub of: usize,
    /// The metric on the validation rows, if there are any: lower is better.
    pub loss: Option<f64>,
}

/// What a training gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The trees, up to the best round if training could stop early.
    pub trees: Trees,
    /// The number of trees with the lowest loss on the validation rows; without such rows, all.
    pub best_round: usize,
    /// The metric on the validation rows after each tree: the log-loss, or one less the average precision.
    pub losses: Vec<f64>,
    /// By feature: the gain of its splits, in the trees that were kept.
    pub importance: Vec<f64>,
}

/// Trains trees on `rows`. `progress` is called after each tree.
///
/// # Errors
/// Rows or parameters that cannot be used: see [`BoostError`].
pub fn train(
    rows: &Rows<'_>,
    validation: Option<&Rows<'_>>,
    params: &Params,
    mut progress: impl FnMut(Round),
) -> Result<Trained, BoostError> {
    check(rows, validation, params)?;
    let threads = params.threads.min(rows.columns.features()).max(1);
    let cuts = cut(&rows.columns, params.bins, threads);
    let held_out = validation.map(|rows| bin(&rows.columns, &cuts, threads));
    let table = Table {
        binned: bin(&rows.columns, &cuts, threads),
        cuts,
        monotone: params.monotone.clone(),
    };
    // A feature with one bin splits nothing.
    let useful: Vec<usize> = (0..rows.columns.features())
        .filter(|feature| table.cuts.get(*feature).is_some_and(|cuts| cuts.all() > 1))
        .collect();
    let share = useful.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let mut shares = useful.chunks(share);
        let own = Shard::new(&table, shares.next().unwrap_or_default().to_vec());
        let mut others = Vec::new();
        for share in shares {
            let shard = Shard::new(&table, share.to_vec());
            let ((jobs, to_do), (replies, done)) = (channel(), channel());
            scope.spawn(move || shard.serve(&to_do, &replies));
            others.push((jobs, done));
        }
        let held_out = validation.zip(held_out.as_ref());
        Boosting::new(rows, held_out, params, &table, Crew::new(own, others)).run(&useful, &mut progress)
    })
}

fn check(rows: &Rows<'_>, validation: Option<&Rows<'_>>, params: &Params) -> Result<(), BoostError> {
    let features = rows.columns.features();
    let bounds = [
        ("features", features, MAX_FEATURES),
        ("rows", rows.columns.rows(), MAX_ROWS),
        (
            "leaves times features",
            params.leaves.saturating_mul(features),
            MAX_HISTOGRAMS,
        ),
    ];
    for (what, found, bound) in bounds {
        if found > bound {
            return Err(BoostError::TooMany { what, bound });
        }
    }
    if let Some(name) = params.fault(features) {
        return Err(BoostError::Param { name });
    }
    rows.check()?;
    let has = |wanted: f64| {
        rows.labels
            .iter()
            .zip(rows.weights())
            .any(|(label, weight)| *label == wanted && weight > 0.0)
    };
    for (label, what) in [(1.0, "positives"), (0.0, "negatives")] {
        if !has(label) {
            return Err(BoostError::OneSided { what });
        }
    }
    let unusable = |reason| Err(BoostError::Validation { reason });
    match validation {
        None if params.stop_after.is_some() => unusable("are missing, and training is to stop by them"),
        Some(held_out) if held_out.columns.features() != features => unusable("have other features"),
        Some(held_out) if held_out.columns.rows() > MAX_ROWS => unusable("are too many"),
        Some(held_out) if held_out.offsets.is_some() != rows.offsets.is_some() => {
            unusable("have offsets and the others have none, or the other way round")
        }
        Some(held_out) => held_out.check(),
        None => Ok(()),
    }
}

/// A training under way.
struct Boosting<'a> {
    rows: &'a Rows<'a>,
    held_out: Option<(&'a Rows<'a>, &'a Binned)>,
    params: &'a Params,
    table: &'a Table,
    crew: Crew<'a>,
    chance: Chance,
    base: f64,
    logits: Vec<f64>,
    held_out_logits: Vec<f64>,
    trees: Vec<Tree>,
    gains: Vec<Vec<(usize, f64)>>,
    losses: Vec<f64>,
}

/// Lists that every tree fills anew.
#[derive(Default)]
struct Scratch {
    gradients: Vec<(f64, f64)>,
    sums: Vec<Sums>,
    lists: Lists,
    drawn: Vec<bool>,
    learned: Partition,
    left_out: Partition,
    held_out: Partition,
}

impl<'a> Boosting<'a> {
    fn new(
        rows: &'a Rows<'a>,
        held_out: Option<(&'a Rows<'a>, &'a Binned)>,
        params: &'a Params,
        table: &'a Table,
        crew: Crew<'a>,
    ) -> Self {
        let base = if rows.offsets.is_some() {
            0.0
        } else {
            log_odds_of_mean(rows)
        };
        let start = |rows: &Rows<'_>| {
            let even = || vec![base; rows.labels.len()];
            rows.offsets.map_or_else(even, <[f64]>::to_vec)
        };
        Self {
            logits: start(rows),
            held_out_logits: held_out.map(|(rows, _)| start(rows)).unwrap_or_default(),
            rows,
            held_out,
            params,
            table,
            crew,
            chance: Chance::new(params.seed),
            base,
            trees: Vec::new(),
            gains: Vec::new(),
            losses: Vec::new(),
        }
    }

    fn run(mut self, useful: &[usize], progress: &mut dyn FnMut(Round)) -> Result<Trained, BoostError> {
        let mut scratch = Scratch::default();
        while self.trees.len() < self.params.trees {
            let drawn = self.draw_features(useful);
            self.crew
                .ask(Job::Tree {
                    drawn: Arc::new(drawn),
                })
                .ok_or(BoostError::Thread)?;
            self.draw_rows(&mut scratch);
            if !self.add_tree(&mut scratch)? {
                break;
            }
            progress(Round {
                trees: self.trees.len(),
                of: self.params.trees,
                loss: self.losses.last().copied(),
            });
            let since_best = self.trees.len() - self.best_round();
            if self.params.stop_after.is_some_and(|rounds| since_best >= rounds) {
                break;
            }
        }
        self.finish()
    }

    /// By feature whether the next tree may split on it.
    fn draw_features(&mut self, useful: &[usize]) -> Vec<bool> {
        let mut drawn = vec![false; self.rows.columns.features()];
        let draw = if self.params.feature_fraction < 1.0 {
            self.chance.draw(useful.len(), self.params.feature_fraction)
        } else {
            vec![true; useful.len()]
        };
        for (feature, is_drawn) in useful.iter().zip(draw) {
            if let Some(place) = drawn.get_mut(*feature) {
                *place = is_drawn;
            }
        }
        drawn
    }

    /// Places the rows that the next tree learns from, and those that go along.
    fn draw_rows(&mut self, scratch: &mut Scratch) {
        let rows = self.logits.len();
        let is_due = self.trees.len().is_multiple_of(self.params.row_every);
        if scratch.drawn.is_empty() || self.params.row_fraction < 1.0 && is_due {
            scratch.drawn = if self.params.row_fraction < 1.0 {
                self.chance.draw(rows, self.params.row_fraction)
            } else {
                vec![true; rows]
            };
        }
        let numbered = || (0_u32..).zip(&scratch.drawn);
        let with = |wanted: bool| {
            numbered()
                .filter(move |(_, drawn)| **drawn == wanted)
                .map(|(row, _)| row)
        };
        scratch.learned.restart(with(true));
        scratch.left_out.restart(with(false));
        scratch
            .held_out
            .restart((0_u32..).take(self.held_out_logits.len()));
    }

    /// Grows one tree and adds it. False if it has no split: then no later one will have any.
    fn add_tree(&mut self, scratch: &mut Scratch) -> Result<bool, BoostError> {
        let scale = self.slopes(scratch);
        let nobody = &self.table.binned;
        let grower = Grower {
            table: self.table,
            params: self.params,
            rules: Rules::new(self.params, scale),
            crew: &mut self.crew,
            lists: &mut scratch.lists,
            sums: &scratch.sums,
            learned: &mut scratch.learned,
            others: [
                (&mut scratch.left_out, &self.table.binned),
                (
                    &mut scratch.held_out,
                    self.held_out.map_or(nobody, |(_, binned)| binned),
                ),
            ],
        };
        let mut grown = grower.grow().ok_or(BoostError::Thread)?;
        if grown.gains.is_empty() {
            return Ok(false);
        }
        for (number, leaf) in grown.tree.leaves.iter_mut().enumerate() {
            let weight = |row: &u32| {
                self.rows
                    .weights
                    .map_or(1.0, |weights| weights.get(*row as usize).copied().unwrap_or(0.0))
            };
            leaf.cover = scratch
                .learned
                .leaf(number)
                .iter()
                .map(weight)
                .sum::<f64>()
                .max(f64::MIN_POSITIVE);
            add(&mut self.logits, scratch.learned.leaf(number), leaf.value);
            add(&mut self.logits, scratch.left_out.leaf(number), leaf.value);
            add(
                &mut self.held_out_logits,
                scratch.held_out.leaf(number),
                leaf.value,
            );
        }
        self.trees.push(grown.tree);
        self.gains.push(grown.gains);
        if let Some((held_out, _)) = self.held_out {
            let (logits, labels, weights) = (&self.held_out_logits, held_out.labels, held_out.weights());
            self.losses.push(match self.params.metric {
                Metric::LogLoss => log_loss(logits, labels, weights),
                Metric::AveragePrecision => 1.0 - average_precision(logits, labels, weights),
            });
        }
        Ok(true)
    }

    /// The slopes and curvatures of the loss at all rows, as integers.
    fn slopes(&self, scratch: &mut Scratch) -> Scale {
        let rows = self.logits.iter().zip(self.rows.labels).zip(self.rows.weights());
        scratch.gradients.clear();
        scratch
            .gradients
            .extend(rows.map(|((logit, label), weight)| gradient(*logit, *label, weight)));
        let (mut slopes, mut curvatures) = (0.0, 0.0);
        for (slope, curvature) in &scratch.gradients {
            slopes += slope.abs();
            curvatures += curvature;
        }
        let scale = Scale::of(slopes, curvatures);
        scratch.sums.clear();
        let gradients = scratch.gradients.iter();
        scratch
            .sums
            .extend(gradients.map(|(slope, curvature)| scale.sums(*slope, *curvature)));
        scale
    }

    /// The number of trees with the lowest loss, the fewest at equal loss; without validation rows, all.
    fn best_round(&self) -> usize {
        let mut best = None;
        for (round, loss) in (1..).zip(&self.losses) {
            if best.is_none_or(|(_, lowest)| *loss < lowest) {
                best = Some((round, *loss));
            }
        }
        best.map_or(self.trees.len(), |(round, _)| round)
    }

    fn finish(mut self) -> Result<Trained, BoostError> {
        let best_round = self.best_round();
        if self.params.stop_after.is_some() {
            self.trees.truncate(best_round);
            self.gains.truncate(best_round);
        }
        let mut importance = vec![0.0; self.rows.columns.features()];
        for (feature, gain) in self.gains.iter().flatten() {
            if let Some(place) = importance.get_mut(*feature) {
                *place += gain;
            }
        }
        Ok(Trained {
            trees: Trees::new(importance.len(), self.base, Link::Logit, &self.trees)?,
            best_round,
            losses: self.losses,
            importance,
        })
    }
}

fn add(logits: &mut [f64], rows: &[u32], value: f64) {
    for row in rows {
        if let Some(logit) = logits.get_mut(*row as usize) {
            *logit += value;
        }
    }
}

/// The log-odds of the weighted mean label.
fn log_odds_of_mean(rows: &Rows<'_>) -> f64 {
    let (mut positive, mut negative) = (0.0, 0.0);
    for (label, weight) in rows.labels.iter().zip(rows.weights()) {
        positive += weight * label;
        negative += weight * (1.0 - label);
    }
    libm::log(positive / negative).clamp(-MAX_LOGIT, MAX_LOGIT)
}
