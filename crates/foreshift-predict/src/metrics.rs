//! How good probabilities are: running sums for matured labels, and rankings of whole sets.

use serde::{Deserialize, Serialize};

/// Probabilities nearer to 0 or 1 than this are charged as this, so that one row cannot outweigh all others.
const NEAREST: f64 = 1e-9;

/// Running quality of probabilities on matured labels. Weighted rows count by their weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Sum of weights.
    pub rows: f64,
    /// Sum of weights of positives.
    pub observed: f64,
    /// Sum of weighted probabilities.
    pub expected: f64,
    loss: f64,
    squared: f64,
}

impl Quality {
    /// Adds one matured row; one whose probability or weight is no positive number is left out.
    pub fn add(&mut self, probability: f64, positive: bool, weight: f64) {
        if !probability.is_finite() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let label = f64::from(u8::from(positive));
        let of_truth = if positive { probability } else { 1.0 - probability };
        self.rows += weight;
        self.observed += weight * label;
        self.expected += weight * probability;
        self.loss -= weight * libm::log(of_truth.clamp(NEAREST, 1.0));
        self.squared += weight * (probability - label) * (probability - label);
    }

    /// Scales all sums by `kept` (0 to 1), so that what follows counts more.
    pub fn fade(&mut self, kept: f64) {
        let kept = if kept.is_finite() {
            kept.clamp(0.0, 1.0)
        } else {
            1.0
        };
        for sum in [
            &mut self.rows,
            &mut self.observed,
            &mut self.expected,
            &mut self.loss,
            &mut self.squared,
        ] {
            *sum *= kept;
        }
    }

    /// Mean log-loss in nats; `None` before the first row.
    #[must_use]
    pub fn log_loss(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.loss / self.rows)
    }

    /// Mean squared error; `None` before the first row.
    #[must_use]
    pub fn brier(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.squared / self.rows)
    }

    /// Expected over observed positives: 1 is calibrated in the large; `None` before the first positive.
    #[must_use]
    pub fn expected_over_observed(&self) -> Option<f64> {
        (self.observed > 0.0).then(|| self.expected / self.observed)
    }

    /// Share of the log-loss of always saying the base rate that is saved; `None` when either class is absent.
    #[must_use]
    pub fn skill(&self) -> Option<f64> {
        let rate = self.observed / self.rows;
        let entropy = -(rate * libm::log(rate) + (1.0 - rate) * libm::log(1.0 - rate));
        (entropy.is_finite() && entropy > 0.0).then(|| 1.0 - self.loss / self.rows / entropy)
    }
}

/// Log-loss of a probability, in nats, less what it expected of itself: of probabilities that are right the mean is
/// zero, however rare the positives are.
#[must_use]
pub fn excess_loss(probability: f64, positive: bool) -> f64 {
    let probability = probability.clamp(NEAREST, 1.0 - NEAREST);
    let (of_positive, of_negative) = (-libm::log(probability), -libm::log(1.0 - probability));
    let expected = probability * of_positive + (1.0 - probability) * of_negative;
    if positive {
        of_positive - expected
    } else {
        of_negative - expected
    }
}

/// How well a ranking tells positives from negatives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Area under the ROC curve; 0.5 is chance.
    pub auc: f64,
    /// Average precision; the share of positives is chance.
    pub average_precision: f64,
}

/// Ranks rows of (probability, positive), which it sorts; ties share their rank. `None` when a class is absent.
#[must_use]
pub fn rank(rows: &mut [(f64, bool)]) -> Option<Ranking> {
    rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let positives = rows.iter().filter(|row| row.1).count() as f64;
    let negatives = rows.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut seen, mut hits, mut area, mut precision) = (0.0, 0.0, 0.0, 0.0);
    for tied in rows.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let found = tied.iter().filter(|row| row.1).count() as f64;
        area += (tied.len() as f64 - found) * (hits + found / 2.0);
        seen += tied.len() as f64;
        hits += found;
        precision += found * hits / seen;
    }
    Some(Ranking {
        auc: area / (positives * negatives),
        average_precision: precision / positives,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_loss_brier_and_calibration_are_weighted_means() {
        let mut quality = Quality::default();
        quality.add(0.5, true, 1.0);
        quality.add(0.25, false, 3.0);
        let loss = -(libm::log(0.5) + 3.0 * libm::log(0.75)) / 4.0;
        assert!((quality.log_loss().unwrap() - loss).abs() < 1e-12);
        assert!((quality.brier().unwrap() - (0.25 + 3.0 * 0.0625) / 4.0).abs() < 1e-12);
        assert_eq!(quality.expected_over_observed(), Some(1.25));
    }

    #[test]
    fn saying_the_base_rate_has_no_skill_and_certainty_stays_finite() {
        let mut quality = Quality::default();
        for i in 0..10 {
            quality.add(0.2, i < 2, 1.0);
        }
        assert!(quality.skill().unwrap().abs() < 1e-12);
        quality.add(1.0, false, 1.0);
        quality.add(f64::NAN, true, 1.0);
        assert!(quality.log_loss().unwrap().is_finite());
        assert_eq!(Quality::default().skill(), None);
    }

    #[test]
    fn fading_keeps_the_mean_and_lets_what_follows_count_more() {
        let mut quality = Quality::default();
        quality.add(0.9, false, 1.0);
        let before = quality.log_loss();
        quality.fade(0.5);
        assert_eq!(quality.log_loss(), before);
        quality.add(0.1, false, 1.0);
        assert!(quality.brier().unwrap() < (0.81 + 0.01) / 2.0);
    }

    #[test]
    fn the_excess_loss_of_right_probabilities_is_zero_on_average() {
        for probability in [0.001, 0.2, 0.5, 0.97] {
            let mean = probability * excess_loss(probability, true)
                + (1.0 - probability) * excess_loss(probability, false);
            assert!(mean.abs() < 1e-9);
        }
        assert!(excess_loss(0.01, true) > 4.0 && excess_loss(0.01, false) < 0.0);
    }

    #[test]
    fn ranking_shares_ties() {
        let perfect = rank(&mut [(0.1, false), (0.9, true), (0.8, true)]).unwrap();
        assert_eq!((perfect.auc, perfect.average_precision), (1.0, 1.0));
        let flat = rank(&mut [(0.5, true), (0.5, false), (0.5, false), (0.5, false)]).unwrap();
        assert_eq!((flat.auc, flat.average_precision), (0.5, 0.25));
        assert_eq!(rank(&mut [(0.5, true)]), None);
    }
}
