//! Which rows are in which leaf of the growing tree.

use std::ops::Range;

/// For each bin whether it goes left.
pub(crate) type Sides = [bool; 256];

/// Row numbers in one list, those of each leaf side by side and in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partition {
    rows: Vec<u32>,
    leaves: Vec<Range<usize>>,
    moved: Vec<u32>,
}

impl Partition {
    /// All rows in leaf 0.
    pub(crate) fn restart(&mut self, rows: impl Iterator<Item = u32>) {
        self.rows.clear();
        self.rows.extend(rows);
        self.leaves.clear();
        self.leaves.push(0..self.rows.len());
    }

    pub(crate) fn leaf(&self, leaf: usize) -> &[u32] {
        let range = self.leaves.get(leaf).cloned().unwrap_or_default();
        self.rows.get(range).unwrap_or_default()
    }

    /// Moves what does not go left out of `leaf` into a new leaf, the last one.
    pub(crate) fn split(&mut self, leaf: usize, column: &[u8], sides: &Sides) {
        let Some(range) = self.leaves.get_mut(leaf) else {
            return;
        };
        let rows = self.rows.get_mut(range.clone()).unwrap_or_default();
        self.moved.clear();
        self.moved.resize(rows.len(), 0);
        let (mut kept, mut moved) = (0, 0);
        // Both lists are written for every row and one of them advances: no branch to guess.
        for at in 0..rows.len() {
            let row = rows.get(at).copied().unwrap_or(0);
            let bin = column.get(row as usize).copied().unwrap_or(0);
            let left = usize::from(sides[usize::from(bin)]);
            if let Some(place) = rows.get_mut(kept) {
                *place = row;
            }
            if let Some(place) = self.moved.get_mut(moved) {
                *place = row;
            }
            kept += left;
            moved += 1 - left;
        }
        for (place, row) in rows.iter_mut().skip(kept).zip(&self.moved) {
            *place = *row;
        }
        let (middle, end) = (range.start + kept, range.end);
        range.end = middle;
        self.leaves.push(middle..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_keeps_the_order_on_both_sides() {
        let mut partition = Partition::default();
        partition.restart([0, 2, 3, 5, 6].into_iter());
        let column = [9, 0, 1, 9, 0, 1, 9];
        let mut sides = [true; 256];
        sides[9] = false;
        partition.split(0, &column, &sides);
        assert_eq!(partition.leaf(0), [2, 5]);
        assert_eq!(partition.leaf(1), [0, 3, 6]);
        sides = [false; 256];
        partition.split(1, &column, &sides);
        assert_eq!(partition.leaf(1), [] as [u32; 0]);
        assert_eq!(partition.leaf(2), [0, 3, 6]);
        assert_eq!(partition.leaf(0), [2, 5]);
    }
}
