//! From a line to a template id and a class: fields, scrubbing, mining, classification. The state of one shard.

use foreshift_domain::Timestamp;
use foreshift_domain::log::ErrorClass;
use serde::{Deserialize, Serialize};

use crate::classes::{Classes, Overrides};
use crate::classify::{Classifier, ClassifierInvalid};
use crate::ledger::Ledger;
use crate::line::LogLine;
use crate::miner::{self, Miner};
use crate::record::Record;
use crate::redact::{Depth, Redactor, SecretTableInvalid};
use crate::samples::{SampleSettings, Samples};

/// What of a reader may be stored, with any serde format.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderSnapshot {
    miner: miner::Snapshot,
    ledger: Ledger,
}

/// What a reader is told.
#[derive(Clone, Debug, Default)]
pub struct ReaderSettings {
    /// Bounds of the miner.
    pub miner: miner::Settings,
    /// Classes that people gave to templates.
    pub overrides: Overrides,
    /// Whole lines to keep; none without it.
    pub samples: Option<SampleSettings>,
}

/// The tables of a reader cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReaderInvalid {
    /// Those of the classifier.
    #[error(transparent)]
    Classifier(#[from] ClassifierInvalid),
    /// Those of secrets.
    #[error(transparent)]
    Secrets(#[from] SecretTableInvalid),
}

/// A line as it came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its text, and the fields that came beside it; they win over what the text says of itself.
    pub line: LogLine<'a>,
    /// The error that came beside its message.
    pub error: Option<&'a str>,
    /// When it was written, by its sender's clock.
    pub time: Timestamp,
    /// Which instance wrote it: a hash, for telling sources apart.
    pub source: u64,
}

/// What is left of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Id of the line's template; 0 for a blank line.
    pub template: u64,
    /// What the line says went wrong.
    pub class: ErrorClass,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderCounters {
    /// Lines read.
    pub lines: u64,
    /// Texts of templates that were new, or became more general.
    pub new_templates: u64,
    /// Templates held now.
    pub templates: u64,
    /// Of these, those that may not be seen yet.
    pub private: u64,
    /// Templates forgotten because there were too many.
    pub evicted: u64,
}

/// Reads the lines of one shard.
#[derive(Debug)]
pub struct LogReader {
    redactor: Redactor,
    miner: Miner,
    classes: Classes,
    ledger: Ledger,
    samples: Option<Samples>,
    lines: u64,
    new_templates: u64,
}

impl LogReader {
    /// A reader that has seen nothing.
    ///
    /// # Errors
    /// When its tables cannot be used, which a test excludes.
    pub fn new(settings: ReaderSettings) -> Result<Self, ReaderInvalid> {
        Ok(Self {
            redactor: Redactor::new()?,
            miner: Miner::new(settings.miner),
            classes: Classes::new(Classifier::shipped()?, settings.overrides),
            ledger: Ledger::default(),
            samples: settings.samples.map(Samples::new),
            lines: 0,
            new_templates: 0,
        })
    }

    /// Goes on where a snapshot was taken; what of it does not fit the settings is left out.
    ///
    /// # Errors
    /// When its tables cannot be used, which a test excludes.
    pub fn restore(settings: ReaderSettings, snapshot: ReaderSnapshot) -> Result<Self, ReaderInvalid> {
        let miner = Miner::restore(settings.miner.clone(), snapshot.miner);
        Ok(Self {
            miner,
            ledger: snapshot.ledger,
            ..Self::new(settings)?
        })
    }

    /// What may be stored: texts of templates that may be seen and in which nothing is found that must not be, and
    /// numbers. Other templates are learned again, and have the same ids then.
    pub fn snapshot(&self) -> ReaderSnapshot {
        let mut miner = self.miner.snapshot();
        miner.retain(|text| {
            let is_public = self.ledger.is_public(miner::id_of(text));
            is_public && self.redactor.is_clean(text)
        });
        ReaderSnapshot {
            miner,
            ledger: self.ledger.clone(),
        }
    }

    /// Reads a line and learns from it.
    pub fn read(&mut self, arrival: &Arrival<'_>) -> Reading {
        let record = Record::of(&arrival.line, arrival.error);
        let text = self.redactor.scrub(&record.text, Depth::Secrets);
        let mined = self.miner.read(text.as_bytes());
        let (id, miner) = (mined.template, &self.miner);
        let class = self.classes.of(&record.line(&text), id, || miner.template(id));
        self.lines += 1;
        self.new_templates += u64::from(mined.is_new);
        if id != 0 {
            self.ledger.note(id, arrival.time, arrival.source);
            if let Some(samples) = &mut self.samples {
                samples.offer(id, &text, arrival.time, &self.redactor);
            }
        }
        Reading { template: id, class }
    }

    /// The id that an older one was replaced by, or itself.
    pub fn current(&self, template: u64) -> u64 {
        self.miner.current(template)
    }

    /// The text of a template, once it may be seen, and without what may never be.
    pub fn text(&self, template: u64) -> Option<String> {
        let template = self.miner.template(template)?;
        let is_public = self.ledger.is_public(template.id());
        is_public.then(|| {
            self.redactor
                .scrub(template.text(), Depth::Everything)
                .into_owned()
        })
    }

    /// Whether a text holds nothing that must be taken out of it.
    pub fn is_clean(&self, text: &str) -> bool {
        self.redactor.is_clean(text)
    }

    /// Whole lines of a template that may be seen.
    pub fn samples(&self, template: u64) -> Vec<&str> {
        let samples = self.samples.as_ref().filter(|_| self.ledger.is_public(template));
        samples
            .map(|samples| samples.of(template).collect())
            .unwrap_or_default()
    }

    /// Lets go what was kept for long enough. `now` is on the clock of the lines.
    pub fn expire(&mut self, now: Timestamp) {
        if let Some(samples) = &mut self.samples {
            samples.expire(now);
        }
    }

    /// Counters. Looks at every template.
    pub fn counters(&self) -> ReaderCounters {
        let (mut templates, mut private) = (0, 0);
        for template in self.miner.templates() {
            templates += 1;
            private += u64::from(!self.ledger.is_public(template.id()));
        }
        ReaderCounters {
            lines: self.lines,
            new_templates: self.new_templates,
            templates,
            private,
            evicted: self.miner.evicted(),
        }
    }
}

#[cfg(test)]
mod tests;
