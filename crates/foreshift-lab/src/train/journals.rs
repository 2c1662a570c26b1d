//! The journals that a model learns from: what each of them is for, and in what order.

use std::path::{Path, PathBuf};

use super::grow::Pattern;
use super::recorded;

/// Journals, each with one use: what one has learned from tells nothing of the other's worth.
pub(super) struct Journals {
    pub(super) of_trees: Vec<PathBuf>,
    pub(super) learned_from: Vec<PathBuf>,
    pub(super) held_out: Vec<PathBuf>,
}

impl Journals {
    pub(super) fn of(folder: &Path, trees: bool) -> anyhow::Result<Self> {
        let mut journals = Self {
            of_trees: Vec::new(),
            learned_from: Vec::new(),
            held_out: Vec::new(),
        };
        for (index, journal) in recorded::journals(folder)?.into_iter().enumerate() {
            match index % 5 {
                4 => journals.held_out.push(journal),
                0 | 2 if trees => journals.of_trees.push(journal),
                _ => journals.learned_from.push(journal),
            }
        }
        Ok(journals)
    }

    /// The routes of those that trees are not grown on, as `extract` names them.
    pub(super) fn not_of_trees(&self, folder: &Path) -> Vec<Pattern> {
        let others = self.learned_from.iter().chain(&self.held_out);
        others
            .map(|journal| Pattern::below(&crate::extract::prefix(folder, journal)))
            .collect()
    }
}

/// The journals of all folders, each folder's spread over the whole: an online model leans to what it learned last.
pub(super) fn in_turns<'a>(folders: impl Iterator<Item = &'a [PathBuf]>) -> Vec<&'a PathBuf> {
    let placed = |journals: &'a [PathBuf]| {
        let count = journals.len() as f64;
        let place = move |index: usize| (index as f64 + 0.5) / count;
        let journals = journals.iter().enumerate();
        journals.map(move |(index, journal)| (place(index), journal))
    };
    let mut placed: Vec<_> = folders.flat_map(placed).collect();
    placed.sort_by(|one, other| one.0.total_cmp(&other.0));
    placed.into_iter().map(|(_, journal)| journal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_folder_is_spread_over_a_large_one() {
        let folder = |name: &str, count: usize| -> Vec<PathBuf> {
            (0..count)
                .map(|index| Path::new(name).join(index.to_string()))
                .collect()
        };
        let (large, small) = (folder("large", 6), folder("small", 2));
        let mixed = in_turns([large.as_slice(), &small].into_iter());
        let mixed: Vec<String> = mixed.iter().map(|path| path.display().to_string()).collect();
        assert_eq!(
            mixed,
            [
                "large/0", "large/1", "small/0", "large/2", "large/3", "large/4", "small/1", "large/5"
            ]
        );
        assert_eq!(
            in_turns([large.as_slice()].into_iter()),
            large.iter().collect::<Vec<_>>()
        );
    }
}
