//! linfa's logistic regression as a baseline and as a stacker of other models' log-odds, made into a sum of our own.

use anyhow::Context;
use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

/// Log-odds that are a sum over features. A missing value counts as the feature's mean, so it adds nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Linear {
    /// The log-odds of the mean row.
    pub(crate) base: f64,
    /// By feature: the mean, and what one more of it adds.
    pub(crate) terms: Vec<(f64, f64)>,
}

impl Linear {
    /// The log-odds of a row.
    pub(crate) fn logit(&self, row: &[f64]) -> f64 {
        self.base + self.contributions(row).sum::<f64>()
    }

    /// What each feature adds to the base.
    pub(crate) fn contributions(&self, row: &[f64]) -> impl Iterator<Item = f64> {
        self.terms.iter().zip(row).map(|((mean, slope), value)| {
            if value.is_nan() {
                0.0
            } else {
                slope * (value - mean)
            }
        })
    }
}

/// Mean and spread of a column's values; a spread of 1 where all are the same.
fn mean_and_spread(column: &[f64]) -> (f64, f64) {
    let values = || column.iter().filter(|value| !value.is_nan());
    let count = values().count().max(1) as f64;
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}

/// Fits a logistic regression with penalty `alpha` (above 0) on standardised columns of features and labels of 0
/// and 1. NaN is missing.
///
/// linfa ignores weights: the rows of each label are taken as they come, and the base is then moved to the odds
/// that the weights say.
///
/// # Errors
/// When linfa refuses the rows: they hold one label only, or it does not converge.
pub(crate) fn fit(
    columns: &[Vec<f64>],
    labels: &[f64],
    weights: &[f64],
    alpha: f64,
) -> anyhow::Result<Linear> {
    let scales: Vec<(f64, f64)> = columns.iter().map(|column| mean_and_spread(column)).collect();
    let mut matrix = Array2::zeros((labels.len(), columns.len()));
    for ((mut to, column), (mean, spread)) in matrix.columns_mut().into_iter().zip(columns).zip(&scales) {
        for (place, value) in to.iter_mut().zip(column) {
            *place = if value.is_nan() {
                0.0
            } else {
                (value - mean) / spread
            };
        }
    }
    let positive: Array1<bool> = labels.iter().map(|label| *label > 0.5).collect();
    let fitted = LogisticRegression::default()
        .alpha(alpha)
        .max_iterations(200)
        .fit(&Dataset::new(matrix, positive))
        .context("the logistic regression does not fit")?;
    // linfa's probability is that of its own positive class, the one with more rows.
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    let slopes = fitted.params().iter().zip(&scales);
    Ok(Linear {
        base: sign * fitted.intercept() + log_odds(labels, weights)
            - log_odds(labels, &vec![1.0; labels.len()]),
        terms: slopes
            .map(|(slope, (mean, spread))| (*mean, sign * slope / spread))
            .collect(),
    })
}

fn log_odds(labels: &[f64], weights: &[f64]) -> f64 {
    let sum = |wanted: bool| {
        let of = labels
            .iter()
            .zip(weights)
            .filter(|(label, _)| (**label > 0.5) == wanted);
        of.map(|(_, weight)| weight).sum::<f64>()
    };
    (sum(true) / sum(false)).ln()
}

#[cfg(test)]
mod tests {
    use foreshift_predict::probability_of;

    use super::*;

    fn world(rows: usize, bias: f64) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut random = fastrand::Rng::with_seed(3);
        let mut columns = vec![Vec::new(); 3];
        let mut labels = Vec::new();
        for _ in 0..rows {
            let row = [random.f64() * 10.0, random.f64(), random.f64()];
            let logit = bias + 0.5 * row[0] - 2.0 * row[1];
            labels.push(f64::from(u8::from(random.f64() < probability_of(logit))));
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        (columns, labels)
    }

    #[test]
    fn slopes_have_the_planted_sign_whichever_label_is_rare() {
        for bias in [-5.0, 1.0] {
            let (columns, labels) = world(6000, bias);
            let linear = fit(&columns, &labels, &vec![1.0; labels.len()], 1.0).unwrap();
            let slope = |feature: usize| linear.terms[feature].1;
            assert!((slope(0) - 0.5).abs() < 0.1, "{linear:?}");
            assert!((slope(1) + 2.0).abs() < 0.5, "{linear:?}");
            assert!(slope(2).abs() < 0.4, "{linear:?}");
            let logit = linear.logit(&[5.0, 0.5, 0.5]);
            assert!((logit - (bias + 1.5)).abs() < 0.3, "{logit}");
        }
    }

    #[test]
    fn a_missing_value_adds_nothing_and_contributions_sum_to_the_log_odds() {
        let (mut columns, labels) = world(500, -3.0);
        columns[1][7] = f64::NAN;
        let linear = fit(&columns, &labels, &vec![1.0; 500], 1.0).unwrap();
        let row = [3.0, f64::NAN, 0.1];
        let added: Vec<f64> = linear.contributions(&row).collect();
        assert_eq!(added[1], 0.0);
        assert!((linear.base + added.iter().sum::<f64>() - linear.logit(&row)).abs() < 1e-12);
    }

    #[test]
    fn thinned_negatives_are_weighted_back_into_the_base() {
        let (columns, labels) = world(500, -3.0);
        let weights: Vec<f64> = labels
            .iter()
            .map(|label| if *label > 0.5 { 1.0 } else { 20.0 })
            .collect();
        let plain = fit(&columns, &labels, &vec![1.0; 500], 1.0).unwrap();
        let weighted = fit(&columns, &labels, &weights, 1.0).unwrap();
        assert!((plain.base - weighted.base - 20.0_f64.ln()).abs() < 1e-9);
        assert_eq!(plain.terms, weighted.terms);
    }

    #[test]
    fn one_label_alone_is_refused() {
        let (columns, _) = world(50, 0.0);
        assert!(fit(&columns, &[0.0; 50], &[1.0; 50], 1.0).is_err());
    }
}
