//! The templates: found by what they have in common and by id, joined when they become alike, forgotten when they are
//! too many.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::pattern::{Column, Pattern};
use super::scan::{SEED, fold, print_of};
use super::{Settings, Template, grouping, quotes, tokens};

/// Templates that a new line is compared with in one way, the newest first: a bound on the work for one line.
const MAX_COMPARED: usize = 256;
/// Bytes of a template beside its text and columns: its slot and its place in the maps.
const SLOT_BYTES: usize = 256;
/// Bytes of a replaced id: in its template and in the map.
const OLD_ID_BYTES: usize = 40;

type Map<T> = IndexMap<u64, T, FxBuildHasher>;

/// What a template is found by, beside its id: skeleton, tokens, what stands outside of its quotes. 0 for none.
pub(super) type Keys = [u64; 3];

pub(super) const BY_SKELETON: usize = 0;
pub(super) const BY_TOKENS: usize = 1;
pub(super) const BY_QUOTES: usize = 2;

/// The keys of a line or template.
pub(super) fn keys(pattern: &Pattern) -> Keys {
    let salted = |way: usize, key: u64| fold(fold(SEED, way as u64), key).max(1);
    [
        salted(BY_SKELETON, pattern.skeleton()),
        salted(BY_TOKENS, tokens::key(pattern)),
        quotes::key(pattern).map_or(0, |key| salted(BY_QUOTES, key)),
    ]
}

#[derive(Debug, Default)]
pub(super) struct Slot {
    /// 0 for a free slot.
    id: u64,
    pub(super) pattern: Pattern,
    keys: Keys,
    pub(super) lines: u64,
    old_ids: Vec<u64>,
    /// Rises when the slot is given to another template.
    generation: u32,
    /// Whether it was hit since the hand passed.
    used: bool,
}

impl Slot {
    fn bytes(&self) -> usize {
        let columns = self.pattern.columns.len() * size_of::<Column>();
        SLOT_BYTES + self.pattern.text.len() + columns + self.old_ids.len() * OLD_ID_BYTES
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    fn template(&self) -> Template<'_> {
        Template {
            id: self.id,
            text: &self.pattern.text,
            lines: self.lines,
        }
    }
}

/// Where a line went that the cache did not know.
#[derive(Default)]
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

#[derive(Debug)]
pub(super) struct Store {
    settings: Settings,
    slots: Vec<Slot>,
    free: Vec<u32>,
    ids: Map<u32>,
    /// Slots by each of their keys, the newest last.
    lists: Map<Vec<u32>>,
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
            lists: Map::default(),
            bytes: 0,
            hand: 0,
            evicted: 0,
        }
    }

    pub(super) fn slot(&self, index: u32) -> Option<&Slot> {
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
        self.slot(*self.ids.get(&id)?).map(Slot::template)
    }

    pub(super) fn templates(&self) -> impl Iterator<Item = Template<'_>> {
        self.slots.iter().filter(|slot| slot.id != 0).map(Slot::template)
    }

    /// The templates that share a key, the newest first.
    pub(super) fn listed(&self, key: u64) -> impl Iterator<Item = (u32, &Slot)> {
        let list = self.lists.get(&key).map(Vec::as_slice).unwrap_or_default();
        let newest = list.iter().rev().take(MAX_COMPARED);
        newest.filter_map(|index| Some((*index, self.slot(*index)?)))
    }

    /// Counts a line for a template, which becomes as general as `joined`.
    pub(super) fn count(&mut self, index: u32, joined: Pattern) -> Learned {
        let is_new = self.generalise(index, joined);
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return Learned::default();
        };
        slot.lines += 1;
        slot.used = true;
        Learned {
            id: slot.id,
            slot: index,
            generation: slot.generation,
            is_new,
        }
    }

    /// Gives a template a more general pattern, and joins the templates that it covers now. Gives whether the text is
    /// another one.
    fn generalise(&mut self, index: u32, joined: Pattern) -> bool {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return false;
        };
        if slot.pattern.text == joined.text {
            return false;
        }
        let id = id_of(&joined.text);
        self.bytes -= slot.bytes();
        slot.old_ids.push(slot.id);
        slot.id = id;
        slot.pattern = joined;
        self.bytes += slot.bytes();
        let old_keys = std::mem::replace(&mut slot.keys, keys(&slot.pattern));
        if old_keys != slot.keys {
            let new_keys = slot.keys;
            self.unlist(old_keys, index);
            self.list(new_keys, index);
        }
        self.forget_oldest_ids(index);
        let same_text = self.ids.insert(id, index).filter(|other| *other != index);
        if let Some(other) = same_text {
            self.merge(other, index);
        }
        for other in self.covered(index) {
            self.merge(other, index);
        }
        true
    }

    /// The templates that say nothing that this one does not.
    fn covered(&self, index: u32) -> Vec<u32> {
        let Some(slot) = self.slot(index) else {
            return Vec::new();
        };
        let is_covered = |other: &Slot| {
            let difference = grouping::compare(&slot.pattern.columns, &other.pattern.columns);
            difference.is_some_and(|difference| difference.words == 0 && difference.mixed == 0)
        };
        self.listed(slot.keys[BY_SKELETON])
            .filter(|(other, slot)| *other != index && is_covered(slot))
            .map(|(other, _)| other)
            .collect()
    }

    /// Ends a template: its ids and lines go to another.
    pub(super) fn merge(&mut self, from: u32, into: u32) {
        let Some((ids, lines)) = self.remove(from) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(into as usize) else {
            return;
        };
        slot.lines += lines;
        self.bytes -= slot.bytes();
        for id in ids.into_iter().filter(|id| *id != slot.id) {
            slot.old_ids.push(id);
            self.ids.insert(id, into);
        }
        self.bytes += slot.bytes();
        self.forget_oldest_ids(into);
    }

    fn forget_oldest_ids(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return;
        };
        let excess = slot.old_ids.len().saturating_sub(self.settings.max_old_ids);
        self.bytes -= excess * OLD_ID_BYTES;
        for id in slot.old_ids.drain(..excess).filter(|id| *id != slot.id) {
            self.ids.swap_remove(&id);
        }
    }

    /// Takes a template out; gives its ids, the current one last, and its lines.
    fn remove(&mut self, index: u32) -> Option<(Vec<u64>, u64)> {
        let slot = self.slots.get_mut(index as usize).filter(|slot| slot.id != 0)?;
        self.bytes -= slot.bytes();
        let generation = slot.generation.wrapping_add(1);
        let removed = std::mem::replace(
            slot,
            Slot {
                generation,
                ..Slot::default()
            },
        );
        let mut ids = removed.old_ids;
        ids.push(removed.id);
        for id in &ids {
            if self.ids.get(id) == Some(&index) {
                self.ids.swap_remove(id);
            }
        }
        self.unlist(removed.keys, index);
        self.free.push(index);
        Some((ids, removed.lines))
    }

    fn list(&mut self, keys: Keys, index: u32) {
        for key in keys.into_iter().filter(|key| *key != 0) {
            self.lists.entry(key).or_default().push(index);
        }
    }

    fn unlist(&mut self, keys: Keys, index: u32) {
        for key in keys {
            let Some(list) = self.lists.get_mut(&key) else {
                continue;
            };
            list.retain(|other| *other != index);
            if list.is_empty() {
                self.lists.swap_remove(&key);
            }
        }
    }

    /// A template of its own for a line; the one that has its text already, if any.
    pub(super) fn add(&mut self, pattern: Pattern) -> Learned {
        let id = id_of(&pattern.text);
        if let Some(&index) = self.ids.get(&id) {
            let same = self.slot(index).map(|slot| slot.pattern.clone());
            return self.count(index, same.unwrap_or_default());
        }
        self.make_room();
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return Learned::default();
        };
        let keys = keys(&pattern);
        let generation = slot.generation;
        // Not used yet: what is seen once only is the first to be forgotten.
        *slot = Slot {
            id,
            pattern,
            keys,
            lines: 1,
            generation,
            ..Slot::default()
        };
        self.bytes += slot.bytes();
        self.ids.insert(id, index);
        self.list(keys, index);
        Learned {
            id,
            slot: index,
            generation,
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

    fn is_full(&self) -> bool {
        let count = self.slots.len() - self.free.len();
        let many = count >= self.settings.max_templates.max(1);
        many || (self.bytes > self.settings.max_template_bytes && count > 0)
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
        let added = self.add(saved.pattern.clone());
        let Some(slot) = self.slots.get_mut(added.slot as usize) else {
            return;
        };
        slot.lines = saved.lines;
        let old_ids = saved.old_ids.iter().take(self.settings.max_old_ids);
        for id in old_ids.filter(|id| **id != 0) {
            if !self.ids.contains_key(id) {
                self.ids.insert(*id, added.slot);
                slot.old_ids.push(*id);
                self.bytes += OLD_ID_BYTES;
            }
        }
    }
}

/// Ids are hashes of texts, so that they are equal between shards and over restarts. Never 0.
pub(crate) fn id_of(text: &str) -> u64 {
    print_of(text.as_bytes()).max(1)
}
