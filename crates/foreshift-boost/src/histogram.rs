//! Sums of gradients by bin, as integers.
//!
//! A row's slope and curvature are two integers that are added side by side; the curvature's lowest bits count
//! rows. So sums are exact: in any order, on any number of threads, and when a child's are the parent's less
//! its sibling's.

use crate::bins::Cuts;

/// Features whose bins lie side by side, so that one load has a row's bins of all of them.
pub(crate) const WIDE: usize = 8;
/// Low bits of the second integer that count rows.
const COUNT_BITS: u32 = 24;
/// More rows would overflow their count.
pub(crate) const MAX_ROWS: usize = (1 << COUNT_BITS) - 1;
/// The curvatures of all rows sum to about this: with the count beneath it, one bit less than there is.
const CURVATURE_SUM: f64 = (1_u64 << 38) as f64;
/// The absolute slopes of all rows sum to about this: one bit less than there is.
const SLOPE_SUM: f64 = (1_u64 << 61) as f64;

/// Summed slope and curvature of rows, and how many they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    slope: i64,
    curvature_and_count: i64,
}

impl Sums {
    #[inline(always)]
    pub(crate) fn add(&mut self, other: Self) {
        self.slope = self.slope.wrapping_add(other.slope);
        self.curvature_and_count = self.curvature_and_count.wrapping_add(other.curvature_and_count);
    }

    #[inline(always)]
    pub(crate) fn less(self, other: Self) -> Self {
        Self {
            slope: self.slope.wrapping_sub(other.slope),
            curvature_and_count: self.curvature_and_count.wrapping_sub(other.curvature_and_count),
        }
    }

    #[inline(always)]
    pub(crate) fn slope(self) -> f64 {
        self.slope as f64
    }

    #[inline(always)]
    pub(crate) fn curvature(self) -> f64 {
        (self.curvature_and_count >> COUNT_BITS) as f64
    }

    #[inline(always)]
    pub(crate) fn count(self) -> i64 {
        self.curvature_and_count & MAX_ROWS as i64
    }
}

/// What one integer step stands for. Powers of two: scaling changes no digit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) slope: f64,
    pub(crate) curvature: f64,
}

impl Scale {
    /// The finest steps in which the sums over all rows still fit.
    pub(crate) fn of(slopes: f64, curvatures: f64) -> Self {
        Self {
            slope: step(slopes / SLOPE_SUM),
            curvature: step(curvatures / CURVATURE_SUM),
        }
    }

    pub(crate) fn sums(self, slope: f64, curvature: f64) -> Sums {
        let curvature = (curvature / self.curvature).round() as i64;
        Sums {
            slope: (slope / self.slope).round() as i64,
            curvature_and_count: (curvature << COUNT_BITS) | 1,
        }
    }
}

/// The least power of two that is at least `value`.
fn step(value: f64) -> f64 {
    let mut step = f64::MIN_POSITIVE;
    while step < value {
        step *= 2.0;
    }
    step
}

/// The bins of up to eight features, row by row.
#[derive(Debug)]
pub(crate) struct Packed {
    /// Which features, and how many bins each has.
    pub(crate) features: Vec<(usize, usize)>,
    rows: Vec<[u8; WIDE]>,
}

impl Packed {
    pub(crate) fn of(features: &[usize], cuts: &[Cuts], columns: &[&[u8]]) -> Self {
        let count = columns.first().map_or(0, |column| column.len());
        let mut rows = vec![[0; WIDE]; count];
        for (lane, column) in columns.iter().enumerate() {
            for (row, bin) in rows.iter_mut().zip(*column) {
                if let Some(place) = row.get_mut(lane) {
                    *place = *bin;
                }
            }
        }
        let bins = |feature: usize| cuts.get(feature).map_or(0, Cuts::all);
        let features = features
            .iter()
            .map(|feature| (*feature, bins(*feature)))
            .collect();
        Self { features, rows }
    }
}

/// The sums of one leaf by bin, of up to eight features.
pub(crate) type Histogram = [[Sums; 256]; WIDE];

/// Without sums.
pub(crate) fn empty() -> Box<Histogram> {
    Box::new([[Sums::default(); 256]; WIDE])
}

/// Sums these rows; `sums` are theirs, in the same order.
pub(crate) fn fill(histogram: &mut Histogram, packed: &Packed, rows: &[u32], sums: &[Sums]) {
    for (bins, (_, count)) in histogram.iter_mut().zip(&packed.features) {
        bins.get_mut(..*count).unwrap_or_default().fill(Sums::default());
    }
    // Lanes without a feature would be summed for nothing.
    match packed.features.len() {
        0 => {}
        1 | 2 => fill_lanes::<2>(histogram, packed, rows, sums),
        3 | 4 => fill_lanes::<4>(histogram, packed, rows, sums),
        5 | 6 => fill_lanes::<6>(histogram, packed, rows, sums),
        _ => fill_lanes::<WIDE>(histogram, packed, rows, sums),
    }
}

fn fill_lanes<const LANES: usize>(histogram: &mut Histogram, packed: &Packed, rows: &[u32], sums: &[Sums]) {
    for (row, sums) in rows.iter().zip(sums) {
        let Some(bins) = packed.rows.get(*row as usize) else {
            continue;
        };
        for (lane, bin) in histogram.iter_mut().zip(bins).take(LANES) {
            lane[usize::from(*bin)].add(*sums);
        }
    }
}

/// Takes a child's sums from its parent's, which leaves its sibling's.
pub(crate) fn take(parent: &mut Histogram, child: &Histogram, packed: &Packed) {
    for ((parent, child), (_, count)) in parent.iter_mut().zip(child).zip(&packed.features) {
        for (parent, child) in parent.iter_mut().zip(child).take(*count) {
            *parent = parent.less(*child);
        }
    }
}
