//! Testing by betting (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024).
//!
//! A gambler who believes that the mean is above 0 stakes a share of the wealth on every observation. If the mean, given
//! all before, is at most 0, the wealth is a supermartingale that begins at 1: the chance that it ever reaches `1 / alpha`
//! is at most `alpha` (Ville), so whoever looks after each observation is not fooled more often than who looks once.

use serde::{Deserialize, Serialize};

/// No more than this share of what could be lost is staked: the wealth stays above nothing.
const MOST_STAKED: f64 = 0.9;
/// The logarithm of the wealth is held within plus and minus this, so that it stays a number that can be shown.
const MAX_LOG: f64 = 600.0;

/// A bet against "the mean of what comes is at most 0".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wager {
    /// The most that one observation may be below 0.
    worst: f64,
    log_wealth: f64,
    count: f64,
    sum: f64,
    squares: f64,
    /// What the variance is taken for before anything is seen; counts as one observation.
    prior_variance: f64,
}

impl Wager {
    /// A bet on observations that are at least `-worst`, `worst` above 0.
    #[must_use]
    pub fn against(worst: f64, prior_variance: f64) -> Self {
        Self {
            worst,
            log_wealth: 0.0,
            count: 0.0,
            sum: 0.0,
            squares: 0.0,
            prior_variance,
        }
    }

    /// Takes an observation; one below `-worst` counts as that, one that is no number is left out.
    pub fn observe(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let value = value.max(-self.worst);
        let gained = libm::log1p(self.stake() * value);
        self.log_wealth = (self.log_wealth + gained).clamp(-MAX_LOG, MAX_LOG);
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    /// The share staked on the next observation: what would have made the wealth grow fastest so far, to second order.
    fn stake(&self) -> f64 {
        let mean = self.sum / (self.count + 1.0);
        let variance = (self.prior_variance + self.squares) / (self.count + 1.0) - mean * mean;
        let best = mean / (variance.max(0.0) + mean * mean);
        if best.is_finite() {
            best.clamp(0.0, MOST_STAKED / self.worst)
        } else {
            0.0
        }
    }

    /// The wealth that began as 1: evidence against the null.
    #[must_use]
    pub fn e_value(&self) -> f64 {
        libm::exp(self.log_wealth)
    }

    /// Whether the null is refuted at this error rate.
    #[must_use]
    pub fn rejects(&self, alpha: f64) -> bool {
        self.log_wealth >= -libm::log(alpha)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wealth_grows_on_gains_alone_and_never_reaches_nothing() {
        let mut wager = Wager::against(1.0, 0.25);
        for _ in 0..100 {
            wager.observe(0.1);
        }
        assert!(wager.rejects(0.05), "{}", wager.e_value());
        for _ in 0..10_000 {
            wager.observe(-5.0);
        }
        assert!(wager.e_value() >= 0.0 && !wager.rejects(0.05));
        wager.observe(f64::NAN);
        assert!(wager.e_value().is_finite());
    }
}
