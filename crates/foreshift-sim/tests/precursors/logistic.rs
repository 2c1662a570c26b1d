//! A plain logistic model over several signs at once, each bounded, so that no single one decides.

use std::fmt;

use crate::detectors::{Place, World};
use crate::rows::{SIGNALS, TICK_S};

/// A row of a precursor is a positive when its onset is at most this far.
const HORIZON_S: i64 = 360;
/// Half-life of what counts as a target's own history.
const HISTORY_S: f64 = 1_800.0;
const NAMES: [&str; WIDTH] = [
    "deployed",
    "latency",
    "errors",
    "pool",
    "memory",
    "quota",
    "log_lines",
    "latency_high",
    "errors_high",
    "pool_high",
    "memory_high",
    "quota_high",
    "log_lines_high",
    "request_rate",
    "constant",
];
const WIDTH: usize = 15;
const ROUNDS: usize = 15;
/// Ridge: keeps weights finite for signs that are never seen.
const RIDGE: f64 = 10.0;
/// From here on a sign counts as high.
const HIGH: f64 = 1.5;

/// What [`train`] gives for the world that the ignored test names, rounded.
pub(crate) const FITTED: Model = Model {
    weights: [
        -3.69, 2.35, 0.44, 0.45, 0.04, 0.14, 0.95, -2.93, 1.29, 0.67, 1.95, 1.45, -0.67, -0.43, -5.34,
    ],
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) weights: [f64; WIDTH],
}

/// Six kinds of signs over two minutes, each against the target's own history and bounded by 3 deviations.
fn features(world: &World) -> Vec<[f64; WIDTH]> {
    let keep = libm::exp2(-(TICK_S as f64) / HISTORY_S);
    let long = world.columns(|row| row.long.to_vec());
    let scores: Vec<Vec<f64>> = long.iter().map(|column| world.z_scores(column, keep)).collect();
    let rows = world.rows().iter().enumerate();
    rows.map(|(index, row)| {
        let z: [f64; SIGNALS] = std::array::from_fn(|signal| scores[signal][index].clamp(-1.0, 3.0));
        let [
            error,
            timeout,
            mean,
            p95,
            p99,
            _,
            _,
            pool,
            memory,
            quota,
            log_lines,
            rate,
        ] = z;
        let signs = [
            (mean + p95 + p99) / 3.0,
            (error.max(0.0) + timeout.max(0.0)).min(3.0),
            pool,
            memory,
            quota.max(0.0),
            log_lines,
        ];
        let mut features = [1.0; WIDTH];
        features[0] = f64::from(u8::from(row.deployed));
        features[1..7].copy_from_slice(&signs);
        features[7..13].copy_from_slice(&signs.map(|sign| (sign - HIGH).max(0.0)));
        features[13] = rate;
        features
    })
    .collect()
}

pub(crate) fn train(world: &World) -> Model {
    let rows = features(world);
    let labelled: Vec<(&[f64; WIDTH], f64)> = rows
        .iter()
        .zip(&world.places)
        .filter_map(|(row, place)| match place {
            Place::Ahead { lead_s, .. } if *lead_s <= HORIZON_S => Some((row, 1.0)),
            Place::Quiet => Some((row, 0.0)),
            _ => None,
        })
        .collect();
    let mut model = Model {
        weights: [0.0; WIDTH],
    };
    for _ in 0..ROUNDS {
        newton(&mut model.weights, &labelled);
    }
    model
}

/// One step of Newton's method on the log-loss.
fn newton(weights: &mut [f64; WIDTH], rows: &[(&[f64; WIDTH], f64)]) {
    let mut gradient = weights.map(|weight| -RIDGE * weight);
    let mut curve = [[0.0; WIDTH]; WIDTH];
    for (index, row) in curve.iter_mut().enumerate() {
        row[index] = RIDGE;
    }
    for (row, label) in rows {
        let probability = 1.0 / (1.0 + libm::exp(-dot(weights, row)));
        let (miss, bend) = (label - probability, probability * (1.0 - probability));
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
            let known: f64 = matrix[i][..j]
                .iter()
                .zip(&matrix[j][..j])
                .map(|(left, right)| left * right)
                .sum();
            let sum = matrix[i][j] - known;
            matrix[i][j] = if i == j {
                libm::sqrt(sum)
            } else {
                sum / matrix[j][j]
            };
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
    weights
        .iter()
        .zip(row)
        .map(|(weight, value)| weight * value)
        .sum()
}

impl Model {
    /// The log-odds of every row.
    pub(crate) fn logits(&self, world: &World) -> Vec<f64> {
        features(world)
            .iter()
            .map(|row| dot(&self.weights, row))
            .collect()
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, weight) in NAMES.iter().zip(self.weights) {
            writeln!(f, "  {name:<22} {weight:6.2}")?;
        }
        Ok(())
    }
}
