//! `foreshift-lab train`: learns the live model on simulated fleets, through the engine that serves.
//!
//! Each fleet is a world of its own: histories and per-target biases do not cross over, shared weights do.
//! The last fleet is only looked at: its figures, on targets and faults never seen, go beside the model. With
//! `--recordings` it learns on from journals, of which every fifth is held out in the same way.

mod evaluation;
pub(crate) mod grow;
pub(crate) mod in_parts;
mod journals;
pub(crate) mod passage;
pub(crate) mod recorded;
mod release;
pub(crate) mod simulated;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_domain::Timestamp;
use foreshift_predict::{Model, Params};
use foreshift_registry::{InputFile, ModelName};
use foreshift_sim::FleetSpec;

use crate::evaluate::{model_file, read_model};
use evaluation::{Evaluation, Figures, Watcher};
pub(crate) use grow::SEED as TREE_SEED;
use journals::{Journals, in_turns};
use release::{Held, Release};
use simulated::Fleet;

/// Arguments of `foreshift-lab train`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The time scale of the model.
    #[arg(long, value_enum, default_value_t = Scale::Live)]
    scale: Scale,
    /// Grow trees beside the linear model on these rows, made by `foreshift-lab extract`; several files may be named.
    /// They are of --input, or of other fleets than those of --seed and of all --recordings, of which some are left to
    /// the linear model.
    #[arg(long, value_name = "PARQUET")]
    rows: Vec<PathBuf>,
    #[command(flatten)]
    told: in_parts::Told,
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
    /// Learn on from the journals below this folder, every fifth of them held out; several folders may be named. Where
    /// trees are grown, two of five are theirs and two the linear model's.
    #[arg(long, value_name = "DIR")]
    recordings: Vec<PathBuf>,
    /// How often to go through the recordings.
    #[arg(long, default_value_t = 6)]
    epochs: u32,
    /// Begin with this model instead of a fresh one: a version of models/ or its model.json. With --recordings, go on to
    /// them at once.
    #[arg(long, value_name = "PATH")]
    from: Option<PathBuf>,
    /// The model's name; the version is the directory's. That of the time scale unless named.
    #[arg(long)]
    name: Option<String>,
    /// Where to write `model.json`, `manifest.json`, `metrics.json` and `CARD.md`.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "models/live/2",
        default_value_if("scale", "probe", "models/probe/1")
    )]
    out: PathBuf,
}

/// The time scales that a champion is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Scale {
    /// Ticks of a second; 30 s, 2 min and 10 min.
    Live,
    /// Ticks of minutes to an hour, from recorded outages.
    Probe,
}

impl Scale {
    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Probe => "probe",
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.scale == Scale::Probe || args.told.input.is_some() {
        return in_parts::run(args);
    }
    let model = match &args.from {
        Some(path) => {
            let file = model_file(path).with_context(|| format!("{} is no model", path.display()))?;
            read_model(&file)?
        }
        None => on_fleets(args)?,
    };
    let rows_learned = model.version().rows_learned;
    let parent = args.from.as_ref().and_then(|_| model.version().name.parse().ok());
    let name = released_name(args)?;
    let model = model.released(&name.to_string());
    let (model, recordings) = learn_on(args, model)?;
    let held_out_seed = args.seed + args.fleets;
    let (_, fleet) = one_fleet(args, held_out_seed, Some(model.clone()), false)?;
    eprintln!("fleet {held_out_seed}, held out: {fleet}");
    let release = Release {
        name,
        parent,
        seeds: (args.seed..held_out_seed).collect(),
        held_out_seed,
        hours: args.hours,
        targets: args.targets,
        recordings: recordings.learned_from,
        rows: args
            .rows
            .iter()
            .map(|path| InputFile::of(path))
            .collect::<Result<_, _>>()?,
        held_out_recordings: recordings.held_out,
        epochs: args.epochs,
        rows_learned,
    };
    let figures = Held {
        fleet,
        recordings: recordings.evaluations,
    };
    release::write(&args.out, &model, &release, &figures)
}

fn released_name(args: &Args) -> anyhow::Result<ModelName> {
    let number = args.out.file_name().and_then(|name| name.to_str()).unwrap_or("1");
    let name = args.name.as_deref().unwrap_or(args.scale.name());
    format!("{name}@{number}")
        .parse()
        .context("the last directory of --out is the version's number")
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
    let model = match (model, &args.rows) {
        (Some(model), _) => model,
        (None, rows) => first_model(args, rows, fleet.fresh_model(|_| true))?,
    };
    let mut watcher = Watcher::new(&fleet.fallback);
    let model = fleet.play(model, &mut watcher)?;
    let mut figures = Figures::default();
    watcher.finish(&mut figures);
    Ok((model, figures.evaluate(&fleet.fallback.timing.horizons)))
}

/// What is not the same in simulated or recorded stories as in life: when faults come, counted from the beginning or
/// by the clock.
const MADE_UP: [&str; 3] = ["hour_of_day", "day_of_week", "known_for"];

/// A fresh model, with trees beside it where there are rows to grow them on.
fn first_model(args: &Args, rows: &[PathBuf], fresh: Model) -> anyhow::Result<Model> {
    if rows.is_empty() {
        return Ok(fresh);
    }
    let mut others = Vec::new();
    for folder in &args.recordings {
        others.extend(Journals::of(folder, true)?.not_of_trees(folder));
    }
    let part = grow::Part {
        rows,
        until: Timestamp::MAX,
        without: &others,
        views: &[grow::Reads::AllBut(&MADE_UP)],
    };
    let trees = grow::grow(&part, &fresh)?;
    grow::beside(fresh, trees, Timestamp::MIN)
}

/// What came of learning on.
struct LearnedOn {
    learned_from: Vec<InputFile>,
    held_out: usize,
    /// By folder.
    evaluations: BTreeMap<String, Evaluation>,
}

/// Goes through the recordings; how often their targets fail is not taken over, since they were made to fail.
fn learn_on(args: &Args, mut model: Model) -> anyhow::Result<(Model, LearnedOn)> {
    let mut folders = Vec::new();
    for folder in &args.recordings {
        folders.push((folder, Journals::of(folder, !args.rows.is_empty())?));
    }
    let hazard = model.params().hazard.clone();
    let look = |model: &Model, when: &str| -> anyhow::Result<BTreeMap<String, Evaluation>> {
        let mut evaluations = BTreeMap::new();
        for (folder, journals) in &folders {
            let mut figures = Figures::default();
            for journal in &journals.held_out {
                recorded::one(journal, model.clone(), false, &mut figures)?;
            }
            let evaluation = figures.evaluate(model.horizons());
            eprintln!(
                "{}, {} held out, {when}: {evaluation}",
                folder.display(),
                journals.held_out.len()
            );
            evaluations.insert(name_of(folder), evaluation);
        }
        Ok(evaluations)
    };
    let mut evaluations = look(&model, "before")?;
    let name = model.version().name.clone();
    for epoch in 1..=args.epochs {
        let mut figures = Figures::default();
        for journal in in_turns(
            folders
                .iter()
                .map(|(_, journals)| journals.learned_from.as_slice()),
        ) {
            model = recorded::one(journal, model, true, &mut figures)?;
        }
        evaluations = look(&model, &format!("after epoch {epoch}"))?;
    }
    let mut inputs = Vec::new();
    for (folder, journals) in &folders {
        for journal in journals.of_trees.iter().chain(&journals.learned_from) {
            inputs.push(input(folder, journal)?);
        }
    }
    let params = Params {
        hazard,
        ..model.params().clone()
    };
    let learned = LearnedOn {
        learned_from: inputs,
        held_out: folders.iter().map(|(_, journals)| journals.held_out.len()).sum(),
        evaluations,
    };
    Ok((model.released(&name).with_params(params)?, learned))
}

fn name_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// A journal's name below the folder, with its digest.
fn input(folder: &Path, journal: &Path) -> anyhow::Result<InputFile> {
    let name = journal.strip_prefix(folder).unwrap_or(journal);
    Ok(InputFile {
        name: name.display().to_string(),
        ..InputFile::of(journal)?
    })
}
