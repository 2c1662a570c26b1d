//! FTRL-proximal, one coordinate at a time (McMahan et al., "Ad click prediction: a view from the
//! trenches", KDD 2013, algorithm 1), with weights kept ready so that predicting is a sparse sum.

use foreshift_domain::Duration;
use serde::{Deserialize, Serialize};

/// Learning rates and regularisation of a group of coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Step size at the shortest horizon; a coordinate's own rate is alpha / (beta + sqrt(sum of its squared gradients)). > 0.
    pub alpha: f64,
    /// Keeps the first steps small. > 0.
    pub beta: f64,
    /// Pull to exactly zero. >= 0.
    pub l1: f64,
    /// Pull towards zero. >= 0.
    pub l2: f64,
}

impl Rates {
    /// The rates of one horizon, given those of the shortest. Rows overlap by as much as the horizon is longer,
    /// so the same incident is learned from that many more times: the square root of that undoes it.
    #[must_use]
    pub fn for_horizon(self, shortest: Duration, horizon: Duration) -> Self {
        let ratio = (shortest.as_secs_f64() / horizon.as_secs_f64()).sqrt();
        let alpha = if ratio.is_finite() && ratio > 0.0 {
            self.alpha * ratio.min(1.0)
        } else {
            self.alpha
        };
        Self { alpha, ..self }
    }

    /// Whether every rate is finite and in its range.
    #[must_use]
    pub fn are_sound(&self) -> bool {
        let within = |value: f64, low: f64| value.is_finite() && value >= low && value <= 1e6;
        within(self.alpha, 1e-9) && within(self.beta, 1e-9) && within(self.l1, 0.0) && within(self.l2, 0.0)
    }
}

/// What is remembered of one coordinate.
///
/// Its learning rate follows from the sum of squares, whose root and quotient cost more than all the rest of a step. So
/// the sum is read to a thousandth, and the rate worked out anew only where that changes: it is at most 0.05 % above
/// what it would be. What is read follows from the sum alone, so a model that was written and read back learns on bit
/// for bit.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(from = "(f64, f64)", into = "(f64, f64)")]
pub struct Coordinate {
    /// Sum of gradients, less what the steps so far already account for.
    z: f64,
    /// Sum of squared gradients.
    n: f64,
    /// Square root of `n` to a thousandth.
    root: f64,
    /// What a unit of `z` is worth in weight, kept from the last step; 0 before the first.
    worth: f64,
}

/// Bits of a sum of squares that are not read: those below a thousandth.
const UNREAD_BITS: u32 = 42;

fn root_of(n: f64) -> f64 {
    f64::from_bits(n.to_bits() >> UNREAD_BITS << UNREAD_BITS).sqrt()
}

impl PartialEq for Coordinate {
    fn eq(&self, other: &Self) -> bool {
        (self.z, self.n) == (other.z, other.n)
    }
}

impl From<(f64, f64)> for Coordinate {
    fn from((z, n): (f64, f64)) -> Self {
        Self {
            z,
            n,
            root: root_of(n),
            worth: 0.0,
        }
    }
}

impl From<Coordinate> for (f64, f64) {
    fn from(coordinate: Coordinate) -> Self {
        (coordinate.z, coordinate.n)
    }
}

impl Coordinate {
    /// The weight that this memory stands for.
    #[inline]
    #[must_use]
    pub fn weight(&self, rates: &Rates) -> f64 {
        self.weight_at(self.worth_by(rates), rates)
    }

    #[inline]
    fn worth_by(&self, rates: &Rates) -> f64 {
        rates.alpha / (rates.beta + self.root + rates.alpha * rates.l2)
    }

    #[inline]
    fn weight_at(&self, worth: f64, rates: &Rates) -> f64 {
        // Most models pull nothing to zero.
        if rates.l1 == 0.0 {
            return (0.0 - self.z) * worth;
        }
        let beyond = self.z.abs() - rates.l1;
        if beyond <= 0.0 {
            return 0.0;
        }
        -beyond.copysign(self.z) * worth
    }

    /// Takes one gradient and returns the new weight; `weight` is the one it was taken at. The rates are those of the
    /// step before, unless [`Coordinate::at_other_rates`] was called between.
    #[inline]
    pub fn step(&mut self, weight: f64, gradient: f64, rates: &Rates) -> f64 {
        let n = self.n + gradient * gradient;
        let is_read_anew = (self.n.to_bits() ^ n.to_bits()) >> UNREAD_BITS != 0;
        self.n = n;
        self.z += gradient;
        // One branch for both, which are seldom.
        if is_read_anew | (self.worth == 0.0) {
            let root = root_of(n);
            self.z -= (root - self.root) / rates.alpha * weight;
            self.root = root;
            self.worth = self.worth_by(rates);
        }
        self.weight_at(self.worth, rates)
    }

    /// The same memory, before a step at other rates.
    #[must_use]
    pub fn at_other_rates(self) -> Self {
        Self { worth: 0.0, ..self }
    }

    /// Whether both sums are numbers, and the squares not negative.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.z.is_finite() && self.n.is_finite() && self.n >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_coordinate_stays_sound_whatever_the_gradients(
            gradients in prop::collection::vec(-1e4..1e4, 0..200),
            l1 in 0.0..2.0,
        ) {
            let rates = Rates { alpha: 0.5, beta: 1.0, l1, l2: 0.1 };
            let (mut coordinate, mut weight) = (Coordinate::default(), 0.0);
            for gradient in gradients {
                weight = coordinate.step(weight, gradient, &rates);
                prop_assert!(coordinate.is_sound() && weight.is_finite());
                prop_assert_eq!(weight.to_bits(), coordinate.weight(&rates).to_bits());
            }
        }
    }

    proptest! {
        #[test]
        fn a_coordinate_that_was_written_and_read_learns_on_bit_for_bit(
            gradients in prop::collection::vec(-1e2..1e2, 1..200),
            written in 0_usize..200,
        ) {
            let rates = Rates { alpha: 0.5, beta: 1.0, l1: 0.1, l2: 0.1 };
            let (mut kept, mut weight) = (Coordinate::default(), 0.0);
            let (mut read, mut weight_read) = (kept, weight);
            for (number, gradient) in gradients.into_iter().enumerate() {
                if number == written {
                    read = Coordinate::from(<(f64, f64)>::from(read));
                }
                weight = kept.step(weight, gradient, &rates);
                weight_read = read.step(weight_read, gradient, &rates);
                prop_assert_eq!(weight.to_bits(), weight_read.to_bits());
            }
        }
    }

    #[test]
    fn l1_keeps_a_weight_at_exactly_zero_until_the_evidence_exceeds_it() {
        let rates = Rates {
            alpha: 0.1,
            beta: 1.0,
            l1: 1.0,
            l2: 0.0,
        };
        let mut coordinate = Coordinate::default();
        assert_eq!(coordinate.step(0.0, 0.9, &rates), 0.0);
        assert!(coordinate.step(0.0, 0.9, &rates) < 0.0);
    }

    #[test]
    fn rates_that_cannot_learn_are_not_sound() {
        let sound = Rates {
            alpha: 0.1,
            beta: 1.0,
            l1: 0.0,
            l2: 1.0,
        };
        assert!(sound.are_sound());
        assert!(!Rates { alpha: 0.0, ..sound }.are_sound());
        assert!(
            !Rates {
                l2: f64::NAN,
                ..sound
            }
            .are_sound()
        );
        assert!(!Rates { l1: -1.0, ..sound }.are_sound());
    }
}
