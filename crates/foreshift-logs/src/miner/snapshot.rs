//! A miner's templates in a form that can be stored.

use serde::{Deserialize, Serialize};

use super::pattern::{Part, Pattern};
use super::store::{Saved, Store};

/// The templates of a miner, to be stored with any serde format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    templates: Vec<SavedTemplate>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SavedTemplate {
    text: String,
    /// Part, whether a blank stands before it, and bytes of text.
    columns: Vec<(Part, bool, u16)>,
    lines: u64,
    old_ids: Vec<u64>,
}

impl Snapshot {
    /// Leaves out the templates whose text is not to be stored.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.templates.retain(|template| keep(&template.text));
    }

    pub(super) fn take(store: &Store) -> Self {
        let templates = store.saved().map(|saved| SavedTemplate {
            text: saved.pattern.text.clone(),
            columns: saved
                .pattern
                .columns
                .iter()
                .map(|column| (column.part, column.space, column.len))
                .collect(),
            lines: saved.lines,
            old_ids: saved.old_ids.to_vec(),
        });
        Self {
            templates: templates.collect(),
        }
    }

    pub(super) fn restore(self, store: &mut Store) {
        for template in self.templates {
            if let Some(pattern) = template.pattern() {
                store.restore(Saved {
                    pattern: &pattern,
                    lines: template.lines,
                    old_ids: &template.old_ids,
                });
            }
        }
    }
}

impl SavedTemplate {
    /// The pattern; `None` if text and columns do not belong together.
    fn pattern(&self) -> Option<Pattern> {
        let mut pattern = Pattern::default();
        let mut at = 0;
        for (part, space, len) in &self.columns {
            let start = at + usize::from(*space);
            at = start + usize::from(*len);
            pattern.push(*part, *space, self.text.get(start..at)?);
        }
        (pattern.text == self.text && !self.columns.is_empty()).then_some(pattern)
    }
}
