//! One tree: it grows at the leaf where a split gains most.

use std::sync::Arc;

use foreshift_predict::trees::{Child, Leaf as TreeLeaf, Split, Tree};

use crate::bins::Binned;
use crate::histogram::Sums;
use crate::params::Params;
use crate::partition::{Partition, Sides};
use crate::shard::{Crew, Job, Open, Table};
use crate::split::{Candidate, Leaf, Rules};

/// A leaf of the growing tree.
#[derive(Clone, Copy, Debug)]
struct Growing {
    leaf: Leaf,
    depth: usize,
    /// The split it hangs from, and whether on its left.
    parent: Option<(usize, bool)>,
    best: Option<Candidate>,
}

/// A tree, and what each of its splits gained by which feature.
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    pub(crate) gains: Vec<(usize, f64)>,
}

/// Lists that are lent to the shards and come back.
#[derive(Default)]
pub(crate) struct Lists {
    rows: Vec<u32>,
    sums: Vec<Sums>,
}

/// Growing one tree.
pub(crate) struct Grower<'a, 'b> {
    pub(crate) table: &'a Table,
    pub(crate) params: &'a Params,
    pub(crate) rules: Rules,
    pub(crate) crew: &'b mut Crew<'a>,
    pub(crate) lists: &'b mut Lists,
    /// By row.
    pub(crate) sums: &'b [Sums],
    /// The rows that the tree learns from.
    pub(crate) learned: &'b mut Partition,
    /// Rows that go along to see in which leaf they end: those left out of the draw, and those of validation.
    pub(crate) others: [(&'b mut Partition, &'b Binned); 2],
}

impl Grower<'_, '_> {
    /// Grows a tree. `None` if a thread has ended early.
    pub(crate) fn grow(mut self) -> Option<Grown> {
        let mut leaves = vec![self.root()?];
        let mut splits = Vec::new();
        let mut gains = Vec::new();
        while leaves.len() < self.params.leaves {
            let Some((number, candidate)) = next_split(&leaves) else {
                break;
            };
            gains.push((candidate.feature, candidate.gain));
            self.split(number, &candidate, &mut leaves, &mut splits)?;
        }
        let leaf = |growing: &Growing| TreeLeaf {
            value: self.rules.value(growing.leaf.sums, growing.leaf.bounds) * self.params.learning_rate,
            cover: 1.0,
        };
        let leaves = leaves.iter().map(leaf).collect();
        Some(Grown {
            tree: Tree { splits, leaves },
            gains,
        })
    }

    fn root(&mut self) -> Option<Growing> {
        let mut sums = Sums::default();
        for row in self.learned.leaf(0) {
            sums.add(self.sums.get(*row as usize).copied().unwrap_or_default());
        }
        let mut root = Growing {
            leaf: Leaf {
                sums,
                bounds: (f64::NEG_INFINITY, f64::INFINITY),
            },
            depth: 0,
            parent: None,
            best: None,
        };
        let open = self.open(0, &root);
        if open.leaf.is_some() {
            [root.best, _] = self.look(open, None)?;
        }
        Some(root)
    }

    /// What the shards are to know of a leaf.
    fn open(&self, number: usize, growing: &Growing) -> Open {
        let may = growing.depth < self.params.max_depth && self.rules.may_split(growing.leaf.sums);
        Open {
            number,
            leaf: may.then_some(growing.leaf),
        }
    }

    /// Carries out a split: the leaf becomes its left side, a new one its right side.
    fn split(
        &mut self,
        number: usize,
        candidate: &Candidate,
        leaves: &mut Vec<Growing>,
        splits: &mut Vec<Split>,
    ) -> Option<()> {
        let (new, own) = (leaves.len(), splits.len());
        self.part(number, candidate);
        let parent = *leaves.get(number)?;
        let (left, right) = self.children(&parent, candidate, own);
        if let Some((split, is_left)) = parent.parent
            && let Some(above) = splits.get_mut(split)
        {
            let child = if is_left {
                &mut above.left
            } else {
                &mut above.right
            };
            *child = Child::Split(as_number(own));
        }
        splits.push(Split {
            feature: as_number(candidate.feature),
            threshold: self.table.cuts.get(candidate.feature)?.threshold(candidate.bin),
            missing_left: candidate.missing_left,
            left: Child::Leaf(as_number(number)),
            right: Child::Leaf(as_number(new)),
        });
        *leaves.get_mut(number)? = left;
        leaves.push(right);
        if leaves.len() == self.params.leaves {
            return Some(());
        }
        let opens = [self.open(number, &left), self.open(new, &right)];
        if opens.iter().all(|open| open.leaf.is_none()) {
            return Some(());
        }
        let left_is_small = left.leaf.sums.count() <= right.leaf.sums.count();
        let (small, large) = if left_is_small {
            (opens[0], opens[1])
        } else {
            (opens[1], opens[0])
        };
        let [of_small, of_large] = self.look(small, Some((large, number)))?;
        leaves.get_mut(small.number)?.best = of_small;
        leaves.get_mut(large.number)?.best = of_large;
        Some(())
    }

    fn children(&self, parent: &Growing, candidate: &Candidate, split: usize) -> (Growing, Growing) {
        let bounds = parent.leaf.bounds;
        let (left, right) = (candidate.left, parent.leaf.sums.less(candidate.left));
        // No side may later cross the middle of what both would say now.
        let middle = self.rules.value(left, bounds) / 2.0 + self.rules.value(right, bounds) / 2.0;
        let (below, above) = ((bounds.0, middle), (middle, bounds.1));
        let (of_left, of_right) = match self.table.constraint(candidate.feature) {
            0 => (bounds, bounds),
            1 => (below, above),
            _ => (above, below),
        };
        let child = |sums: Sums, bounds: (f64, f64), is_left: bool| Growing {
            leaf: Leaf { sums, bounds },
            depth: parent.depth + 1,
            parent: Some((split, is_left)),
            best: None,
        };
        (child(left, of_left, true), child(right, of_right, false))
    }

    /// Moves all rows of a leaf to their sides.
    fn part(&mut self, number: usize, candidate: &Candidate) {
        let values = self
            .table
            .cuts
            .get(candidate.feature)
            .map_or(0, |cuts| cuts.bins());
        let mut sides: Sides = [candidate.missing_left; 256];
        for (bin, side) in sides.iter_mut().enumerate().take(values) {
            *side = bin <= usize::from(candidate.bin);
        }
        let column = self.table.binned.column(candidate.feature);
        self.learned.split(number, column, &sides);
        for (partition, binned) in &mut self.others {
            partition.split(number, binned.column(candidate.feature), &sides);
        }
    }

    /// Asks all shards for the best splits.
    fn look(&mut self, summed: Open, rest: Option<(Open, usize)>) -> Option<[Option<Candidate>; 2]> {
        let (mut rows, mut sums) = (
            std::mem::take(&mut self.lists.rows),
            std::mem::take(&mut self.lists.sums),
        );
        rows.clear();
        rows.extend_from_slice(self.learned.leaf(summed.number));
        sums.clear();
        let of = |row: &u32| self.sums.get(*row as usize).copied().unwrap_or_default();
        sums.extend(rows.iter().map(of));
        let (rows, sums) = (Arc::new(rows), Arc::new(sums));
        let found = self.crew.ask(Job::Look {
            rows: Arc::clone(&rows),
            sums: Arc::clone(&sums),
            summed,
            rest,
            rules: self.rules,
        })?;
        self.lists.rows = Arc::try_unwrap(rows).unwrap_or_default();
        self.lists.sums = Arc::try_unwrap(sums).unwrap_or_default();
        Some(found)
    }
}

/// The leaf whose best split gains most; at equal gain the first.
fn next_split(leaves: &[Growing]) -> Option<(usize, Candidate)> {
    let mut best: Option<(usize, Candidate)> = None;
    for (number, growing) in leaves.iter().enumerate() {
        if let Some(candidate) = growing.best
            && best.is_none_or(|(_, best)| candidate.gain > best.gain)
        {
            best = Some((number, candidate));
        }
    }
    best
}

/// Splits, leaves and features are bounded far below 2¹⁶.
fn as_number(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
