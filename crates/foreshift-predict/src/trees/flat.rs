//! Trees laid out for speed: all places of all trees in one array, children side by side.
//!
//! A leaf leads to itself, so that eight trees can be walked in step without asking which have ended: what
//! bounds a walk is the wait for one load after the other, and eight walks wait together.

use super::tree::{Child, Leaf, Split, Tree};

/// Walks in step. Eight hide the latency of the caches; more do not fit the registers.
pub(super) const LANES: usize = 8;

/// A split or a leaf, in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// A split's threshold, or what a leaf says.
    pub(super) value: f64,
    /// A split's left child; the right one follows it. A leaf's own place.
    left: u32,
    /// A split's feature, or the number of the leaf in its tree.
    pub(super) number: u16,
    /// 1 at a split, 0 at a leaf.
    is_split: u8,
    /// 1 at a split whose missing values go right.
    missing_right: u8,
}

impl Place {
    pub(super) fn is_split(&self) -> bool {
        self.is_split != 0
    }

    pub(super) fn children(&self) -> (u32, u32) {
        (self.left, self.left.wrapping_add(1))
    }

    /// Where a row with this value goes from here. Without a branch: which way it goes cannot be foreseen.
    #[inline(always)]
    pub(super) fn next(&self, value: f64) -> u32 {
        let greater = u32::from(value > self.value) & u32::from(self.is_split);
        let missing = u32::from(value.is_nan()) & u32::from(self.missing_right);
        self.left.wrapping_add(greater | missing)
    }
}

/// The places of all trees.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flat {
    places: Vec<Place>,
    /// By place: the cover of the leaves beneath it.
    covers: Vec<f64>,
    /// Where each tree begins, in eights; the last eight is filled up with a leaf that says 0.
    roots: Vec<[u32; LANES]>,
    trees: usize,
}

impl Flat {
    /// Lays out trees that have passed their check.
    pub(super) fn of(trees: &[Tree]) -> Self {
        let mut flat = Self {
            places: vec![Place {
                value: 0.0,
                left: 0,
                number: 0,
                is_split: 0,
                missing_right: 0,
            }],
            covers: vec![1.0],
            roots: Vec::with_capacity(trees.len().div_ceil(LANES)),
            trees: trees.len(),
        };
        for eight in trees.chunks(LANES) {
            let mut roots = [0; LANES];
            for (root, tree) in roots.iter_mut().zip(eight) {
                *root = flat.lay(tree);
            }
            flat.roots.push(roots);
        }
        flat
    }

    /// Lays one tree level by level: the places that every walk passes lie in the same cache lines.
    fn lay(&mut self, tree: &Tree) -> u32 {
        let root = self.places.len();
        let mut waiting = std::collections::VecDeque::from([tree.root()]);
        let mut laid = 0;
        while let Some(child) = waiting.pop_front() {
            let own = as_place(root + laid);
            laid += 1;
            if let Some(split) = tree.split(child) {
                waiting.extend([split.left, split.right]);
                self.places.push(Place {
                    value: split.threshold,
                    left: as_place(root + laid + waiting.len() - 2),
                    number: split.feature,
                    is_split: 1,
                    missing_right: u8::from(!split.missing_left),
                });
                self.covers.push(0.0);
            } else if let (Child::Leaf(number), Some(leaf)) = (child, tree.leaf(child)) {
                self.places.push(Place {
                    value: leaf.value,
                    left: own,
                    number,
                    is_split: 0,
                    missing_right: 0,
                });
                self.covers.push(leaf.cover);
            }
        }
        self.sum_covers(root);
        as_place(root)
    }

    /// Children lie behind their parents, so one way back sums all covers of the tree that begins at `root`.
    fn sum_covers(&mut self, root: usize) {
        for own in (root..self.places.len()).rev() {
            let place = self.place(as_place(own));
            if place.is_split() {
                let (left, right) = place.children();
                let sum = self.cover(left) + self.cover(right);
                if let Some(cover) = self.covers.get_mut(own) {
                    *cover = sum;
                }
            }
        }
    }

    /// The trees again, their splits numbered level by level.
    pub(super) fn trees(&self) -> Vec<Tree> {
        self.roots().map(|root| self.tree(root)).collect()
    }

    fn tree(&self, root: u32) -> Tree {
        let mut tree = Tree::default();
        let mut waiting = std::collections::VecDeque::from([root]);
        let mut leaves = Vec::new();
        let mut splits_found = u16::from(self.place(root).is_split());
        let mut number_of = |place: u32| {
            let place = self.place(place);
            if place.is_split() {
                splits_found += 1;
                Child::Split(splits_found - 1)
            } else {
                Child::Leaf(place.number)
            }
        };
        while let Some(own) = waiting.pop_front() {
            let place = self.place(own);
            if place.is_split() {
                let (left, right) = place.children();
                tree.splits.push(Split {
                    feature: place.number,
                    threshold: place.value,
                    missing_left: place.missing_right == 0,
                    left: number_of(left),
                    right: number_of(right),
                });
                waiting.extend([left, right]);
            } else {
                let (value, cover) = (place.value, self.cover(own));
                leaves.push((place.number, Leaf { value, cover }));
            }
        }
        leaves.sort_by_key(|(number, _)| *number);
        tree.leaves = leaves.into_iter().map(|(_, leaf)| leaf).collect();
        tree
    }

    pub(super) fn len(&self) -> usize {
        self.trees
    }

    /// Where each tree begins.
    pub(super) fn roots(&self) -> impl Iterator<Item = u32> + '_ {
        self.roots.iter().flatten().copied().take(self.trees)
    }

    /// Roots in eights, for walks in step.
    pub(super) fn eights(&self) -> &[[u32; LANES]] {
        &self.roots
    }

    /// A place. None is out of range: if one were, it would be a leaf that says 0.
    #[inline(always)]
    pub(super) fn place(&self, at: u32) -> Place {
        const NOWHERE: Place = Place {
            value: 0.0,
            left: 0,
            number: 0,
            is_split: 0,
            missing_right: 0,
        };
        self.places.get(at as usize).copied().unwrap_or(NOWHERE)
    }

    pub(super) fn cover(&self, at: u32) -> f64 {
        self.covers.get(at as usize).copied().unwrap_or(0.0)
    }

    pub(super) fn leaf_count(&self, root: u32) -> usize {
        let mut leaves = 0;
        self.each_leaf(root, |_, _| leaves += 1);
        leaves
    }

    /// What the tree that begins at `root` says on average, over what was learned from.
    pub(super) fn mean(&self, root: u32) -> f64 {
        let mut sum = 0.0;
        self.each_leaf(root, |at, value| {
            sum += value * (self.cover(at) / self.cover(root))
        });
        sum
    }

    /// Visits the place of each leaf, and what it says.
    fn each_leaf(&self, root: u32, mut visit: impl FnMut(u32, f64)) {
        let mut open = vec![root];
        while let Some(at) = open.pop() {
            let place = self.place(at);
            if place.is_split() {
                let (left, right) = place.children();
                open.extend([left, right]);
            } else {
                visit(at, place.value);
            }
        }
    }
}

/// The bound on leaves keeps places far below 2³².
fn as_place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
