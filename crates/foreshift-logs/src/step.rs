//! The step from a line to a template and a class.

use foreshift_domain::log::ErrorClass;

use crate::classify::{Classifier, ClassifierInvalid};
use crate::line::LogLine;
use crate::template::template_id;

/// What is left of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Id of the line's template; 0 for a blank line.
    pub template: u64,
    /// What the line says went wrong.
    pub class: ErrorClass,
}

/// Reads lines. Cheap to share, without state.
#[derive(Clone, Debug)]
pub struct LogStep {
    classifier: Classifier,
}

impl LogStep {
    /// Reads with the classifier of this build.
    ///
    /// # Errors
    /// When its tables cannot be used, which a test excludes.
    pub fn new() -> Result<Self, ClassifierInvalid> {
        Ok(Self {
            classifier: Classifier::shipped()?,
        })
    }

    /// Reads one line.
    pub fn read(&self, line: &LogLine<'_>) -> Reading {
        Reading {
            template: template_id(line.message),
            class: self.classifier.class(line).class,
        }
    }
}

#[cfg(test)]
mod tests;
