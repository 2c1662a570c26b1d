//! Exponentially weighted moving averages (Roberts 1959) of level and spread, and how far a value is from them.

use super::{SIGNALS, by_target, signals};
use crate::evaluate::panel::Panel;

pub(super) const ABOUT: &str = "EWMA z-score (Roberts 1959): for each of six signals mean and variance with weight 0.01 a row, \
     alarm at 4 standard deviations above in any, after 60 rows";

/// Weight of a new row.
const WEIGHT: f64 = 0.01;
const WARM_UP_ROWS: u32 = 60;
/// Alarm at so many standard deviations.
const ALARM: f64 = 4.0;

#[derive(Clone, Copy, Default)]
struct Level {
    rows: u32,
    mean: f64,
    variance: f64,
}

impl Level {
    /// How far the value lies above what came before it; then it counts.
    fn see(&mut self, value: f64, least_spread: f64) -> f64 {
        if !value.is_finite() {
            return 0.0;
        }
        let away = value - self.mean;
        let z = away / self.variance.sqrt().max(least_spread);
        self.rows += 1;
        // The first rows count alike.
        let weight = WEIGHT.max(1.0 / f64::from(self.rows));
        self.mean += weight * away;
        self.variance = (1.0 - weight) * (self.variance + weight * away * away);
        if self.rows > WARM_UP_ROWS { z } else { 0.0 }
    }
}

pub(super) fn rank(panel: &Panel) -> Vec<f64> {
    let signals = signals(panel);
    by_target(panel, |levels: &mut [Level; SIGNALS.len()], row| {
        let pairs = levels.iter_mut().zip(&signals);
        let away = pairs
            .map(|(level, (values, least))| level.see(values.get(row).copied().unwrap_or(f64::NAN), *least));
        away.fold(0.0, f64::max) / ALARM
    })
}
