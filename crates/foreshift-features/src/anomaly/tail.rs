//! How often a stream of numbers is expected to hold something so large, beyond what was seen too.
//!
//! The stream is cut into blocks, so that a burst counts once. The largest block maxima are kept; above the
//! least of them a generalised Pareto law is fitted by moments. What was seen as often as the kept ones has
//! about its empirical frequency, and what lies beyond them all is extrapolated.

use serde::{Deserialize, Serialize};

use super::Params;

/// The most block maxima kept. Fewer make two moments noisy, more reach into the body of the distribution.
pub const MOST_KEPT: u32 = 48;
/// Nothing is rare before so many are kept: two moments of less mean nothing.
pub(super) const MIN_KEPT: u32 = 16;
/// Shapes from the exponential to the heaviest tail that has a variance. A negative shape would name a
/// highest possible value, past which everything is infinitely rare.
const SHAPE: (f64, f64) = (0.0, 0.5);
/// A block maximum is remembered as no larger than what is expected this seldom in the whole memory. So one
/// anomaly does not hide the next one like it, and a regular event is known after a few times.
const TAUGHT_EXPECTED: f64 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Single precision: a tail is a rough thing, and many are kept.
    value: f32,
    /// The number of its block.
    block: u32,
}

/// The far tail of a stream of numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// Blocks closed so far.
    blocks: u32,
    /// Points in the open block, and the largest of them.
    points: u32,
    open: Option<f64>,
    /// The largest block maxima that are remembered, falling. At most [`Params::kept_blocks`].
    largest: Vec<Kept>,
    /// The law above the least of them.
    shape: f64,
    scale: f64,
}

impl Tail {
    /// Whether enough is kept to tell what is rare.
    pub(super) fn knows(&self) -> bool {
        self.largest.len() >= MIN_KEPT as usize
    }

    fn least(&self) -> Option<f64> {
        self.largest.last().map(|kept| f64::from(kept.value))
    }

    /// The share of blocks whose maximum would be at least so large, out of `memory` at most that are
    /// remembered; 1 where that is not rare.
    pub(super) fn share(&self, value: f64, memory: u32) -> f64 {
        match self.least() {
            Some(least) if self.knows() && value > least => {
                let scale = self.scale.max(f64::MIN_POSITIVE);
                let blocks = f64::from(self.blocks.min(memory)) + 1.0;
                self.largest.len() as f64 / blocks * survival(self.shape, (value - least) / scale)
            }
            _ => 1.0,
        }
    }

    /// Takes the next value, which is finite.
    pub(super) fn learn(&mut self, value: f64, params: &Params) {
        self.open = Some(self.open.map_or(value, |open| open.max(value)));
        self.points += 1;
        if self.points >= params.block_points {
            self.points = 0;
            if let Some(maximum) = self.open.take() {
                self.close(maximum, params);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.largest.len()
    }

    fn close(&mut self, maximum: f64, params: &Params) {
        self.blocks = self.blocks.saturating_add(1);
        let (block, before) = (self.blocks, self.largest.len());
        self.largest
            .retain(|kept| block - kept.block <= params.memory_blocks);
        let mut changed = self.largest.len() != before;
        let value = maximum.min(self.largest_taught()) as f32;
        let most = params.kept_blocks as usize;
        let full = self.largest.len() >= most;
        if !full || self.largest.last().is_some_and(|least| value > least.value) {
            if full {
                self.largest.pop();
            }
            if self.largest.capacity() == 0 {
                self.largest.reserve_exact(most);
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
        match self.least() {
            Some(least) if self.knows() && self.scale > 0.0 => {
                let odds = self.largest.len() as f64 / TAUGHT_EXPECTED;
                let over = if self.shape > 0.0 {
                    (libm::pow(odds, self.shape) - 1.0) / self.shape
                } else {
                    libm::log(odds)
                };
                least + self.scale * over
            }
            _ => f64::INFINITY,
        }
    }

    fn fit(&mut self) {
        let Some(least) = self.least() else {
            return;
        };
        let count = self.largest.len() as f64;
        let excesses = self.largest.iter().map(|kept| f64::from(kept.value) - least);
        let mean = excesses.clone().sum::<f64>() / count;
        let squares = excesses.map(|excess| (excess - mean) * (excess - mean));
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
