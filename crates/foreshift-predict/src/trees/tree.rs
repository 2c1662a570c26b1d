//! One tree as it is written down: splits, leaves, and what must hold of them.

use serde::{Deserialize, Serialize};

use super::TreesError;

/// Leaves that one tree may have: a leaf's number fits 16 bits, with room.
pub const MAX_LEAVES: usize = 4096;
/// Splits on the way from a root to a leaf: bounds what an explanation needs of memory and of time.
pub const MAX_DEPTH: usize = 128;
/// Features that trees may read: more than the catalogue will have, and bounded for what is imported.
pub const MAX_FEATURES: usize = 4096;

/// Where a split leads. Written as LightGBM writes it: a split's number, or the complement of a leaf's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "i32", into = "i32")]
pub enum Child {
    /// On to another split of the tree.
    Split(u16),
    /// To a leaf of the tree.
    Leaf(u16),
}

impl From<i32> for Child {
    /// What is out of range becomes the largest number, which no tree that passes its check has.
    fn from(written: i32) -> Self {
        let number = |value: i32| u16::try_from(value).unwrap_or(u16::MAX);
        if written < 0 {
            Self::Leaf(number(!written))
        } else {
            Self::Split(number(written))
        }
    }
}

impl From<Child> for i32 {
    fn from(child: Child) -> Self {
        match child {
            Child::Split(number) => Self::from(number),
            Child::Leaf(number) => !Self::from(number),
        }
    }
}

/// A question about one feature: left if its value is at most the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(u16, f64, u8, Child, Child)", into = "(u16, f64, u8, Child, Child)")]
pub struct Split {
    /// The feature's index in the row.
    pub feature: u16,
    /// Finite.
    pub threshold: f64,
    /// Whether a missing value goes left.
    pub missing_left: bool,
    /// Where a value of at most the threshold goes.
    pub left: Child,
    /// Where a greater value goes.
    pub right: Child,
}

impl From<(u16, f64, u8, Child, Child)> for Split {
    fn from((feature, threshold, missing_left, left, right): (u16, f64, u8, Child, Child)) -> Self {
        Self {
            feature,
            threshold,
            missing_left: missing_left != 0,
            left,
            right,
        }
    }
}

impl From<Split> for (u16, f64, u8, Child, Child) {
    fn from(split: Split) -> Self {
        (
            split.feature,
            split.threshold,
            u8::from(split.missing_left),
            split.left,
            split.right,
        )
    }
}

/// An end of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "(f64, f64)", into = "(f64, f64)")]
pub struct Leaf {
    /// What the tree says there. Finite.
    pub value: f64,
    /// How much of what was learned from ended there: above 0, in any unit that is one for the whole tree.
    pub cover: f64,
}

impl From<(f64, f64)> for Leaf {
    fn from((value, cover): (f64, f64)) -> Self {
        Self { value, cover }
    }
}

impl From<Leaf> for (f64, f64) {
    fn from(leaf: Leaf) -> Self {
        (leaf.value, leaf.cover)
    }
}

/// A binary tree. The first split is the root; without splits there is one leaf.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// One fewer than leaves.
    pub splits: Vec<Split>,
    /// At least one.
    pub leaves: Vec<Leaf>,
}

impl Tree {
    /// Checks that this is a tree: every split and every leaf hangs in exactly one place, numbers are finite,
    /// covers positive, features below `features`, and nothing is past its bound.
    ///
    /// # Errors
    /// What does not hold; `number` is the tree's, for the message.
    pub fn check(&self, number: usize, features: usize) -> Result<(), TreesError> {
        let broken = |reason: &'static str| TreesError::Broken { tree: number, reason };
        if self.leaves.len() > MAX_LEAVES {
            return Err(broken("too many leaves"));
        }
        if self.splits.len() + 1 != self.leaves.len() {
            return Err(broken("the splits do not match the leaves"));
        }
        if self
            .splits
            .iter()
            .any(|split| usize::from(split.feature) >= features)
        {
            return Err(broken("a feature is out of range"));
        }
        if self.splits.iter().any(|split| !split.threshold.is_finite()) {
            return Err(broken("a threshold is not finite"));
        }
        if self.leaves.iter().any(|leaf| !leaf.value.is_finite()) {
            return Err(broken("a leaf is not finite"));
        }
        if !self
            .leaves
            .iter()
            .all(|leaf| leaf.cover > 0.0 && leaf.cover.is_finite())
        {
            return Err(broken("a cover is not positive"));
        }
        self.check_shape().map_err(broken)
    }

    fn check_shape(&self) -> Result<(), &'static str> {
        let mut splits_seen = vec![false; self.splits.len()];
        let mut leaves_seen = vec![false; self.leaves.len()];
        let mut open = vec![(self.root(), 0)];
        while let Some((child, depth)) = open.pop() {
            let seen = match child {
                Child::Split(number) => splits_seen.get_mut(usize::from(number)),
                Child::Leaf(number) => leaves_seen.get_mut(usize::from(number)),
            };
            match seen {
                None => return Err("a child is out of range"),
                Some(true) => return Err("a child has two parents"),
                Some(seen) => *seen = true,
            }
            if depth > MAX_DEPTH {
                return Err("too deep");
            }
            if let Some(split) = self.split(child) {
                open.extend([(split.left, depth + 1), (split.right, depth + 1)]);
            }
        }
        // As many splits as leaves less one, and none hangs twice: what was not reached hangs in a circle.
        if splits_seen.contains(&false) || leaves_seen.contains(&false) {
            return Err("a part hangs nowhere");
        }
        Ok(())
    }

    pub(super) fn root(&self) -> Child {
        if self.splits.is_empty() {
            Child::Leaf(0)
        } else {
            Child::Split(0)
        }
    }

    pub(super) fn split(&self, child: Child) -> Option<&Split> {
        match child {
            Child::Split(number) => self.splits.get(usize::from(number)),
            Child::Leaf(_) => None,
        }
    }

    pub(super) fn leaf(&self, child: Child) -> Option<&Leaf> {
        match child {
            Child::Split(_) => None,
            Child::Leaf(number) => self.leaves.get(usize::from(number)),
        }
    }
}
