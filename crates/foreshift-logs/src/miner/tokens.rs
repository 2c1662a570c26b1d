//! Patterns as tokens between blanks: how lines are compared whose columns differ in number, because one value looks
//! like `LOCAL(0)` and another like `10.0.0.1`.

use super::kind::Kind;
use super::pattern::{Column, Context, Part, Pattern};
use super::scan::{SEED, fold};

/// Columns without a blank between them.
#[derive(Clone, Copy, Debug)]
struct Token<'a> {
    columns: &'a [Column],
    /// Where its columns start in the pattern.
    start: usize,
}

impl Token<'_> {
    /// Without what belongs to the sentence at its end.
    fn core(&self) -> &[Column] {
        let ends = self
            .columns
            .iter()
            .rev()
            .take_while(|column| column.ends_sentence())
            .count();
        self.columns.get(..self.columns.len() - ends).unwrap_or_default()
    }

    fn ends(&self) -> &[Column] {
        self.columns.get(self.core().len()..).unwrap_or_default()
    }

    fn has_value(&self) -> bool {
        self.columns
            .iter()
            .any(|column| matches!(column.part, Part::Mask | Part::Any))
    }

    fn has_word(&self) -> bool {
        self.columns.iter().any(|column| column.part == Part::Word)
    }

    /// Whether it is one value and nothing else but punctuation at the end.
    fn is_value(&self) -> bool {
        matches!(self.core(), [column] if column.part != Part::Word)
    }

    fn is_any(&self) -> bool {
        matches!(self.core(), [column] if column.part == Part::Any)
    }
}

fn tokens(pattern: &Pattern) -> impl Iterator<Item = Token<'_>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = pattern.columns.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest
            .iter()
            .skip(1)
            .position(|column| column.space)
            .map_or(rest.len(), |gap| gap + 1);
        let token = Token {
            columns: rest.get(..length)?,
            start,
        };
        start += length;
        Some(token)
    })
}

/// Equal for patterns that can be compared by their tokens: as many of them, and the first is the same word or holds
/// a value.
pub(super) fn key(pattern: &Pattern) -> u64 {
    let count = tokens(pattern).count() as u64;
    let first = tokens(pattern).next().filter(|token| !token.has_value());
    let word = first.and_then(|token| token.columns.first());
    fold(fold(SEED, count), word.map_or(0, |column| column.print))
}

fn same(left: &[Column], right: &[Column]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.covers(right))
}

/// How many columns two tokens start with that are the same.
fn shared(left: &Token<'_>, right: &Token<'_>) -> usize {
    let pairs = left.columns.iter().zip(right.columns);
    pairs
        .take_while(|(left, right)| left.part == right.part && left.print == right.print)
        .count()
}

/// How many columns the key takes that both have, with its `=`; 0 without.
fn key_length(left: &Token<'_>, right: &Token<'_>) -> usize {
    let shared = left.columns.get(..shared(left, right)).unwrap_or_default();
    let assignment = shared.iter().rposition(Column::is_assignment);
    assignment.map_or(0, |at| at + 1)
}

/// Whether two tokens that differ are values of one thing: one is a bare value and the other holds one, or both
/// start alike.
fn are_one_value(left: &Token<'_>, right: &Token<'_>) -> bool {
    let shared = shared(left, right);
    let next = [left, right].map(|token| token.core().get(shared));
    if next
        .iter()
        .flatten()
        .any(|column| column.context == Context::Telling)
    {
        return false;
    }
    let values = [left, right]
        .into_iter()
        .filter(|token| token.has_value())
        .count();
    let bare = left.is_value() || right.is_value();
    let shared = left.columns.get(..shared).unwrap_or_default();
    let starts_alike = shared.iter().any(|column| column.part == Part::Word);
    let go_on = next.iter().all(Option::is_some);
    let alike = match values {
        2 => bare || starts_alike,
        1 => go_on && key_length(left, right) > 0,
        _ => false,
    };
    alike && same(left.ends(), right.ends())
}

/// How many tokens with words are equal, if the others are values on both sides, or a value on one, and few enough.
pub(super) fn likeness(template: &Pattern, line: &Pattern) -> Option<usize> {
    let (mut equal, mut varying) = (0, 0);
    let mut right = tokens(line);
    for left in tokens(template) {
        let right = right.next()?;
        if left.is_any() && same(left.ends(), right.ends()) {
            continue;
        }
        if same(left.columns, right.columns) {
            equal += usize::from(left.has_word());
            continue;
        }
        if !are_one_value(&left, &right) {
            return None;
        }
        varying += 1;
    }
    (right.next().is_none() && equal >= 2 && equal >= 2 * varying).then_some(equal)
}

/// The pattern that covers both, of which [`likeness`] says that they belong together.
pub(super) fn join(template: &Pattern, line: &Pattern) -> Pattern {
    let texts: Vec<(&Column, &str)> = template.texts().collect();
    let mut joined = Pattern::default();
    for (left, right) in tokens(template).zip(tokens(line)) {
        let keeps = same(left.columns, right.columns) || left.is_any();
        let (from, count) = if keeps {
            (left.start, left.columns.len())
        } else {
            let space = left.columns.first().is_some_and(|column| column.space);
            let key = key_length(&left, &right);
            for (column, text) in texts.iter().skip(left.start).take(key) {
                joined.push(column.part, column.space, text);
            }
            joined.push(Part::Any, space && key == 0, Kind::Any.name());
            (left.start + left.core().len(), left.ends().len())
        };
        for (column, text) in texts.iter().skip(from).take(count) {
            joined.push(column.part, column.space, text);
        }
    }
    joined
}
