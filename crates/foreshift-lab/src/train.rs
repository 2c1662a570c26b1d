//! `foreshift-lab train`: learns the live model on simulated fleets, through the engine that serves.
//!
//! Each fleet is a world of its own: histories and per-target biases do not cross over, shared weights do.
//! The last fleet is only looked at: its figures, on targets and faults never seen, go beside the model. With
//! `--recordings` it learns on from journals, of which every fifth is held out in the same way.

mod evaluation;
pub(crate) mod recorded;
mod release;
pub(crate) mod simulated;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_predict::{Model, Params};
use foreshift_sim::FleetSpec;

use evaluation::{Evaluation, Figures, Watcher};
use release::{Held, Release};
use simulated::Fleet;

/// Arguments of `foreshift-lab train`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Seed of the first fleet; further ones count up. The one after the last is held out.
    #[arg(long, default_value_t = 100)]
    seed: u64,
    /// How many fleets to learn from.
    #[arg(long, default_value_t = 12)]
    fleets: u64,
    /// Hours of each fleet.
    #[arg(long, default_value_t = 6)]
    hours: u32,
    /// Targets of each fleet.
    #[arg(long, default_value_t = 24)]
    targets: usize,
    /// Learn on from the journals below this folder, every fifth of them held out.
    #[arg(long, value_name = "DIR")]
    recordings: Option<PathBuf>,
    /// How often to go through the recordings.
    #[arg(long, default_value_t = 6)]
    epochs: u32,
    /// Begin with this model instead of fleets: go on to the recordings at once.
    #[arg(long, value_name = "FILE", requires = "recordings")]
    from: Option<PathBuf>,
    /// The model's name; the version is the directory's.
    #[arg(long, default_value = "live")]
    name: String,
    /// Where to write `model.json`, `manifest.json`, `metrics.json` and `CARD.md`.
    #[arg(long, value_name = "DIR", default_value = "models/live/2")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let model = match &args.from {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Model::from_json(&text)
                .with_context(|| format!("{} is no model of this build", path.display()))?
        }
        None => on_fleets(args)?,
    };
    let rows_learned = model.version().rows_learned;
    let name = format!(
        "{}@{}",
        args.name,
        args.out.file_name().and_then(|name| name.to_str()).unwrap_or("1")
    );
    let model = model.released(&name);
    let (model, recordings) = match &args.recordings {
        Some(folder) => {
            let (model, recordings) = learn_on(args, folder, model)?;
            (model, Some(recordings))
        }
        None => (model, None),
    };
    let held_out_seed = args.seed + args.fleets;
    let (_, fleet) = one_fleet(args, held_out_seed, Some(model.clone()), false)?;
    eprintln!("fleet {held_out_seed}, held out: {fleet}");
    let release = Release {
        name,
        trained_on: "simulated fleets of foreshift-sim, then recordings of foreshift-testbed",
        seeds: (args.seed..held_out_seed).collect(),
        held_out_seed,
        hours: args.hours,
        targets: args.targets,
        recordings: recordings.as_ref().map(|recordings| recordings.learned_from),
        held_out_recordings: recordings.as_ref().map(|recordings| recordings.held_out),
        epochs: args.epochs,
        horizons_s: model
            .horizons()
            .iter()
            .map(|horizon| horizon.as_secs_f64())
            .collect(),
        feature_schema: model.schema().to_string(),
        rows_learned,
    };
    let figures = Held {
        fleet,
        recordings: recordings.map(|recordings| recordings.evaluation),
    };
    release::write(&args.out, &model, &release, &figures)
}

/// What is learned on the simulated fleets.
fn on_fleets(args: &Args) -> anyhow::Result<Model> {
    let mut model: Option<Model> = None;
    for seed in args.seed..args.seed + args.fleets {
        let (learned, evaluation) = one_fleet(args, seed, model.take(), true)?;
        eprintln!("fleet {seed}: {evaluation}");
        model = Some(learned);
    }
    model.context("no fleet to learn from: --fleets must be at least 1")
}

/// One fleet through the engine; `learns` says whether the model may change.
fn one_fleet(
    args: &Args,
    seed: u64,
    model: Option<Model>,
    learns: bool,
) -> anyhow::Result<(Model, Evaluation)> {
    let spec = FleetSpec {
        seed,
        hours: args.hours,
        targets: args.targets,
    };
    let fleet = Fleet::of(spec, learns)?;
    let model = model.unwrap_or_else(|| fleet.fresh_model(|_| true));
    let mut watcher = Watcher::new(&fleet.fallback);
    let model = fleet.play(model, &mut watcher)?;
    let mut figures = Figures::default();
    watcher.finish(&mut figures);
    Ok((model, figures.evaluate(&fleet.fallback.timing.horizons)))
}

/// What came of learning on.
struct LearnedOn {
    learned_from: usize,
    held_out: usize,
    evaluation: Evaluation,
}

/// Goes through the recordings; how often their targets fail is not taken over, since they were made to fail.
fn learn_on(args: &Args, folder: &Path, model: Model) -> anyhow::Result<(Model, LearnedOn)> {
    let (held_out, journals): (Vec<_>, Vec<_>) = recorded::journals(folder)?
        .into_iter()
        .enumerate()
        .partition(|(index, _)| index % 5 == 4);
    let hazard = model.params().hazard.clone();
    let look = |model: &Model, when: &str| -> anyhow::Result<Evaluation> {
        let mut figures = Figures::default();
        for (_, journal) in &held_out {
            recorded::one(journal, model.clone(), false, &mut figures)?;
        }
        let evaluation = figures.evaluate(model.horizons());
        eprintln!("{} recordings held out, {when}: {evaluation}", held_out.len());
        Ok(evaluation)
    };
    let mut evaluation = look(&model, "before")?;
    let name = model.version().name.clone();
    let mut model = model;
    for epoch in 1..=args.epochs {
        let mut figures = Figures::default();
        for (_, journal) in &journals {
            model = recorded::one(journal, model, true, &mut figures)?;
        }
        evaluation = look(&model, &format!("after epoch {epoch}"))?;
    }
    let params = Params {
        hazard,
        ..model.params().clone()
    };
    let learned = LearnedOn {
        learned_from: journals.len(),
        held_out: held_out.len(),
        evaluation,
    };
    Ok((model.released(&name).with_params(params)?, learned))
}
