//! The model of log classes with what there is to say about it: the files of a version in models/logs.

use std::path::Path;

use foreshift_logs::classify::Model;
use foreshift_registry::{Manifest, ModelName, Release as Files, write_version};
use serde::Serialize;
use serde_json::json;

use super::figures::Figures;

/// Figures, as `metrics.json`.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) seed: u64,
    pub(super) lines: usize,
    pub(super) systems: usize,
    /// The whole classifier, each system judged by a model that has not seen it.
    pub(super) left_out: Figures,
    /// Structured evidence and phrases; where they are silent, `none`.
    pub(super) rules_alone: Figures,
    pub(super) model_alone: Figures,
    pub(super) naive_bayes: Figures,
    pub(super) stages: Vec<Stage>,
    pub(super) held_out: Option<HeldOut>,
    #[serde(skip)]
    pub(super) classes: String,
    #[serde(skip)]
    pub(super) matrix: String,
}

/// What one stage of the classifier decided.
#[derive(Serialize)]
pub(super) struct Stage {
    pub(super) decided_by: String,
    pub(super) lines: usize,
    pub(super) right: usize,
}

/// The shipped classifier on the held-out systems.
#[derive(Serialize)]
pub(super) struct HeldOut {
    pub(super) systems: usize,
    pub(super) figures: Figures,
    #[serde(skip)]
    pub(super) classes: String,
}

pub(super) fn write(dir: &Path, model: &Model, report: &Report) -> anyhow::Result<()> {
    let name: ModelName = report.name.parse()?;
    let told = json!({ "lines": report.lines, "buckets_with_weights": model.rows() });
    let manifest = Manifest {
        seed: Some(report.seed),
        git_revision: crate::models::git_revision(),
        training: told.as_object().cloned().unwrap_or_default(),
        ..Manifest::bare(
            name,
            "model.bin",
            "foreshift-lab train-logs",
            "datasets/log-lines/corpus",
        )
    };
    let files = Files {
        manifest,
        model: model.to_bytes()?,
        metrics: serde_json::to_string_pretty(report)?,
        card: card(report),
    };
    Ok(write_version(dir, files, true)?)
}

impl Report {
    /// The report as Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!(
            "{} lines of {} systems; each system is judged by a model that has not seen it.\n\n\
            | | coverage | accuracy | macro F1 | macro F1, declined lines missed |\n|---|---|---|---|---|\n",
            self.lines, self.systems
        );
        let rows = [
            ("whole classifier", &self.left_out),
            ("structured evidence and phrases alone", &self.rules_alone),
            ("linear model alone", &self.model_alone),
            ("naive Bayes (linfa), words and pairs", &self.naive_bayes),
        ];
        for (name, figures) in rows {
            text += &row(name, figures);
        }
        if let Some(held_out) = &self.held_out {
            let name = format!(
                "shipped, on {} held-out lines of {} other systems",
                held_out.figures.lines, held_out.systems
            );
            text += &row(&name, &held_out.figures);
        }
        text += "\n| decided by | lines | right |\n|---|---|---|\n";
        for stage in &self.stages {
            let share = stage.right as f64 / stage.lines.max(1) as f64;
            text += &format!("| {} | {} | {share:.3} |\n", stage.decided_by, stage.lines);
        }
        text += &format!("\n{}\n{}", self.classes, self.matrix);
        if let Some(held_out) = &self.held_out {
            text += &format!("\nHeld-out systems:\n\n{}", held_out.classes);
        }
        text
    }
}

fn row(name: &str, figures: &Figures) -> String {
    let Figures {
        coverage,
        accuracy,
        macro_f1,
        macro_f1_all,
        ..
    } = figures;
    format!("| {name} | {coverage:.3} | {accuracy:.3} | {macro_f1:.3} | {macro_f1_all:.3} |\n")
}

fn card(report: &Report) -> String {
    format!(
        "# {}\n\n\
        Tells 18 classes of failures and `none` apart in log lines that no rule of `foreshift-logs` knows: softmax regression\n\
        over hashed words, pairs of words and parts of words, with numbers, ids and hosts masked. Below a probability it declines.\n\n\
        **Trained on** {} lines of {} systems, written by this project (datasets/log-lines), seed {}. The rules that are asked\n\
        before it were written by the same people as the lines, and they know every system: with whole systems left out\n\
        only the linear model is new to the system. Trust the held-out row more, and lines of your own most.\n\n{}\n\
        Made by `foreshift-lab train-logs`.\n",
        report.name,
        report.lines,
        report.systems,
        report.seed,
        report.markdown()
    )
}
