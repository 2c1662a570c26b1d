//! Lines by their fingerprint: a fixed table that is asked before anything else.

/// Places a fingerprint may stand in.
const WAYS: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// 0: empty.
    print: u64,
    slot: u32,
    generation: u32,
}

/// From fingerprints to templates. It forgets: what is asked for and not found is matched anew.
#[derive(Debug)]
pub(super) struct Cache {
    sets: Vec<[Entry; WAYS]>,
}

impl Cache {
    /// With room for about this many fingerprints.
    pub(super) fn new(entries: usize) -> Self {
        let sets = (entries / WAYS).max(1).next_power_of_two();
        Self {
            sets: vec![[Entry::default(); WAYS]; sets],
        }
    }

    fn set(&self, print: u64) -> usize {
        // The upper bits are the best mixed.
        (print >> 32) as usize & (self.sets.len() - 1)
    }

    /// The slot and its generation.
    pub(super) fn get(&self, print: u64) -> Option<(u32, u32)> {
        let set = self.sets.get(self.set(print))?;
        let entry = set.iter().find(|entry| entry.print == print)?;
        Some((entry.slot, entry.generation))
    }

    /// Remembers; one of the set is forgotten when it is full.
    pub(super) fn put(&mut self, print: u64, slot: u32, generation: u32) {
        let index = self.set(print);
        let Some(set) = self.sets.get_mut(index) else {
            return;
        };
        let free = set
            .iter()
            .position(|entry| entry.print == print || entry.print == 0);
        let way = free.unwrap_or((print >> 8) as usize % WAYS);
        if let Some(entry) = set.get_mut(way) {
            *entry = Entry {
                print,
                slot,
                generation,
            };
        }
    }
}
