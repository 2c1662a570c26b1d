//! Online calibration: two-parameter Platt scaling of the raw logit, then a bend, learned from matured labels.
//!
//! Incidents are rare, so a plain gradient step would be tiny on most rows and huge on the few others.
//! The step is scaled by the evidence gathered so far (online Newton), which makes the rate decay as
//! labels come in; the evidence is capped, so that the rate never decays to nothing and drift is followed.
//!
//! Where evidence is said in incidents, that is of an ensemble; the linear model counts each row five times.
//!
//! The bend is what no straight line mends. A sum over many signs that come together says too much where all of them
//! speak and too little where half of them do, so that probabilities are too high at the top and too low below it.

use serde::{Deserialize, Serialize};

use crate::{MAX_LOGIT, probability_of};

/// Raw logits are measured from here, near the log-odds of a rare incident, so that slope and offset
/// can be learned almost independently.
const CENTRE: f64 = -4.0;
/// Evidence that the identity starts with, in rows of even odds: about as many incidents must be seen
/// before the identity is given up.
const PRIOR_EVIDENCE: f64 = 50.0;
/// Evidence is scaled down to this: about the number of incidents that calibration remembers.
const MAX_EVIDENCE: f64 = 2000.0;
/// No single row may move a parameter by more than this.
const MAX_STEP: f64 = 0.02;
/// The slope stays within these, so that calibration can never turn a ranking around or make it flat.
const SLOPE: (f64, f64) = (0.25, 2.0);
/// The offset stays within plus and minus this.
const MAX_OFFSET: f64 = 4.0;

/// Knots of the bend in log-odds: the lowest, how far apart they are (the odds double), and how many.
const LOWEST_KNOT: f64 = -7.0;
const KNOT_GAP: f64 = 0.7;
const KNOTS: usize = 14;
/// Evidence that each knot starts with: about as many incidents must be seen near it before it moves far.
const BEND_EVIDENCE: f64 = 8.0;
/// Evidence of a knot is capped here.
const MAX_BEND_EVIDENCE: f64 = 500.0;
/// No single row may move a knot by more than this.
const MAX_BEND_STEP: f64 = 0.2;
/// From knot to knot what is said rises by at least this share of the gap.
const LEAST_RISE: f64 = 0.2;

/// calibrated = straight + bend(straight), straight = centre + offset + slope * (raw - centre).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor on the raw logit.
    pub slope: f64,
    /// Added to the raw logit.
    pub offset: f64,
    /// Evidence on the offset, on both, and on the slope: the halves of a symmetric 2 x 2 matrix.
    pub evidence: [f64; 3],
    /// What is added to the straight line. `None` does not bend: files of before there were bends, and ensembles, whose
    /// trees mend what bends and whose ranking a bend that moves would spoil.
    #[serde(default)]
    pub bend: Option<Bend>,
}

/// A piecewise linear function of a logit, that of the first and last knot beyond them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bend {
    /// At each knot, in log-odds.
    heights: [f64; KNOTS],
    /// On each knot.
    evidence: [f64; KNOTS],
}

impl Default for Bend {
    fn default() -> Self {
        Self {
            heights: [0.0; KNOTS],
            evidence: [BEND_EVIDENCE; KNOTS],
        }
    }
}

impl Bend {
    /// The knots around a logit with its nearness to them.
    #[inline]
    fn around(logit: f64) -> [(usize, f64); 2] {
        let place = ((logit - LOWEST_KNOT) / KNOT_GAP).clamp(0.0, (KNOTS - 1) as f64);
        let knot = (place as usize).min(KNOTS - 2);
        let share = place - knot as f64;
        [(knot, 1.0 - share), (knot + 1, share)]
    }

    #[inline]
    fn at(&self, logit: f64) -> f64 {
        let height = |(knot, share): (usize, f64)| share * self.heights.get(knot).copied().unwrap_or(0.0);
        Self::around(logit).map(height).iter().sum()
    }

    /// Learns from a row whose straight logit this was.
    fn learn(&mut self, straight: f64, positive: bool, weight: f64) {
        let probability = probability_of((straight + self.at(straight)).clamp(-MAX_LOGIT, MAX_LOGIT));
        let error = weight * (probability - f64::from(u8::from(positive)));
        let information = weight * probability * (1.0 - probability);
        for (knot, share) in Self::around(straight) {
            let Some(evidence) = self.evidence.get_mut(knot) else {
                continue;
            };
            *evidence = (*evidence + information * share * share).min(MAX_BEND_EVIDENCE);
            let step = (error * share / *evidence).clamp(-MAX_BEND_STEP, MAX_BEND_STEP);
            self.lower(knot, step);
        }
    }

    /// Lowers a knot, no further than what is said goes on rising.
    fn lower(&mut self, knot: usize, step: f64) {
        let slack = (1.0 - LEAST_RISE) * KNOT_GAP;
        let of = |knot: Option<usize>| knot.and_then(|knot| self.heights.get(knot)).copied();
        let least = of(knot.checked_sub(1)).map_or(-MAX_OFFSET, |below| below - slack);
        let most = of(knot.checked_add(1)).map_or(MAX_OFFSET, |above| above + slack);
        if let Some(height) = self.heights.get_mut(knot) {
            *height = (*height - step)
                .max(least)
                .min(most)
                .clamp(-MAX_OFFSET, MAX_OFFSET);
        }
    }

    fn is_sound(&self) -> bool {
        let rises = |pair: &[f64]| match pair {
            [low, high] => high - low >= -KNOT_GAP,
            _ => true,
        };
        self.heights.iter().all(|height| height.abs() <= MAX_OFFSET)
            && self.heights.windows(2).all(rises)
            && self
                .evidence
                .iter()
                .all(|evidence| evidence.is_finite() && *evidence > 0.0)
    }
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            slope: 1.0,
            offset: 0.0,
            evidence: [PRIOR_EVIDENCE, 0.0, 4.0 * PRIOR_EVIDENCE],
            bend: Some(Bend::default()),
        }
    }
}

impl Calibration {
    /// One that does not bend.
    #[must_use]
    pub fn straight_line() -> Self {
        Self {
            bend: None,
            ..Self::default()
        }
    }

    /// The calibrated logit, within [`MAX_LOGIT`]; a raw logit that is no number stays none.
    #[inline]
    #[must_use]
    pub fn apply(&self, raw: f64) -> f64 {
        let straight = self.straight(raw);
        let bend = self.bend.as_ref().map_or(0.0, |bend| bend.at(straight));
        (straight + bend).clamp(-MAX_LOGIT, MAX_LOGIT)
    }

    #[inline]
    fn straight(&self, raw: f64) -> f64 {
        (CENTRE + self.offset + self.slope * (raw - CENTRE)).clamp(-MAX_LOGIT, MAX_LOGIT)
    }

    /// Learns from one matured label; `raw` is the logit given when the prediction was made.
    pub fn learn(&mut self, raw: f64, positive: bool, weight: f64) {
        if !raw.is_finite() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let raw = raw.clamp(-MAX_LOGIT, MAX_LOGIT);
        let straight = self.straight(raw);
        if let Some(bend) = &mut self.bend {
            bend.learn(straight, positive, weight);
        }
        let probability = probability_of(straight);
        let error = weight * (probability - f64::from(u8::from(positive)));
        let spread = raw - CENTRE;
        let information = weight * probability * (1.0 - probability);
        self.gather(information, spread);
        let [a, b, d] = self.evidence;
        let determinant = (a * d - b * b).max(1e-9);
        let offset_step = error * (d - b * spread) / determinant;
        let slope_step = error * (a * spread - b) / determinant;
        self.offset = (self.offset - offset_step.clamp(-MAX_STEP, MAX_STEP)).clamp(-MAX_OFFSET, MAX_OFFSET);
        self.slope = (self.slope - slope_step.clamp(-MAX_STEP, MAX_STEP)).clamp(SLOPE.0, SLOPE.1);
    }

    fn gather(&mut self, information: f64, spread: f64) {
        let gathered = [information, information * spread, information * spread * spread];
        for (evidence, new) in self.evidence.iter_mut().zip(gathered) {
            *evidence += new;
        }
        let [most, ..] = self.evidence;
        if most > MAX_EVIDENCE {
            self.evidence
                .iter_mut()
                .for_each(|evidence| *evidence *= MAX_EVIDENCE / most);
        }
        // A floor on the slope's evidence: raw logits that never vary say nothing about the slope, and
        // must not let it run away.
        let [a, b, d] = self.evidence;
        self.evidence = [a, b, d.max(b * b / a + PRIOR_EVIDENCE)];
    }

    /// Whether the parameters are numbers within their bounds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let [a, b, d] = self.evidence;
        (SLOPE.0..=SLOPE.1).contains(&self.slope)
            && self.offset.abs() <= MAX_OFFSET
            && a.is_finite()
            && a > 0.0
            && b.is_finite()
            && d.is_finite()
            && d > 0.0
            && self.bend.as_ref().is_none_or(Bend::is_sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stream::Stream;
    use proptest::prelude::*;

    #[test]
    fn it_starts_as_the_identity() {
        assert_eq!(Calibration::default().apply(-3.25), -3.25);
    }

    #[test]
    fn a_logit_that_is_too_steep_and_too_high_is_corrected() {
        let (mut stream, mut calibration) = (Stream::new(5), Calibration::default());
        for _ in 0..60_000 {
            let truth = -4.0 + 1.5 * stream.normal();
            let raw = CENTRE + 1.6 * (truth - CENTRE) + 1.0;
            calibration.learn(raw, stream.uniform() < probability_of(truth), 1.0);
        }
        for truth in [-6.0, -4.0, -1.0] {
            let raw = CENTRE + 1.6 * (truth - CENTRE) + 1.0;
            assert!(
                (calibration.apply(raw) - truth).abs() < 0.35,
                "{truth}: {calibration:?}"
            );
        }
    }

    #[test]
    fn what_is_too_high_at_the_top_and_too_low_below_is_bent_until_it_is_right() {
        let (mut stream, mut calibration) = (Stream::new(7), Calibration::default());
        // A logit that overshoots the truth far from its middle.
        let raw = |truth: f64| truth + 0.15 * (truth + 3.0).powi(3).clamp(-8.0, 8.0);
        for _ in 0..100_000 {
            let truth = -3.0 + 1.2 * stream.normal();
            calibration.learn(raw(truth), stream.uniform() < probability_of(truth), 1.0);
        }
        for truth in [-4.5, -3.0, -1.5, -0.8] {
            let said = calibration.apply(raw(truth));
            assert!((said - truth).abs() < 0.3, "{truth}: {said}");
        }
    }

    #[test]
    fn a_calibration_of_before_there_were_bends_reads_as_a_straight_one() {
        let old = r#"{"slope":0.9,"offset":0.1,"evidence":[50.0,0.0,200.0]}"#;
        let calibration: Calibration = serde_json::from_str(old).unwrap();
        assert_eq!(calibration.apply(-2.0), CENTRE + 0.1 + 0.9 * (-2.0 - CENTRE));
    }

    #[test]
    fn thinned_negatives_with_their_weight_calibrate_like_all_of_them() {
        let (mut stream, mut calibration) = (Stream::new(6), Calibration::default());
        for _ in 0..200_000 {
            let truth = -5.0 + stream.normal();
            let positive = stream.uniform() < probability_of(truth);
            if positive {
                calibration.learn(truth + 1.5, true, 1.0);
            } else if stream.uniform() < 0.05 {
                calibration.learn(truth + 1.5, false, 20.0);
            }
        }
        assert!((calibration.apply(-3.5) + 5.0).abs() < 0.35, "{calibration:?}");
    }

    proptest! {
        #[test]
        fn it_stays_sound_and_monotone_whatever_it_is_taught(
            rows in prop::collection::vec((prop::num::f64::ANY, any::<bool>(), prop::num::f64::ANY), 0..200),
        ) {
            let mut calibration = Calibration::default();
            for (raw, positive, weight) in rows {
                calibration.learn(raw, positive, weight.clamp(-1.0, 1e4));
                prop_assert!(calibration.is_sound(), "{:?}", calibration);
                prop_assert!(calibration.apply(-2.0) < calibration.apply(-1.0));
            }
        }
    }
}
