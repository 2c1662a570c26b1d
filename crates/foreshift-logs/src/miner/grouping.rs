//! Which templates a line belongs with: how two patterns of one skeleton differ, and when words that differ are
//! values.

use super::pattern::{Column, Context, Part};
use super::word::Form;

/// Columns in which differences are told apart; patterns that differ behind them are different.
const COLUMNS: usize = 128;

/// Words that lines must share at least to be thought of one kind without more evidence.
const MIN_EQUAL: u32 = 2;

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
            (Part::Word, Part::Mask | Part::Any) | (Part::Mask, Part::Word) => {
                let word = if left.part == Part::Word { left } else { right };
                // `error=timeout` is not `error=110`.
                if (word.form == Form::Switch || word.context == Context::Telling) && index < COLUMNS {
                    difference.words |= 1 << index;
                } else {
                    difference.mixed += 1;
                    difference.starts_mixed |= index == 0;
                }
            }
            _ => {}
        }
    }
    Some(difference)
}

/// Whether a line whose words only differ from the template's where one of them has a value belongs to it.
pub(super) fn fits(difference: &Difference) -> bool {
    let enough = match difference.mixed {
        0 => true,
        mixed => difference.equal >= 2 * mixed,
    };
    difference.words == 0 && enough && (!difference.starts_mixed || difference.equal >= 3)
}

/// How many templates that differ only in these columns it takes to see that the columns vary; `None` for never.
/// `members`: the columns of all of them.
pub(super) fn votes_needed(
    line: &[Column],
    members: &[&[Column]],
    differing: u128,
    equal: u32,
    fresh: bool,
) -> Option<u32> {
    let count = differing.count_ones();
    if equal < count {
        return None;
    }
    let mut needed = 0;
    let varying = line
        .iter()
        .enumerate()
        .take(COLUMNS)
        .filter(|(index, _)| differing >> index & 1 == 1);
    for (index, column) in varying {
        let words = members
            .iter()
            .filter_map(|columns| columns.get(index))
            .filter(|column| column.part == Part::Word)
            .chain([column]);
        needed = needed.max(votes(index, column, words, fresh)?);
    }
    // Lines that share one word say little of each other.
    let doubt = if equal < MIN_EQUAL { 2 } else { 1 };
    Some(doubt * needed + 2 * (count - 1))
}

/// How many different words it takes in one column. Names of things and places where values stand need few, ordinary
/// words many; words of which none was seen twice need fewer, since texts of programs come back.
fn votes<'a>(
    index: usize,
    column: &Column,
    words: impl Iterator<Item = &'a Column> + Clone,
    fresh: bool,
) -> Option<u32> {
    let all = |form: Form| words.clone().all(|word| word.form == form);
    let any = |form: Form| words.clone().any(|word| word.form == form);
    if words.clone().all(|word| word.stem == column.stem) {
        return Some(3);
    }
    let names = all(Form::Dotted) || all(Form::Numbered);
    if any(Form::Switch) || (index == 0 && !names) {
        return None;
    }
    let (seen_once, seen_again) = match column.context {
        _ if any(Form::Capitals) => (5, 24),
        Context::Telling => (16, 16),
        Context::Named => (3, 3),
        Context::Assigned | Context::Quoted if names => (2, 2),
        // `key = value` is as often a sentence as a setting.
        Context::Assigned | Context::Quoted if column.space => (3, 5),
        Context::Assigned | Context::Quoted => (3, 4),
        Context::Open | Context::Preposition if all(Form::Dotted) => (3, 4),
        Context::Open | Context::Preposition if names => (4, 4),
        Context::Preposition => (5, 5),
        Context::Open => (6, 8),
    };
    Some(if fresh { seen_once } else { seen_again })
}
