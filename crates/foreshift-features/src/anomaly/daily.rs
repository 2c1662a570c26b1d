//! What the time of day explains.

use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::mean::SteadyMean;

/// Half-hours: fine enough for a rush hour, coarse enough for hourly values and for jobs that start late.
const SLOTS: usize = 48;
/// Days that a slot's mean goes back.
const DAYS: f64 = 7.0;
/// An outlier is bounded by so many typical errors, so that it is not expected again a day later.
const CLIP: f64 = 3.0;
/// Errors of slots that are not bounded, before a typical one is known.
const UNCLIPPED: f64 = 8.0;
/// Slots that errors are compared over: about four days.
const COMPARED: f64 = 200.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    mean: f64,
    days: f64,
}

/// The mean of each half-hour of the day, learned as the half-hours end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Daily {
    slots: Vec<Slot>,
    open: Option<usize>,
    sum: f64,
    points: f64,
    /// Slots that a mean was known for, and the typical error of that mean.
    judged: f64,
    error: f64,
    /// Squared errors of the slots' means, and of the mean of all values.
    squares: [f64; 2],
}

impl Daily {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS],
            open: None,
            sum: 0.0,
            points: 0.0,
            judged: 0.0,
            error: 0.0,
            squares: [0.0; 2],
        }
    }

    /// What remains of the next value: `None` while the time of day explains nothing.
    pub(super) fn remainder(&mut self, at: Timestamp, value: f64, overall: &SteadyMean) -> Option<f64> {
        let of_day = at.as_micros().rem_euclid(Duration::DAY.as_micros());
        let now = usize::try_from(of_day / (Duration::DAY.as_micros() / SLOTS as i64)).ok()?;
        if self.open != Some(now) {
            self.close(overall.value);
            self.open = Some(now);
        }
        self.sum += value;
        self.points += 1.0;
        let slot = self.slots.get(now).filter(|slot| slot.days >= 1.0)?;
        Some(value - slot.mean)
    }

    /// Whether the time of day forecasts better than the mean of all values.
    pub(super) fn helps(&self) -> bool {
        let [daily, overall] = self.squares;
        daily < overall
    }

    fn close(&mut self, overall: f64) {
        let mean = self.sum / self.points.max(1.0);
        (self.sum, self.points) = (0.0, 0.0);
        let Some(slot) = self.open.and_then(|open| self.slots.get_mut(open)) else {
            return;
        };
        let away = mean - slot.mean;
        let mut bound = f64::INFINITY;
        if slot.days >= 1.0 {
            self.judged += 1.0;
            for (square, error) in self.squares.iter_mut().zip([away, mean - overall]) {
                *square += (error * error - *square) / self.judged.min(COMPARED);
            }
            if self.judged > UNCLIPPED && self.error > 0.0 {
                bound = CLIP * self.error;
            }
            self.error += (away.abs().min(2.0 * bound) - self.error) / self.judged.min(COMPARED);
        }
        slot.days += 1.0;
        slot.mean += away.clamp(-bound, bound) / slot.days.min(DAYS);
    }
}
