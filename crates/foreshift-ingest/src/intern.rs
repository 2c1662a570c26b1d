//! Shares the text of names that come again and again, in bounded memory.

use rustc_hash::FxHashMap;

/// Names kept of one kind. Past it all are forgotten and met again: a runaway label costs time, not memory.
pub(crate) const MAX_INTERNED: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Interner<T> {
    known: FxHashMap<Box<str>, T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            known: FxHashMap::default(),
        }
    }
}

impl<T: Clone + for<'a> From<&'a str>> Interner<T> {
    /// The name of this text.
    pub(crate) fn get(&mut self, text: &str) -> T {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        if self.known.len() >= MAX_INTERNED {
            self.known.clear();
        }
        let name = T::from(text);
        self.known.insert(text.into(), name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshift_domain::TargetName;

    #[test]
    fn a_million_names_are_met_in_bounded_memory() {
        let mut names = Interner::<TargetName>::default();
        for number in 0..1_000_000 {
            let text = format!("t{number}");
            assert_eq!(names.get(&text).as_str(), text);
        }
        assert!(names.known.len() <= MAX_INTERNED);
    }
}
