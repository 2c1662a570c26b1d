//! A model with what there is to say about it: the files of a version in models/.

use std::collections::BTreeMap;
use std::path::Path;

use foreshift_predict::Model;
use foreshift_registry::{InputFile, Manifest, ModelName, Release as Files, write_version};
use serde::Serialize;
use serde_json::{Map, json};

use super::evaluation::Evaluation;

/// Where a model comes from.
pub(super) struct Release {
    pub(super) name: ModelName,
    pub(super) parent: Option<ModelName>,
    pub(super) seeds: Vec<u64>,
    pub(super) held_out_seed: u64,
    pub(super) hours: u32,
    pub(super) targets: usize,
    pub(super) recordings: Vec<InputFile>,
    /// What trees were grown on.
    pub(super) rows: Vec<InputFile>,
    pub(super) held_out_recordings: usize,
    pub(super) epochs: u32,
    pub(super) rows_learned: u64,
}

/// Figures on what was held out, as `metrics.json`.
#[derive(Serialize)]
pub(super) struct Held {
    pub(super) fleet: Evaluation,
    /// By folder.
    pub(super) recordings: BTreeMap<String, Evaluation>,
}

pub(super) fn write(dir: &Path, model: &Model, release: &Release, held: &Held) -> anyhow::Result<()> {
    let files = Files {
        manifest: manifest(model, release),
        model: model.to_json()?.into_bytes(),
        metrics: serde_json::to_string_pretty(held)?,
        card: card(release, held),
    };
    Ok(write_version(dir, files, true)?)
}

fn manifest(model: &Model, release: &Release) -> Manifest {
    let (first, last) = (release.seeds.first(), release.seeds.last());
    let fleets = format!(
        "foreshift-sim, fleets of seeds {} to {}",
        first.copied().unwrap_or_default(),
        last.copied().unwrap_or_default()
    );
    let mut inputs = vec![InputFile::made_anew(&fleets)];
    inputs.extend_from_slice(&release.rows);
    inputs.extend_from_slice(&release.recordings);
    let told = json!({
        "seeds": release.seeds,
        "held_out_seed": release.held_out_seed,
        "hours": release.hours,
        "targets": release.targets,
        "recordings": release.recordings.len(),
        "held_out_recordings": release.held_out_recordings,
        "epochs": release.epochs,
        "rows_learned": release.rows_learned,
    });
    let trained_on = if release.recordings.is_empty() {
        "simulated fleets of foreshift-sim"
    } else {
        "simulated fleets of foreshift-sim, then recordings of foreshift-testbed"
    };
    Manifest {
        parent: release.parent.clone(),
        simulated: true,
        inputs,
        seed: release.seeds.first().copied(),
        git_revision: crate::models::git_revision(),
        training: told.as_object().cloned().unwrap_or_else(Map::new),
        ..Manifest::of(release.name.clone(), model, "foreshift-lab train", trained_on)
    }
}

fn card(release: &Release, held: &Held) -> String {
    let experts = if release.rows.is_empty() {
        "An online logistic model (FTRL-proximal) with a hazard prior"
    } else {
        "An online logistic model (FTRL-proximal), boosted trees, a hazard prior and an anomaly expert, combined in log-odds"
    };
    let mut text = format!(
        "# {}\n\n\
        {experts}.\n\
        For ticks of a second and horizons of 30 s, 2 min and 10 min, or all of these shorter or longer by one factor. It\n\
        goes on learning from what it sees.\n\n\
        **Trained on simulation**: {} fleets of {} targets over {} hours each, seeds {} to {}, made by `foreshift-sim`.\n",
        release.name,
        release.seeds.len(),
        release.targets,
        release.hours,
        release.seeds.first().copied().unwrap_or_default(),
        release.held_out_seed.saturating_sub(1),
    );
    if !release.recordings.is_empty() {
        let (recordings, held_out) = (release.recordings.len(), release.held_out_recordings);
        text += &format!(
            "**Then on recordings** of real Envoys in front of upstreams with scripted faults, made by `foreshift-testbed\n\
            record`: {recordings} of them, {} times; {held_out} more were held out.\n",
            release.epochs
        );
    }
    if !release.rows.is_empty() {
        text += "**The trees** were grown on rows of other fleets, and of half of those recordings; the rest learned from the other\n\
            half, so that none knows what another is judged by.\n";
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
    for (folder, recordings) in &held.recordings {
        text += &format!(
            "Held-out recordings of `{folder}`, no learning, abrupt faults included:\n\n{}\n",
            recordings.table()
        );
    }
    text + "Made by `make record train-live`.\n"
}
