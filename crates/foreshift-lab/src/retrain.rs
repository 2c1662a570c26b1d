//! `foreshift-lab retrain`: from the journal of a running Foreshift to the next version of its model, in one command.
//!
//! It extracts rows, trains beside what was served, measures both on the last part of the journal, which taught
//! nothing, and asks the gate. The version becomes challenger; it is promoted only when the gate has passed.

mod course;
mod outcome;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::{Duration, rfc3339};
use foreshift_predict::Model;
use foreshift_registry::{By, InputFile, Manifest, ModelName, Registry, Release};
use serde_json::json;

use crate::extract::{self, OneIn};
use crate::format::Format;
use crate::models::now;
use crate::replay::driver;
use crate::train::in_parts;
use course::{Course, Times};
use outcome::{Outcome, Report};

/// The fewest incidents that may teach, at each horizon: with fewer, what is learned is those and not their kind.
const MIN_INCIDENTS: usize = 10;

/// Arguments of `foreshift-lab retrain`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The configuration of the running Foreshift: it names the storage, which holds the journal, and the registry.
    #[arg(long, value_name = "FILE", default_value = "foreshift.yaml")]
    config: PathBuf,
    /// The journal, instead of the storage's.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
    /// The registry, instead of `models_path`.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Learn from here on: a time, or a span back from the newest record such as 30d. What was before is still seen by
    /// features.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Which share of the time, the last of it, teaches nothing and is judged on.
    #[arg(long, value_name = "SHARE", default_value_t = 0.3)]
    judge: f64,
    /// Grow trees on the rows of prediction ticks at multiples of this span. A sixth of the shortest horizon unless said
    /// otherwise.
    #[arg(long, value_name = "SPAN", value_parser = foreshift_config::parse_duration)]
    every: Option<Duration>,
    /// Of the rows that are not positive keep one in so many; they weigh that much more.
    #[arg(long, value_name = "1:N", default_value = "1:10")]
    negatives: OneIn,
    /// Where the rows are written, and kept; `retrain.parquet` beside the journal unless named.
    #[arg(long, value_name = "PARQUET")]
    rows: Option<PathBuf>,
    /// Do everything but write the version and move aliases.
    #[arg(long)]
    dry_run: bool,
    /// Who asks; kept in the registry's history.
    #[arg(long, env = "USER", default_value = "unknown")]
    actor: String,
    /// How to print what came of it. Progress goes to standard error.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What serves, and fits the configuration.
struct Parent {
    name: ModelName,
    manifest: Manifest,
    /// At the pace of the configuration.
    model: Model,
    pace: f64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let report = retrain(args)?;
    match args.output {
        Format::Text => print!("{report}"),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}

fn retrain(args: &Args) -> anyhow::Result<Report> {
    ensure!(
        (0.05..=0.8).contains(&args.judge),
        "--judge must be from 0.05 to 0.8, not {}",
        args.judge
    );
    let (journal, registry) = places(args)?;
    let fallback = driver::recorded_fallback(&journal)?;
    ensure!(
        fallback.learning.online,
        "the journal was recorded with `learning: {{online: false}}`: models cannot be compared on it"
    );
    let parent = parent(&registry, &fallback)?;
    let (first, end) = in_parts::span(&journal, None)?;
    let since = args
        .since
        .as_ref()
        .map_or(Ok(first), |text| extract::when(text, || Ok(end)))?;
    let times = Times::new(since.max(first), end, args.judge, &fallback.timing);
    let rows = match &args.rows {
        Some(rows) => rows.clone(),
        None => journal.with_file_name("retrain.parquet"),
    };
    eprintln!("1 of 4: rows of {}", times.words());
    let every = args.every.unwrap_or_else(|| sixth(&fallback));
    let summary = extract::rows(&extract::Args::of_journal(
        &journal,
        times.since,
        every,
        args.negatives,
        &rows,
    ))?;
    let course = Course {
        journal: &journal,
        rows: &rows,
        fallback: &fallback,
        times,
    };
    let mut report = Report::new(&parent.name, &times, &summary, course.incidents()?);
    if report.least_incidents() < MIN_INCIDENTS {
        report.outcome = Outcome::TooFewIncidents {
            needed: MIN_INCIDENTS,
        };
        return Ok(report);
    }
    eprintln!("2 of 4: training, beside what was served");
    let taught = course.teach(&parent.model)?;
    eprintln!("3 of 4: both on what taught nothing");
    report.held_out = course.held_out(&parent.name, &taught)?;
    eprintln!("4 of 4: the gate");
    let comparison = course.gate(taught.passage, &taught.model)?;
    report.gate = Some(comparison);
    if args.dry_run {
        return Ok(report);
    }
    release(args, &registry, &parent, &taught.model, &course, &mut report)?;
    Ok(report)
}

/// The journal and the registry.
fn places(args: &Args) -> anyhow::Result<(PathBuf, Registry)> {
    if let (Some(journal), Some(models)) = (&args.journal, &args.models) {
        return Ok((journal.clone(), Registry::open(models)?));
    }
    let loaded = foreshift_config::load_process(&args.config, std::env::vars())?.value;
    let journal = args
        .journal
        .clone()
        .unwrap_or_else(|| loaded.storage.dir.join("journal"));
    let models = args.models.clone().or(loaded.models_path).with_context(|| {
        format!(
            "{} names no `models_path`: a retrained model needs a registry to be a version of",
            args.config.display()
        )
    })?;
    Ok((journal, Registry::open(&models)?))
}

/// The first champion that fits the configuration, as `foreshift run` chooses it.
fn parent(registry: &Registry, fallback: &Fallback) -> anyhow::Result<Parent> {
    let mut refused = Vec::new();
    for name in registry.aliases()?.champion.into_values() {
        let manifest = registry.manifest(&name)?;
        if manifest.feature_schema.is_none() {
            continue;
        }
        let (_, model) = registry.load(&name)?;
        match manifest.fitted(model, fallback) {
            Ok(chosen) => {
                return Ok(Parent {
                    name,
                    model: chosen.model,
                    pace: manifest.pace(fallback).unwrap_or(1.0),
                    manifest,
                });
            }
            Err(why) => refused.push(format!("{name}: {why}")),
        }
    }
    anyhow::bail!(
        "no champion fits the journal's configuration ({}): make a first one with `foreshift-lab train --input`",
        if refused.is_empty() {
            "there is none".to_owned()
        } else {
            refused.join("; ")
        }
    )
}

/// Six rows for each horizon say nearly all that thirty do.
fn sixth(fallback: &Fallback) -> Duration {
    let tick = fallback.timing.tick.as_micros().max(1);
    let shortest = fallback
        .timing
        .horizons
        .first()
        .map_or(tick, |span| span.as_micros());
    Duration::from_micros((shortest / 6 / tick).max(1) * tick)
}

/// Writes the version, makes it challenger, and champion where the gate has passed.
fn release(
    args: &Args,
    registry: &Registry,
    parent: &Parent,
    model: &Model,
    course: &Course<'_>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let model = model.clone().at_pace(1.0 / parent.pace);
    let metrics = json!({"held_out": report.challenger_figures(), "gate": &report.gate});
    let journal = InputFile::of(course.journal)?;
    let name = registry.add(parent.name.scale(), |name| -> anyhow::Result<Release> {
        let model = model.named(&name.to_string());
        Ok(Release {
            manifest: manifest(name.clone(), &model, parent, course, journal),
            model: model.to_json()?.into_bytes(),
            metrics: serde_json::to_string_pretty(&metrics)?,
            card: report.card(&name, &parent.name, parent.manifest.simulated),
        })
    })?;
    let by = |reason| By {
        who: &args.actor,
        reason,
        at: now(),
    };
    registry.challenge(&name, &by("retrained: to be scored in the shadow"))?;
    report.version = Some(name.clone());
    report.outcome = Outcome::Challenger;
    if report.gate.as_ref().is_some_and(|gate| gate.passed) {
        let evidence = serde_json::to_value(&report.gate)?;
        let reason = "retrained: the gate passed on the part of the journal that taught nothing";
        registry.promote(&name, Some(&parent.name), &by(reason), false, Some(evidence))?;
        report.outcome = Outcome::Promoted;
    }
    Ok(())
}

fn manifest(
    name: ModelName,
    model: &Model,
    parent: &Parent,
    course: &Course<'_>,
    journal: InputFile,
) -> Manifest {
    let trained_on = format!(
        "what was served, {}; before that {}",
        course.times.words(),
        parent.manifest.trained_on
    );
    let facts = json!({
        "since": rfc3339::format(course.times.since),
        "taught_until": rfc3339::format(course.times.cut),
        "judged_until": rfc3339::format(course.times.end),
    });
    Manifest {
        parent: Some(parent.name.clone()),
        simulated: parent.manifest.simulated,
        inputs: vec![journal],
        windows_s: parent.manifest.windows_s,
        seed: Some(crate::train::TREE_SEED),
        git_revision: crate::models::git_revision(),
        created_at: Some(rfc3339::format(now())),
        training: facts.as_object().cloned().unwrap_or_default(),
        ..Manifest::of(name, model, "foreshift-lab retrain", &trained_on)
    }
}

#[cfg(test)]
mod tests;
