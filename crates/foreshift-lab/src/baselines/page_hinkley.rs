//! The Page-Hinkley test (Page 1954): a sum of what lies above the mean, against its least value so far.

use super::{SIGNALS, by_target, signals};
use crate::evaluate::panel::Panel;

pub(super) const ABOUT: &str = "Page-Hinkley (Page 1954): for each of six signals in standard deviations, tolerance 0.5, alarm \
     at 25 in any, after 60 rows; begins anew after its alarm";

const WARM_UP_ROWS: u32 = 60;
/// What lies above the mean by less than so many standard deviations is no change.
const TOLERANCE: f64 = 0.5;
/// Alarm at so many of them in all.
const ALARM: f64 = 25.0;
/// A row counts no more than this: one outlier is no change.
const MOST: f64 = 5.0;

#[derive(Clone, Copy, Default)]
struct Sum {
    rows: u32,
    mean: f64,
    squares: f64,
    above: f64,
}

impl Sum {
    fn see(&mut self, value: f64, least_spread: f64) -> f64 {
        if !value.is_finite() {
            return 0.0;
        }
        if self.above >= ALARM {
            *self = Self::default();
        }
        let spread = (self.squares / f64::from(self.rows.max(1)))
            .sqrt()
            .max(least_spread);
        let away = value - self.mean;
        self.rows += 1;
        self.mean += away / f64::from(self.rows);
        self.squares += away * (value - self.mean);
        if self.rows > WARM_UP_ROWS {
            // The sum less its least value so far is a sum that never falls below nothing.
            self.above = (self.above + (away / spread).min(MOST) - TOLERANCE).max(0.0);
        }
        self.above
    }
}

pub(super) fn rank(panel: &Panel) -> Vec<f64> {
    let signals = signals(panel);
    by_target(panel, |sums: &mut [Sum; SIGNALS.len()], row| {
        let pairs = sums.iter_mut().zip(&signals);
        let above =
            pairs.map(|(sum, (values, least))| sum.see(values.get(row).copied().unwrap_or(f64::NAN), *least));
        above.fold(0.0, f64::max) / ALARM
    })
}
