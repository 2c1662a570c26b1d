//! Which templates a line belongs with: how two patterns of one skeleton differ, and when words that differ are
//! values.

use super::pattern::{Column, Part, Pattern};

/// Columns in which differences are told apart; patterns that differ behind them are different.
const COLUMNS: usize = 128;

/// How a pattern differs from a template of the same skeleton.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Difference {
    /// Columns in which both have words, and other ones: a bit each.
    pub(super) words: u128,
    /// Columns in which one has a word and the other a value.
    pub(super) mixed: u32,
    /// Columns with the same word.
    pub(super) equal: u32,
    /// Whether the first column is mixed.
    pub(super) starts_mixed: bool,
}

/// Compares column by column; `None` if the patterns can't be compared.
pub(super) fn compare(template: &[Column], line: &[Column]) -> Option<Difference> {
    let mut difference = Difference::default();
    if template.len() != line.len() {
        return None;
    }
    for (index, (left, right)) in template.iter().zip(line).enumerate() {
        match (left.part, right.part) {
            (Part::Word, Part::Word) if left.print == right.print => difference.equal += 1,
            (Part::Word, Part::Word) if index >= COLUMNS => return None,
            (Part::Word, Part::Word) => difference.words |= 1 << index,
            (Part::Punct, Part::Punct) if left.print == right.print => {}
            (Part::Punct, _) | (_, Part::Punct) => return None,
            (Part::Word, Part::Mask) | (Part::Mask, Part::Word) | (Part::Word, Part::Any) => {
                difference.mixed += 1;
                difference.starts_mixed |= index == 0;
            }
            _ => {}
        }
    }
    Some(difference)
}

/// Whether a line whose words only differ from the template's where one of them has a value belongs to it.
pub(super) fn fits(difference: &Difference) -> bool {
    difference.words == 0
        && (difference.mixed == 0
            || (difference.equal >= difference.mixed && (!difference.starts_mixed || difference.equal >= 3)))
}

/// How many lines that differ only in these columns it takes to see that the columns vary; `None` for never.
pub(super) fn votes_needed(line: &Pattern, columns: u128, equal: u32) -> Option<u32> {
    let count = columns.count_ones();
    if columns & 1 != 0 || equal < count {
        return None;
    }
    let _ = line;
    Some(4 + 2 * (count - 1))
}
