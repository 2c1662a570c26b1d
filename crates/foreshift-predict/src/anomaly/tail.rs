//! How rare a value of one sign is against its own past, beyond what was seen too.
//!
//! The largest values so far are kept; above the least of them a generalised Pareto law is fitted by
//! moments. So a value that was seen as often as the kept ones has its empirical frequency, and one beyond
//! them all is extrapolated.

use serde::{Deserialize, Serialize};

/// Values kept: enough for two moments, few enough to be the far tail of a day of five-minute values.
pub(super) const KEPT: usize = 32;
/// With fewer kept values than this nothing is rare: two moments of less mean nothing.
const MIN_KEPT: usize = 8;
/// Shapes from the exponential to the heaviest tail that has a variance. A negative shape would name a
/// highest possible value, after which any other is infinitely rare.
const SHAPE: (f64, f64) = (0.0, 0.5);

/// The far tail of a stream of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// Values seen, as far as they are remembered.
    seen: f64,
    /// The largest of them, falling.
    largest: Vec<f64>,
    /// Fitted above the least one kept.
    shape: f64,
    scale: f64,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self {
            seen: 0.0,
            largest: Vec::with_capacity(KEPT),
            shape: 0.0,
            scale: 0.0,
        }
    }

    /// The share of values that would be at least so large, from 1 down to 0.
    pub(super) fn beyond(&self, value: f64) -> f64 {
        let kept = self.largest.len();
        let Some(&least) = self.largest.last().filter(|_| kept >= MIN_KEPT) else {
            return 1.0;
        };
        if !value.is_finite() || value <= least {
            return 1.0;
        }
        let share = kept as f64 / (self.seen + 1.0);
        let over = (value - least) / self.scale.max(f64::MIN_POSITIVE);
        let survival = if self.shape > 0.0 {
            libm::exp(-libm::log1p(self.shape * over) / self.shape)
        } else {
            libm::exp(-over)
        };
        (share * survival).clamp(0.0, 1.0)
    }

    /// Remembers a value; `memory` is how many are remembered.
    pub(super) fn learn(&mut self, value: f64, memory: f64) {
        if !value.is_finite() {
            return;
        }
        self.seen = (self.seen + 1.0).min(memory);
        let full = self.largest.len() == KEPT;
        if full && self.largest.last().is_some_and(|least| value <= *least) {
            return;
        }
        if full {
            self.largest.pop();
        }
        let at = self.largest.partition_point(|kept| *kept >= value);
        self.largest.insert(at, value);
        self.fit();
    }

    fn fit(&mut self) {
        let Some(&least) = self.largest.last() else { return };
        let count = self.largest.len() as f64;
        let mean = self.largest.iter().map(|kept| kept - least).sum::<f64>() / count;
        let variance = self
            .largest
            .iter()
            .map(|kept| (kept - least - mean) * (kept - least - mean))
            .sum::<f64>()
            / count;
        let ratio = mean * mean / variance.max(f64::MIN_POSITIVE);
        self.shape = (0.5 * (1.0 - ratio)).clamp(SHAPE.0, SHAPE.1);
        self.scale = mean * (1.0 - self.shape);
    }
}
