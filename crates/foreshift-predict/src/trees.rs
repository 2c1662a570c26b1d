//! An ensemble of binary trees that says log-odds: what is trained offline or imported, ready to be asked.
//!
//! Asking allocates nothing. What a [`Trees`] holds has been checked, however it was made: children are in
//! range, there are no circles, every number is finite.

mod flat;
mod shap;
mod tree;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::flat::{Flat, LANES, Place};
pub use self::tree::{Child, Leaf, MAX_DEPTH, MAX_FEATURES, MAX_LEAVES, Split, Tree};
use crate::{MAX_LOGIT, probability_of};

/// Trees in an ensemble: more than training makes, and bounded for what is imported.
pub const MAX_TREES: usize = 10_000;
/// Leaves of all trees together, a million: 50 MiB.
const MAX_ALL_LEAVES: usize = 1 << 20;
/// LightGBM takes a value this near to zero for zero.
const NEARLY_ZERO: f64 = 1e-35_f32 as f64;

/// Why trees are refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TreesError {
    /// More trees, leaves or features than the bound.
    #[error("{what} are past the bound of {bound}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        bound: usize,
    },
    /// A tree is none.
    #[error("tree {tree}: {reason}")]
    Broken {
        /// The tree's number, from 0.
        tree: usize,
        /// What does not hold.
        reason: &'static str,
    },
    /// A number of the ensemble is not finite or names a feature that does not exist.
    #[error("{what} is out of range")]
    OutOfRange {
        /// Which number.
        what: &'static str,
    },
}

/// What the sum of the trees stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Link {
    /// Log-odds, as boosted trees say them.
    Logit,
    /// A probability, as the mean of a forest is one. It is held within `floor` and 1 - `floor`, since a few
    /// leaves without a positive are no proof.
    Probability {
        /// Above 0, at most one half.
        floor: f64,
    },
}

impl Link {
    /// The log-odds that a sum stands for.
    fn logit(self, sum: f64) -> f64 {
        match self {
            Self::Logit => sum,
            Self::Probability { floor } => {
                let probability = sum.clamp(floor, 1.0 - floor);
                libm::log(probability / (1.0 - probability)).clamp(-MAX_LOGIT, MAX_LOGIT)
            }
        }
    }
}

/// An ensemble of trees. Made by [`Trees::new`] or read by serde, both of which check it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Trees {
    features: usize,
    base: f64,
    link: Link,
    /// Features whose zeros count as missing, in order.
    zero_is_missing: Vec<u16>,
    flat: Flat,
    /// The mean of the sum over what was learned from.
    expected_sum: f64,
}

/// Trees as they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    features: usize,
    base: f64,
    link: Link,
    #[serde(default)] // always written: the engine's snapshots cannot leave fields out
    zero_is_missing: Vec<u16>,
    trees: Vec<Tree>,
}

impl TryFrom<Stored> for Trees {
    type Error = TreesError;

    fn try_from(stored: Stored) -> Result<Self, TreesError> {
        let trees = Self::new(stored.features, stored.base, stored.link, &stored.trees)?;
        trees.with_zero_as_missing(stored.zero_is_missing)
    }
}

impl From<Trees> for Stored {
    fn from(trees: Trees) -> Self {
        Self {
            features: trees.features,
            base: trees.base,
            link: trees.link,
            trees: trees.flat.trees(),
            zero_is_missing: trees.zero_is_missing,
        }
    }
}

impl Trees {
    /// The sum of `base` and what each of `trees` says, over rows of `features` values.
    ///
    /// # Errors
    /// A tree that is none, a number that is not finite, or more of anything than its bound.
    pub fn new(features: usize, base: f64, link: Link, trees: &[Tree]) -> Result<Self, TreesError> {
        let too_many = |what, bound| Err(TreesError::TooMany { what, bound });
        if features > MAX_FEATURES {
            return too_many("features", MAX_FEATURES);
        }
        if trees.len() > MAX_TREES {
            return too_many("trees", MAX_TREES);
        }
        if trees.iter().map(|tree| tree.leaves.len()).sum::<usize>() > MAX_ALL_LEAVES {
            return too_many("leaves", MAX_ALL_LEAVES);
        }
        if !base.is_finite() {
            return Err(TreesError::OutOfRange { what: "the base" });
        }
        if let Link::Probability { floor } = link
            && !(floor > 0.0 && floor <= 0.5)
        {
            return Err(TreesError::OutOfRange { what: "the floor" });
        }
        for (number, tree) in trees.iter().enumerate() {
            tree.check(number, features)?;
        }
        let flat = Flat::of(trees);
        let expected_sum = base + flat.roots().map(|root| flat.mean(root)).sum::<f64>();
        Ok(Self {
            features,
            base,
            link,
            zero_is_missing: Vec::new(),
            flat,
            expected_sum,
        })
    }

    /// The same, taking a zero of these features for missing.
    ///
    /// # Errors
    /// A feature that the trees do not have.
    pub fn with_zero_as_missing(mut self, mut features: Vec<u16>) -> Result<Self, TreesError> {
        if features
            .iter()
            .any(|feature| usize::from(*feature) >= self.features)
        {
            return Err(TreesError::OutOfRange {
                what: "a feature whose zeros are missing",
            });
        }
        features.sort_unstable();
        features.dedup();
        self.zero_is_missing = features;
        Ok(self)
    }

    /// How many values a row has.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// How many trees there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flat.len()
    }

    /// Whether there is no tree: then every row gets the base.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What every row gets before the trees speak.
    #[must_use]
    pub fn base(&self) -> f64 {
        self.base
    }

    /// What the sum of the trees stands for.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link
    }

    /// The trees as they are written down.
    #[must_use]
    pub fn trees(&self) -> Vec<Tree> {
        self.flat.trees()
    }

    /// How many leaves each tree has.
    #[must_use]
    pub fn leaf_counts(&self) -> Vec<usize> {
        self.flat.roots().map(|root| self.flat.leaf_count(root)).collect()
    }

    /// The log-odds of a row. NaN is missing, and so is what the row lacks. Allocates nothing.
    #[must_use]
    pub fn logit(&self, row: &[f64]) -> f64 {
        self.link.logit(self.sum(row))
    }

    /// The probability of a row, in 0 to 1.
    #[must_use]
    pub fn probability(&self, row: &[f64]) -> f64 {
        probability_of(self.logit(row))
    }

    /// The log-odds of rows that lie one after the other, each `features` values long, into `out`: bit for bit
    /// what [`Trees::logit`] says of each, sooner. Stops with the rows or with `out`, whichever ends first.
    pub fn logits(&self, rows: &[f64], out: &mut [f64]) {
        /// Rows that stay in the first cache together while the trees pass by.
        const BLOCK: usize = 4 * LANES;
        let width = self.features.max(1);
        let count = out.len().min(rows.len() / width);
        let out = out.get_mut(..count).unwrap_or_default();
        for (rows, out) in rows.chunks(width * BLOCK).zip(out.chunks_mut(BLOCK)) {
            out.fill(self.base);
            for root in self.flat.roots() {
                for (rows, sums) in rows.chunks(width * LANES).zip(out.chunks_mut(LANES)) {
                    self.add_tree(root, rows, width, sums);
                }
            }
            for sum in out {
                *sum = self.link.logit(*sum);
            }
        }
    }

    /// Walks one tree with up to eight rows in step.
    fn add_tree(&self, root: u32, rows: &[f64], width: usize, sums: &mut [f64]) {
        let mut lanes: [&[f64]; LANES] = [&[]; LANES];
        for (lane, row) in lanes.iter_mut().zip(rows.chunks_exact(width)) {
            *lane = row;
        }
        let ends = self.walk([root; LANES], |lane| lanes.get(lane).copied().unwrap_or_default());
        for (sum, end) in sums.iter_mut().zip(ends) {
            *sum += end.value;
        }
    }

    /// Calls `visit` with each tree's number and the number of the leaf that the row ends in, in the trees' order.
    pub fn leaves(&self, row: &[f64], mut visit: impl FnMut(usize, usize)) {
        let mut trees = 0..self.len();
        for roots in self.flat.eights() {
            for (end, tree) in self.walk(*roots, |_| row).into_iter().zip(&mut trees) {
                visit(tree, usize::from(end.number));
            }
        }
    }

    fn sum(&self, row: &[f64]) -> f64 {
        let mut sum = self.base;
        for roots in self.flat.eights() {
            for end in self.walk(*roots, |_| row) {
                sum += end.value;
            }
        }
        sum
    }

    /// Follows eight walks from their roots to their leaves; `row_of` has the row of each.
    #[inline(always)]
    fn walk<'a>(&self, roots: [u32; LANES], row_of: impl Fn(usize) -> &'a [f64]) -> [Place; LANES] {
        if self.zero_is_missing.is_empty() {
            self.walk_reading(roots, |lane, feature| read(row_of(lane), feature))
        } else {
            self.walk_reading(roots, |lane, feature| self.read_zeros(row_of(lane), feature))
        }
    }

    #[inline(always)]
    fn walk_reading(&self, roots: [u32; LANES], value: impl Fn(usize, u16) -> f64) -> [Place; LANES] {
        let mut at = roots;
        loop {
            let mut moved = 0;
            for (lane, at) in at.iter_mut().enumerate() {
                let place = self.flat.place(*at);
                let next = place.next(value(lane, place.number));
                moved |= next ^ *at;
                *at = next;
            }
            if moved == 0 {
                return at.map(|at| self.flat.place(at));
            }
        }
    }

    /// A value, where zeros may be missing.
    fn read_zeros(&self, row: &[f64], feature: u16) -> f64 {
        let value = read(row, feature);
        if value.abs() <= NEARLY_ZERO && self.zero_is_missing.binary_search(&feature).is_ok() {
            f64::NAN
        } else {
            value
        }
    }
}

#[inline(always)]
fn read(row: &[f64], feature: u16) -> f64 {
    row.get(usize::from(feature)).copied().unwrap_or(f64::NAN)
}
