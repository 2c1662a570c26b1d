//! The templates: found by skeleton and by id, joined when they become alike, forgotten when they are too many.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::grouping::{self, Difference};
use super::pattern::Pattern;
use super::scan::print_of;
use super::{Settings, Template, tokens};

/// Templates of one skeleton that a new line is compared with, the newest first: a bound on the work for one line.
const MAX_COMPARED: usize = 256;
/// Replaced ids that a template still answers to; the oldest are forgotten.
const MAX_OLD_IDS: usize = 32;
/// Bytes of a template beside its text and columns: its place in the maps, and all of its old ids.
const SLOT_BYTES: usize = 256 + MAX_OLD_IDS * 32;

#[derive(Debug)]
struct Slot {
    /// 0 for a free slot.
    id: u64,
    pattern: Pattern,
    skeleton: u64,
    tokens: u64,
    lines: u64,
    old_ids: Vec<u64>,
    /// Rises when the slot is given to another template.
    generation: u32,
    /// Whether it was hit since the hand passed.
    used: bool,
}

impl Slot {
    fn bytes(&self) -> usize {
        SLOT_BYTES
            + self.pattern.text.len()
            + self.pattern.columns.len() * size_of::<super::pattern::Column>()
    }
}

/// What became of a line that the cache did not know.
pub(super) struct Learned {
    pub(super) id: u64,
    pub(super) slot: u32,
    pub(super) generation: u32,
    pub(super) is_new: bool,
}

/// A template as it is stored.
pub(super) struct Saved<'a> {
    pub(super) pattern: &'a Pattern,
    pub(super) lines: u64,
    pub(super) old_ids: &'a [u64],
}

type Map<T> = IndexMap<u64, T, FxBuildHasher>;

#[derive(Debug)]
pub(super) struct Store {
    settings: Settings,
    slots: Vec<Slot>,
    free: Vec<u32>,
    ids: Map<u32>,
    skeletons: Map<Vec<u32>>,
    tokens: Map<Vec<u32>>,
    bytes: usize,
    hand: usize,
    /// Templates forgotten because there were too many.
    pub(super) evicted: u64,
}

impl Store {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            slots: Vec::new(),
            free: Vec::new(),
            ids: Map::default(),
            skeletons: Map::default(),
            tokens: Map::default(),
            bytes: 0,
            hand: 0,
            evicted: 0,
        }
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize).filter(|slot| slot.id != 0)
    }

    /// Counts a line of a template; `None` if the slot has another template now.
    pub(super) fn hit(&mut self, index: u32, generation: u32) -> Option<u64> {
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        slot.lines += 1;
        slot.used = true;
        Some(slot.id)
    }

    pub(super) fn id(&self, index: u32, generation: u32) -> Option<u64> {
        let slot = self.slot(index)?;
        (slot.generation == generation).then_some(slot.id)
    }

    pub(super) fn template(&self, id: u64) -> Option<Template<'_>> {
        let slot = self.slot(*self.ids.get(&id)?)?;
        Some(slot_template(slot))
    }

    pub(super) fn templates(&self) -> impl Iterator<Item = Template<'_>> {
        self.slots.iter().filter(|slot| slot.id != 0).map(slot_template)
    }

    pub(super) fn saved(&self) -> impl Iterator<Item = Saved<'_>> {
        let kept = self.slots.iter().filter(|slot| slot.id != 0);
        kept.map(|slot| Saved {
            pattern: &slot.pattern,
            lines: slot.lines,
            old_ids: &slot.old_ids,
        })
    }

    /// Takes a stored template in, unless it is there already or there is no more room.
    pub(super) fn restore(&mut self, saved: Saved<'_>) {
        let is_known = self.ids.contains_key(&id_of(&saved.pattern.text));
        if is_known || self.is_full() {
            return;
        }
        let added = self.add(saved.pattern.clone(), saved.pattern.skeleton());
        let Some(slot) = self.slots.get_mut(added.slot as usize) else {
            return;
        };
        slot.lines = saved.lines;
        for id in saved.old_ids.iter().take(MAX_OLD_IDS).filter(|id| **id != 0) {
            if !self.ids.contains_key(id) {
                self.ids.insert(*id, added.slot);
                slot.old_ids.push(*id);
            }
        }
    }

    fn is_full(&self) -> bool {
        let count = self.slots.len() - self.free.len();
        count >= self.settings.max_templates.max(1)
            || (self.bytes > self.settings.max_template_bytes && count > 0)
    }

    /// The template that a line fits best, of those that need not change but for their values.
    pub(super) fn find(&self, line: &Pattern) -> Option<u64> {
        let compared = self.compared(line, line.skeleton());
        let best = best_fit(&compared).or_else(|| self.alike(line))?;
        self.slot(best).map(|slot| slot.id)
    }

    /// The templates that differ from a line in the same columns of words, if they are enough to see that it is no
    /// accident: the fewest columns that will do.
    fn family(&self, line: &Pattern, compared: &[(u32, Difference)]) -> Option<Vec<u32>> {
        let mut candidates: Vec<u128> = compared
            .iter()
            .map(|(_, difference)| difference.words)
            .filter(|words| *words != 0)
            .collect();
        candidates.sort_unstable_by_key(|columns| (columns.count_ones(), *columns));
        candidates.dedup();
        for differing in candidates {
            let members = compared.iter().filter(|(_, difference)| {
                difference.words & !differing == 0 && difference.equal >= 2 * difference.mixed
            });
            let equal = members
                .clone()
                .map(|(_, difference)| difference.equal)
                .min()
                .unwrap_or(0);
            let slots = members.clone().filter_map(|(index, _)| self.slot(*index));
            let fresh = slots.clone().all(|slot| slot.lines == 1);
            let columns = slots.map(|slot| slot.pattern.columns.as_slice());
            let Some(needed) = grouping::votes_needed(&line.columns, columns, differing, equal, fresh) else {
                continue;
            };
            let members: Vec<u32> = members.map(|(index, _)| *index).collect();
            if members.len() + 1 >= needed as usize {
                return Some(members);
            }
        }
        None
    }

    /// The template that a line fits best token by token.
    fn alike(&self, line: &Pattern) -> Option<u32> {
        let slots = self.tokens.get(&tokens::key(line))?;
        let alike = slots.iter().rev().take(MAX_COMPARED).filter_map(|index| {
            let likeness = tokens::likeness(&self.slot(*index)?.pattern, line)?;
            Some((likeness, std::cmp::Reverse(*index)))
        });
        alike.max().map(|(_, index)| index.0)
    }

    fn compared(&self, line: &Pattern, skeleton: u64) -> Vec<(u32, Difference)> {
        let slots = self
            .skeletons
            .get(&skeleton)
            .map(Vec::as_slice)
            .unwrap_or_default();
        slots
            .iter()
            .rev()
            .take(MAX_COMPARED)
            .filter_map(|index| {
                let slot = self.slot(*index)?;
                Some((*index, grouping::compare(&slot.pattern.columns, &line.columns)?))
            })
            .collect()
    }

    /// Gives a line its template, a new one if need be.
    pub(super) fn learn(&mut self, line: Pattern) -> Learned {
        let skeleton = line.skeleton();
        let compared = self.compared(&line, skeleton);
        if let Some(index) = best_fit(&compared) {
            let joined = self
                .slot(index)
                .map(|slot| slot.pattern.join(&line))
                .unwrap_or_default();
            return self.count(index, joined);
        }
        if let Some(index) = self.alike(&line) {
            let joined = self
                .slot(index)
                .map(|slot| tokens::join(&slot.pattern, &line))
                .unwrap_or_default();
            return self.count(index, joined);
        }
        match self.family(&line, &compared).as_deref() {
            Some([first, others @ ..]) => {
                let mut joined = line;
                for index in [first].into_iter().chain(others) {
                    if let Some(slot) = self.slot(*index) {
                        joined = slot.pattern.join(&joined);
                    }
                }
                for index in others {
                    self.merge(*index, *first);
                }
                self.count(*first, joined)
            }
            _ => self.add(line, skeleton),
        }
    }

    /// Counts a line for a template, which becomes as general as `joined`.
    fn count(&mut self, index: u32, joined: Pattern) -> Learned {
        let index = self.generalise(index, joined);
        let (changed, index) = index;
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return Learned {
                id: 0,
                slot: index,
                generation: 0,
                is_new: false,
            };
        };
        slot.lines += 1;
        slot.used = true;
        Learned {
            id: slot.id,
            slot: index,
            generation: slot.generation,
            is_new: changed,
        }
    }

    /// Gives a template a more general pattern. If another has that text already they become one; gives whether the
    /// text is new, and the slot.
    fn generalise(&mut self, index: u32, joined: Pattern) -> (bool, u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return (false, index);
        };
        if slot.pattern.text == joined.text {
            return (false, index);
        }
        let id = id_of(&joined.text);
        let before = slot.bytes();
        slot.pattern = joined;
        self.bytes = self.bytes + slot.bytes() - before;
        let skeleton = slot.pattern.skeleton();
        if skeleton != slot.skeleton {
            unlist(&mut self.skeletons, slot.skeleton, index);
            self.skeletons.entry(skeleton).or_default().push(index);
            slot.skeleton = skeleton;
        }
        let old = slot.id;
        slot.id = id;
        slot.old_ids.push(old);
        if slot.old_ids.len() > MAX_OLD_IDS {
            let oldest = slot.old_ids.remove(0);
            self.ids.swap_remove(&oldest);
        }
        let other = self.ids.insert(id, index).filter(|other| *other != index);
        if let Some(other) = other {
            self.merge(other, index);
        }
        self.absorb_alike(index);
        (true, index)
    }

    /// Joins the templates that a more general one covers.
    fn absorb_alike(&mut self, index: u32) {
        let Some(slot) = self.slot(index) else { return };
        let siblings = self
            .skeletons
            .get(&slot.skeleton)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let covered: Vec<u32> = siblings
            .iter()
            .copied()
            .filter(|other| *other != index)
            .filter(|other| {
                self.slot(*other)
                    .is_some_and(|other| covers(&slot.pattern, &other.pattern))
            })
            .collect();
        for other in covered {
            self.merge(other, index);
        }
    }

    /// Ends a template: its ids and lines go to another.
    fn merge(&mut self, from: u32, into: u32) {
        let Some((ids, lines)) = self.remove(from) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(into as usize) else {
            return;
        };
        slot.lines += lines;
        for id in ids {
            if id == slot.id {
                continue;
            }
            slot.old_ids.push(id);
            self.ids.insert(id, into);
        }
        let excess = slot.old_ids.len().saturating_sub(MAX_OLD_IDS);
        for old in slot.old_ids.drain(..excess) {
            self.ids.swap_remove(&old);
        }
    }

    /// Takes a template out; gives its ids, the current one last, and its lines.
    fn remove(&mut self, index: u32) -> Option<(Vec<u64>, u64)> {
        let slot = self.slots.get_mut(index as usize).filter(|slot| slot.id != 0)?;
        self.bytes -= slot.bytes();
        let mut ids = std::mem::take(&mut slot.old_ids);
        ids.push(slot.id);
        slot.id = 0;
        slot.generation = slot.generation.wrapping_add(1);
        slot.pattern = Pattern::default();
        let lines = std::mem::take(&mut slot.lines);
        let (skeleton, tokens) = (slot.skeleton, slot.tokens);
        for id in &ids {
            if self.ids.get(id) == Some(&index) {
                self.ids.swap_remove(id);
            }
        }
        unlist(&mut self.skeletons, skeleton, index);
        unlist(&mut self.tokens, tokens, index);
        self.free.push(index);
        Some((ids, lines))
    }

    fn add(&mut self, pattern: Pattern, skeleton: u64) -> Learned {
        let id = id_of(&pattern.text);
        // Two lines of one text but other columns are one template.
        if let Some(&index) = self.ids.get(&id) {
            let same = self
                .slot(index)
                .map(|slot| slot.pattern.clone())
                .unwrap_or_default();
            return self.count(index, same);
        }
        self.make_room();
        let tokens = tokens::key(&pattern);
        let index = self
            .free
            .pop()
            .unwrap_or(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        if index as usize == self.slots.len() {
            self.slots.push(Slot {
                id: 0,
                pattern: Pattern::default(),
                skeleton: 0,
                tokens: 0,
                lines: 0,
                old_ids: Vec::new(),
                generation: 0,
                used: false,
            });
        }
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return Learned {
                id,
                slot: index,
                generation: 0,
                is_new: true,
            };
        };
        slot.id = id;
        slot.pattern = pattern;
        slot.skeleton = skeleton;
        slot.tokens = tokens;
        slot.lines = 1;
        // What is seen once only is the first to be forgotten.
        slot.used = false;
        self.bytes += slot.bytes();
        self.ids.insert(id, index);
        self.skeletons.entry(skeleton).or_default().push(index);
        self.tokens.entry(tokens).or_default().push(index);
        Learned {
            id,
            slot: index,
            generation: slot.generation,
            is_new: true,
        }
    }

    /// Forgets templates until one more fits: the hand goes round and takes the first not hit since it passed.
    fn make_room(&mut self) {
        while self.is_full() {
            self.hand = (self.hand + 1) % self.slots.len().max(1);
            let hand = self.hand;
            let Some(slot) = self.slots.get_mut(hand) else {
                return;
            };
            if slot.used {
                slot.used = false;
            } else {
                let removed = self.remove(u32::try_from(hand).unwrap_or(u32::MAX));
                self.evicted += u64::from(removed.is_some());
            }
        }
    }
}

fn unlist(lists: &mut Map<Vec<u32>>, key: u64, index: u32) {
    let Some(list) = lists.get_mut(&key) else { return };
    list.retain(|other| *other != index);
    if list.is_empty() {
        lists.swap_remove(&key);
    }
}

fn slot_template(slot: &Slot) -> Template<'_> {
    Template {
        id: slot.id,
        text: &slot.pattern.text,
        lines: slot.lines,
    }
}

/// Ids are hashes of texts, so that they are equal between shards and over restarts. Never 0.
pub(crate) fn id_of(text: &str) -> u64 {
    print_of(text.as_bytes()).max(1)
}

fn covers(general: &Pattern, special: &Pattern) -> bool {
    grouping::compare(&general.columns, &special.columns)
        .is_some_and(|difference| difference.words == 0 && difference.mixed == 0)
}

/// Of the templates that a line belongs to, the one with most words in common.
fn best_fit(compared: &[(u32, Difference)]) -> Option<u32> {
    let fitting = compared
        .iter()
        .filter(|(_, difference)| grouping::fits(difference));
    let best = fitting.max_by_key(|(index, difference)| {
        (
            difference.equal,
            std::cmp::Reverse(difference.mixed),
            std::cmp::Reverse(*index),
        )
    });
    best.map(|(index, _)| *index)
}
