//! What stands in double quotes: when many templates differ in nothing else, it is a value however many words it has.
//! Browsers' names, statements and JSON values would make a template of each line otherwise.

use std::collections::BTreeSet;
use std::ops::Range;

use super::kind::Kind;
use super::pattern::{Column, Context, Part, Pattern};
use super::scan::{SEED, fold};

/// Templates that differ only in quotes from which on the quotes are looked at.
pub(super) const MIN_TEMPLATES: usize = 12;
/// Different contents of one pair of quotes from which on they are values.
const MIN_CONTENTS: usize = 6;

/// A column outside of quotes, or all that stands between two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Outer(usize),
    Quoted(Range<usize>),
}

fn items(pattern: &Pattern) -> Vec<Item> {
    let columns = &pattern.columns;
    let mut items = Vec::new();
    let mut at = 0;
    while let Some(column) = columns.get(at) {
        items.push(Item::Outer(at));
        at += 1;
        let close = column
            .is_quote()
            .then(|| columns.iter().skip(at).position(Column::is_quote));
        let Some(length) = close.flatten() else { continue };
        let is_told = columns
            .get(at)
            .is_some_and(|first| first.context == Context::Telling);
        if is_told {
            items.extend((at..at + length).map(Item::Outer));
        } else {
            items.push(Item::Quoted(at..at + length));
        }
        items.push(Item::Outer(at + length));
        at += length + 1;
    }
    items
}

fn contents<'a>(pattern: &'a Pattern, range: &Range<usize>) -> &'a [Column] {
    pattern.columns.get(range.clone()).unwrap_or_default()
}

/// Equal for patterns that can be compared outside of their quotes; `None` without quotes.
pub(super) fn key(pattern: &Pattern) -> Option<u64> {
    let items = items(pattern);
    let has_quotes = items.iter().any(|item| matches!(item, Item::Quoted(_)));
    let outer = |column: &Column| match column.part {
        Part::Mask | Part::Any => 1,
        Part::Word | Part::Punct => column.print,
    };
    let code = |item: &Item| match item {
        Item::Outer(at) => pattern.columns.get(*at).map_or(0, outer),
        Item::Quoted(_) => 2,
    };
    has_quotes.then(|| items.iter().fold(SEED, |print, item| fold(print, code(item))))
}

fn is_value(columns: &[Column]) -> bool {
    matches!(columns, [column] if matches!(column.part, Part::Mask | Part::Any))
}

/// Whether the template covers the line: outside of the quotes, and in each pair of them.
pub(super) fn covers(template: &Pattern, line: &Pattern) -> bool {
    pairs(template, line).is_some_and(|mut pairs| {
        pairs.all(|pair| match pair {
            (Item::Quoted(left), Item::Quoted(right)) => {
                let left = contents(template, &left);
                is_value(left) || same(left, contents(line, &right))
            }
            _ => true,
        })
    })
}

/// Whether two patterns are the same outside of their quotes.
pub(super) fn are_alike(left: &Pattern, right: &Pattern) -> bool {
    pairs(left, right).is_some()
}

fn pairs(left: &Pattern, right: &Pattern) -> Option<impl Iterator<Item = (Item, Item)>> {
    let (left_items, right_items) = (items(left), items(right));
    let fits = |(one, other): (&Item, &Item)| match (one, other) {
        (Item::Outer(one), Item::Outer(other)) => same(
            contents(left, &(*one..one + 1)),
            contents(right, &(*other..other + 1)),
        ),
        (Item::Quoted(_), Item::Quoted(_)) => true,
        _ => false,
    };
    let alike = left_items.len() == right_items.len() && left_items.iter().zip(&right_items).all(fits);
    alike.then(|| left_items.into_iter().zip(right_items))
}

fn same(left: &[Column], right: &[Column]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| left.covers(right))
}

/// The line with what varies in its quotes masked, given the templates that are alike; `None` if nothing does.
pub(super) fn generalised(line: &Pattern, alike: &[&Pattern]) -> Option<Pattern> {
    let all: Vec<(&Pattern, Vec<Item>)> = alike
        .iter()
        .chain([&line])
        .map(|pattern| (*pattern, items(pattern)))
        .collect();
    let varies = |at: usize| {
        let prints: BTreeSet<u64> = all
            .iter()
            .filter_map(|(pattern, items)| match items.get(at)? {
                Item::Quoted(range) => Some(
                    contents(pattern, range)
                        .iter()
                        .fold(SEED, |print, column| fold(print, column.print)),
                ),
                Item::Outer(_) => None,
            })
            .collect();
        prints.len() >= MIN_CONTENTS
    };
    let texts: Vec<(&Column, &str)> = line.texts().collect();
    let mut general = Pattern::default();
    let mut found = false;
    for (at, item) in items(line).into_iter().enumerate() {
        let range = match item {
            Item::Outer(at) => at..at + 1,
            Item::Quoted(_) if varies(at) => {
                found = true;
                general.push(Part::Any, false, Kind::Any.name());
                continue;
            }
            Item::Quoted(range) => range,
        };
        for (column, text) in texts.get(range).unwrap_or_default() {
            general.push(column.part, column.space, text);
        }
    }
    found.then_some(general)
}

/// The template with its values outside of the quotes as general as the line needs.
pub(super) fn join(template: &Pattern, line: &Pattern) -> Pattern {
    let (left_texts, right_texts): (Vec<_>, Vec<_>) = (template.texts().collect(), line.texts().collect());
    let mut joined = Pattern::default();
    for (left, right) in items(template).into_iter().zip(items(line)) {
        match (left, right) {
            (Item::Outer(left), Item::Outer(right)) => {
                if let (Some(left), Some(right)) = (left_texts.get(left), right_texts.get(right)) {
                    joined.push_joined(*left, *right);
                }
            }
            (Item::Quoted(range), _) | (_, Item::Quoted(range)) => {
                for (column, text) in left_texts.get(range).unwrap_or_default() {
                    joined.push(column.part, column.space, text);
                }
            }
        }
    }
    joined
}
