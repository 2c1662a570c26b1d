//! A threshold for alarms that keeps false ones at a budget, whatever the world does.
//!
//! Adaptive conformal inference (Gibbs & Candès, "Adaptive conformal inference under distribution shift", NeurIPS 2021):
//! every false alarm raises the threshold by a step, and the time that passes lowers it, by a step for each false alarm
//! that the budget allows in that time. As the threshold stays within bounds, the false alarms of a long time come to
//! what the budget allows, without any assumption on what is predicted or how well.

use serde::{Deserialize, Serialize};

use crate::probability_of;

/// Steps are this large in log-odds for one target, and smaller by the square root of how many there are: the more
/// targets tell, the less each of their alarms has to.
const STEP: f64 = 0.5;
/// The threshold stays within these probabilities: less than the first nobody should act on, whatever the budget, and a
/// sure prediction is always an alarm.
const THRESHOLD: (f64, f64) = (0.005, 0.98);

/// The threshold of a group of targets. Starts where it is configured to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlarmBudget {
    /// Log-odds above the configured threshold.
    above: f64,
}

impl AlarmBudget {
    /// Time passed in which `targets` could have alarmed for `days` each: `per_day` false alarms of each were allowed.
    pub fn pass(&mut self, configured: f64, per_day: f64, days: f64, targets: usize) {
        let all = targets.max(1) as f64;
        self.move_by(configured, -STEP / all.sqrt() * per_day * days * all);
    }

    /// An alarm of one of `targets` turned out to be false.
    pub fn false_alarm(&mut self, configured: f64, targets: usize) {
        self.move_by(configured, STEP / (targets.max(1) as f64).sqrt());
    }

    /// The probability from which on a target alarms, where `configured` is the one to start from.
    #[must_use]
    pub fn threshold(&self, configured: f64) -> f64 {
        let (low, high) = THRESHOLD;
        probability_of(logit(configured) + self.above).clamp(low.min(configured), high.max(configured))
    }

    /// A probability as it counts against the configured threshold: the same distance away in log-odds as it is from
    /// the threshold in force. What else is configured beside the threshold keeps its distance, too.
    #[must_use]
    pub fn counted(&self, probability: f64) -> f64 {
        if self.above == 0.0 {
            return probability;
        }
        probability_of(logit(probability) - self.above)
    }

    fn move_by(&mut self, configured: f64, step: f64) {
        if !step.is_finite() {
            return;
        }
        let (low, high) = THRESHOLD;
        let own = logit(configured);
        let least = (logit(low) - own).min(0.0);
        let most = (logit(high) - own).max(0.0);
        self.above = (self.above + step).clamp(least, most);
    }
}

fn logit(probability: f64) -> f64 {
    let probability = probability.clamp(1e-9, 1.0 - 1e-9);
    libm::log(probability / (1.0 - probability))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stream::Stream;

    const CONFIGURED: f64 = 0.3;

    /// False alarms a target-day over the last half of `days`, of targets whose risk is a cloud around `typical`
    /// log-odds (of the day), looked at 48 times a day, and the threshold at the end. No alarm is ever true.
    fn false_alarms(per_day: f64, days: usize, typical: impl Fn(usize) -> f64) -> (f64, f64) {
        const TARGETS: usize = 9;
        let (mut stream, mut budget, mut alarms) = (Stream::new(5), AlarmBudget::default(), 0);
        for look in 0..days * 48 {
            budget.pass(CONFIGURED, per_day, 1.0 / 48.0, TARGETS);
            for _ in 0..TARGETS {
                let probability = probability_of(typical(look / 48) + stream.normal());
                if budget.counted(probability) >= CONFIGURED {
                    budget.false_alarm(CONFIGURED, TARGETS);
                    alarms += usize::from(look >= days * 24);
                }
            }
        }
        (
            alarms as f64 / (TARGETS * days) as f64 * 2.0,
            budget.threshold(CONFIGURED),
        )
    }

    #[test]
    fn false_alarms_come_to_the_budget() {
        for per_day in [0.25, 1.0, 4.0] {
            let (rate, threshold) = false_alarms(per_day, 200, |_| -2.5);
            assert!((rate / per_day - 1.0).abs() < 0.1, "{per_day}: {rate}");
            assert!(threshold > 0.2, "{per_day}: {threshold}");
        }
    }

    #[test]
    fn where_incidents_are_rare_the_threshold_comes_down_to_what_is_unusual_there() {
        let (rate, threshold) = false_alarms(1.0, 200, |_| -5.0);
        assert!((rate - 1.0).abs() < 0.1, "{rate}");
        assert!((0.02..0.12).contains(&threshold), "{threshold}");
    }

    #[test]
    fn when_the_model_changes_its_tone_the_budget_is_kept_all_the_same() {
        let (rate, _) = false_alarms(1.0, 200, |day| if (day / 20) % 2 == 0 { -6.0 } else { -3.0 });
        assert!((rate - 1.0).abs() < 0.15, "{rate}");
    }

    #[test]
    fn the_threshold_is_bounded_in_both_directions() {
        let mut budget = AlarmBudget::default();
        budget.pass(CONFIGURED, 1.0, 1e6, 3);
        assert!((budget.threshold(CONFIGURED) - THRESHOLD.0).abs() < 1e-9);
        (0..1_000).for_each(|_| budget.false_alarm(CONFIGURED, 1));
        assert!((budget.threshold(CONFIGURED) - THRESHOLD.1).abs() < 1e-9);
        budget.pass(CONFIGURED, f64::NAN, 1.0, 1);
        assert!(budget.threshold(CONFIGURED).is_finite());
    }

    #[test]
    fn what_is_at_the_threshold_counts_as_the_configured_one() {
        let mut budget = AlarmBudget::default();
        assert_eq!(budget.counted(0.123), 0.123);
        budget.pass(CONFIGURED, 1.0, 3.0, 1);
        let threshold = budget.threshold(CONFIGURED);
        assert!(threshold < CONFIGURED);
        assert!((budget.counted(threshold) - CONFIGURED).abs() < 1e-9);
    }
}
