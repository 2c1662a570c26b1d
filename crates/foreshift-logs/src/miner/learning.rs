//! Where a line belongs that the cache does not know.

use super::grouping::{self, Difference};
use super::pattern::{Column, Pattern};
use super::store::{BY_QUOTES, BY_SKELETON, BY_TOKENS, Keys, Learned, Store, keys};
use super::{quotes, tokens};

/// Gives a line its template: one that covers it or is made to, or a new one.
pub(super) fn learn(store: &mut Store, line: Pattern) -> Learned {
    let keys = keys(&line);
    let compared = compared(store, &line, keys);
    if let Some((index, joined)) = fitting(store, &line, keys, &compared) {
        return store.count(index, joined);
    }
    let family = family(store, &line, &compared).or_else(|| quoted(store, &line, keys));
    match family {
        Some((members, joined)) => join(store, &members, joined),
        None => store.add(line),
    }
}

/// The template of a line, without learning from it.
pub(super) fn find(store: &Store, line: &Pattern) -> Option<u64> {
    let keys = keys(line);
    let compared = compared(store, line, keys);
    let (index, _) = fitting(store, line, keys, &compared)?;
    store.slot(index).map(|slot| slot.id())
}

fn join(store: &mut Store, members: &[u32], joined: Pattern) -> Learned {
    let Some((first, others)) = members.split_first() else {
        return store.add(joined);
    };
    for other in others {
        store.merge(*other, *first);
    }
    store.count(*first, joined)
}

fn compared(store: &Store, line: &Pattern, keys: Keys) -> Vec<(u32, Difference)> {
    let listed = store.listed(keys[BY_SKELETON]);
    let compared = listed.filter_map(|(index, slot)| {
        let difference = grouping::compare(&slot.pattern.columns, &line.columns)?;
        Some((index, difference))
    });
    compared.collect()
}

/// The template that a line belongs to as it is, and what the template becomes: column by column, else token by token,
/// else outside of its quotes.
fn fitting(
    store: &Store,
    line: &Pattern,
    keys: Keys,
    compared: &[(u32, Difference)],
) -> Option<(u32, Pattern)> {
    let pattern = |index: u32| store.slot(index).map(|slot| &slot.pattern);
    if let Some(index) = best_fit(compared) {
        return Some((index, pattern(index)?.join(line)));
    }
    if let Some(index) = alike(store, line, keys) {
        return Some((index, tokens::join(pattern(index)?, line)));
    }
    let mut listed = store.listed(keys[BY_QUOTES]);
    let (index, slot) = listed.find(|(_, slot)| quotes::covers(&slot.pattern, line))?;
    Some((index, quotes::join(&slot.pattern, line)))
}

/// Of the templates that a line belongs to, the one with most words in common.
fn best_fit(compared: &[(u32, Difference)]) -> Option<u32> {
    let fitting = compared
        .iter()
        .filter(|(_, difference)| grouping::fits(difference));
    let best = fitting.max_by_key(|(index, difference)| {
        let order = (std::cmp::Reverse(difference.mixed), std::cmp::Reverse(*index));
        (difference.equal, order)
    });
    best.map(|(index, _)| *index)
}

/// The template that a line fits best token by token.
fn alike(store: &Store, line: &Pattern, keys: Keys) -> Option<u32> {
    let alike = store.listed(keys[BY_TOKENS]).filter_map(|(index, slot)| {
        let likeness = tokens::likeness(&slot.pattern, line)?;
        Some((likeness, std::cmp::Reverse(index)))
    });
    alike.max().map(|(_, index)| index.0)
}

/// The templates that differ from a line in the same columns of words, if they are enough to see that it is no
/// accident, and what covers them all: the fewest columns that will do.
fn family(store: &Store, line: &Pattern, compared: &[(u32, Difference)]) -> Option<(Vec<u32>, Pattern)> {
    let differing = compared.iter().map(|(_, difference)| difference.words);
    let mut candidates: Vec<u128> = differing.filter(|words| *words != 0).collect();
    candidates.sort_unstable_by_key(|columns| (columns.count_ones(), *columns));
    candidates.dedup();
    candidates
        .into_iter()
        .find_map(|columns| members(store, line, compared, columns))
}

fn members(
    store: &Store,
    line: &Pattern,
    compared: &[(u32, Difference)],
    differing: u128,
) -> Option<(Vec<u32>, Pattern)> {
    let is_member = |difference: &Difference| {
        difference.words & !differing == 0 && difference.equal >= 2 * difference.mixed
    };
    let members = compared.iter().filter(|(_, difference)| is_member(difference));
    let equal = members.clone().map(|(_, difference)| difference.equal).min()?;
    let slots = members.clone().filter_map(|(index, _)| store.slot(*index));
    let is_fresh = slots.clone().all(|slot| slot.lines == 1);
    let columns: Vec<&[Column]> = slots
        .clone()
        .map(|slot| slot.pattern.columns.as_slice())
        .collect();
    let needed = grouping::votes_needed(&line.columns, &columns, differing, equal, is_fresh)?;
    if columns.len() + 1 < needed as usize {
        return None;
    }
    let joined = slots.fold(line.clone(), |joined, slot| slot.pattern.join(&joined));
    Some((members.map(|(index, _)| *index).collect(), joined))
}

/// The templates that differ from a line in what stands in quotes only, if they are many.
fn quoted(store: &Store, line: &Pattern, keys: Keys) -> Option<(Vec<u32>, Pattern)> {
    let alike = || {
        store
            .listed(keys[BY_QUOTES])
            .filter(|(_, slot)| quotes::are_alike(&slot.pattern, line))
    };
    if alike().count() + 1 < quotes::MIN_TEMPLATES {
        return None;
    }
    let patterns: Vec<&Pattern> = alike().map(|(_, slot)| &slot.pattern).collect();
    let general = quotes::generalised(line, &patterns)?;
    let covered = alike().filter(|(_, slot)| quotes::covers(&general, &slot.pattern));
    Some((covered.map(|(index, _)| index).collect(), general))
}
