//! From a line to its error class: structured evidence, then phrases, then a linear model that may decline.

mod embedded;
mod features;
mod mask;
mod model;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use foreshift_domain::log::ErrorClass;

use crate::line::{LogLine, Severity, head};
use crate::miner::MAX_LINE_BYTES;
use crate::phrases::{Phrases, Said};
use crate::structured::{self, Finding};

pub use features::{Buckets, of as buckets, words};
pub use mask::masked_text;
pub use model::{CLASSES, Model, ModelInvalid};

/// The model of this build, as in models/logs.
const SHIPPED: &[u8] = include_bytes!("../../../models/logs/1/model.bin");

/// How often a source is right is not measured for each line: these are rounded from what the model's card reports
/// over whole systems left out.
const EXACT_CONFIDENCE: f32 = 0.98;
const ROUGH_CONFIDENCE: f32 = 0.9;
const PHRASE_CONFIDENCE: f32 = 0.9;
/// What a phrase adds to the log-odds of its class: strong, but a model that is sure of another class prevails.
const PHRASE_LOG_ODDS: f32 = 3.0;

/// What a line says went wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The class; [`ErrorClass::None`] when rejected.
    pub class: ErrorClass,
    /// How likely that is right, from 0 to 1: measured for kinds of evidence, a probability for the model.
    pub confidence: f32,
    /// What decided.
    pub by: Source,
}

/// What decided over a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A field, or structured evidence inside the text.
    Structured,
    /// A phrase.
    Phrase,
    /// The linear model.
    Model,
    /// Nothing: the model was not sure enough.
    Rejected,
}

/// The tables of a classifier cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierInvalid {
    /// The table of phrases.
    #[error("the table of phrases cannot be compiled")]
    Phrases(#[from] aho_corasick::BuildError),
    /// The built-in model.
    #[error("the built-in model of log classes cannot be read")]
    Model(#[from] ModelInvalid),
}

/// Tells apart what lines say went wrong. Cheap to clone, without state. Meant to run once for each template.
#[derive(Clone, Debug)]
pub struct Classifier {
    phrases: Arc<Phrases>,
    model: Model,
}

impl Classifier {
    /// A classifier with this model for what no rule knows.
    ///
    /// # Errors
    /// When the table of phrases is too large to compile, which a test excludes.
    pub fn new(model: &Model) -> Result<Self, ClassifierInvalid> {
        Ok(Self {
            phrases: Arc::new(Phrases::compile()?),
            model: model.clone(),
        })
    }

    /// The classifier with the model of this build.
    ///
    /// # Errors
    /// When the built-in model cannot be read, which a test excludes.
    pub fn shipped() -> Result<Self, ClassifierInvalid> {
        Self::new(&Model::from_bytes(SHIPPED)?)
    }

    /// The model that it asks where no rule knows.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// What the line says went wrong. Its text is read up to [`MAX_LINE_BYTES`].
    pub fn class(&self, line: &LogLine<'_>) -> Verdict {
        let text = head(line.message, MAX_LINE_BYTES);
        self.by_fields(line, text).unwrap_or_else(|| {
            let said = self.phrases.find(text, |_| true);
            match said {
                Some(Said {
                    class,
                    compelling: true,
                }) => by_phrase(class),
                said => self.weighed(text, said.map(|said| said.class)),
            }
        })
    }

    /// The verdict of fields, structured text and phrases alone; `None` where they are silent.
    pub fn by_rule(&self, line: &LogLine<'_>) -> Option<Verdict> {
        let text = head(line.message, MAX_LINE_BYTES);
        let by_phrases = || {
            self.phrases
                .find(text, |_| true)
                .map(|said| by_phrase(said.class))
        };
        self.by_fields(line, text).or_else(by_phrases)
    }

    fn by_fields(&self, line: &LogLine<'_>, text: &str) -> Option<Verdict> {
        match structured::find(line, self.inside(text)) {
            Some(Finding { class, refinable }) => Some(self.structured(text, class, refinable)),
            None if line.severity == Some(Severity::Debug) || text.trim().is_empty() => {
                Some(exactly(ErrorClass::None))
            }
            None => None,
        }
    }

    /// Structured evidence inside the text, unless the text says that it is over: "succeeded after a 503".
    fn inside(&self, text: &str) -> Option<Finding> {
        embedded::find(text).filter(|_| !self.phrases.harmless(text))
    }

    /// The model's verdict, with the phrase that was found as strong but not compelling evidence.
    fn weighed(&self, text: &str, phrase: Option<ErrorClass>) -> Verdict {
        let (class, confidence) = self
            .model
            .best(text, phrase.map(|class| (class, PHRASE_LOG_ODDS)));
        let by = match phrase {
            Some(phrase) if phrase == class => Source::Phrase,
            _ if confidence >= self.model.reject_below => Source::Model,
            _ => Source::Rejected,
        };
        Verdict {
            class: if by == Source::Rejected {
                ErrorClass::None
            } else {
                class
            },
            confidence,
            by,
        }
    }

    /// Statuses are shared by unlike failures: the text decides between them (a 429 for rate and for credit).
    fn structured(&self, text: &str, class: ErrorClass, refinable: bool) -> Verdict {
        if !refinable {
            return exactly(class);
        }
        let finer = self
            .phrases
            .find(text, |phrase| structured::refines(class, phrase));
        Verdict {
            class: finer.map_or(class, |said| said.class),
            confidence: ROUGH_CONFIDENCE,
            by: Source::Structured,
        }
    }
}

const fn exactly(class: ErrorClass) -> Verdict {
    Verdict {
        class,
        confidence: EXACT_CONFIDENCE,
        by: Source::Structured,
    }
}

const fn by_phrase(class: ErrorClass) -> Verdict {
    Verdict {
        class,
        confidence: PHRASE_CONFIDENCE,
        by: Source::Phrase,
    }
}
