//! Has a mean changed? Adaptive windowing (Bifet & Gavaldà, "Learning from time-changing data with adaptive windowing",
//! SDM 2007), over values of a known range.
//!
//! The window grows as long as it looks as if drawn from one distribution. When some older part of it differs from the
//! newer one by more than chance allows, the older part is dropped. Sums of old values are merged in powers of two
//! (an exponential histogram), so memory grows with the logarithm of the window.

use serde::{Deserialize, Serialize};

/// Sums of each size kept; one more, and the two oldest merge.
const ROWS: usize = 5;
/// Sizes: 2^32 values are more than any window sees.
const SIZES: usize = 32;
/// Cuts are looked for every so many values: looking costs as much as a hundred values.
const LOOK_EVERY: u64 = 32;
/// Neither part of a cut is shorter than this: so few prove nothing.
const LEAST: f64 = 32.0;

/// A change that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Mean of what was dropped.
    pub before: f64,
    /// Mean of what is left.
    pub now: f64,
}

/// A window over values in 0 to 1 that drops what no longer holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Adwin {
    /// By size, small first; within a size the oldest first. Sums of values and of their squares.
    rows: Vec<Vec<(f64, f64)>>,
    seen: u64,
    count: f64,
    sum: f64,
    squares: f64,
}

impl Adwin {
    /// Takes a value, held within 0 to 1, and says what changed if anything did. `delta`, above 0 and below 1, is the
    /// chance of a false alarm that is accepted for each look; NaN is left out.
    pub fn add(&mut self, value: f64, delta: f64) -> Option<Change> {
        if value.is_nan() {
            return None;
        }
        let value = value.clamp(0.0, 1.0);
        self.push((value, value * value));
        (self.count, self.sum) = (self.count + 1.0, self.sum + value);
        self.squares += value * value;
        self.seen += 1;
        if !self.seen.is_multiple_of(LOOK_EVERY) {
            return None;
        }
        let mut dropped = (0.0, 0.0);
        while self.cuts(delta) {
            let Some((count, sum)) = self.drop_oldest() else {
                break;
            };
            dropped = (dropped.0 + count, dropped.1 + sum);
        }
        (dropped.0 > 0.0).then(|| Change {
            before: dropped.1 / dropped.0,
            now: self.mean(),
        })
    }

    /// Mean over the window; 0 when it is empty.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.count > 0.0 {
            self.sum / self.count
        } else {
            0.0
        }
    }

    /// How many values the window holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count as u64
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push(&mut self, one: (f64, f64)) {
        let mut carried = Some(one);
        for size in 0..SIZES {
            let Some(new) = carried.take() else { break };
            if self.rows.len() <= size {
                self.rows.push(Vec::new());
            }
            let Some(row) = self.rows.get_mut(size) else { break };
            row.push(new);
            if row.len() > ROWS {
                let (first, second) = (row.remove(0), row.remove(0));
                carried = Some((first.0 + second.0, first.1 + second.1));
            }
        }
    }

    /// Whether some cut parts the window into two whose means differ by more than chance allows.
    fn cuts(&self, delta: f64) -> bool {
        if self.count < 2.0 * LEAST {
            return false;
        }
        let mean = self.mean();
        let variance = (self.squares / self.count - mean * mean).max(0.0);
        // Every count of values may be cut at: the chance is shared by them.
        let confidence = libm::log(2.0 * libm::log(self.count) / delta.clamp(f64::MIN_POSITIVE, 1.0));
        let (mut count, mut sum) = (0.0, 0.0);
        for (size, row) in self.rows.iter().enumerate().rev() {
            let each = (1_u64 << size) as f64;
            for (of_row, _) in row {
                (count, sum) = (count + each, sum + of_row);
                let rest = self.count - count;
                if count < LEAST || rest < LEAST {
                    continue;
                }
                let inverse = 1.0 / count + 1.0 / rest;
                let bound = (2.0 * inverse * variance * confidence).sqrt() + 2.0 / 3.0 * inverse * confidence;
                if (sum / count - (self.sum - sum) / rest).abs() > bound {
                    return true;
                }
            }
        }
        false
    }

    /// Drops the oldest sum; says of how many values it was.
    fn drop_oldest(&mut self) -> Option<(f64, f64)> {
        let size = self.rows.iter().rposition(|row| !row.is_empty())?;
        let (sum, squares) = self.rows.get_mut(size)?.remove(0);
        let count = (1_u64 << size) as f64;
        (self.count, self.sum) = (self.count - count, self.sum - sum);
        self.squares = (self.squares - squares).max(0.0);
        Some((count, sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stream::Stream;

    const DELTA: f64 = 0.002;

    /// How many values until the change from one mean to the other is found, after `before` values of the first.
    fn delay(seed: u64, from: f64, to: f64, before: usize) -> Option<usize> {
        let (mut stream, mut adwin) = (Stream::new(seed), Adwin::default());
        let mut draw = |mean: f64| f64::from(u8::from(stream.uniform() < mean));
        for _ in 0..before {
            adwin.add(draw(from), DELTA);
        }
        (0..50_000).find(|_| adwin.add(draw(to), DELTA).is_some())
    }

    #[test]
    fn where_nothing_changes_it_is_seldom_alarmed() {
        let mut alarms = 0;
        for seed in 0..20 {
            let (mut stream, mut adwin) = (Stream::new(seed), Adwin::default());
            for _ in 0..20_000 {
                alarms += usize::from(
                    adwin
                        .add(f64::from(u8::from(stream.uniform() < 0.2)), DELTA)
                        .is_some(),
                );
            }
            assert!(
                adwin.len() > 10_000,
                "seed {seed}: the window is as long as nothing changes"
            );
        }
        // 400,000 values, 12,500 looks: 25 would be accepted.
        assert!(alarms <= 5, "{alarms} false alarms");
    }

    #[test]
    fn a_large_change_is_found_soon_and_a_small_one_later() {
        let delays =
            |to: f64| -> Vec<usize> { (0..10).filter_map(|seed| delay(seed, 0.2, to, 4_000)).collect() };
        let (large, small) = (delays(0.6), delays(0.3));
        assert_eq!((large.len(), small.len()), (10, 10));
        assert!(large.iter().all(|delay| *delay < 200), "{large:?}");
        assert!(small.iter().all(|delay| *delay < 2_500), "{small:?}");
        let mean = |all: &[usize]| all.iter().sum::<usize>() / all.len();
        assert!(mean(&small) > 2 * mean(&large));
    }

    #[test]
    fn after_a_change_the_mean_is_that_of_the_new_world() {
        let (mut stream, mut adwin) = (Stream::new(3), Adwin::default());
        let mut found = None;
        for i in 0..6_000 {
            let mean = if i < 4_000 { 0.1 } else { 0.5 };
            let change = adwin.add(f64::from(u8::from(stream.uniform() < mean)), DELTA);
            found = found.or(change);
        }
        let found = found.unwrap();
        assert!(found.before < 0.2 && found.now > found.before, "{found:?}");
        assert!((adwin.mean() - 0.5).abs() < 0.05, "{}", adwin.mean());
    }

    #[test]
    fn memory_grows_with_the_logarithm_of_the_window() {
        let mut adwin = Adwin::default();
        for _ in 0..1_000_000 {
            adwin.add(0.5, DELTA);
        }
        let sums: usize = adwin.rows.iter().map(Vec::len).sum();
        assert!(sums <= 20 * ROWS && adwin.len() == 1_000_000, "{sums}");
    }

    #[test]
    fn what_is_no_number_is_left_out_and_others_are_held_in_range() {
        let mut adwin = Adwin::default();
        assert_eq!(adwin.add(f64::NAN, DELTA), None);
        adwin.add(f64::INFINITY, DELTA);
        adwin.add(-7.0, DELTA);
        assert_eq!((adwin.len(), adwin.mean()), (2, 0.5));
    }
}
