//! `foreshift-lab drift`: how far the features of rows have moved from those that a model was trained on.
//!
//! The population stability index of a feature is the sum over bins of (current - reference) x ln(current / reference),
//! on shares of rows. Bins are tenths of the reference; missing values have a bin of
//! their own, and so has what is below or above all of the reference.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use polars::prelude::DataFrame;
use serde::Serialize;

use crate::format::Format;
use crate::replay::progress::Progress;
use crate::rows::{About, read_frame};

/// From here on a feature is worth a look, and from here on a model trained before is not to be trusted with it: the
/// usual thresholds.
const SHIFTED: f64 = 0.1;
const DRIFTED: f64 = 0.25;

/// Bins of the reference, of equal weight as far as values repeat themselves less often than that.
const BINS: usize = 10;

/// A bin is taken to hold at least so much of the rows, in parts of all: an empty one says that it is rare, not that it
/// is impossible.
const LEAST_SHARE: f64 = 1e-4;

/// Arguments of `foreshift-lab drift`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Rows that the model was trained on.
    #[arg(long, value_name = "PARQUET")]
    reference: PathBuf,
    /// Rows of now.
    #[arg(long, value_name = "PARQUET")]
    current: PathBuf,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What moved.
#[derive(Debug, Serialize)]
struct Drift {
    reference_rows: usize,
    current_rows: usize,
    /// The worst first.
    features: Vec<Feature>,
    labels: Vec<Labels>,
}

#[derive(Debug, Serialize)]
struct Feature {
    feature: String,
    psi: f64,
    verdict: Verdict,
    /// Shares of rows without a value.
    reference_missing: f64,
    current_missing: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Stable,
    Shifted,
    Drifted,
}

/// Labels of one horizon.
#[derive(Debug, Serialize)]
struct Labels {
    horizon_s: f64,
    /// Positives among the rows whose label is known, by weight; `None` when none is.
    reference_base_rate: Option<f64>,
    current_base_rate: Option<f64>,
    /// Rows whose label is not known, by weight.
    reference_unknown: f64,
    current_unknown: f64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let drift = compare(&args.reference, &args.current)?;
    match args.output {
        Format::Json => println!("{}", serde_json::to_string_pretty(&drift)?),
        Format::Text => drift.print(),
    }
    Ok(())
}

fn compare(reference: &Path, current: &Path) -> anyhow::Result<Drift> {
    let (before, now) = (Side::open(reference)?, Side::open(current)?);
    ensure!(
        before.about.horizons_s == now.about.horizons_s,
        "the rows look ahead by {:?} s and {:?} s: they cannot be compared",
        before.about.horizons_s,
        now.about.horizons_s
    );
    ensure!(
        before.about.feature_schema == now.about.feature_schema,
        "the rows declare other features: they cannot be compared"
    );
    let mut features = Vec::new();
    // A column at a time: memory holds one feature of each side, whatever their number.
    let progress = Progress::spinner();
    let set = before.about.set()?;
    for of in set.all() {
        progress.show();
        features.push(feature(of.name, &before.column(of.name)?, &now.column(of.name)?));
    }
    progress.finish();
    features.sort_by(|a, b| b.psi.total_cmp(&a.psi));
    let labels = before.about.horizons_s.iter().map(|&horizon_s| {
        let (reference, current) = (before.labels(horizon_s)?, now.labels(horizon_s)?);
        Ok(Labels {
            horizon_s,
            reference_base_rate: reference.0,
            current_base_rate: current.0,
            reference_unknown: reference.1,
            current_unknown: current.1,
        })
    });
    Ok(Drift {
        reference_rows: before.rows,
        current_rows: now.rows,
        labels: labels.collect::<anyhow::Result<_>>()?,
        features,
    })
}

/// One of the files compared.
struct Side<'a> {
    path: &'a Path,
    about: About,
    meta: DataFrame,
    /// Weight of each row as one of a tick; 0 for all horizons but the first, which repeat its features.
    weights: Vec<f64>,
    rows: usize,
}

impl<'a> Side<'a> {
    fn open(path: &'a Path) -> anyhow::Result<Self> {
        let (about, meta) = read_frame(path, Some(&["horizon_s", "label", "row_weight"]))?;
        let first = about.horizons_s.first().copied().unwrap_or_default();
        let weight = meta.column("row_weight")?.f64()?.iter();
        let weights = meta.column("horizon_s")?.f64()?.iter().zip(weight);
        let weights = weights.map(|(horizon, weight)| {
            if horizon == Some(first) {
                weight.unwrap_or_default()
            } else {
                0.0
            }
        });
        let weights: Vec<f64> = weights.collect();
        let rows = weights.iter().filter(|weight| **weight > 0.0).count();
        ensure!(rows > 0, "{} holds no rows", path.display());
        Ok(Self {
            path,
            about,
            meta,
            weights,
            rows,
        })
    }

    /// Values of a feature with their weights.
    fn column(&self, name: &str) -> anyhow::Result<Vec<(f64, f64)>> {
        let (_, frame) = read_frame(self.path, Some(&[name]))?;
        let values = frame.column(name)?.f64().with_context(|| name.to_owned())?.iter();
        let weighed = values.map(|value| value.unwrap_or(f64::NAN)).zip(&self.weights);
        Ok(weighed
            .filter(|(_, weight)| **weight > 0.0)
            .map(|(value, weight)| (value, *weight))
            .collect())
    }

    /// Base rate among the known, and share of the unknown.
    fn labels(&self, horizon_s: f64) -> anyhow::Result<(Option<f64>, f64)> {
        let horizons = self.meta.column("horizon_s")?.f64()?.iter();
        let labels = self.meta.column("label")?.i32()?.iter();
        let weights = self.meta.column("row_weight")?.f64()?.iter();
        let (mut positive, mut known, mut all) = (0.0, 0.0, 0.0);
        for ((horizon, label), weight) in horizons.zip(labels).zip(weights) {
            if horizon != Some(horizon_s) {
                continue;
            }
            let weight = weight.unwrap_or_default();
            all += weight;
            if let Some(label) = label {
                known += weight;
                positive += weight * f64::from(label);
            }
        }
        Ok((
            (known > 0.0).then(|| positive / known),
            if all > 0.0 { 1.0 - known / all } else { 0.0 },
        ))
    }
}

fn feature(name: &str, reference: &[(f64, f64)], current: &[(f64, f64)]) -> Feature {
    let edges = edges(reference);
    let (before, now) = (shares(reference, &edges), shares(current, &edges));
    let psi: f64 = before
        .iter()
        .zip(&now)
        .map(|(before, now)| {
            let (before, now) = (before.max(LEAST_SHARE), now.max(LEAST_SHARE));
            (now - before) * (now / before).ln()
        })
        .sum();
    Feature {
        feature: name.to_owned(),
        psi,
        verdict: match psi {
            psi if psi >= DRIFTED => Verdict::Drifted,
            psi if psi >= SHIFTED => Verdict::Shifted,
            _ => Verdict::Stable,
        },
        reference_missing: before.last().copied().unwrap_or_default(),
        current_missing: now.last().copied().unwrap_or_default(),
    }
}

/// Upper ends of the bins but the last, ascending, none twice.
fn edges(reference: &[(f64, f64)]) -> Vec<f64> {
    let mut values: Vec<_> = reference
        .iter()
        .filter(|(value, _)| !value.is_nan())
        .copied()
        .collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = values.iter().map(|(_, weight)| weight).sum();
    // What is below or above all of the reference has bins of its own: there a constant shows that it changed.
    let mut edges: Vec<f64> = values
        .first()
        .map(|(least, _)| least.next_down())
        .into_iter()
        .collect();
    let mut passed = 0.0;
    for (value, weight) in &values {
        passed += weight;
        let reached = passed * BINS as f64 / total;
        // A value that fills several tenths by itself is the end of one bin.
        if reached >= edges.len() as f64 && edges.last() != Some(value) {
            edges.push(*value);
        }
    }
    if let Some((largest, _)) = values.last()
        && edges.last() != Some(largest)
    {
        edges.push(*largest);
    }
    edges
}

/// The share of each bin, that of missing values last.
fn shares(values: &[(f64, f64)], edges: &[f64]) -> Vec<f64> {
    let mut bins = vec![0.0; edges.len() + 2];
    let mut total = 0.0;
    for (value, weight) in values {
        let bin = if value.is_nan() {
            edges.len() + 1
        } else {
            edges.partition_point(|edge| edge < value)
        };
        if let Some(bin) = bins.get_mut(bin) {
            *bin += weight;
        }
        total += weight;
    }
    bins.iter_mut().for_each(|bin| *bin /= total);
    bins
}

impl Drift {
    fn print(&self) {
        println!(
            "{} rows of reference, {} of now; below {SHIFTED} stable, from {DRIFTED} on drifted",
            self.reference_rows, self.current_rows
        );
        println!(
            "{:<28} {:>8}  {:<8} {:>9} {:>9}",
            "feature", "PSI", "", "missing", "then now"
        );
        for Feature {
            feature,
            psi,
            verdict,
            reference_missing,
            current_missing,
        } in &self.features
        {
            let verdict = match verdict {
                Verdict::Stable => "",
                Verdict::Shifted => "shifted",
                Verdict::Drifted => "DRIFTED",
            };
            println!(
                "{feature:<28} {psi:>8.3}  {verdict:<8} {:>7.1} % {:>7.1} %",
                100.0 * reference_missing,
                100.0 * current_missing
            );
        }
        println!(
            "{:>10} {:>18} {:>16} {:>18} {:>16}",
            "horizon", "base rate before", "now", "unknown before", "now"
        );
        let rate = |rate: Option<f64>| {
            rate.map_or_else(
                || "none known".to_owned(),
                |rate| format!("{:.4} %", 100.0 * rate),
            )
        };
        for labels in &self.labels {
            println!(
                "{:>8} s {:>18} {:>16} {:>16.2} % {:>14.2} %",
                labels.horizon_s,
                rate(labels.reference_base_rate),
                rate(labels.current_base_rate),
                100.0 * labels.reference_unknown,
                100.0 * labels.current_unknown
            );
        }
    }
}

#[cfg(test)]
mod tests;
