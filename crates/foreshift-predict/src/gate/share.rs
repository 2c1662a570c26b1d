//! A model alarms in a fixed share of its looks, those at which it is most worried.

use serde::{Deserialize, Serialize};

use crate::MAX_LOGIT;

/// Bins of log-odds, over all that a model can say: fine enough for a model that says nearly the same at every look.
const BINS_PER_LOGIT: f64 = 64.0;
const BINS: usize = 2 * (MAX_LOGIT as usize) * (BINS_PER_LOGIT as usize);
/// Looks before the first alarm, and between two thresholds.
const LOOKS_PER_THRESHOLD: u64 = 1_024;
/// Looks remembered: past it the old ones count half, so that drift is followed.
const MAX_LOOKS: u64 = 1 << 22;

/// Alarms where a prediction is among the highest of its model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct AlarmShare {
    share: f64,
    /// Looks by log-odds.
    counts: Vec<u64>,
    looks: u64,
    until_threshold: u64,
    /// Bins above this one alarm; `None` before the first threshold.
    threshold: Option<usize>,
}

impl AlarmShare {
    pub(super) fn new(share: f64) -> Self {
        Self {
            share,
            counts: vec![0; BINS],
            looks: 0,
            until_threshold: LOOKS_PER_THRESHOLD,
            threshold: None,
        }
    }

    /// Whether there is a threshold yet.
    pub(super) fn is_ready(&self) -> bool {
        self.threshold.is_some()
    }

    /// Whether this prediction is an alarm, by what was said before it.
    pub(super) fn alarms(&mut self, probability: f64) -> bool {
        if !(0.0..=1.0).contains(&probability) {
            return false;
        }
        let logit = libm::log(probability / (1.0 - probability)).clamp(-MAX_LOGIT, MAX_LOGIT);
        let bin = (((logit + MAX_LOGIT) * BINS_PER_LOGIT) as usize).min(BINS - 1);
        let alarm = self.threshold.is_some_and(|threshold| bin > threshold);
        if let Some(count) = self.counts.get_mut(bin) {
            *count += 1;
            self.looks += 1;
        }
        self.until_threshold -= 1;
        if self.until_threshold == 0 {
            self.until_threshold = LOOKS_PER_THRESHOLD;
            self.refresh();
        }
        alarm
    }

    fn refresh(&mut self) {
        if self.looks > MAX_LOOKS {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.looks = self.counts.iter().sum();
        }
        let room = (self.share * self.looks as f64) as u64;
        let mut above = 0;
        let threshold = self.counts.iter().rposition(|count| {
            above += count;
            above > room
        });
        self.threshold = Some(threshold.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stream::Stream;

    #[test]
    fn a_model_alarms_in_its_share_of_looks_whatever_its_scale() {
        for scale in [1.0, 0.01] {
            let mut budget = AlarmShare::new(0.02);
            let mut draws = Stream::new(7);
            let alarms = (0..200_000)
                .filter(|_| budget.alarms(scale * draws.uniform()))
                .count();
            assert!((1_000..=4_000).contains(&alarms), "{alarms}");
        }
    }

    #[test]
    fn a_model_that_always_says_the_same_never_alarms() {
        let mut budget = AlarmShare::new(0.02);
        assert!((0..10_000).all(|_| !budget.alarms(0.3)));
        assert!(!budget.alarms(f64::NAN) && !budget.alarms(2.0));
    }

    #[test]
    fn what_was_said_long_ago_counts_less_and_counts_stay_bounded() {
        let mut budget = AlarmShare::new(0.02);
        for _ in 0..3 * MAX_LOOKS {
            budget.alarms(0.2);
        }
        assert!(budget.looks <= MAX_LOOKS + LOOKS_PER_THRESHOLD);
    }
}
