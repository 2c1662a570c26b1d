//! A small recorded world, and extracting from it.

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use foreshift_domain::command::{Action, Command};
use foreshift_domain::fallback::Fallback;
use foreshift_domain::signal::{Gauge, Health, Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::{Duration, Input, ModelUpdate, Timestamp, Watermark};
use foreshift_engine::{Counters, Engine, Output, Row, fresh_model};
use foreshift_ingest::journal::{Recorder, Retention};

use super::super::Args;
use crate::rows::Rows;

/// All rows are kept to learn from, so that the engine's counts are those of all rows.
const YAML: &str = "
timing: {bucket: 1s, tick: 5s, horizons: [30s, 2m], guard: 0s, cooldown: 10s, staleness: 30s}
learning: {online: true, rows_per_horizon: 1000}
defaults: {mode: auto}
routes:
  - name: llm
    targets:
      - {name: alpha, role: primary, baseline: 50%, capacity: 500 rps}
      - {name: beta, role: primary, baseline: 50%, capacity: 500 rps}
";

/// A multiple of the tick and of minutes.
pub(crate) const START: i64 = 1_700_000_040;

/// What an engine said while its inputs were recorded.
pub(crate) struct Seen {
    pub(crate) rows: Vec<Row>,
    pub(crate) counters: Counters,
}

/// The configuration.
pub(crate) fn fallback() -> Arc<Fallback> {
    let parsed = foreshift_config::parse_fallback(YAML, "test.yaml");
    Arc::new(parsed.map_err(|errors| errors.to_string()).unwrap().value)
}

/// What a journal begins with.
pub(crate) fn first_inputs(fallback: &Arc<Fallback>) -> [Input; 2] {
    let model = fresh_model(fallback);
    let update = ModelUpdate {
        name: model.version().name,
        model_json: model.to_json().unwrap(),
        simulated: false,
        why: String::new(),
    };
    [
        Input::Fallback(Arc::clone(fallback)),
        Input::Model(Arc::new(update)),
    ]
}

/// Runs the inputs through an engine and records them as a journal in `dir/journal`.
pub(crate) fn record(dir: &Path, inputs: &[Input]) -> Seen {
    let fallback = fallback();
    let mut engine = Engine::new(7, Arc::clone(&fallback), fresh_model(&fallback));
    engine.give_rows(true);
    let mut recorder = Recorder::open(&dir.join("journal"), 1, Retention::default()).unwrap();
    let mut rows = Vec::new();
    for input in first_inputs(&fallback).iter().chain(inputs) {
        recorder.record(input, None).unwrap();
        engine.handle(input);
        while let Some(output) = engine.poll_output() {
            if let Output::Row(row) = output {
                rows.push(*row);
            }
        }
    }
    recorder.seal().unwrap();
    let counters = engine.counters();
    Seen { rows, counters }
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

/// `foreshift-lab extract` with these arguments.
pub(crate) fn run(args: &[&str]) {
    let cli = Cli::try_parse_from(["extract"].iter().chain(args)).unwrap();
    super::super::run(&cli.args).unwrap();
}

pub(crate) fn run_extract(input: &Path, out: &Path, args: &[&str]) {
    let journal = input.join("journal");
    let input = if journal.exists() {
        journal
    } else {
        input.to_owned()
    };
    let paths = ["--input", input.to_str().unwrap(), "-o", out.to_str().unwrap()];
    run(&[&paths, args].concat());
}

/// The rows of both horizons.
pub(crate) fn extract(input: &Path, args: &[&str]) -> [Rows; 2] {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("rows.parquet");
    run_extract(input, &out, args);
    [0, 1].map(|head| Rows::read(&out, head).unwrap())
}

pub(crate) fn at_second(second: i64) -> Timestamp {
    Timestamp::from_secs(START + second)
}

pub(crate) fn second(time: Timestamp) -> i64 {
    time.as_millis() / 1_000 - START
}

pub(crate) fn signal(second: i64, target: &str, observation: Observation) -> Input {
    Input::Signal(Signal {
        time: at_second(second),
        target: target.into(),
        route: None,
        gateway: None,
        endpoint: None,
        observation,
    })
}

pub(crate) fn health(second: i64, target: &str, health: Health) -> Input {
    signal(second, target, Observation::Health(health))
}

pub(crate) fn gauge(second: i64, target: &str) -> Input {
    let gauge = Gauge {
        name: "depth".into(),
        value: second as f64,
        limit: None,
    };
    signal(second, target, Observation::Gauge(gauge))
}

pub(crate) fn command(second: i64, id: &str, action: Action) -> Input {
    Input::Command(Command {
        request_id: id.into(),
        actor: "sre".into(),
        on_behalf_of: None,
        reason: "test".into(),
        issued_at: at_second(second),
        expires_at: Some(at_second(second + 600)),
        expected_version: None,
        action,
    })
}

pub(crate) fn pin(route: &str, weights: &[(&str, u32)]) -> Action {
    Action::Pin {
        route: route.into(),
        weights: weights
            .iter()
            .map(|(target, bp)| ((*target).into(), *bp))
            .collect(),
    }
}

/// Good traffic on both targets from one second to before another, and the time of its end.
pub(crate) fn steady(from: i64, to: i64) -> Vec<Input> {
    steady_of(from, to, &["alpha", "beta"])
}

pub(crate) fn steady_of(from: i64, to: i64, targets: &[&str]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for second in from..to {
        for (index, target) in targets.iter().enumerate() {
            // No two seconds are alike, so that features are not constant.
            let latency = Some(Duration::from_millis(20 + (second * 7 + index as i64) % 13));
            let outcome = Outcome {
                kind: OutcomeKind::Success,
                latency,
                ttfb: None,
                count: 20,
            };
            inputs.push(signal(second, target, Observation::Outcome(outcome)));
        }
        inputs.push(Input::Watermark(Watermark {
            time: at_second(second + 1),
            idle_partitions: 0,
        }));
        inputs.push(Input::Clock(at_second(second + 1)));
    }
    inputs
}
