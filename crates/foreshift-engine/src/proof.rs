//! What came of a route's alarms while predictions moved nothing: before they may, they must have come true here.
//!
//! An alarm begins when the newest prediction of a target reaches the route's trigger, and is right when an incident
//! begins before its horizon has passed. Only one alarm of a target is open at a time. While predictions move traffic none
//! is counted, since what they avert cannot be told from what would not have come.

use std::collections::BTreeMap;

use foreshift_domain::fallback::{AutoAfter, Mode};
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;

/// Past so many alarms both counts are halved: what counts is of late.
const MAX_ALARMS: u32 = 100;

/// The alarms of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proof {
    alarms: u32,
    right: u32,
    /// By target, no more than the route has: when the alarm that is open ends.
    open: BTreeMap<TargetName, Timestamp>,
}

impl Proof {
    /// Whether alarms came true often enough.
    pub(crate) fn suffices(&self, after: &AutoAfter) -> bool {
        self.alarms >= after.alarms && f64::from(self.right) >= after.precision * f64::from(self.alarms)
    }

    fn begin(&mut self, target: &TargetName, tick: Timestamp, horizon: Duration) {
        self.open.entry(target.clone()).or_insert(tick + horizon);
    }

    /// Alarms whose horizon has passed were false.
    fn pass(&mut self, now: Timestamp) {
        let before = self.open.len();
        self.open.retain(|_, ends| *ends > now);
        for _ in self.open.len()..before {
            self.count(false);
        }
    }

    /// An incident of a target began.
    fn onset(&mut self, target: &TargetName, at: Timestamp) {
        if let Some(ends) = self.open.remove(target) {
            self.count(at <= ends);
        }
    }

    fn count(&mut self, right: bool) {
        if self.alarms >= MAX_ALARMS {
            (self.alarms, self.right) = (self.alarms / 2, self.right / 2);
        }
        self.alarms += 1;
        self.right += u32::from(right);
    }
}

impl Engine {
    /// Follows the alarms of all routes on which predictions move nothing.
    pub(crate) fn follow_alarms(&mut self, tick: Timestamp) {
        let horizons = &self.shared.fallback.timing.horizons;
        for route in self.routes.values_mut() {
            let acts = route.mode() == Mode::Auto && route.proven();
            let Some(trigger) = route.config.settings.triggers.risk.as_ref().filter(|_| !acts) else {
                route.proof.open.clear();
                continue;
            };
            route.proof.pass(tick);
            let Some(head) = horizons.iter().position(|horizon| *horizon == trigger.horizon) else {
                continue;
            };
            for configured in &route.config.targets {
                let newest = self
                    .targets
                    .get(&configured.target)
                    .and_then(|target| target.prediction);
                let Some(newest) = newest.filter(|newest| newest.tick == tick && !newest.in_incident) else {
                    continue;
                };
                let risk = newest.probabilities.and_then(|all| all.get(head).copied());
                if risk.is_some_and(|risk| route.budget.counted(trigger, risk) >= trigger.enter) {
                    route.proof.begin(&configured.target, tick, trigger.horizon);
                }
            }
        }
    }

    /// An incident of a target began that something could have shown.
    pub(crate) fn alarms_meet_onset(&mut self, target: &TargetName, routes: &[RouteName], at: Timestamp) {
        for route in routes {
            if let Some(route) = self.routes.get_mut(route) {
                route.proof.onset(target, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: AutoAfter = AutoAfter {
        alarms: 3,
        precision: 0.5,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    #[test]
    fn alarms_that_came_true_often_enough_suffice_and_false_ones_take_it_back() {
        let mut proof = Proof::default();
        let target = TargetName::from("t");
        let horizon = Duration::from_secs(60);
        for (began, onset) in [(0, 30), (100, 130), (200, 260)] {
            assert!(!proof.suffices(&AFTER));
            proof.begin(&target, at(began), horizon);
            proof.begin(&target, at(began + 10), horizon);
            proof.onset(&target, at(onset));
        }
        assert!(proof.suffices(&AFTER));
        for began in [300, 400, 500, 600] {
            proof.begin(&target, at(began), horizon);
            proof.pass(at(began + 60));
        }
        assert_eq!((proof.alarms, proof.right), (7, 3));
        assert!(!proof.suffices(&AFTER));
        proof.onset(&target, at(700));
        assert_eq!(proof.alarms, 7, "an incident without an alarm is no alarm");
    }

    #[test]
    fn counts_stay_bounded_and_follow_what_is_of_late() {
        let mut proof = Proof::default();
        (0..10_000).for_each(|_| proof.count(true));
        assert!(proof.alarms <= MAX_ALARMS);
        (0..200).for_each(|_| proof.count(false));
        assert!(!proof.suffices(&AFTER));
    }
}
