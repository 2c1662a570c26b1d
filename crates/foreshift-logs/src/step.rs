//! The step from a line to a template and a class.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use foreshift_domain::log::ErrorClass;

use crate::line::{LogLine, Severity};
use crate::miner::MAX_LINE_BYTES;
use crate::phrases::PHRASES;
use crate::structured::{self, Finding};
use crate::template::template_id;

/// What is left of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Id of the line's template; 0 for a blank line.
    pub template: u64,
    /// What the line says went wrong.
    pub class: ErrorClass,
}

/// The table of phrases could not be compiled.
#[derive(Debug, thiserror::Error)]
#[error("the table of phrases cannot be compiled")]
pub struct PhraseTableInvalid(#[from] aho_corasick::BuildError);

/// Reads lines. Cheap to share, without state.
#[derive(Clone, Debug)]
pub struct LogStep {
    phrases: AhoCorasick,
}

impl LogStep {
    /// Compiles the table of phrases.
    ///
    /// # Errors
    /// When the table is too large to compile, which a test excludes.
    pub fn new() -> Result<Self, PhraseTableInvalid> {
        let phrases = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::DFA))
            .build(PHRASES.iter().map(|(phrase, _)| *phrase))?;
        Ok(Self { phrases })
    }

    /// Reads one line. Structured fields come first; the text decides where they are silent, and where one
    /// status stands for unlike failures (a 429 for rate and for credit). Lines for developers have no class.
    pub fn read(&self, line: &LogLine<'_>) -> Reading {
        Reading {
            template: template_id(line.message),
            class: self.class(line),
        }
    }

    fn class(&self, line: &LogLine<'_>) -> ErrorClass {
        match structured::find(line) {
            Some(Finding {
                class,
                refinable: false,
            }) => class,
            Some(Finding {
                class,
                refinable: true,
            }) => self
                .phrase(line.message, |phrase| structured::refines(class, phrase))
                .unwrap_or(class),
            None if line.severity == Some(Severity::Debug) => ErrorClass::None,
            None => self.phrase(line.message, |_| true).unwrap_or(ErrorClass::None),
        }
    }

    /// The class of the phrase highest in the table among those in the text that `fits` accepts.
    fn phrase(&self, text: &str, fits: impl Fn(ErrorClass) -> bool) -> Option<ErrorClass> {
        let bytes = text.as_bytes();
        let bytes = bytes.get(..MAX_LINE_BYTES).unwrap_or(bytes);
        self.phrases
            .find_iter(bytes)
            .map(|found| found.pattern().as_usize())
            .filter_map(|rank| PHRASES.get(rank).map(|(_, class)| (rank, *class)))
            .filter(|(_, class)| fits(*class))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, class)| class)
    }
}

#[cfg(test)]
mod tests;
