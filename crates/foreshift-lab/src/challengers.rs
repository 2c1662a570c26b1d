//! `foreshift-lab challengers`: smartcore's random forest and linfa's logistic regression, trained on one table and
//! asked about another: what `tests/models/batch.py` compares with other libraries. Tables are those of the example
//! `boost` of foreshift-boost.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use serde::Serialize;

use crate::evaluate::worked::Worked;
use crate::{forest, logistic};

/// Penalty of the logistic regression, on standardised features: enough that it converges where they are alike.
pub(crate) const LOGISTIC_PENALTY: f64 = 1.0;

/// Arguments of `foreshift-lab challengers`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Rows to learn from: little-endian doubles, row by row: label, weight, features.
    learned: PathBuf,
    /// Rows to predict, written alike.
    asked: PathBuf,
    /// How many features a row has.
    features: usize,
    /// Gets the log-odds of each row of ASKED by the forest, then those by the logistic regression.
    out: PathBuf,
}

struct Table {
    labels: Vec<f64>,
    weights: Vec<f64>,
    rows: Vec<Vec<f64>>,
}

impl Table {
    fn read(path: &Path, features: usize) -> anyhow::Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (numbers, rest) = bytes.as_chunks();
        let numbers: Vec<f64> = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
        let rows = numbers.chunks_exact(features + 2);
        ensure!(
            rest.is_empty() && rows.remainder().is_empty() && features > 0,
            "{} is no table of {features} features",
            path.display()
        );
        let mut table = Self {
            labels: Vec::new(),
            weights: Vec::new(),
            rows: Vec::new(),
        };
        for row in rows {
            if let [label, weight, values @ ..] = row {
                table.labels.push(*label);
                table.weights.push(*weight);
                table.rows.push(values.to_vec());
            }
        }
        Ok(table)
    }

    fn columns(&self, features: usize) -> Vec<Vec<f64>> {
        let value = |row: &Vec<f64>, place: usize| row.get(place).copied().unwrap_or(f64::NAN);
        let column = |place| self.rows.iter().map(|row| value(row, place)).collect();
        (0..features).map(column).collect()
    }
}

/// What one of them took.
#[derive(Serialize)]
struct Times {
    fit_s: f64,
    batch_ns: f64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let learned = Table::read(&args.learned, args.features)?;
    let asked = Table::read(&args.asked, args.features)?;
    let (columns, labels, weights) = (learned.columns(args.features), &learned.labels, &learned.weights);

    let fitting = Worked::default();
    let forest = forest::fit(&columns, labels, weights, &forest::Params::default())?;
    let (mut said, of_forest) = ask(&asked, &fitting, |row| forest.logit(row));
    let fitting = Worked::default();
    let linear = logistic::fit(&columns, labels, weights, LOGISTIC_PENALTY)?;
    let (also, of_linear) = ask(&asked, &fitting, |row| linear.logit(row));
    said.extend(also);

    let bytes: Vec<u8> = said.iter().flat_map(|logit| logit.to_le_bytes()).collect();
    fs::write(&args.out, bytes).with_context(|| format!("cannot write {}", args.out.display()))?;
    println!("{}", serde_json::to_string(&[of_forest, of_linear])?);
    Ok(())
}

fn ask(asked: &Table, fitting: &Worked, logit: impl Fn(&[f64]) -> f64) -> (Vec<f64>, Times) {
    let (fit_s, asking) = (fitting.us() / 1e6, Worked::default());
    let said: Vec<f64> = asked.rows.iter().map(|row| logit(row)).collect();
    let batch_ns = asking.us() * 1e3 / said.len().max(1) as f64;
    (said, Times { fit_s, batch_ns })
}
