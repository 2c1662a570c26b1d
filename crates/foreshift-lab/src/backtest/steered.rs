//! Weights that an engine gave, and incidents that it saw.

use std::collections::BTreeMap;

use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};
use foreshift_engine::Output;
use foreshift_sim::WeightChange;

use crate::replay::driver::Sink;
use crate::train::simulated::Fresh;

/// A target that has less than this share of its weight at rest is relieved.
const RELIEVED: f64 = 0.9;

/// Weights of one route from some time on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weights {
    pub(super) from: Timestamp,
    /// By target: weight and weight at rest, in basis points.
    pub(super) targets: Vec<(TargetName, u32, u32)>,
}

/// When a target was relieved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Relief {
    pub(super) target: TargetName,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// Takes down what an engine says.
#[derive(Debug, Default)]
pub(super) struct Steered {
    /// Changes, in order of time.
    pub(super) routes: BTreeMap<RouteName, Vec<Weights>>,
    /// When incidents began and ended.
    pub(super) incidents: BTreeMap<TargetName, Vec<(Timestamp, Timestamp)>>,
    /// Changes that a world has not been told yet.
    pub(super) fresh: Fresh,
}

impl Sink for Steered {
    fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        match output {
            Output::Weights(weights) => self.take_weights(weights),
            Output::Incident(change) => {
                let incidents = self.incidents.entry(change.target.clone()).or_default();
                match (change.end, incidents.last_mut()) {
                    (Some(end), Some(last)) => last.1 = end,
                    _ => incidents.push((change.start, change.end.unwrap_or(Timestamp::MAX))),
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Steered {
    fn take_weights(&mut self, weights: &RouteWeights) {
        let targets = weights.targets.iter();
        let targets: Vec<(TargetName, u32, u32)> = targets
            .map(|target| (target.target.clone(), target.weight_bp, target.baseline_bp))
            .collect();
        let changes = self.routes.entry(weights.route.clone()).or_default();
        if changes.last().is_some_and(|last| last.targets == targets) {
            return;
        }
        let shares = targets
            .iter()
            .map(|(target, weight, _)| (target.clone(), *weight));
        if let Ok(mut fresh) = self.fresh.lock() {
            fresh.push(WeightChange {
                time: weights.decided_at,
                route: weights.route.clone(),
                weights: shares.collect(),
            });
        }
        changes.push(Weights {
            from: weights.decided_at,
            targets,
        });
    }

    /// The same with all weights at rest.
    pub(super) fn at_rest(&self) -> Self {
        let mut routes = self.routes.clone();
        for weights in routes.values_mut().flatten() {
            weights
                .targets
                .iter_mut()
                .for_each(|(_, weight, rest)| *weight = *rest);
        }
        Self {
            routes,
            incidents: self.incidents.clone(),
            fresh: Fresh::default(),
        }
    }

    /// Stretches of time in which a target had less than at rest.
    pub(super) fn reliefs(&self) -> Vec<Relief> {
        let mut reliefs = Vec::new();
        for changes in self.routes.values() {
            let mut open: BTreeMap<&TargetName, Timestamp> = BTreeMap::new();
            for weights in changes {
                for (target, weight, rest) in &weights.targets {
                    let relieved = f64::from(*weight) < RELIEVED * f64::from(*rest);
                    if relieved {
                        open.entry(target).or_insert(weights.from);
                    } else if let Some(from) = open.remove(target) {
                        reliefs.push(Relief {
                            target: target.clone(),
                            from,
                            until: weights.from,
                        });
                    }
                }
            }
            reliefs.extend(open.into_iter().map(|(target, from)| Relief {
                target: target.clone(),
                from,
                until: Timestamp::MAX,
            }));
        }
        reliefs
    }

    /// Reliefs without an incident of the target in them or within `ahead` of their beginning.
    pub(super) fn needless(&self, reliefs: &[Relief], ahead: Duration) -> usize {
        let is_needless = |relief: &&Relief| {
            let incidents = self.incidents.get(&relief.target).into_iter().flatten();
            let until = relief.until.max(relief.from + ahead);
            !incidents
                .clone()
                .any(|(began, ended)| *began <= until && *ended >= relief.from)
        };
        reliefs.iter().filter(is_needless).count()
    }

    /// Changes of direction of targets' weights.
    pub(super) fn flips(&self) -> usize {
        let mut flips = 0;
        for changes in self.routes.values() {
            let mut last: BTreeMap<&TargetName, (u32, i8)> = BTreeMap::new();
            for (target, weight, _) in changes.iter().flat_map(|weights| &weights.targets) {
                let (before, direction) = last.get(target).copied().unwrap_or((*weight, 0));
                let now = match weight.cmp(&before) {
                    std::cmp::Ordering::Less => -1,
                    std::cmp::Ordering::Equal => direction,
                    std::cmp::Ordering::Greater => 1,
                };
                flips += usize::from(direction != 0 && now != direction);
                last.insert(target, (*weight, now));
            }
        }
        flips
    }

    /// Effective targets (one over the sum of squared shares) against those of the weights at rest, mean over routes and
    /// time up to `end`; 1 without any weights.
    pub(super) fn effective_share(&self, end: Timestamp) -> f64 {
        let (mut sum, mut time) = (0.0, 0.0);
        for changes in self.routes.values() {
            let ends = changes.iter().skip(1).map(|weights| weights.from).chain([end]);
            for (weights, until) in changes.iter().zip(ends) {
                let lasts = until.since(weights.from).as_secs_f64();
                // Weights that were there before anything was seen have no beginning.
                if weights.from <= Timestamp::default() || lasts <= 0.0 {
                    continue;
                }
                let now = weights.targets.iter().map(|(_, weight, _)| f64::from(*weight));
                let rest = weights.targets.iter().map(|(_, _, rest)| f64::from(*rest));
                sum += lasts * effective(now) / effective(rest);
                time += lasts;
            }
        }
        if time > 0.0 { sum / time } else { 1.0 }
    }
}

fn effective(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), weight| {
        (sum + weight, squares + weight * weight)
    });
    if squares > 0.0 { sum * sum / squares } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steered(weights: &[(i64, u32, u32)]) -> Steered {
        let change = |(at, a, b): &(i64, u32, u32)| Weights {
            from: Timestamp::from_secs(*at),
            targets: vec![("a".into(), *a, 5_000), ("b".into(), *b, 5_000)],
        };
        Steered {
            routes: BTreeMap::from([("r".into(), weights.iter().map(change).collect())]),
            ..Steered::default()
        }
    }

    #[test]
    fn a_relief_lasts_until_the_weight_is_back_and_is_needless_without_an_incident() {
        let mut steered = steered(&[
            (1, 5_000, 5_000),
            (10, 1_000, 9_000),
            (20, 500, 9_500),
            (40, 5_000, 5_000),
        ]);
        let reliefs = steered.reliefs();
        assert_eq!(reliefs.len(), 1);
        assert_eq!(
            (reliefs[0].from, reliefs[0].until),
            (Timestamp::from_secs(10), Timestamp::from_secs(40))
        );
        let ahead = Duration::from_secs(60);
        assert_eq!(steered.needless(&reliefs, ahead), 1);
        let incident = (Timestamp::from_secs(65), Timestamp::from_secs(90));
        steered.incidents.insert("a".into(), vec![incident]);
        assert_eq!(steered.needless(&reliefs, ahead), 0);
        assert_eq!(steered.needless(&reliefs, Duration::from_secs(50)), 1);
        assert_eq!(steered.at_rest().reliefs(), []);
    }

    #[test]
    fn flips_are_changes_of_direction_and_shares_are_effective_over_time() {
        let steered = steered(&[
            (1, 5_000, 5_000),
            (11, 0, 10_000),
            (21, 5_000, 5_000),
            (31, 0, 10_000),
        ]);
        assert_eq!(steered.flips(), 4);
        assert!((steered.effective_share(Timestamp::from_secs(41)) - 0.75).abs() < 1e-12);
    }
}
