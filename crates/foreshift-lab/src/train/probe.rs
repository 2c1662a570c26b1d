//! `foreshift-lab train --scale probe`: the model for ticks of minutes to an hour, from recorded outages.
//!
//! What was grown on rows knows too much of them, so time is cut in two. Trees are grown on the first part; then the
//! whole goes through the engine once, and on the second part the mixture, its calibration and the weights of leaves
//! are learned from predictions as good as those to come. That part's figures stand beside the model. At last the trees
//! are grown again, on all of it: they keep the mixture and its calibration, and their leaves are learned anew by
//! whoever uses them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration as Wait;

use anyhow::Context;
use clap::Args;
use foreshift_domain::{Duration, Input, Timestamp};
use foreshift_engine::Engine;
use foreshift_ingest::Decoded;
use foreshift_ingest::sequencer::PartitionKey;
use foreshift_ingest::source::{Batch, Item, Positions, Source, SourceError};
use foreshift_predict::Model;
use foreshift_registry::{InputFile, Manifest, Release, write_version};
use serde_json::{Map, json};

use super::evaluation::{Evaluation, Figures, Watcher};
use super::grow::{Part, Pattern, beside, grow};
use crate::replay::driver::{self, Given, Recording, Replay};
use crate::replay::progress::Progress;

/// The share of the time that trees are grown on at first.
const FIRST_PART: f64 = 0.75;

/// Arguments of the probe scale.
#[derive(Args)]
pub(super) struct Told {
    /// The fallback configuration (probe scale).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The recorded outages: a signal CSV (probe scale).
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Learn from what came before this time, such as 2025-01-01T00:00:00Z (probe scale).
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Learn nothing from the routes of this name or, with `*` at its end, of this beginning (probe scale).
    #[arg(long, value_name = "ROUTES")]
    without: Vec<Pattern>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let day = format!("{text}T00:00:00Z");
    let parsed = foreshift_ingest::time_text::parse(text.as_bytes());
    parsed
        .or_else(|| foreshift_ingest::time_text::parse(day.as_bytes()))
        .ok_or_else(|| format!("{text:?} is no time such as 2025-01-01 or 2025-01-01T00:00:00Z"))
}

pub(super) fn run(args: &super::Args) -> anyhow::Result<()> {
    let told = &args.probe;
    let (config, input) = told.config.as_ref().zip(told.input.as_ref()).context(
        "the probe scale learns from a recording: name it with --input, and its configuration with --config",
    )?;
    let rows = &args.rows;
    anyhow::ensure!(
        !rows.is_empty(),
        "the probe scale grows trees: make rows with `foreshift-lab extract`, and name them with --rows"
    );
    let mut fallback = foreshift_config::load_fallback(config)?.value;
    fallback.learning.online = true;
    let fallback = Arc::new(fallback);
    let (first, end) = span(input, told)?;
    let cut = first + Duration::from_secs_f64(FIRST_PART * end.since(first).as_secs_f64());
    let fresh = foreshift_engine::fresh_model(&fallback);
    let part = |until| Part {
        rows,
        until,
        without: &told.without,
        blind: &[],
    };
    let model = beside(fresh.clone(), grow(&part(cut), &fresh)?, cut)?;

    let mut watcher = Watcher::new(&fallback).from(cut);
    let engine = Engine::new(1, Arc::clone(&fallback), model);
    let mut replay = Replay::new(
        engine,
        &fallback,
        Duration::from_secs(300),
        Duration::DAY * 365,
        Given::ALL,
    );
    let mut source = Chosen {
        whole: driver::open(input)?,
        until: end,
        without: told.without.clone(),
    };
    replay.run(&mut source, &mut watcher)?;
    let mut figures = Figures::default();
    watcher.finish(&mut figures);
    let evaluation = figures.evaluate(&fallback.timing.horizons);
    eprintln!("the last quarter, trees of the rest: {evaluation}");

    let learned = replay.engine.model().clone();
    let rows_learned = learned.version().rows_learned;
    let name = super::released_name(args)?;
    let model = beside(learned, grow(&part(end), &fresh)?, end)?.released(&name.to_string());
    let manifest = Manifest {
        simulated: false,
        inputs: vec![InputFile::of(input)?],
        seed: Some(super::grow::params().seed),
        git_revision: crate::models::git_revision(),
        windows_s: Some(fallback.timing.windows.map(Duration::as_secs_f64)),
        training: facts(told, cut, end, rows_learned),
        ..Manifest::of(
            name,
            &model,
            "foreshift-lab train --scale probe",
            "recorded outages",
        )
    };
    let files = Release {
        model: model.to_json()?.into_bytes(),
        metrics: serde_json::to_string_pretty(&evaluation)?,
        card: card(&manifest, &model, &evaluation),
        manifest,
    };
    Ok(write_version(&args.out, files, true)?)
}

fn facts(told: &Told, cut: Timestamp, end: Timestamp, rows_learned: u64) -> Map<String, serde_json::Value> {
    let without: Vec<String> = told.without.iter().map(Pattern::to_string).collect();
    let facts = json!({
        "until_s": end.as_secs_f64(),
        "first_part_until_s": cut.as_secs_f64(),
        "without": without,
        "rows_learned": rows_learned,
    });
    facts.as_object().cloned().unwrap_or_default()
}

/// From the first record to where learning ends.
fn span(input: &std::path::Path, told: &Told) -> anyhow::Result<(Timestamp, Timestamp)> {
    let mut source = driver::open(input)?;
    let batch = source.poll(1, Wait::ZERO)?;
    let items = batch.runs.iter().flat_map(|run| &run.items);
    let first = items.filter_map(|item| driver::time_of(&item.decoded)).min();
    let first = first.with_context(|| format!("{} is empty", input.display()))?;
    let end = match told.until {
        Some(until) => until,
        None => driver::newest(input)?,
    };
    anyhow::ensure!(first < end, "nothing came before --until");
    Ok((first, end))
}

fn card(manifest: &Manifest, model: &Model, evaluation: &Evaluation) -> String {
    let horizons: Vec<String> = model.horizons().iter().map(Duration::to_string).collect();
    format!(
        "# {}\n\n\
        An online logistic model (FTRL-proximal) with a hazard prior and, beside it, boosted trees, combined in log-odds.\n\
        For ticks of minutes to an hour and horizons of {}. It goes on learning from what it sees.\n\n\
        **Trained on recorded outages** of public endpoints, none of whose rows are in this file but as counts and\n\
        weights; `manifest.json` has the digest of the data, the end of the time it learned from, and the routes that were left\n\
        out. Nothing in it belongs to a single target, so it works on targets it has never seen.\n\n\
        The last quarter of that time, said by trees that were grown on the rest while the linear model learned on:\n\n{}\n\
        Probes every few minutes see no short outages, and latency hardly warns there: what it knows is recurrence, times\n\
        of day and what fails together. Made by `make train-champion`.\n",
        manifest.name,
        horizons.join(" and "),
        evaluation.table()
    )
}

/// A recording up to a time, without some routes.
struct Chosen {
    whole: Box<dyn Recording>,
    until: Timestamp,
    without: Vec<Pattern>,
}

impl Chosen {
    fn holds(&self, item: &Item) -> bool {
        let route = match &item.decoded {
            Decoded::Signal { signal, .. } | Decoded::Ordered(Input::Signal(signal)) => signal.route.as_ref(),
            _ => None,
        };
        let left_out = route.is_some_and(|route| self.without.iter().any(|pattern| pattern.matches(route)));
        !left_out && driver::time_of(&item.decoded).is_none_or(|time| time < self.until)
    }
}

impl Source for Chosen {
    fn poll(&mut self, max: usize, timeout: Wait) -> Result<Batch, SourceError> {
        let mut batch = self.whole.poll(max, timeout)?;
        for run in &mut batch.runs {
            let items = std::mem::take(&mut run.items);
            run.items = items.into_iter().filter(|item| self.holds(item)).collect();
        }
        Ok(batch)
    }

    fn positions(&self) -> Positions {
        self.whole.positions()
    }

    fn seek(&mut self, to: &Positions) -> Result<(), SourceError> {
        self.whole.seek(to)
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        self.whole.partitions()
    }
}

impl Recording for Chosen {
    fn progress(&self) -> Progress {
        self.whole.progress()
    }
}
