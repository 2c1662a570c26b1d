//! Collects what is wrong and what is doubtful while a file is converted.

use crate::error::ConfigError;
use crate::tree::{At, Tree};

/// Mistakes and warnings of one file.
pub(crate) struct Report<'a> {
    file: &'a str,
    tree: &'a Tree,
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, tree: &'a Tree) -> Self {
        Self {
            file,
            tree,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn note(&self, at: &At, message: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        let place = self.tree.nearest_place(at);
        ConfigError::new(self.file, place, self.tree.show(at), message, hint)
    }

    /// A mistake at a path; what is not written is placed at the nearest section above it.
    pub(crate) fn error(&mut self, at: &At, message: impl Into<String>, hint: impl Into<String>) {
        let error = self.note(at, message, hint);
        self.errors.push(error);
    }

    /// A mistake unless `holds`.
    pub(crate) fn require(&mut self, holds: bool, at: &At, message: impl Into<String>, hint: &str) {
        if !holds {
            self.error(at, message, hint);
        }
    }

    /// Something allowed that is probably not meant.
    pub(crate) fn warn(&mut self, at: &At, message: impl Into<String>) {
        let warning = self.note(at, message, "").to_string();
        self.warnings.push(warning);
    }
}
