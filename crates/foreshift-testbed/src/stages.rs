//! How long each stage takes from the end of a request to a weight in force, read from a lane's journal.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration as Wait;

use foreshift_domain::{Duration, Input, Timestamp};
use foreshift_ingest::Decoded;
use foreshift_ingest::source::{JournalSource, Source};
use serde::{Deserialize, Serialize};

/// Rows read at once.
const BATCH: usize = 8_192;

/// Waits in milliseconds of the wall clock: medians and 99th percentiles.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stages {
    /// From the end of a request to the engine: the gateway's buffer, the collector, Kafka, and the engine's batch.
    pub(crate) to_engine_ms: Option<Quantiles>,
    /// From a decision that changed weights to the gateway's acknowledgement.
    pub(crate) to_gateway_ms: Option<Quantiles>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) count: usize,
}

/// Reads a journal. `decided` gives when the decision of a sequence number was made that changed weights; what only
/// renews them is acknowledged at the gateway's leisure.
pub(crate) fn read(journal: &Path, decided: impl Fn(u64) -> Option<Timestamp>) -> anyhow::Result<Stages> {
    let mut source = JournalSource::open(journal)?;
    let (mut waiting, mut to_engine, mut to_gateway) = (Vec::new(), Vec::new(), Vec::new());
    // A gateway says more than once what it has.
    let mut heard = BTreeSet::new();
    loop {
        let batch = source.poll(BATCH, Wait::ZERO)?;
        for item in batch.runs.into_iter().flat_map(|run| run.items) {
            let Decoded::Ordered(input) = item.decoded else {
                continue;
            };
            match input {
                Input::Signal(signal) => waiting.push(signal.time),
                // The clock is told after each batch.
                Input::Clock(now) => to_engine.extend(waiting.drain(..).map(|sent| ms(now.since(sent)))),
                Input::Applied(applied) if heard.insert(applied.version.sequence) => {
                    to_gateway.extend(decided(applied.version.sequence).map(|at| ms(applied.time.since(at))));
                }
                _ => {}
            }
        }
        if batch.finished {
            return Ok(Stages {
                to_engine_ms: quantiles(to_engine),
                to_gateway_ms: quantiles(to_gateway),
            });
        }
    }
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

fn quantiles(mut values: Vec<f64>) -> Option<Quantiles> {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        values
            .get(((values.len() - 1) as f64 * share).round() as usize)
            .copied()
    };
    if values.is_empty() {
        return None;
    }
    Some(Quantiles {
        p50: at(0.5)?,
        p99: at(0.99)?,
        count: values.len(),
    })
}
