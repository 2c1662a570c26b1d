//! Experts combined in logit space, by shares that follow what each adds.
//!
//! Every expert has a share; shares sum to 1, and the mixture's logit is the sum of the experts' logits by their
//! shares. A matured label moves shares to the experts whose logit would have lowered the mixture's log-loss
//! (exponentiated gradient), and then a little of every share goes home: to the even shares for a head, to the
//! head's for a target. So no expert is ever out for good, and a mixture that was right about last month's world
//! comes to be right about this one's (fixed share: Herbster & Warmuth, "Tracking the best expert", 1998; on the
//! mixture's own loss rather than each expert's: Cesa-Bianchi et al., "Mirror descent meets fixed share", 2012,
//! since the best mixture is better than the best expert).

use serde::{Deserialize, Serialize};

use crate::{MAX_LOGIT, probability_of};

/// The experts of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Expert {
    /// The online logistic model, with leaves among its inputs.
    Linear,
    /// The boosted trees.
    Trees,
    /// The hazard prior.
    Hazard,
    /// The hazard prior, and how rare is what the target shows.
    Anomaly,
}

/// How many experts there are.
pub const EXPERTS: usize = 4;

/// No row moves the logarithm of a share by more than this.
const MAX_STEP: f64 = 0.5;

/// How fast shares move.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureRates {
    /// Step size, in log-shares for each unit of log-loss. > 0.
    pub rate: f64,
    /// How much of a share goes home for each unit of error in probability, weighted as rows are. 0 to 1.
    pub home: f64,
}

impl MixtureRates {
    /// Whether both are numbers in their range.
    #[must_use]
    pub fn are_sound(&self) -> bool {
        self.rate.is_finite()
            && (1e-9..=100.0).contains(&self.rate)
            && self.home.is_finite()
            && (0.0..=1.0).contains(&self.home)
    }
}

/// The experts' shares: not negative, and they sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares([f64; EXPERTS]);

impl Default for Shares {
    fn default() -> Self {
        Self([1.0 / EXPERTS as f64; EXPERTS])
    }
}

impl Shares {
    /// Shares in proportion to these; even ones when nothing can be made of them.
    #[must_use]
    pub fn in_proportion(to: [f64; EXPERTS]) -> Self {
        let sum: f64 = to.iter().sum();
        if to.iter().all(|share| *share >= 0.0) && sum.is_finite() && sum > 0.0 {
            Self(to.map(|share| share / sum))
        } else {
            Self::default()
        }
    }

    /// One expert's share.
    #[must_use]
    pub fn of(&self, expert: Expert) -> f64 {
        self.0.get(expert as usize).copied().unwrap_or(0.0)
    }

    /// The mixture's logit.
    #[inline]
    #[must_use]
    pub fn mix(&self, logits: &[f64; EXPERTS]) -> f64 {
        self.0
            .iter()
            .zip(logits)
            .map(|(share, logit)| share * logit)
            .sum()
    }

    /// Learns from one matured row: what the experts said, what came, and how much the row counts. What goes home
    /// goes to `home`. A row whose weight is no positive number or that has
    /// a logit beyond [`MAX_LOGIT`] is left out.
    pub fn learn(
        &mut self,
        logits: &[f64; EXPERTS],
        positive: bool,
        weight: f64,
        rates: &MixtureRates,
        home: &Self,
    ) {
        let mixed = self.mix(logits);
        let sane = logits.iter().all(|logit| logit.abs() <= MAX_LOGIT);
        if !sane || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let error = weight * (probability_of(mixed) - f64::from(u8::from(positive)));
        let mut sum = 0.0;
        for (share, logit) in self.0.iter_mut().zip(logits) {
            let step = (rates.rate * error * (logit - mixed)).clamp(-MAX_STEP, MAX_STEP);
            *share *= libm::exp(-step);
            sum += *share;
        }
        let gone = (rates.home * error.abs()).min(0.5);
        for (share, home) in self.0.iter_mut().zip(&home.0) {
            *share = (1.0 - gone) * *share / sum + gone * home;
        }
    }

    /// Whether they are shares.
    #[must_use]
    pub fn are_sound(&self) -> bool {
        let sum: f64 = self.0.iter().sum();
        self.0.iter().all(|share| (0.0..=1.0).contains(share)) && (sum - 1.0).abs() < 1e-6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stream::Stream;
    use proptest::prelude::*;

    const RATES: MixtureRates = MixtureRates {
        rate: 0.05,
        home: 1e-3,
    };

    /// `truth` is what the first expert says in the first half and the second in the second; the others say nothing.
    fn taught(rows: usize, good_of: impl Fn(usize) -> usize) -> (Shares, f64) {
        let (mut stream, mut shares, mut loss) = (Stream::new(8), Shares::default(), 0.0);
        for row in 0..rows {
            let truth = -2.0 + 2.0 * stream.normal();
            let noise = |stream: &mut Stream| -2.0 + 2.0 * stream.normal();
            let mut logits = [noise(&mut stream), noise(&mut stream), -2.0, -2.0];
            logits[good_of(row)] = truth;
            let positive = stream.uniform() < probability_of(truth);
            let said = probability_of(shares.mix(&logits));
            loss -= libm::log(if positive { said } else { 1.0 - said });
            shares.learn(&logits, positive, 1.0, &RATES, &Shares::default());
        }
        (shares, loss / rows as f64)
    }

    #[test]
    fn the_share_goes_to_the_expert_who_knows() {
        let (shares, _) = taught(4_000, |_| 0);
        assert!(shares.of(Expert::Linear) > 0.85, "{shares:?}");
    }

    #[test]
    fn when_another_expert_comes_to_know_the_share_follows() {
        let (shares, loss) = taught(8_000, |row| usize::from(row >= 4_000));
        assert!(shares.of(Expert::Trees) > 0.8, "{shares:?}");
        let (_, alone) = taught(8_000, |_| 0);
        assert!(loss < alone + 0.05, "{loss} {alone}");
    }

    #[test]
    fn two_experts_of_which_each_knows_half_share() {
        let (mut stream, mut shares) = (Stream::new(8), Shares::default());
        for _ in 0..20_000 {
            let (a, b) = (2.0 * stream.normal(), 2.0 * stream.normal());
            let positive = stream.uniform() < probability_of((a + b) / 2.0);
            shares.learn(&[a, b, 0.0, 0.0], positive, 1.0, &RATES, &Shares::default());
        }
        let (a, b) = (shares.of(Expert::Linear), shares.of(Expert::Trees));
        assert!(a > 0.3 && b > 0.3 && a + b > 0.8, "{shares:?}");
    }

    #[test]
    fn without_evidence_a_targets_shares_are_those_of_its_head() {
        let head = Shares::in_proportion([3.0, 6.0, 0.5, 0.5]);
        let mut own = head;
        // Sure of what comes: no error, nothing learned.
        own.learn(&[20.0; EXPERTS], true, 1.0, &RATES, &head);
        for (own, head) in own.0.iter().zip(head.0) {
            assert!((own - head).abs() < 1e-9);
        }
        assert_eq!(Shares::in_proportion([0.0; EXPERTS]), Shares::default());
        assert_eq!(
            Shares::in_proportion([f64::NAN, 1.0, 1.0, 1.0]),
            Shares::default()
        );
    }

    proptest! {
        #[test]
        fn shares_stay_shares_whatever_is_taught(
            rows in prop::collection::vec((prop::array::uniform4(prop::num::f64::ANY), any::<bool>(), prop::num::f64::ANY), 0..100),
        ) {
            let mut shares = Shares::default();
            for (logits, positive, weight) in rows {
                shares.learn(&logits, positive, weight, &RATES, &Shares::default());
                prop_assert!(shares.are_sound(), "{:?}", shares);
            }
        }
    }
}
