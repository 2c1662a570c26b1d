//! The anomaly expert: how much more likely an incident is the rarer what a target shows just now.
//!
//! It reads the strongest rarity of a row and says the hazard prior's log-odds and a line in that rarity, which is
//! learned online as the other weights are. Rarer never means less likely. Where no rarity is known yet it says what
//! the hazard prior says.

use serde::{Deserialize, Serialize};

use crate::encode::InputSpec;
use crate::ftrl::{Coordinate, Rates};

/// What a decade of rarity adds to the log-odds of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    offset: Coordinate,
    slope: Coordinate,
}

/// What the expert adds to the hazard prior.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Added {
    /// Wherever a rarity is known.
    pub(crate) offset: f64,
    /// By this rarity.
    pub(crate) by_rarity: f64,
}

impl Line {
    /// What is added at a rarity in decades; nothing where it is NaN.
    pub(crate) fn at(&self, rarity: f64, rates: &Rates) -> Added {
        if rarity.is_nan() {
            return Added::default();
        }
        Added {
            offset: self.offset.weight(rates),
            by_rarity: self.slope(rates) * rarity,
        }
    }

    /// Takes one gradient, in log-odds, of a row with this rarity.
    pub(crate) fn step(&mut self, rarity: f64, gradient: f64, rates: &Rates) {
        if rarity.is_nan() || !gradient.is_finite() {
            return;
        }
        let (offset, slope) = (self.offset.weight(rates), self.slope(rates));
        self.offset.step(offset, gradient, rates);
        self.slope.step(slope, gradient * rarity, rates);
    }

    /// Log-odds for each decade, at least 0: what follows the regularised leader within a bound is the leader, cut there.
    fn slope(&self, rates: &Rates) -> f64 {
        self.slope.weight(rates).max(0.0)
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.offset.is_sound() && self.slope.is_sound()
    }
}

/// The places of rarities among the inputs of a model.
pub(crate) fn places(inputs: &[InputSpec]) -> Vec<usize> {
    let places = inputs.iter().enumerate();
    places
        .filter_map(|(place, input)| input.rarity.then_some(place))
        .collect()
}

/// The strongest of the rarities of a row, in decades from 0 to [`MOST_DECADES`]; NaN where none is known.
pub(crate) fn strongest(row: &[f64], places: &[usize]) -> f64 {
    let known = places.iter().filter_map(|place| row.get(*place).copied());
    known
        .filter(|rarity| rarity.is_finite())
        .map(|rarity| rarity.clamp(0.0, MOST_DECADES))
        .fold(f64::NAN, f64::max)
}

/// A rarity beyond this counts as this.
const MOST_DECADES: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probability_of;
    use crate::test_stream::Stream;
    use proptest::prelude::*;

    const RATES: Rates = Rates {
        alpha: 0.3,
        beta: 0.3,
        l1: 0.0,
        l2: 1.0,
    };

    /// Rows whose log-odds are the prior's -3 and `truth` of the rarity.
    fn taught(truth: impl Fn(f64) -> f64) -> Line {
        let (mut stream, mut line) = (Stream::new(5), Line::default());
        for _ in 0..20_000 {
            let rarity = 6.0 * stream.uniform();
            let added = line.at(rarity, &RATES);
            let positive = stream.uniform() < probability_of(-3.0 + truth(rarity));
            let said = probability_of(-3.0 + added.offset + added.by_rarity);
            line.step(rarity, said - f64::from(u8::from(positive)), &RATES);
        }
        line
    }

    #[test]
    fn what_a_decade_is_worth_is_learned() {
        let line = taught(|rarity| 0.6 * rarity - 0.5);
        let (low, high) = (line.at(0.0, &RATES), line.at(5.0, &RATES));
        assert!((low.offset + 0.5).abs() < 0.3, "{low:?}");
        assert!((high.by_rarity - 3.0).abs() < 0.5, "{high:?}");
    }

    #[test]
    fn rarer_is_never_less_likely() {
        let line = taught(|rarity| -0.6 * rarity);
        assert_eq!(line.at(12.0, &RATES).by_rarity, 0.0);
        assert!(line.at(12.0, &RATES).offset < -0.5);
    }

    #[test]
    fn without_a_rarity_nothing_is_added_and_nothing_learned() {
        let mut line = taught(|rarity| 0.6 * rarity);
        let before = line;
        line.step(f64::NAN, 0.9, &RATES);
        assert_eq!((line, line.at(f64::NAN, &RATES)), (before, Added::default()));
    }

    #[test]
    fn the_strongest_of_the_rarities_that_are_known_speaks() {
        let row = [f64::NAN, 2.0, 99.0, 3.0, f64::INFINITY];
        assert_eq!(strongest(&row, &[0, 1, 3, 4, 77]), 3.0);
        assert_eq!(strongest(&row, &[2]), MOST_DECADES);
        assert!(strongest(&row, &[0, 4]).is_nan() && strongest(&row, &[]).is_nan());
    }

    proptest! {
        #[test]
        fn a_line_stays_sound_whatever_is_taught(
            rows in prop::collection::vec((prop_oneof![0.0..12.0, Just(f64::NAN)], -1e4..1e4), 0..200),
        ) {
            let mut line = Line::default();
            for (rarity, gradient) in rows {
                line.step(rarity, gradient, &RATES);
                let added = line.at(rarity, &RATES);
                prop_assert!(line.is_sound() && added.offset.is_finite() && added.by_rarity >= 0.0);
            }
        }
    }
}
