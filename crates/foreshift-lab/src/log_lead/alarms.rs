//! Thresholds at a budget of false alarms, and what they give.

use serde::Serialize;

use super::report::Case;
use super::timeline::{Quiet, Timelines};

/// An alarm lasts until the probability has been below the threshold for so many seconds.
const HOLD_S: usize = 60;

/// A fault without signs cannot be foreseen: an alarm so many seconds before it counts, and is chance.
const CHANCE_S: usize = 120;

const DAY_S: f64 = 86_400.0;

/// One played fleet: its seed, what was said, when it was quiet.
pub(super) type Played = (u64, Timelines, Quiet);

/// A model at one horizon, on the held-out fleets.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Judged {
    pub(super) threshold: f64,
    /// For each target and quiet day.
    pub(super) false_alarms_validation: f64,
    pub(super) false_alarms: f64,
    /// Seconds from alarm to failure, by case; 0 without an alarm.
    pub(super) leads_s: Vec<f64>,
}

impl Judged {
    pub(super) fn new(
        head: usize,
        budget: f64,
        validation: &[Played],
        held_out: &[Played],
        cases: &[Case],
    ) -> Self {
        let (threshold, false_alarms_validation) = threshold(head, budget, validation);
        let lead = |case: &Case| {
            let played = held_out.iter().find(|(seed, ..)| *seed == case.seed);
            played.map_or(0.0, |(_, timelines, _)| lead_s(timelines, head, threshold, case))
        };
        Self {
            threshold: f64::from(threshold),
            false_alarms_validation,
            false_alarms: false_alarms(head, threshold, held_out),
            leads_s: cases.iter().map(lead).collect(),
        }
    }
}

/// The lowest threshold, from the top, up to which the budget holds, and what it costs.
fn threshold(head: usize, budget: f64, played: &[Played]) -> (f32, f64) {
    let mut kept = (1.0, 0.0);
    for step in 0..400 {
        let logit = 6.0 - 0.04 * f64::from(step);
        let threshold = (1.0 / (1.0 + (-logit).exp())) as f32;
        let cost = false_alarms(head, threshold, played);
        if cost > budget {
            break;
        }
        kept = (threshold, cost);
    }
    kept
}

/// Alarms that begin in quiet seconds, for each target and quiet day.
fn false_alarms(head: usize, threshold: f32, played: &[Played]) -> f64 {
    let (mut alarms, mut quiet_s) = (0_u32, 0_u32);
    for (_, timelines, quiet) in played {
        for target in timelines.targets() {
            let mask = quiet.mask(target);
            quiet_s += mask.iter().map(|quiet| u32::from(*quiet)).sum::<u32>();
            alarms += begun(timelines.of(target, head), threshold)
                .map(|second| u32::from(mask.get(second).is_some_and(|quiet| *quiet)))
                .sum::<u32>();
        }
    }
    f64::from(alarms) / (f64::from(quiet_s) / DAY_S).max(f64::MIN_POSITIVE)
}

/// The seconds in which an alarm begins.
fn begun(probabilities: impl Iterator<Item = f32>, threshold: f32) -> impl Iterator<Item = usize> {
    let mut below = HOLD_S;
    probabilities
        .enumerate()
        .filter_map(move |(second, probability)| {
            if probability >= threshold {
                let begins = below >= HOLD_S;
                below = 0;
                begins.then_some(second)
            } else {
                below += 1;
                None
            }
        })
}

/// From the first alarm among a fault's signs to its failure.
fn lead_s(timelines: &Timelines, head: usize, threshold: f32, case: &Case) -> f64 {
    let first = case
        .signs_second
        .unwrap_or(case.onset_second.saturating_sub(CHANCE_S));
    let seconds = timelines.of(&case.target, head).enumerate();
    let alarm = seconds
        .take(case.onset_second)
        .skip(first)
        .find(|(_, probability)| *probability >= threshold);
    alarm.map_or(0.0, |(second, _)| (case.onset_second - second) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_drops_for_less_than_the_hold_is_one() {
        let mut said = vec![0.0_f32; 300];
        for second in [10, 11, 40, 101, 290] {
            said[second] = 0.9;
        }
        let begun: Vec<usize> = begun(said.into_iter(), 0.5).collect();
        assert_eq!(begun, [10, 101, 290]);
    }

    #[test]
    fn seconds_without_a_probability_are_no_alarm() {
        assert_eq!(begun([f32::NAN; 5].into_iter(), 0.5).count(), 0);
    }
}
