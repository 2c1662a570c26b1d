//! One route: its targets, the shares at rest, and the weights that were last heard.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use foreshift_proto::v1;

use crate::config::ConfigError;

/// All weights of a route sum to this.
const FULL_BP: u64 = 10_000;

/// A route as this client knows it.
pub(crate) struct Route {
    pub(crate) targets: Vec<String>,
    baseline: Shares,
    heard: ArcSwapOption<Heard>,
}

/// Shares of the targets, each as the sum of all up to it: a draw below the last belongs to the first that is above it.
struct Shares(Vec<u32>);

/// Weights that may be in force.
struct Heard {
    shares: Shares,
    valid_until: SystemTime,
}

impl Shares {
    /// `None` when they sum to nothing, or to more than fits.
    fn new(shares: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut sum = 0_u32;
        let mut sums = Vec::new();
        for share in shares {
            sum = sum.checked_add(share)?;
            sums.push(sum);
        }
        (sum > 0).then_some(Self(sums))
    }

    fn sum(&self) -> u32 {
        self.0.last().copied().unwrap_or_default()
    }

    /// Whose share this is, for a draw below the sum.
    fn owner(&self, draw: u32) -> usize {
        self.0.partition_point(|sum| *sum <= draw)
    }

    fn each(&self) -> impl Iterator<Item = u32> {
        let before = std::iter::once(&0).chain(&self.0);
        self.0.iter().zip(before).map(|(sum, before)| sum - before)
    }
}

impl Route {
    pub(crate) fn new(name: &str, baseline: Vec<(String, u32)>) -> Result<Self, ConfigError> {
        let (targets, shares): (Vec<String>, Vec<u32>) = baseline.into_iter().unzip();
        let twice = targets
            .iter()
            .enumerate()
            .find(|(at, target)| targets.iter().take(*at).any(|before| before == *target));
        if let Some((_, target)) = twice {
            return Err(ConfigError::TargetTwice {
                route: name.to_owned(),
                target: target.clone(),
            });
        }
        let baseline = Shares::new(shares).ok_or_else(|| ConfigError::Shares {
            route: name.to_owned(),
        })?;
        Ok(Self {
            targets,
            baseline,
            heard: ArcSwapOption::empty(),
        })
    }

    /// The target of the next request. `below` draws a number below its argument, which is above 0.
    pub(crate) fn pick(&self, now: SystemTime, below: impl FnOnce(u32) -> u32) -> &str {
        let heard = self.heard.load();
        let shares = match heard.as_deref() {
            Some(heard) if now < heard.valid_until => &heard.shares,
            _ => &self.baseline,
        };
        let owner = shares.owner(below(shares.sum()));
        // There is one for every draw below the sum, and the sum is never 0.
        self.targets.get(owner).map_or("", String::as_str)
    }

    /// Each target's share in force, and whether it is Foreshift's.
    pub(crate) fn shares(&self, now: SystemTime) -> (Vec<(&str, u32)>, bool) {
        let heard = self.heard.load();
        let steering = heard.as_deref().filter(|heard| now < heard.valid_until);
        let shares = steering.map_or(&self.baseline, |heard| &heard.shares);
        let targets = self.targets.iter().map(String::as_str);
        (targets.zip(shares.each()).collect(), steering.is_some())
    }

    /// Takes weights over.
    ///
    /// # Errors
    /// For people, why they cannot be applied; those before go on until they are no longer valid.
    pub(crate) fn hear(&self, weights: &v1::RouteWeights) -> Result<(), String> {
        let sum: u64 = weights
            .targets
            .iter()
            .map(|target| u64::from(target.weight_bp))
            .sum();
        if sum != FULL_BP {
            return Err(format!("the weights sum to {sum}, not to {FULL_BP}"));
        }
        let mut mine = vec![0; self.targets.len()];
        for target in weights.targets.iter().filter(|target| target.weight_bp > 0) {
            let at = self.targets.iter().position(|known| *known == target.target);
            let slot = at.and_then(|at| mine.get_mut(at));
            *slot.ok_or_else(|| format!("the target {:?} is not known here", target.target))? =
                target.weight_bp;
        }
        let heard = Shares::new(mine).filter(|_| is_steered(weights)).map(|shares| {
            Arc::new(Heard {
                shares,
                valid_until: time(weights.valid_until_unix_us),
            })
        });
        self.heard.store(heard);
        Ok(())
    }

    /// The route is gone: what was heard of it holds no more.
    pub(crate) fn forget(&self) {
        self.heard.store(None);
    }
}

/// Only in mode auto do weights move by themselves; in others they do when a person fixed them.
fn is_steered(weights: &v1::RouteWeights) -> bool {
    let fixed = || {
        let mut targets = weights.targets.iter();
        targets.any(|target| target.weight_bp != target.baseline_bp)
    };
    weights.mode() == v1::Mode::Auto || fixed()
}

fn time(unix_us: i64) -> SystemTime {
    let after = u64::try_from(unix_us).unwrap_or(0);
    // What is beyond the end of time holds no longer than what is not understood.
    UNIX_EPOCH
        .checked_add(Duration::from_micros(after))
        .unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
