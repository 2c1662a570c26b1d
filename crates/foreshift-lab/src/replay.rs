//! `foreshift-lab replay`: a recording through the engine that serves, in event time.

pub(crate) mod driver;
mod outputs;
pub(crate) mod progress;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use foreshift_domain::Duration;
use foreshift_domain::fallback::Fallback;
use foreshift_engine::Engine;
use foreshift_predict::Model;
use serde::Serialize;

use driver::{Given, Replay};
use outputs::Outputs;

use crate::format::Format;
use crate::train::recorded;

/// Arguments of `foreshift-lab replay`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The fallback configuration. A journal can be replayed without one, with the configuration it recorded.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A signal CSV (`.csv`, `.csv.gz`), a journal segment (`.parquet`) or a directory of them.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Write every prediction: `time,route,target,horizon_s,probability`.
    #[arg(long, value_name = "CSV")]
    predictions: Option<PathBuf>,
    /// Write every change of weights: `time,route,target,weight_bp`.
    #[arg(long, value_name = "CSV")]
    weights: Option<PathBuf>,
    /// Write every decision, one JSON object a line.
    #[arg(long, value_name = "JSONL")]
    decisions: Option<PathBuf>,
    /// Begin with this model instead of the built-in one: a version in models/, or its model.json. It is
    /// brought to the pace of the recording, and refused where the horizons fit at none.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Begin with a model that has learned nothing.
    #[arg(long, conflicts_with = "model")]
    fresh: bool,
    /// Write the model as it has learned by the end.
    #[arg(long, value_name = "FILE")]
    save_model: Option<PathBuf>,
    /// How much later than a younger row a row may stand in the file and still count, in seconds.
    #[arg(long, value_name = "S", default_value_t = 300.0)]
    lateness: f64,
    /// A time further ahead of the rows around it than this is taken for a broken clock, in seconds.
    #[arg(long, value_name = "S", default_value_t = 31_536_000.0)]
    max_future: f64,
    /// How to print the summary.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What a replay did.
#[derive(Serialize)]
struct Summary {
    rows_refused: u64,
    signals: u64,
    late_signals: u64,
    routes: usize,
    targets: usize,
    ticks: u64,
    predictions: u64,
    incidents: u64,
    positives: u64,
    negatives: u64,
    unknowns: u64,
    decisions: u64,
    alerts: u64,
    seconds: f64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut source = driver::open(&args.input)?;
    let fallback = match &args.config {
        Some(path) => {
            let loaded = foreshift_config::load_fallback(path)?;
            loaded
                .warnings
                .iter()
                .for_each(|warning| eprintln!("warning: {warning}"));
            Arc::new(loaded.value)
        }
        None => driver::recorded_fallback(&args.input)?,
    };
    let model = first_model(args, &fallback)?;
    let seconds = |name: &str, value: f64| match value.is_finite() && value >= 0.0 {
        true => Ok(Duration::from_secs_f64(value)),
        false => bail!("--{name} must be a number of seconds that is not negative, not {value}"),
    };
    let lateness = seconds("lateness", args.lateness)?;
    let max_future = seconds("max-future", args.max_future)?;
    let mut outputs = Outputs::create(args, &fallback)?;
    let engine = Engine::new(1, Arc::clone(&fallback), model);
    let given = Given {
        fallback: args.config.is_some(),
        model: args.model.is_some() || args.fresh,
    };
    let mut replay = Replay::new(engine, &fallback, lateness, max_future, given);
    replay.run(source.as_mut(), &mut outputs)?;
    outputs.finish()?;
    if let Some(path) = &args.save_model {
        let text = replay.engine.model().to_json()?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    print(
        &replay.summary(outputs.alerts, started.elapsed().as_secs_f64()),
        args.output,
    )
}

/// The model that is named, else the built-in one of these time scales as `foreshift run` would take it, else a fresh one.
fn first_model(args: &Args, fallback: &Fallback) -> anyhow::Result<Model> {
    if let Some(path) = &args.model {
        let path = if path.is_dir() {
            path.join("model.json")
        } else {
            path.clone()
        };
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let model = Model::from_json(&text)
            .with_context(|| format!("{} is no model of this build", path.display()))?;
        let (model, _) =
            recorded::fitted(model, fallback).with_context(|| format!("{} does not fit", path.display()))?;
        return Ok(model);
    }
    let built_in = foreshift_registry::shipped(fallback).filter(|_| !args.fresh);
    Ok(built_in.map_or_else(|| foreshift_engine::fresh_model(fallback), |chosen| chosen.model))
}

fn print(summary: &Summary, format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        println!("{}", serde_json::to_string_pretty(summary)?);
        return Ok(());
    }
    let Summary {
        signals,
        late_signals,
        rows_refused,
        routes,
        targets,
        ..
    } = summary;
    println!(
        "{signals} signals ({late_signals} late, {rows_refused} rows refused), {targets} targets on {routes} routes"
    );
    let Summary {
        ticks,
        predictions,
        incidents,
        positives,
        negatives,
        unknowns,
        decisions,
        alerts,
        seconds,
        ..
    } = summary;
    println!("{ticks} prediction ticks, {predictions} target-ticks, {incidents} incidents");
    println!(
        "learned from {positives} positive and {negatives} negative rows; {unknowns} labels stayed unknown"
    );
    println!(
        "{decisions} decisions, {alerts} alerts; {seconds:.1} s, {:.1} us a target-tick",
        1e6 * seconds / (*predictions).max(1) as f64
    );
    Ok(())
}
