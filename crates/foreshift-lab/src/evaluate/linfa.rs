//! linfa's FTRL-proximal logistic regression over rows, as its user would run it: features standardised as they come,
//! missing ones at their mean with a flag, a bias; it learns from a row when its label became known.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use anyhow::Context;
use foreshift_domain::Timestamp;
use linfa::prelude::*;
use linfa_ftrl::Ftrl;
use ndarray::{Array1, Array2};

use super::panel::Panel;
use super::worked::Worked;

/// Learning rate and its offset, as McMahan et al. (KDD 2013) found good, and a light pull to zero: linfa's defaults,
/// 0.005 and half of each pull, learn next to nothing from rare positives.
const ALPHA: f64 = 0.1;
const BETA: f64 = 1.0;
const PULL: f64 = 1e-3;

/// Its probabilities, by panel and row, and what a row took in microseconds. Each horizon has a model of its own.
///
/// # Errors
/// When linfa refuses a row.
pub(crate) fn run(panels: &[Panel], mut progress: impl FnMut(u64)) -> anyhow::Result<(Vec<Vec<f64>>, f64)> {
    let worked = Worked::default();
    let said: anyhow::Result<Vec<_>> = panels.iter().map(|panel| one(panel, &mut progress)).collect();
    let rows: usize = panels.iter().map(|panel| panel.rows.len()).sum();
    Ok((said?, worked.us() / rows.max(1) as f64))
}

fn one(panel: &Panel, progress: &mut impl FnMut(u64)) -> anyhow::Result<Vec<f64>> {
    let params = Ftrl::params()
        .alpha(ALPHA)
        .beta(BETA)
        .l1_ratio(PULL)
        .l2_ratio(PULL)
        .check()?;
    let mut scale = Scale::new(panel.features.names.len());
    let mut model: Ftrl<f64> = Ftrl::new(params.clone(), scale.width());
    let mut waiting: BinaryHeap<Reverse<(Timestamp, usize)>> = BinaryHeap::new();
    let mut inputs: Vec<Option<Vec<f64>>> = vec![None; panel.rows.len()];
    let mut said = Vec::with_capacity(panel.rows.len());
    let mut row = Vec::new();
    for (at, this) in panel.rows.iter().enumerate() {
        while let Some(Reverse((known_at, known))) = waiting.peek().copied() {
            if known_at > this.at {
                break;
            }
            waiting.pop();
            let input = inputs.get_mut(known).and_then(Option::take);
            let label = panel.rows.get(known).and_then(|row| row.label);
            if let (Some(input), Some(label)) = (input, label) {
                let records = Array2::from_shape_vec((1, input.len()), input)?;
                let one = Dataset::new(records, Array1::from_elem(1, label));
                model = params.fit_with(Some(model), &one)?;
            }
        }
        panel.features.fill(this.place, &mut row);
        let input = scale.standardised(&row);
        let records = Array2::from_shape_vec((1, input.len()), input.clone())?;
        let probability = model.predict(&records);
        said.push(f64::from(
            **probability.first().context("linfa predicted nothing")?,
        ));
        if let (Some(_), Some(known_at)) = (this.label, this.known_at) {
            waiting.push(Reverse((known_at, at)));
            if let Some(slot) = inputs.get_mut(at) {
                *slot = Some(input);
            }
        }
        progress(1);
    }
    Ok(said)
}

/// Mean and spread of each feature so far (Welford 1962).
struct Scale {
    count: Vec<f64>,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Scale {
    fn new(features: usize) -> Self {
        Self {
            count: vec![0.0; features],
            mean: vec![0.0; features],
            squares: vec![0.0; features],
        }
    }

    /// A value and a flag for each feature, and the bias.
    fn width(&self) -> usize {
        2 * self.mean.len() + 1
    }

    fn standardised(&mut self, row: &[f64]) -> Vec<f64> {
        let mut out = Vec::with_capacity(self.width());
        let known = self.count.iter_mut().zip(&mut self.mean).zip(&mut self.squares);
        for (((count, mean), squares), value) in known.zip(row) {
            if !value.is_finite() {
                out.extend([0.0, 1.0]);
                continue;
            }
            *count += 1.0;
            let before = value - *mean;
            *mean += before / *count;
            *squares += before * (value - *mean);
            let spread = (*squares / *count).sqrt();
            out.extend([
                if spread > 0.0 {
                    (value - *mean) / spread
                } else {
                    0.0
                },
                0.0,
            ]);
        }
        out.push(1.0);
        out
    }
}

#[cfg(test)]
mod tests {
    use foreshift_predict::metrics::rank;

    use super::*;
    use crate::evaluate::panel::tests::Made;

    fn made() -> Panel {
        let made = Made {
            ticks: 400,
            tick_s: 1,
            horizon_ticks: 10,
            cooldown: 5,
            onsets: vec![(1..8).map(|n| 50 * n).collect(), vec![]],
        };
        made.panel()
    }

    fn said(panel: &Panel) -> Vec<f64> {
        run(std::slice::from_ref(panel), |_| ()).unwrap().0.remove(0)
    }

    #[test]
    fn it_learns_a_planted_signal() {
        let panel = made();
        let late = panel.rows.iter().zip(said(&panel)).skip(panel.rows.len() / 2);
        let mut late: Vec<(f64, bool)> = late.filter_map(|(row, p)| Some((p, row.label?))).collect();
        assert!(rank(&mut late).unwrap().auc > 0.9);
    }

    #[test]
    fn a_label_teaches_nothing_before_it_is_known() {
        let (panel, mut other) = (made(), made());
        let from = Timestamp::from_secs(200);
        for row in &mut other.rows {
            if row.known_at.is_some_and(|known| known > from) {
                row.label = row.label.map(|label| !label);
            }
        }
        let (ours, theirs) = (said(&panel), said(&other));
        let differ = |at: usize| ours[at] != theirs[at];
        let places = || panel.rows.iter().enumerate();
        assert!(!places().any(|(at, row)| row.at <= from && differ(at)));
        assert!(differ(panel.rows.len() - 1));
    }
}
