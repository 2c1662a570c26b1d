//! A model with what there is to say about it: the files of a version in models/.

use std::path::Path;

use anyhow::Context;
use foreshift_predict::Model;
use serde::Serialize;

use super::evaluation::Evaluation;

/// Where a model comes from, as `manifest.json`.
#[derive(Serialize)]
pub(super) struct Release {
    pub(super) name: String,
    pub(super) trained_on: &'static str,
    pub(super) seeds: Vec<u64>,
    pub(super) held_out_seed: u64,
    pub(super) hours: u32,
    pub(super) targets: usize,
    pub(super) recordings: Option<usize>,
    pub(super) held_out_recordings: Option<usize>,
    pub(super) epochs: u32,
    pub(super) horizons_s: Vec<f64>,
    pub(super) feature_schema: String,
    pub(super) rows_learned: u64,
}

/// Figures on what was held out, as `metrics.json`.
#[derive(Serialize)]
pub(super) struct Held {
    pub(super) fleet: Evaluation,
    pub(super) recordings: Option<Evaluation>,
}

pub(super) fn write(dir: &Path, model: &Model, release: &Release, held: &Held) -> anyhow::Result<()> {
    file(dir, "model.json", &model.to_json()?)?;
    file(dir, "manifest.json", &serde_json::to_string_pretty(release)?)?;
    file(dir, "metrics.json", &serde_json::to_string_pretty(held)?)?;
    file(dir, "CARD.md", &card(release, held))
}

fn card(release: &Release, held: &Held) -> String {
    let mut text = format!(
        "# {}\n\n\
        An online logistic model (FTRL-proximal) with a hazard prior, for ticks of a second and horizons of 30 s, 2 min and\n\
        10 min, or all of these shorter or longer by one factor. It goes on learning from what it sees.\n\n\
        **Trained on simulation**: {} fleets of {} targets over {} hours each, seeds {} to {}, made by `foreshift-sim`.\n",
        release.name,
        release.seeds.len(),
        release.targets,
        release.hours,
        release.seeds.first().copied().unwrap_or_default(),
        release.held_out_seed.saturating_sub(1),
    );
    if let (Some(recordings), Some(held_out)) = (release.recordings, release.held_out_recordings) {
        text += &format!(
            "**Then on recordings** of real Envoys in front of upstreams with scripted faults, made by `foreshift-testbed\n\
            record`: {recordings} of them, {} times; {held_out} more were held out.\n",
            release.epochs
        );
    }
    text += &format!(
        "\nIt has seen no real outage, and at first believes that targets fail as often as the simulated ones, until a\n\
        target-day has been seen. It does not read our own weights: where it learned they never moved. Its features are\n\
        relative to each target's own history, so that it says something on the first day; trust it after it has been right\n\
        in shadow.\n\n\
        Held-out fleet (seed {}), targets and faults never seen, no learning:\n\n{}\n",
        release.held_out_seed,
        held.fleet.table()
    );
    if let Some(recordings) = &held.recordings {
        text += &format!(
            "Held-out recordings, no learning, abrupt faults included:\n\n{}\n",
            recordings.table()
        );
    }
    text + "Made by `make record train-live`.\n"
}

fn file(dir: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
