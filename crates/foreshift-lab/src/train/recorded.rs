//! Learning on from journals that were recorded with Foreshift in shadow.
//!
//! A recording may run at another pace than the model: what counts is that its time scales are the model's, all
//! shorter or longer by one factor.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use foreshift_domain::Duration;
use foreshift_domain::fallback::{Fallback, Mode};
use foreshift_engine::Engine;
use foreshift_ingest::source::JournalSource;
use foreshift_predict::Model;

use super::evaluation::{Figures, Watcher};
use crate::replay::driver::{Given, Replay, holds_segments, recorded_fallback};

/// The journals below a folder, in order of their names: folders called `journal`, and others with segments in them.
pub(crate) fn journals(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(folder, &mut found)?;
    found.sort();
    anyhow::ensure!(
        !found.is_empty(),
        "there is no journal below {}",
        folder.display()
    );
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if is_called_journal(&path) || holds_segments(&path)? {
            found.push(path);
        } else {
            collect(&path, found)?;
        }
    }
    Ok(())
}

/// Whether a folder bears the name of journals, so that it is its parent's name that tells it from others.
pub(crate) fn is_called_journal(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "journal")
}

/// One recording through the engine, with weights left alone; `learns` says whether the model may change.
pub(super) fn one(path: &Path, model: Model, learns: bool, figures: &mut Figures) -> anyhow::Result<Model> {
    let fallback = Arc::new(observing(recorded_fallback(path)?.as_ref(), learns));
    let (model, pace) = fitted(model, &fallback).with_context(|| format!("{}", path.display()))?;
    let engine = Engine::new(1, Arc::clone(&fallback), model);
    let mut watcher = Watcher::new(&fallback);
    let mut replay = Replay::new(engine, &fallback, Duration::ZERO, Duration::DAY, Given::ALL);
    replay.run(&mut JournalSource::open(path)?, &mut watcher)?;
    watcher.finish(figures);
    Ok(replay.engine.model().clone().at_pace(1.0 / pace))
}

fn observing(fallback: &Fallback, learns: bool) -> Fallback {
    let mut fallback = fallback.clone();
    fallback.learning.online = learns;
    let routes = fallback.routes.iter_mut();
    routes.for_each(|route| route.settings.mode = Mode::Off);
    fallback
}

/// The model at the pace of a configuration, and how many times as fast as the model's that is.
///
/// # Errors
/// When the time scales are not the model's at any pace.
pub(crate) fn fitted(model: Model, fallback: &Fallback) -> anyhow::Result<(Model, f64)> {
    let pace = pace(&model, fallback)?;
    Ok((if pace == 1.0 { model } else { model.at_pace(pace) }, pace))
}

/// How many times as fast as the model's the recording's time scales are.
fn pace(model: &Model, fallback: &Fallback) -> anyhow::Result<f64> {
    let horizons = model.horizons().iter().zip(&fallback.timing.horizons);
    let mut paces = horizons.map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64());
    let pace = paces.next().context("a model without horizons")?;
    anyhow::ensure!(
        model.horizons().len() == fallback.timing.horizons.len()
            && paces.all(|other| (other / pace - 1.0).abs() < 1e-6),
        "the horizons of this recording are not the model's at any pace"
    );
    Ok(pace)
}
