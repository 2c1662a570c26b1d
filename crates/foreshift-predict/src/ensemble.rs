//! What may stand beside the linear model: for each head boosted trees, fixed once trained, whose first leaves are
//! further inputs of the linear model, and the shares by which the experts are combined.
//!
//! A leaf says "this and this and this holds of the row": what a sum over single inputs cannot say. The linear model
//! goes on learning what each leaf is worth, so that trees of last year speak of this one (He et al., "Practical
//! lessons from predicting clicks on ads at Facebook", 2014).

use foreshift_domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::anomaly::Line;
use crate::calibrate::Calibration;
use crate::ftrl::{Coordinate, Rates};
use crate::mixture::{EXPERTS, MixtureRates, Shares};
use crate::model::MAX_HEADS;
use crate::store::ModelError;
use crate::trees::{Link, Trees};

/// Leaves of a tree that the linear model reads: their numbers wait in a byte each.
const MAX_READ_LEAVES: usize = 256;

/// How the experts are combined.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnsembleParams {
    /// How many of each head's first trees have their leaves read by the linear model.
    pub read_trees: usize,
    /// How the shares of a head move.
    pub head: MixtureRates,
    /// How the shares of a target move, and how fast they come home to those of the head.
    pub target: MixtureRates,
    /// The end of the time that the trees were grown on, if it was real time: of what was before they know too much.
    /// There the linear model stands alone, and nothing is learned of leaves, shares and calibration.
    pub speaks_from: Timestamp,
    /// Where the shares of a head begin, and what they come home to: linear model, trees, hazard prior,
    /// anomaly expert.
    pub home: [f64; EXPERTS],
}

impl Default for EnsembleParams {
    fn default() -> Self {
        Self {
            read_trees: 10,
            head: MixtureRates {
                rate: 0.02,
                home: 0.001,
            },
            target: MixtureRates {
                rate: 0.05,
                home: 0.05,
            },
            speaks_from: Timestamp::MIN,
            home: [0.46, 0.46, 0.04, 0.04],
        }
    }
}

/// Trees and shares of all heads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ensemble {
    pub(crate) params: EnsembleParams,
    pub(crate) heads: Vec<HeadTrees>,
}

/// Trees and shares of one head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeadTrees {
    pub(crate) trees: Trees,
    pub(crate) shares: Shares,
    /// Of the mixture. The linear model keeps its own.
    pub(crate) calibration: Calibration,
    /// Of the anomaly expert.
    pub(crate) line: Line,
    /// Where the leaves of each tree begin among all leaves.
    firsts: Vec<usize>,
    /// What each leaf says.
    values: Vec<f64>,
    /// What the linear model has learned of each leaf that it reads: those of the first trees.
    coordinates: Vec<Coordinate>,
    weights: Vec<f64>,
}

/// As it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredEnsemble {
    params: EnsembleParams,
    heads: Vec<StoredHead>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredHead {
    trees: Trees,
    shares: Shares,
    calibration: Calibration,
    line: Line,
    /// By leaf that the linear model reads.
    z: Vec<f64>,
    n: Vec<f64>,
}

impl Ensemble {
    /// Trees for each head that have taught the linear model nothing yet.
    ///
    /// # Errors
    /// When there are not as many as heads, they read more than `inputs` features, those whose leaves are read have
    /// too many, or a parameter is out of its range.
    pub(crate) fn new(
        trees: Vec<Trees>,
        params: EnsembleParams,
        heads: usize,
        inputs: usize,
    ) -> Result<Self, ModelError> {
        check(&trees, &params, heads, inputs)?;
        let home = Shares::in_proportion(params.home);
        let heads = trees
            .into_iter()
            .map(|trees| HeadTrees::new(trees, home, params.read_trees));
        Ok(Self {
            params,
            heads: heads.collect(),
        })
    }

    /// Works out the weights of all leaves anew, at the rates of each head.
    pub(crate) fn refresh(&mut self, rates: impl Iterator<Item = Rates>) {
        for (head, rates) in self.heads.iter_mut().zip(rates) {
            for known in &mut head.coordinates {
                *known = known.at_other_rates();
            }
            let weights = head.coordinates.iter().map(|known| known.weight(&rates));
            head.weights = weights.collect();
        }
    }

    /// The same experts' shares, calibration and anomaly expert with other trees, whose leaves are still to be learned.
    /// A head whose trees are the same stays as it is.
    pub(crate) fn regrown(&self, mut other: Self) -> Self {
        for (new, old) in other.heads.iter_mut().zip(&self.heads) {
            if new.trees == old.trees && new.coordinates.len() == old.coordinates.len() {
                *new = old.clone();
            }
            new.shares = old.shares;
            new.calibration = old.calibration.clone();
            new.line = old.line;
        }
        other
    }

    pub(crate) fn home(&self) -> Shares {
        Shares::in_proportion(self.params.home)
    }

    /// Reads a stored one for a model of so many heads and inputs.
    pub(crate) fn read(stored: StoredEnsemble, heads: usize, inputs: usize) -> Result<Self, ModelError> {
        let (mut trees, mut learned) = (Vec::new(), Vec::new());
        for head in stored.heads {
            trees.push(head.trees);
            learned.push((head.shares, head.calibration, head.line, head.z, head.n));
        }
        let mut ensemble = Self::new(trees, stored.params, heads, inputs)?;
        for (head, (shares, calibration, line, z, n)) in ensemble.heads.iter_mut().zip(learned) {
            for found in [z.len(), n.len()] {
                crate::store::size("sums over leaves", head.coordinates.len(), found)?;
            }
            let sums = z.into_iter().zip(n).map(Coordinate::from);
            head.coordinates = sums.collect();
            (head.shares, head.calibration, head.line) = (shares, calibration, line);
            if !shares.are_sound()
                || !head.calibration.is_sound()
                || !line.is_sound()
                || !head.coordinates.iter().all(Coordinate::is_sound)
            {
                return Err(ModelError::OutOfRange { what: "ensemble" });
            }
        }
        Ok(ensemble)
    }
}

impl From<Ensemble> for StoredEnsemble {
    fn from(ensemble: Ensemble) -> Self {
        let heads = ensemble.heads.into_iter().map(|head| {
            let sums = head.coordinates.into_iter().map(<(f64, f64)>::from);
            let (z, n) = sums.unzip();
            StoredHead {
                trees: head.trees,
                shares: head.shares,
                calibration: head.calibration,
                line: head.line,
                z,
                n,
            }
        });
        Self {
            params: ensemble.params,
            heads: heads.collect(),
        }
    }
}

impl HeadTrees {
    fn new(trees: Trees, shares: Shares, read_trees: usize) -> Self {
        let (mut firsts, mut values, mut read) = (Vec::with_capacity(trees.len()), Vec::new(), 0);
        for (number, tree) in trees.trees().iter().enumerate() {
            firsts.push(values.len());
            values.extend(tree.leaves.iter().map(|leaf| leaf.value));
            if number < read_trees {
                read = values.len();
            }
        }
        Self {
            trees,
            shares,
            calibration: Calibration::straight_line(),
            line: Line::default(),
            firsts,
            values,
            coordinates: vec![Coordinate::default(); read],
            weights: vec![0.0; read],
        }
    }

    /// What the trees say of a row, and what its leaves add to the linear model; `visit` gets the number of each
    /// leaf that the linear model reads, tree by tree. Allocates nothing.
    #[inline]
    pub(crate) fn says(&self, row: &[f64], mut visit: impl FnMut(u8)) -> (f64, f64) {
        let (mut sum, mut linear) = (self.trees.base(), 0.0);
        self.trees.leaves(row, |tree, leaf| {
            let place = self.firsts.get(tree).map_or(0, |first| first + leaf);
            sum += self.values.get(place).copied().unwrap_or(0.0);
            if let Some(weight) = self.weights.get(place) {
                linear += weight;
                visit(leaf as u8);
            }
        });
        let logit = match self.trees.link() {
            Link::Logit => sum,
            Link::Probability { .. } => self.trees.logit(row),
        };
        (logit, linear)
    }

    /// How many leaves of one row wait with it.
    pub(crate) fn read_trees(&self) -> usize {
        self.firsts
            .partition_point(|first| *first < self.coordinates.len())
    }

    fn places<'a>(&'a self, leaves: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let firsts = self.firsts.iter().zip(leaves);
        firsts.map(|(first, leaf)| first + usize::from(*leaf))
    }

    /// What these leaves add to the linear model now.
    pub(crate) fn leaves_add(&self, leaves: &[u8]) -> f64 {
        self.places(leaves)
            .map(|place| self.weights.get(place).copied().unwrap_or(0.0))
            .sum()
    }

    /// The linear model takes one gradient at these leaves.
    pub(crate) fn step(&mut self, leaves: &[u8], gradient: f64, rates: &Rates) {
        for (first, leaf) in self.firsts.iter().zip(leaves) {
            let place = first + usize::from(*leaf);
            if let (Some(coordinate), Some(weight)) =
                (self.coordinates.get_mut(place), self.weights.get_mut(place))
            {
                *weight = coordinate.step(*weight, gradient, rates);
            }
        }
    }

    /// What the trees and the leaves' weights in the linear model add, by feature of `row`, and their mean: each by
    /// its share. What is learned of leaves is a tree of the same splits with other values, so where trees say log-odds
    /// one walk serves both.
    pub(crate) fn contributions(&self, of_trees: f64, of_leaves: f64, row: &[f64]) -> (Vec<f64>, f64) {
        let learned = |tree: usize, leaf: usize| {
            let place = self.firsts.get(tree).map_or(usize::MAX, |first| first + leaf);
            of_leaves * self.weights.get(place).copied().unwrap_or(0.0)
        };
        let mut all = vec![0.0; self.trees.features()];
        let mean = match self.trees.link() {
            Link::Logit => {
                let says = |tree, leaf, value: f64| of_trees * value + learned(tree, leaf);
                of_trees * self.trees.base() + self.trees.shapley_of(row, &mut all, self.trees.len(), says)
            }
            Link::Probability { .. } => {
                let expected = self.trees.contributions(row, &mut all);
                all.iter_mut().for_each(|added| *added *= of_trees);
                let says = |tree, leaf, _| learned(tree, leaf);
                of_trees * expected + self.trees.shapley_of(row, &mut all, self.read_trees(), says)
            }
        };
        (all, mean)
    }

    /// The same as one sum, beyond what is expected of the trees, and that: a walk down each tree instead of to all of
    /// its leaves.
    pub(crate) fn contribution(&self, of_trees: f64, of_leaves: f64, row: &[f64]) -> (f64, f64) {
        let (trees, leaves) = self.says(row, |_| {});
        let expected = of_trees * self.trees.expected_logit();
        (of_trees * trees + of_leaves * leaves - expected, expected)
    }
}

fn check(trees: &[Trees], params: &EnsembleParams, heads: usize, inputs: usize) -> Result<(), ModelError> {
    crate::store::size("heads with trees", heads.min(MAX_HEADS), trees.len())?;
    if !params.head.are_sound()
        || !params.target.are_sound()
        || params.home.iter().any(|share| !(0.0..=1.0).contains(share))
    {
        return Err(ModelError::OutOfRange {
            what: "ensemble's params",
        });
    }
    for of_head in trees {
        if of_head.features() > inputs {
            return Err(ModelError::Size {
                what: "features for its trees",
                expected: of_head.features(),
                found: inputs,
            });
        }
        let read = of_head.leaf_counts();
        let most = read.iter().take(params.read_trees).copied().max().unwrap_or(0);
        if most > MAX_READ_LEAVES {
            return Err(ModelError::OutOfRange {
                what: "number of leaves of a tree that is read",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
