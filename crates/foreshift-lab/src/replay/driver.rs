//! The loop of a replay: source, intake, engine, outputs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Wait;

use anyhow::{Context, bail};
use foreshift_domain::fallback::Fallback;
use foreshift_domain::{Duration, Input, Timestamp};
use foreshift_engine::{Alert, Engine, Output};
use foreshift_ingest::journal::segments;
use foreshift_ingest::sequencer::{Outbox, Settings};
use foreshift_ingest::source::{CsvSource, JournalSource, Source};
use foreshift_ingest::{ClockMode, Decoded, Intake};

use super::Summary;
use super::progress::Progress;

/// Items taken at once: enough to amortise the loop, few enough to keep memory flat.
pub(crate) const BATCH_ITEMS: usize = 8_192;

/// How many refused rows are shown in full; the rest is counted.
const REFUSALS_SHOWN: u64 = 5;

/// Takes what the engine says.
pub(crate) trait Sink {
    fn take(&mut self, output: &Output) -> anyhow::Result<()>;
}

/// Nothing is of interest but a model that does not fit.
pub(crate) struct Nothing;

impl Sink for Nothing {
    fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        match output {
            Output::Alert(Alert::ModelRefused { name, reason }) => {
                bail!("{name} does not fit this configuration: {reason}")
            }
            _ => Ok(()),
        }
    }
}

/// A source, and how far it has come.
pub(crate) trait Recording: Source {
    fn progress(&self) -> Progress;
}

impl Recording for CsvSource {
    fn progress(&self) -> Progress {
        Progress::bytes(CsvSource::progress(self))
    }
}

impl Recording for JournalSource {
    fn progress(&self) -> Progress {
        Progress::spinner()
    }
}

/// Opens a recording by its name.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn Recording>> {
    if is_journal(path) {
        return Ok(Box::new(JournalSource::open(path)?));
    }
    Ok(Box::new(CsvSource::open(path)?))
}

fn is_journal(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "parquet")
}

/// Whether a folder is a journal itself.
pub(crate) fn holds_segments(dir: &Path) -> anyhow::Result<bool> {
    Ok(!segments(dir)?.is_empty())
}

/// Goes through the inputs of a journal; of another recording there are none.
pub(crate) fn inputs(path: &Path, take: &mut dyn FnMut(&Input) -> anyhow::Result<()>) -> anyhow::Result<()> {
    if !is_journal(path) {
        return Ok(());
    }
    let mut source = JournalSource::open(path)?;
    loop {
        let batch = source.poll(BATCH_ITEMS, Wait::ZERO)?;
        for item in batch.runs.iter().flat_map(|run| &run.items) {
            if let Decoded::Ordered(input) = &item.decoded {
                take(input)?;
            }
        }
        if batch.finished {
            return Ok(());
        }
    }
}

/// The newest event time of a recording.
pub(crate) fn newest(path: &Path) -> anyhow::Result<Timestamp> {
    let mut source = open(path)?;
    let mut newest = Timestamp::MIN;
    loop {
        let batch = source.poll(BATCH_ITEMS, Wait::ZERO)?;
        for item in batch.runs.iter().flat_map(|run| &run.items) {
            newest = newest.max(time_of(&item.decoded).unwrap_or(Timestamp::MIN));
        }
        if batch.finished {
            return Ok(newest);
        }
    }
}

pub(crate) fn time_of(item: &Decoded) -> Option<Timestamp> {
    match item {
        Decoded::Signal { signal, .. } | Decoded::Ordered(Input::Signal(signal)) => Some(signal.time),
        Decoded::Log { event, .. } | Decoded::Ordered(Input::Log(event)) => Some(event.time),
        Decoded::Cumulative(point) => Some(point.signal.time),
        Decoded::Ordered(_) => None,
    }
}

/// The fallback configuration that a journal begins with.
pub(crate) fn recorded_fallback(path: &Path) -> anyhow::Result<Arc<Fallback>> {
    if !is_journal(path) {
        bail!("a signal csv carries no configuration: name one with --config");
    }
    let mut source = JournalSource::open(path)?;
    loop {
        let batch = source.poll(BATCH_ITEMS, Wait::ZERO)?;
        for item in batch.runs.into_iter().flat_map(|run| run.items) {
            if let Decoded::Ordered(Input::Fallback(fallback)) = item.decoded {
                return Ok(fallback);
            }
        }
        if batch.finished {
            bail!(
                "{} holds no configuration: name one with --config",
                path.display()
            );
        }
    }
}

/// What was given, and is therefore not taken from a journal that recorded its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) fallback: bool,
    pub(crate) model: bool,
}

impl Given {
    pub(crate) const ALL: Self = Self {
        fallback: true,
        model: true,
    };

    const fn holds(self, input: &Input) -> bool {
        match input {
            Input::Fallback(_) => self.fallback,
            Input::Model(_) | Input::Challenger(_) => self.model,
            _ => false,
        }
    }
}

/// A replay under way.
pub(crate) struct Replay {
    pub(crate) engine: Engine,
    intake: Intake,
    given: Given,
    refused: u64,
}

impl Replay {
    pub(crate) fn new(
        engine: Engine,
        fallback: &Fallback,
        lateness: Duration,
        max_future: Duration,
        given: Given,
    ) -> Self {
        let settings = Settings {
            clock: ClockMode::Event,
            bucket: fallback.timing.bucket,
            lateness,
            max_future,
            idle_timeout: Duration::DAY,
        };
        Self {
            engine,
            intake: Intake::new(settings, fallback),
            given,
            refused: 0,
        }
    }

    /// Runs to the end of the recording.
    pub(crate) fn run(&mut self, source: &mut dyn Recording, outputs: &mut dyn Sink) -> anyhow::Result<()> {
        let progress = source.progress();
        let mut outbox = Outbox::default();
        self.drain(outputs)?;
        loop {
            let batch = source.poll(BATCH_ITEMS, Wait::ZERO)?;
            let finished = batch.finished;
            for refused in batch.runs.iter().flat_map(|run| &run.refused) {
                self.refused += 1;
                if self.refused <= REFUSALS_SHOWN {
                    progress.say(&format!("left out: line {}: {}", refused.offset, refused.why));
                }
            }
            // Files have no wall clock: only their end makes a partition idle.
            self.intake.accept(batch, Timestamp::MIN, &mut outbox);
            for refused in outbox.refused.drain(..) {
                self.refused += 1;
                if self.refused <= REFUSALS_SHOWN {
                    progress.say(&format!(
                        "left out: line {}: {}",
                        refused.origin.offset, refused.why
                    ));
                }
            }
            for sequenced in outbox.ordered.drain(..) {
                if self.given.holds(&sequenced.input) {
                    continue;
                }
                self.engine.handle(&sequenced.input);
                self.drain(outputs)?;
            }
            progress.show();
            if finished {
                progress.finish();
                return Ok(());
            }
        }
    }

    fn drain(&mut self, outputs: &mut dyn Sink) -> anyhow::Result<()> {
        while let Some(output) = self.engine.poll_output() {
            outputs.take(&output).context("cannot write the results")?;
        }
        Ok(())
    }

    pub(super) fn summary(&self, alerts: u64, seconds: f64) -> Summary {
        let counters = self.engine.counters();
        let published = self.engine.publish();
        Summary {
            rows_refused: self.refused,
            signals: counters.signals,
            late_signals: counters.late_signals,
            routes: published.routes.len(),
            targets: published.targets.len(),
            ticks: counters.ticks,
            predictions: counters.predictions,
            incidents: counters.incidents,
            positives: counters.positives,
            negatives: counters.negatives,
            unknowns: counters.unknowns,
            decisions: counters.decisions,
            alerts,
            seconds,
        }
    }
}
