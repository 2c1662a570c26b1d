//! The producer: runs the recorded world under resting weights, and sends what its gateways report to Kafka.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration as Wait, Instant};

use anyhow::Context;
use foreshift_ingest::source::mock::PlainProducer;
use foreshift_proto::{rfc3339, v1};
use foreshift_sim::{Emission, LogLine, Policy, Recording};
use prost::Message;
use serde_json::json;

use super::pace::Pace;

/// Where signals go.
pub(super) const SIGNALS: &str = "foreshift.signals";
/// Where log lines go.
pub(super) const LOGS: &str = "foreshift.logs";

/// Signals of one record: some kilobytes, as a gateway would batch them.
const BATCH_SIGNALS: usize = 150;
/// How long the producer waits before it looks again whether it may go on.
const LOOK_EVERY: Wait = Wait::from_millis(5);
/// How long the last records may take to be delivered.
const FLUSH: Wait = Wait::from_secs(10);

/// What producer and viewer tell each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Signals and log lines produced.
    produced: AtomicU64,
    /// Of those, how many the engine has been given, as the server says.
    handled: AtomicU64,
    finished: AtomicBool,
    stopped: AtomicBool,
}

impl Progress {
    pub(super) fn produced(&self) -> u64 {
        self.produced.load(Ordering::Acquire)
    }

    pub(super) fn handled(&self) -> u64 {
        self.handled.load(Ordering::Acquire)
    }

    pub(super) fn set_handled(&self, handled: u64) {
        self.handled.store(handled, Ordering::Release);
    }

    /// Whether nothing more will be produced.
    pub(super) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    /// All that will be produced has been.
    pub(super) fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    /// Lets the producer end early.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }
}

/// Produces the whole recording; returns when it is delivered or stopped.
pub(super) fn produce(
    recording: &Recording,
    speed: f64,
    producer: &PlainProducer,
    progress: &Arc<Progress>,
) -> anyhow::Result<()> {
    let pace = Pace::new(recording.start, speed);
    let mut batch = Batch {
        producer,
        signals: Vec::new(),
        lines: Vec::new(),
    };
    let began = Instant::now();
    for emission in recording.run(Policy::Stay) {
        let time = emission.time();
        while !pace.allows(time, began.elapsed(), progress.produced(), progress.handled()) {
            batch.send()?;
            if progress.stopped.load(Ordering::Acquire) {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        batch.add(emission)?;
        progress.produced.fetch_add(1, Ordering::AcqRel);
    }
    batch.send()?;
    producer
        .flush(FLUSH)
        .context("the last records of the recording were not delivered")
}

/// What goes into the next records.
struct Batch<'a> {
    producer: &'a PlainProducer,
    signals: Vec<v1::Signal>,
    lines: Vec<serde_json::Value>,
}

impl Batch<'_> {
    fn add(&mut self, emission: Emission) -> anyhow::Result<()> {
        match emission {
            Emission::Signal(signal) => self.signals.push(v1::Signal::from(&signal)),
            Emission::Log(line) => self.lines.push(json_line(&line)),
        }
        if self.signals.len() < BATCH_SIGNALS {
            return Ok(());
        }
        self.send()
    }

    /// Log lines first: no signal overtakes a line that was written before it.
    fn send(&mut self) -> anyhow::Result<()> {
        if !self.lines.is_empty() {
            let lines = serde_json::Value::Array(std::mem::take(&mut self.lines));
            self.producer.send(LOGS, 0, lines.to_string().as_bytes())?;
        }
        if !self.signals.is_empty() {
            let signals = v1::SignalBatch {
                signals: std::mem::take(&mut self.signals),
            };
            self.producer.send(SIGNALS, 0, &signals.encode_to_vec())?;
        }
        Ok(())
    }
}

fn json_line(line: &LogLine) -> serde_json::Value {
    let mut value = json!({
        "time": rfc3339::format(line.time),
        "target": line.target,
        "severity": line.severity.as_str(),
        "body": line.message,
    });
    if let (Some(status), Some(fields)) = (line.status, value.as_object_mut()) {
        fields.insert("http_status".to_owned(), status.into());
    }
    value
}

/// Bytes that an emission takes in a record.
#[cfg(test)]
pub(super) fn encoded_bytes(emission: &Emission) -> usize {
    match emission {
        // Tag and length of a repeated field take up to four bytes.
        Emission::Signal(signal) => v1::Signal::from(signal).encoded_len() + 4,
        Emission::Log(line) => json_line(line).to_string().len() + 1,
    }
}

#[cfg(test)]
mod tests {
    use foreshift_ingest::decode::envoy::EnvoyKeys;
    use foreshift_ingest::decode::{Decoder, Format};
    use foreshift_ingest::decoded::Decoded;
    use foreshift_sim::Scenario;

    use super::*;

    #[test]
    fn what_is_produced_can_be_decoded_and_keeps_time_and_target() {
        let decoder = Decoder::new(EnvoyKeys::default()).unwrap();
        let recording = Scenario::Leak.recording(7);
        let mut signals = 0;
        let mut lines = 0;
        for emission in recording.run(Policy::Stay).take(5_000) {
            match &emission {
                Emission::Signal(signal) => {
                    let batch = v1::SignalBatch {
                        signals: vec![v1::Signal::from(signal)],
                    };
                    let parts = decoder.decode(Format::NativeProto, SIGNALS, &batch.encode_to_vec());
                    let [Decoded::Signal { signal: read, .. }] = parts.good.as_slice() else {
                        panic!("{parts:?}")
                    };
                    assert_eq!(read, signal);
                    signals += 1;
                }
                Emission::Log(line) => {
                    let text = serde_json::Value::Array(vec![json_line(line)]).to_string();
                    let parts = decoder.decode(Format::Auto, LOGS, text.as_bytes());
                    let [Decoded::Log { event, .. }] = parts.good.as_slice() else {
                        panic!("{parts:?}")
                    };
                    assert_eq!(
                        (event.time, &event.target, event.count),
                        (line.time, &line.target, 1)
                    );
                    lines += 1;
                }
            }
        }
        assert!(signals > 4_000 && lines > 5, "{signals} {lines}");
    }
}
