//! A recording through the engine, stretch by stretch, with a model that learns on the way.
//!
//! A signal CSV is served by that model, and nothing is steered. A journal is played as it was served, by the models it
//! recorded, and the model stands in their shadow: it learns from the same labels, and those know what was hidden by
//! weights that were moved.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Wait;

use anyhow::Context;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::prediction::Comparison;
use foreshift_domain::{Duration, Input, ModelUpdate, Timestamp};
use foreshift_engine::Engine;
use foreshift_ingest::Decoded;
use foreshift_ingest::sequencer::PartitionKey;
use foreshift_ingest::source::{Batch, Item, Positions, Run, Source, SourceError};
use foreshift_predict::Model;

use super::grow::Pattern;
use crate::replay::driver::{self, Given, Recording, Replay, Sink};
use crate::replay::progress::Progress;

/// How much later than a younger row a row of a CSV may stand and still count.
const LATENESS: Duration = Duration::from_secs(300);

/// A recording under way.
pub(crate) struct Passage {
    replay: Replay,
    source: Stretches,
    in_shadow: bool,
}

impl Passage {
    /// The model serves; `fallback` counts, and not what a journal recorded. What comes from `end` on and what is of the
    /// routes of `without` is left out.
    pub(crate) fn serving(
        input: &Path,
        fallback: &Arc<Fallback>,
        model: Model,
        end: Timestamp,
        without: &[Pattern],
    ) -> anyhow::Result<Self> {
        let engine = Engine::new(1, Arc::clone(fallback), model);
        Ok(Self {
            replay: Replay::new(engine, fallback, LATENESS, Duration::DAY * 365, Given::ALL),
            source: Stretches::new(driver::open(input)?, end, without.to_vec()),
            in_shadow: false,
        })
    }

    /// Everything as a journal recorded it, but for challengers. `fallback` is what it begins with.
    pub(crate) fn served(journal: &Path, fallback: &Arc<Fallback>) -> anyhow::Result<Self> {
        let engine = Engine::new(1, Arc::clone(fallback), foreshift_engine::fresh_model(fallback));
        let given = Given {
            fallback: false,
            model: false,
        };
        Ok(Self {
            replay: Replay::new(engine, fallback, LATENESS, Duration::DAY * 365, given),
            source: Stretches::new(driver::open(journal)?, Timestamp::MAX, Vec::new()),
            in_shadow: true,
        })
    }

    /// What is predicted from here on can be explained.
    pub(crate) fn explain(&mut self) {
        self.replay.engine.give_explanations(true);
    }

    /// On to the first record of this time, or to the end.
    pub(crate) fn until(&mut self, time: Timestamp, sink: &mut dyn Sink) -> anyhow::Result<()> {
        self.source.until = time;
        self.replay.run(&mut self.source, sink)
    }

    /// From here on this model stands in the shadow of what was served, and is compared with it.
    pub(crate) fn challenge(&mut self, model: &Model) -> anyhow::Result<()> {
        self.replay
            .engine
            .handle(&Input::Challenger(Some(Arc::new(ModelUpdate {
                name: model.version().name,
                model_json: model.to_json()?,
                ..ModelUpdate::default()
            }))));
        Ok(())
    }

    /// The model as it is now.
    pub(crate) fn model(&self) -> anyhow::Result<&Model> {
        let engine = self.engine();
        if !self.in_shadow {
            return Ok(engine.model());
        }
        engine.challenger().context("no model stands in the shadow")
    }

    /// What serves, and all that is known.
    pub(crate) fn engine(&self) -> &Engine {
        &self.replay.engine
    }

    /// How the model in the shadow compares with what was served.
    pub(crate) fn comparison(&self) -> anyhow::Result<Comparison> {
        let models = self.engine().models();
        let challenger = models
            .challenger
            .context("the challenger was let go before the journal ended")?;
        Ok(challenger.comparison)
    }
}

/// A recording that ends wherever it is told to, and goes on from there.
struct Stretches {
    whole: Box<dyn Recording>,
    end: Timestamp,
    without: Vec<Pattern>,
    /// Where this stretch ends.
    until: Timestamp,
    /// What was read beyond it.
    beyond: Option<Batch>,
}

impl Stretches {
    fn new(whole: Box<dyn Recording>, end: Timestamp, without: Vec<Pattern>) -> Self {
        Self {
            whole,
            end,
            without,
            until: Timestamp::MAX,
            beyond: None,
        }
    }

    fn holds(&self, item: &Item) -> bool {
        let route = match &item.decoded {
            Decoded::Signal { signal, .. } | Decoded::Ordered(Input::Signal(signal)) => signal.route.as_ref(),
            // Another model stands in the shadow now.
            Decoded::Ordered(Input::Challenger(_)) => return false,
            _ => None,
        };
        let left_out = route.is_some_and(|route| self.without.iter().any(|pattern| pattern.matches(route)));
        !left_out && driver::time_of(&item.decoded).is_none_or(|time| time < self.end)
    }

    /// Takes off what belongs to a later stretch.
    fn split(&self, run: &mut Run) -> Option<Run> {
        let later = |item: &Item| driver::time_of(&item.decoded).is_some_and(|time| time >= self.until);
        let place = run.items.iter().position(later)?;
        let items = run.items.split_off(place);
        let next_offset = items.first().map_or(run.next_offset, |item| item.offset);
        Some(Run {
            partition: run.partition.clone(),
            next_offset: std::mem::replace(&mut run.next_offset, next_offset),
            items,
            refused: Vec::new(),
            caught_up: std::mem::take(&mut run.caught_up),
        })
    }
}

impl Source for Stretches {
    fn poll(&mut self, max: usize, timeout: Wait) -> Result<Batch, SourceError> {
        let mut batch = match self.beyond.take() {
            Some(batch) => batch,
            None => {
                let mut batch = self.whole.poll(max, timeout)?;
                for run in &mut batch.runs {
                    let items = std::mem::take(&mut run.items);
                    run.items = items.into_iter().filter(|item| self.holds(item)).collect();
                }
                batch
            }
        };
        let later: Vec<Run> = batch.runs.iter_mut().filter_map(|run| self.split(run)).collect();
        if !later.is_empty() {
            self.beyond = Some(Batch {
                runs: later,
                finished: std::mem::replace(&mut batch.finished, true),
            });
        }
        Ok(batch)
    }

    fn positions(&self) -> Positions {
        self.whole.positions()
    }

    fn seek(&mut self, to: &Positions) -> Result<(), SourceError> {
        self.beyond = None;
        self.whole.seek(to)
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        self.whole.partitions()
    }
}

impl Recording for Stretches {
    fn progress(&self) -> Progress {
        self.whole.progress()
    }
}
