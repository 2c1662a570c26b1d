//! Records as gateways send them.

use std::path::Path;
use std::time::Duration;

use foreshift_domain::signal::{Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::{TargetName, Timestamp};
use foreshift_ingest::Decoded;
use foreshift_ingest::source::{CsvSource, Source};
use foreshift_proto::v1;
use prost::Message;

/// The signals of a CSV, in its order.
pub fn signals_of_csv(path: &Path) -> Vec<Signal> {
    let mut source = CsvSource::open(path).expect("a signal csv");
    let mut signals = Vec::new();
    loop {
        let batch = source.poll(8_192, Duration::ZERO).expect("a readable file");
        for run in batch.runs {
            assert!(run.refused.is_empty(), "rows refused: {:?}", run.refused);
            signals.extend(run.items.into_iter().filter_map(|item| match item.decoded {
                Decoded::Signal { signal, .. } => Some(signal),
                _ => None,
            }));
        }
        if batch.finished {
            return signals;
        }
    }
}

/// A record of native signals.
pub fn batch_bytes(signals: &[Signal]) -> Vec<u8> {
    let signals = signals.iter().map(v1::Signal::from).collect();
    v1::SignalBatch { signals }.encode_to_vec()
}

/// One request that went well.
pub fn success(target: &TargetName, time: Timestamp) -> Signal {
    let outcome = Outcome {
        kind: OutcomeKind::Success,
        latency: Some(foreshift_domain::Duration::from_millis(20)),
        ttfb: None,
        count: 1,
    };
    Signal {
        time,
        target: target.clone(),
        route: None,
        gateway: None,
        endpoint: None,
        observation: Observation::Outcome(outcome),
    }
}

/// Splits signals into records, by the partition that their target belongs to.
#[derive(Debug)]
pub struct RecordBatches {
    partitions: Vec<Vec<Signal>>,
    size: usize,
}

impl RecordBatches {
    /// For a topic of so many partitions, with at most `size` signals a record.
    pub fn new(partitions: usize, size: usize) -> Self {
        Self {
            partitions: vec![Vec::new(); partitions],
            size,
        }
    }

    /// Adds a signal; a record that is full by it is given back, with its partition.
    pub fn add(&mut self, signal: Signal) -> Option<(i32, Vec<u8>)> {
        let hash = signal
            .target
            .as_str()
            .bytes()
            .fold(0_usize, |hash, byte| hash.wrapping_mul(31) + usize::from(byte));
        let partition = hash % self.partitions.len();
        let waiting = &mut self.partitions[partition];
        waiting.push(signal);
        (waiting.len() >= self.size).then(|| (partition as i32, batch_bytes(&std::mem::take(waiting))))
    }

    /// What is left.
    pub fn rest(self) -> Vec<(i32, Vec<u8>)> {
        let left = self
            .partitions
            .into_iter()
            .enumerate()
            .filter(|(_, signals)| !signals.is_empty());
        left.map(|(partition, signals)| (partition as i32, batch_bytes(&signals)))
            .collect()
    }
}
