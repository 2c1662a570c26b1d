//! A plain logistic model over several signs at once, each bounded, so that no single one decides.

use std::fmt;

use crate::detectors::{Place, World};
use crate::rows::{NAMES, SIGNALS, TICK_S};

/// A row of a precursor is a positive when its onset is at most this far.
const HORIZON_S: i64 = 360;
/// Half-life of what counts as a target's own history.
const HISTORY_S: f64 = 1_800.0;
/// One in so many quiet rows is learned from.
const THIN: usize = 4;
const WIDTH: usize = 3 * SIGNALS + 1;
const ROUNDS: usize = 12;
/// Ridge: keeps weights finite for signs that are never seen.
const RIDGE: f64 = 3.0;

pub(crate) struct Model {
    weights: [f64; WIDTH],
}

/// For each signal: its level and its level over two minutes against its own history, bounded, and the excess of
/// the latter over what is usual; then a constant.
fn features(world: &World) -> Vec<[f64; WIDTH]> {
    let keep = libm::exp2(-(TICK_S as f64) / HISTORY_S);
    let short = world.columns(|row| row.levels.to_vec());
    let long = world.columns(|row| row.long.to_vec());
    let mut features = vec![[1.0; WIDTH]; world.rows().len()];
    for signal in 0..SIGNALS {
        let near = world.z_scores(&short[signal], keep);
        let far = world.z_scores(&long[signal], keep);
        for (row, (near, far)) in features.iter_mut().zip(near.into_iter().zip(far)) {
            row[3 * signal] = near.clamp(-1.0, 2.5);
            row[3 * signal + 1] = far.clamp(-1.0, 2.5);
            row[3 * signal + 2] = (far - 0.8).clamp(0.0, 0.8);
        }
    }
    features
}

pub(crate) fn train(world: &World) -> Model {
    let rows = features(world);
    let labelled: Vec<(&[f64; WIDTH], f64, f64)> = rows
        .iter()
        .zip(&world.places)
        .enumerate()
        .filter_map(|(index, (row, place))| match place {
            Place::Ahead { lead_s, .. } if *lead_s <= HORIZON_S => Some((row, 1.0, 1.0)),
            Place::Quiet if index % THIN == 0 => Some((row, 0.0, THIN as f64)),
            _ => None,
        })
        .collect();
    let mut model = Model { weights: [0.0; WIDTH] };
    for _ in 0..ROUNDS {
        newton(&mut model.weights, &labelled);
    }
    model
}

/// One step of Newton's method on the weighted log-loss.
fn newton(weights: &mut [f64; WIDTH], rows: &[(&[f64; WIDTH], f64, f64)]) {
    let mut gradient = weights.map(|weight| -RIDGE * weight);
    let mut curve = [[0.0; WIDTH]; WIDTH];
    for (index, row) in curve.iter_mut().enumerate() {
        row[index] = RIDGE;
    }
    for (row, label, weight) in rows {
        let probability = 1.0 / (1.0 + libm::exp(-dot(weights, row)));
        let (miss, bend) = (weight * (label - probability), weight * probability * (1.0 - probability));
        for i in 0..WIDTH {
            gradient[i] += miss * row[i];
            for j in 0..=i {
                curve[i][j] += bend * row[i] * row[j];
            }
        }
    }
    let step = solve(&mut curve, gradient);
    for (weight, step) in weights.iter_mut().zip(step) {
        *weight += step.clamp(-1.0, 1.0);
    }
}

/// Solves a symmetric positive system, given by its lower half, by Cholesky's method.
fn solve(matrix: &mut [[f64; WIDTH]; WIDTH], mut right: [f64; WIDTH]) -> [f64; WIDTH] {
    for i in 0..WIDTH {
        for j in 0..=i {
            let mut sum = matrix[i][j];
            for k in 0..j {
                sum -= matrix[i][k] * matrix[j][k];
            }
            matrix[i][j] = if i == j { libm::sqrt(sum) } else { sum / matrix[j][j] };
        }
    }
    for i in 0..WIDTH {
        for k in 0..i {
            right[i] -= matrix[i][k] * right[k];
        }
        right[i] /= matrix[i][i];
    }
    for i in (0..WIDTH).rev() {
        for k in i + 1..WIDTH {
            right[i] -= matrix[k][i] * right[k];
        }
        right[i] /= matrix[i][i];
    }
    right
}

fn dot(weights: &[f64; WIDTH], row: &[f64; WIDTH]) -> f64 {
    weights.iter().zip(row).map(|(weight, value)| weight * value).sum()
}

impl Model {
    /// The log-odds of every row.
    pub(crate) fn logits(&self, world: &World) -> Vec<f64> {
        features(world).iter().map(|row| dot(&self.weights, row)).collect()
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, weights) in NAMES.iter().zip(self.weights.chunks(3)) {
            writeln!(f, "  {name:<22} {weights:6.2?}")?;
        }
        Ok(())
    }
}
