//! Exponentially weighted means, and ones that an outlier cannot carry away.

use serde::{Deserialize, Serialize};

/// A step of a steady mean is bounded by so many mean absolute deviations: farther is an outlier.
const CLIP: f64 = 5.0;
/// Values that a steady mean takes as they are, before it knows a deviation.
const UNCLIPPED: f64 = 8.0;
/// The deviation follows so many times slower than the mean.
const SLOWER: f64 = 4.0;

/// A mean over about `points` values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Mean {
    points: f64,
    seen: f64,
    pub(super) value: f64,
}

impl Mean {
    pub(super) fn over(points: f64) -> Self {
        Self {
            points,
            seen: 0.0,
            value: 0.0,
        }
    }

    pub(super) fn add(&mut self, value: f64) {
        self.seen += 1.0;
        self.value += (value - self.value) / self.points.min(self.seen);
    }
}

/// A mean over about `points` values that follows a change of level but no outlier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SteadyMean {
    points: f64,
    seen: f64,
    pub(super) value: f64,
    deviation: f64,
}

impl SteadyMean {
    pub(super) fn over(points: f64) -> Self {
        Self {
            points,
            seen: 0.0,
            value: 0.0,
            deviation: 0.0,
        }
    }

    pub(super) fn add(&mut self, value: f64) {
        self.seen += 1.0;
        let away = value - self.value;
        let clips = self.seen > UNCLIPPED && self.deviation > 0.0;
        let bound = if clips {
            CLIP * self.deviation
        } else {
            f64::INFINITY
        };
        // Twice the bound, so that a spread that has grown is found out.
        let spread = away.abs().min(2.0 * bound);
        self.deviation += (spread - self.deviation) / self.seen.min(SLOWER * self.points);
        self.value += away.clamp(-bound, bound) / self.points.min(self.seen);
    }
}
