//! The baseline of the report: linfa's multinomial naive Bayes over words and pairs of words.

use std::collections::BTreeMap;

use anyhow::Context;
use foreshift_domain::log::ErrorClass;
use foreshift_logs::classify::words;
use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_bayes::MultinomialNb;
use ndarray::{Array1, Array2};

use super::corpus::Labelled;

/// Words and pairs of fewer lines are left out: the arrays are dense.
const MIN_LINES: usize = 2;

/// Fits on some lines and says the classes of others.
pub(super) fn naive_bayes(train: &[&Labelled], test: &[&Labelled]) -> anyhow::Result<Vec<ErrorClass>> {
    let mut lines_of: BTreeMap<String, usize> = BTreeMap::new();
    let counted: Vec<BTreeMap<String, f64>> = train.iter().map(|line| counts(&line.message)).collect();
    for term in counted.iter().flat_map(BTreeMap::keys) {
        *lines_of.entry(term.clone()).or_default() += 1;
    }
    let terms: BTreeMap<&str, usize> = lines_of
        .iter()
        .filter(|(_, lines)| **lines >= MIN_LINES)
        .map(|(term, _)| term.as_str())
        .zip(0..)
        .collect();
    let classes: Array1<usize> = train.iter().map(|line| line.class as usize).collect();
    let dataset = DatasetBase::new(dense(&counted, &terms), classes);
    let model = MultinomialNb::params()
        .fit(&dataset)
        .context("naive Bayes does not fit")?;
    let counted: Vec<_> = test.iter().map(|line| counts(&line.message)).collect();
    let found: Array1<usize> = model.predict(&dense(&counted, &terms));
    let class = |at: &usize| ErrorClass::ALL.get(*at).copied().unwrap_or(ErrorClass::None);
    Ok(found.iter().map(class).collect())
}

fn dense(counted: &[BTreeMap<String, f64>], terms: &BTreeMap<&str, usize>) -> Array2<f64> {
    let mut array = Array2::zeros((counted.len(), terms.len()));
    for (row, counts) in counted.iter().enumerate() {
        for (term, count) in counts {
            if let Some(cell) = terms.get(term.as_str()).and_then(|at| array.get_mut((row, *at))) {
                *cell = *count;
            }
        }
    }
    array
}

fn counts(message: &str) -> BTreeMap<String, f64> {
    let words = words(message);
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    let mut counts = BTreeMap::new();
    for term in words.iter().cloned().chain(pairs) {
        *counts.entry(term).or_default() += 1.0;
    }
    counts
}
