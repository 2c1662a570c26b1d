//! What the demo runs on: Kafka within this process, and the same wiring as `foreshift run` on it.

use std::sync::Arc;

use anyhow::Context;
use foreshift_config::ProcessConfig;
use foreshift_domain::Duration;
use foreshift_domain::fallback::Fallback;
use foreshift_ingest::source::mock::MockKafka;
use foreshift_sim::Recording;
use tempfile::TempDir;

use super::feed::{LOGS, SIGNALS};
use crate::run::{self, Running};

/// The model that learned on the simulator alone: the demo plays in the simulator's world.
const MODEL: &str = include_str!("../../../../models/live/1/model.json");

/// Its folder in the storage.
const MODEL_DIR: &str = "model";

/// How long signals wait for others before buckets close. The recording comes in order, so a little is enough.
pub(super) const LATENESS: Duration = Duration::from_millis(100);

/// How long a partition may be silent before nothing is expected of it any more: longer than the longest silence of
/// log lines within a recording, which is shorter the faster it is played.
pub(super) fn idle_timeout(speed: f64) -> Duration {
    const LONGEST_SILENCE_S: f64 = 30.0;
    Duration::from_millis(3_000) + Duration::from_millis((LONGEST_SILENCE_S * 1e3 / speed).round() as i64)
}

/// Kafka, and Foreshift on it. Fields go in this order: the broker outlives its consumer.
pub(super) struct Stage {
    pub(super) running: Running,
    pub(super) fallback: Arc<Fallback>,
    pub(super) kafka: MockKafka,
    /// Storage, removed with this value.
    pub(super) storage: TempDir,
}

impl Stage {
    /// Sets everything up.
    pub(super) async fn set(recording: &Recording, speed: f64) -> anyhow::Result<Self> {
        let storage = tempfile::Builder::new()
            .prefix("foreshift-demo-")
            .tempdir()
            .context("cannot make a temporary directory")?;
        let model = storage.path().join(MODEL_DIR);
        std::fs::create_dir(&model)?;
        std::fs::write(model.join("model.json"), MODEL)?;
        let kafka = MockKafka::start(&[(SIGNALS, 1), (LOGS, 1)])?;
        let config = process(&kafka.brokers(), &storage, speed)?;
        let fallback = Arc::new(fallback(recording)?);
        let running = run::start(&config, Arc::clone(&fallback)).await?;
        Ok(Self {
            running,
            fallback,
            kafka,
            storage,
        })
    }
}

fn process(brokers: &str, storage: &TempDir, speed: f64) -> anyhow::Result<ProcessConfig> {
    let brokers: Vec<&str> = brokers.split(',').collect();
    let idle_timeout = idle_timeout(speed);
    let text = format!(
        r#"
kafka:
  brokers: {brokers:?}
  consume: assign
  start_at: earliest
  dead_letter: null
  topics:
    - {{name: {SIGNALS}, format: native_proto}}
    - {{name: {LOGS}, format: auto}}
# A recording: its own time drives everything. With both partitions silent, what is held is let go.
time: {{clock: event, lateness: {LATENESS}, idle_timeout: {idle_timeout}}}
listen:
  grpc: {{address: "127.0.0.1:0"}}
  operator: {{address: "127.0.0.1:0"}}
  http: null
storage: {{dir: state}}
model_path: {MODEL_DIR}
shutdown_deadline: 5s
"#
    );
    let process = foreshift_config::parse_process(
        &text,
        "the demo's foreshift.yaml",
        storage.path(),
        std::iter::empty(),
    )?;
    Ok(process.value)
}

/// The fallback configuration that the recording names.
pub(super) fn fallback(recording: &Recording) -> anyhow::Result<Fallback> {
    let fallback =
        foreshift_config::parse_fallback(&recording.fallback_yaml(), "the demo's fallback.yaml")?.value;
    foreshift_config::refuse_for_live(&fallback).map_err(anyhow::Error::msg)?;
    Ok(fallback)
}

#[cfg(test)]
mod tests {
    use foreshift_sim::{Emission, Policy, Scenario};

    use super::*;

    #[test]
    fn log_lines_are_never_silent_for_so_long_that_they_would_come_late() {
        for scenario in Scenario::ALL {
            let recording = scenario.recording(7);
            let mut before = recording.start;
            for emission in recording.run(Policy::Stay) {
                let Emission::Log(line) = emission else { continue };
                let silence = line.time.since(before);
                assert!(silence < idle_timeout(1.0), "{scenario:?}: {silence}");
                before = line.time;
            }
        }
    }

    #[test]
    fn the_configuration_of_every_scenario_passes_all_checks() {
        let storage = tempfile::tempdir().unwrap();
        let process = process("127.0.0.1:9092,127.0.0.1:9093", &storage, 13.3).unwrap();
        assert!(process.storage.dir.starts_with(storage.path()));
        assert_eq!(process.kafka.map(|kafka| kafka.brokers.len()), Some(2));
        assert_eq!(
            (process.time.lateness, process.listen.http.is_none()),
            (LATENESS, true)
        );
        for scenario in Scenario::ALL {
            let recording = scenario.recording(7);
            let fallback = fallback(&recording).unwrap();
            assert_eq!(fallback.targets.len(), recording.targets().count());
        }
    }
}
