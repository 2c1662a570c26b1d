//! How often a stream of numbers is expected to hold something so large, beyond what was seen too.
//!
//! The stream is cut into blocks, so that a burst counts once. The largest block maxima are kept; above the
//! least of them a generalised Pareto law is fitted by moments. What was seen as often as the kept ones has
//! about its empirical frequency, and what lies beyond them all is extrapolated.

use serde::{Deserialize, Serialize};

/// Block maxima kept. Fewer make two moments noisy, more reach into the body of the distribution.
pub(super) const KEPT: usize = 48;
/// Nothing is rare before so many are kept: two moments of less mean nothing.
const MIN_KEPT: usize = 16;
/// Shapes from the exponential to the heaviest tail that has a variance. A negative shape would name a
/// highest possible value, past which everything is infinitely rare.
const SHAPE: (f64, f64) = (0.0, 0.5);
/// A block maximum is remembered as no larger than what is expected this seldom in the whole memory. So one
/// anomaly does not hide the next one like it, and a regular event is known after a few times.
const TAUGHT_EXPECTED: f64 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    value: f64,
    /// The number of its block.
    block: u32,
}

/// The far tail of a stream of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// Blocks closed so far.
    blocks: u32,
    /// Points in the open block, and the largest of them.
    points: u32,
    open: Option<f64>,
    /// The largest block maxima that are remembered, falling. At most [`KEPT`].
    largest: Vec<Kept>,
    /// The law above the least of them.
    shape: f64,
    scale: f64,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self {
            blocks: 0,
            points: 0,
            open: None,
            largest: Vec::with_capacity(KEPT),
            shape: 0.0,
            scale: 0.0,
        }
    }

    /// The share of blocks whose maximum would be at least so large, out of `memory` at most that are
    /// remembered; 1 where that is not rare.
    pub(super) fn share(&self, value: f64, memory: u32) -> f64 {
        let kept = self.largest.len();
        match self.largest.last() {
            Some(least) if kept >= MIN_KEPT && value > least.value => {
                let scale = self.scale.max(f64::MIN_POSITIVE);
                let blocks = f64::from(self.blocks.min(memory)) + 1.0;
                kept as f64 / blocks * survival(self.shape, (value - least.value) / scale)
            }
            _ => 1.0,
        }
    }

    /// Takes the next value, which is finite.
    pub(super) fn learn(&mut self, value: f64, block_points: u32, memory: u32) {
        self.open = Some(self.open.map_or(value, |open| open.max(value)));
        self.points += 1;
        if self.points >= block_points {
            self.points = 0;
            if let Some(maximum) = self.open.take() {
                self.close(maximum, memory);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.largest.len()
    }

    fn close(&mut self, maximum: f64, memory: u32) {
        self.blocks = self.blocks.saturating_add(1);
        let (block, before) = (self.blocks, self.largest.len());
        self.largest.retain(|kept| block - kept.block <= memory);
        let mut changed = self.largest.len() != before;
        let value = maximum.min(self.largest_taught());
        let full = self.largest.len() >= KEPT;
        if !full || self.largest.last().is_some_and(|least| value > least.value) {
            if full {
                self.largest.pop();
            }
            let at = self.largest.partition_point(|kept| kept.value >= value);
            self.largest.insert(at, Kept { value, block });
            changed = true;
        }
        if changed {
            self.fit();
        }
    }

    /// The value that is expected [`TAUGHT_EXPECTED`] times.
    fn largest_taught(&self) -> f64 {
        let kept = self.largest.len();
        match self.largest.last() {
            Some(least) if kept >= MIN_KEPT && self.scale > 0.0 => {
                let odds = kept as f64 / TAUGHT_EXPECTED;
                let over = if self.shape > 0.0 {
                    (libm::pow(odds, self.shape) - 1.0) / self.shape
                } else {
                    libm::log(odds)
                };
                least.value + self.scale * over
            }
            _ => f64::INFINITY,
        }
    }

    fn fit(&mut self) {
        let Some(least) = self.largest.last().map(|kept| kept.value) else {
            return;
        };
        let count = self.largest.len() as f64;
        let mean = self.largest.iter().map(|kept| kept.value - least).sum::<f64>() / count;
        let squares = self.largest.iter().map(|kept| {
            let away = kept.value - least - mean;
            away * away
        });
        let variance = squares.sum::<f64>() / count;
        let ratio = mean * mean / variance.max(f64::MIN_POSITIVE);
        self.shape = (0.5 * (1.0 - ratio)).clamp(SHAPE.0, SHAPE.1);
        self.scale = mean * (1.0 - self.shape);
    }
}

/// The share of a generalised Pareto law beyond `over`, in units of its scale.
fn survival(shape: f64, over: f64) -> f64 {
    if shape > 0.0 {
        libm::exp(-libm::log1p(shape * over) / shape)
    } else {
        libm::exp(-over)
    }
}
