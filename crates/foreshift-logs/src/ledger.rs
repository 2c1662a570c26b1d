//! Which templates may be seen by people and written to disk: those that were seen often, and by more than one source
//! or for longer than a moment. Before that a template may be one request's own text.
//!
//! Times are those of the lines: whoever replays them gets the same answers. What is kept are numbers.

use foreshift_domain::{Duration, Timestamp};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

/// Lines after which a template may be seen, if it also has one of the next two.
pub const LEAST_LINES: u32 = 3;
/// Between the oldest and the newest line, where all are of one source.
pub const LEAST_SPAN: Duration = Duration::from_secs(3_600);
/// Templates that are kept count of; when there are more, one that was not seen for long is forgotten, and private
/// again. Twice what a miner keeps by default, since templates that generalise leave their old ids behind.
pub const MAX_ENTRIES: usize = 32_768;

/// What is known of one template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    lines: u32,
    oldest: Timestamp,
    newest: Timestamp,
    source: u64,
    has_two_sources: bool,
    /// Whether it was seen since the hand passed.
    used: bool,
}

/// Keeps count of templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    entries: IndexMap<u64, Entry, FxBuildHasher>,
    hand: usize,
}

impl Ledger {
    /// Notes a line of a template, at its own time, from this source.
    pub fn note(&mut self, template: u64, time: Timestamp, source: u64) {
        if let Some(entry) = self.entries.get_mut(&template) {
            entry.lines = entry.lines.saturating_add(1);
            entry.oldest = entry.oldest.min(time);
            entry.newest = entry.newest.max(time);
            entry.has_two_sources |= entry.source != source;
            entry.used = true;
            return;
        }
        if self.entries.len() >= MAX_ENTRIES {
            self.evict();
        }
        let entry = Entry {
            lines: 1,
            oldest: time,
            newest: time,
            source,
            has_two_sources: false,
            used: true,
        };
        self.entries.insert(template, entry);
    }

    /// Whether the text of a template may be seen.
    pub fn is_public(&self, template: u64) -> bool {
        self.entries.get(&template).is_some_and(|entry| {
            let lasted = entry.newest.since(entry.oldest) >= LEAST_SPAN;
            entry.lines >= LEAST_LINES && (entry.has_two_sources || lasted)
        })
    }

    /// Lets the first go that was not seen since the hand passed it.
    fn evict(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.entries.len().max(1);
            match self.entries.get_index_mut(self.hand) {
                Some((_, entry)) if entry.used => entry.used = false,
                Some(_) => {
                    self.entries.swap_remove_index(self.hand);
                    return;
                }
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1_000);

    fn noted(lines: &[(i64, u64)]) -> bool {
        let mut ledger = Ledger::default();
        for (after, source) in lines {
            ledger.note(7, AT + Duration::from_secs(*after), *source);
        }
        ledger.is_public(7)
    }

    #[test]
    fn three_lines_are_not_enough_without_a_second_source_or_an_hour() {
        assert!(!noted(&[(0, 1), (0, 1), (1, 1), (3_599, 1)]));
        assert!(noted(&[(0, 1), (0, 2), (0, 1)]));
        assert!(noted(&[(0, 1), (1, 1), (3_600, 1)]));
    }

    #[test]
    fn two_lines_are_not_enough_whatever_else_they_have() {
        assert!(!noted(&[(0, 1), (9_999, 2)]));
        assert!(!noted(&[]));
    }

    #[test]
    fn lines_may_come_in_any_order() {
        assert!(noted(&[(3_600, 1), (0, 1), (5, 1)]));
    }

    #[test]
    fn what_overflows_is_forgotten_and_private_again() {
        let mut ledger = Ledger::default();
        for template in 0..MAX_ENTRIES as u64 {
            for source in [1, 2, 1] {
                ledger.note(template, AT, source);
            }
        }
        let busy = 5;
        for template in 0..MAX_ENTRIES as u64 / 2 {
            ledger.note(busy, AT, 1);
            ledger.note(1_000_000 + template, AT, 1);
        }
        assert_eq!(ledger.entries.len(), MAX_ENTRIES);
        assert!(ledger.is_public(busy), "what is seen often stays");
        assert!((0..MAX_ENTRIES as u64).any(|template| !ledger.is_public(template)));
    }
}
