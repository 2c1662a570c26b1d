//! From batches of a source to ordered inputs: deltas, mapping and sequencer in a row, with their state.

use std::collections::BTreeMap;

use foreshift_domain::Timestamp;
use foreshift_domain::fallback::Fallback;
use serde::{Deserialize, Serialize};

use crate::decoded::{Decoded, Event};
use crate::deltas::{DeltaCounters, Deltas};
use crate::mapping::{Mapping, MappingCounters};
use crate::sequencer::{self, Outbox, PartitionId, PartitionKey, Sequenced, Sequencer, Settings};
use crate::source::{Batch, Positions};

/// What must survive a restart, beside the engine. Taken at a batch boundary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntakeState {
    /// Where each partition is to be read on.
    pub positions: Vec<(PartitionKey, i64)>,
    deltas: Deltas,
    sequencer: Sequencer,
    records: u64,
    undecodable: u64,
}

/// Counters, for metrics. Names in metrics are `foreshift_ingest_<field>_total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntakeCounters {
    /// Decoded items taken from sources.
    pub items: u64,
    /// Records, rows or parts of them that could not be decoded.
    pub undecodable: u64,
    /// Of the mapping.
    pub mapping: MappingCounters,
    /// Of the cumulative streams.
    pub deltas: DeltaCounters,
    /// Of the order.
    pub sequencer: sequencer::Counters,
}

/// Takes batches, gives ordered inputs.
#[derive(Clone, Debug)]
pub struct Intake {
    mapping: Mapping,
    deltas: Deltas,
    sequencer: Sequencer,
    positions: Positions,
    items: u64,
    undecodable: u64,
}

impl Intake {
    /// Begins without history.
    pub fn new(settings: Settings, fallback: &Fallback) -> Self {
        Self {
            mapping: Mapping::new(fallback),
            deltas: Deltas::default(),
            sequencer: Sequencer::new(settings),
            positions: Positions::new(),
            items: 0,
            undecodable: 0,
        }
    }

    /// Goes on from a stored state. `now` is the wall clock.
    pub fn restore(state: IntakeState, fallback: &Fallback, now: Timestamp) -> Self {
        let mut sequencer = state.sequencer;
        sequencer.resumed(now);
        Self {
            mapping: Mapping::new(fallback),
            deltas: state.deltas,
            sequencer,
            positions: state.positions.into_iter().collect(),
            items: state.records,
            undecodable: state.undecodable,
        }
    }

    /// The state to store, whole: nothing that was taken is missing, nothing that follows is in it.
    pub fn state(&self) -> IntakeState {
        IntakeState {
            positions: self
                .positions
                .iter()
                .map(|(key, next)| (key.clone(), *next))
                .collect(),
            deltas: self.deltas.clone(),
            sequencer: self.sequencer.clone(),
            records: self.items,
            undecodable: self.undecodable,
        }
    }

    /// Makes partitions known, so that they hold the watermark back before their first record. `now` is the wall
    /// clock.
    pub fn register(&mut self, partitions: &[PartitionKey], now: Timestamp) {
        for key in partitions {
            self.sequencer.partition(key, now);
        }
    }

    /// Follows a new configuration.
    pub fn reconfigure(&mut self, fallback: &Fallback) {
        self.mapping.reconfigure(fallback);
        self.sequencer.set_bucket(fallback.timing.bucket);
    }

    /// Takes a batch, and emits what is due after it. `now` is the wall clock.
    pub fn accept(&mut self, batch: Batch, now: Timestamp, out: &mut Outbox) {
        let finished = batch.finished;
        for run in batch.runs {
            let id = self.sequencer.partition(&run.partition, now);
            self.undecodable += run.refused.iter().map(|record| record.parts as u64).sum::<u64>();
            self.items += run.items.len() as u64;
            for item in run.items {
                self.take(id, item.offset, item.decoded, now, out);
            }
            if run.caught_up {
                self.sequencer.caught_up(id, now);
            }
            self.positions.insert(run.partition, run.next_offset);
        }
        if finished {
            self.sequencer.finish(out);
        } else {
            self.sequencer.advance(now, out);
        }
    }

    /// Emits what is due when no batch came: call once a second. `now` is the wall clock.
    pub fn advance(&mut self, now: Timestamp, out: &mut Outbox) {
        self.sequencer.advance(now, out);
    }

    /// Partitions that the source should hold back now.
    pub fn ahead(&mut self, now: Timestamp) -> Vec<PartitionKey> {
        let ids = self.sequencer.ahead(now);
        ids.into_iter()
            .filter_map(|id| self.sequencer.key(id).cloned())
            .collect()
    }

    fn take(&mut self, id: PartitionId, offset: i64, decoded: Decoded, now: Timestamp, out: &mut Outbox) {
        let event = match decoded {
            Decoded::Signal {
                signal,
                aliases,
                source,
            } => self.mapping.signal(signal, &aliases, source).map(Event::Signal),
            Decoded::Log { event, aliases } => self.mapping.log(event, &aliases).map(Event::Log),
            Decoded::Cumulative(point) => self.deltas.step(*point).and_then(|(signal, aliases)| {
                let source = foreshift_domain::fallback::OutcomeSource::OtlpMetrics;
                self.mapping.signal(signal, &aliases, source).map(Event::Signal)
            }),
            Decoded::Ordered(input) => {
                out.ordered.push(Sequenced { input, origin: None });
                return;
            }
        };
        if let Some(event) = event {
            self.sequencer.push(id, offset, event, now, out);
        }
    }

    /// Counters since the start; those of the mapping since the start of the process.
    pub const fn counters(&self) -> IntakeCounters {
        IntakeCounters {
            items: self.items,
            undecodable: self.undecodable,
            mapping: self.mapping.counters(),
            deltas: self.deltas.counters(),
            sequencer: self.sequencer.counters(),
        }
    }

    /// The mapping, for its unmapped names.
    pub const fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The sequencer, for its watermark and the names of its partitions.
    pub const fn sequencer(&self) -> &Sequencer {
        &self.sequencer
    }

    /// Where each partition is to be read on.
    pub const fn positions(&self) -> &BTreeMap<PartitionKey, i64> {
        &self.positions
    }
}

#[cfg(test)]
mod tests;
