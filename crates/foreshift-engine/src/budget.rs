//! Alarms within a budget: the probability from which on targets of a route alarm is found by counting the alarms that
//! turned out to be false.
//!
//! An alarm without an incident was false, unless we moved traffic away meanwhile: then nobody knows, and it counts neither
//! way. The state is the route's, so that its targets learn from each other.

use foreshift_domain::fallback::RiskTrigger;
use foreshift_domain::{Duration, Timestamp};
use foreshift_predict::AlarmBudget;
use serde::{Deserialize, Serialize};

use crate::alarms::{Ended, Look};
use crate::engine::Engine;
use crate::routes::Route;

/// The threshold of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouteBudget {
    threshold: AlarmBudget,
    /// Until when time was counted.
    at: Option<Timestamp>,
}

impl RouteBudget {
    /// A probability as it counts against this trigger.
    pub(crate) fn counted(&self, trigger: &RiskTrigger, risk: f64) -> f64 {
        match trigger.budget_per_day {
            Some(_) => self.threshold.counted(risk),
            None => risk,
        }
    }

    /// One tick; says how many alarms turned out to be false.
    pub(crate) fn tick(
        &mut self,
        tick: Timestamp,
        enter: f64,
        per_day: f64,
        looks: &[Look],
        ended: &[Ended],
    ) -> u64 {
        let passed = self.at.map_or(Duration::ZERO, |at| tick.since(at));
        self.at = Some(tick);
        let mut wrong = 0;
        for _ in ended.iter().filter(|alarm| !alarm.came_true && !alarm.treated) {
            self.threshold.false_alarm(enter, looks.len());
            wrong += 1;
        }
        // Only targets that could alarm use up time: of the others nothing is learned.
        let watched = looks.iter().filter(|look| look.risk.is_some() && !look.treated);
        let days = passed.as_secs_f64() / 86_400.0 * watched.count() as f64 / looks.len().max(1) as f64;
        self.threshold.pass(enter, per_day, days, looks.len());
        wrong
    }
}

impl Route {
    /// A probability as it counts against the configured triggers: within a budget, these are meant relative to the
    /// threshold in force.
    pub(crate) fn counted(&self, risk: f64) -> f64 {
        let trigger = self.config.settings.triggers.risk.as_ref();
        trigger.map_or(risk, |trigger| self.budget.counted(trigger, risk))
    }

    /// The probability from which on its targets alarm; `None` where predictions are not acted on.
    pub(crate) fn alarms_from(&self) -> Option<f64> {
        let trigger = self.config.settings.triggers.risk.as_ref()?;
        Some(match trigger.budget_per_day {
            Some(_) => self.budget.threshold.threshold(trigger.enter),
            None => trigger.enter,
        })
    }
}

impl Engine {
    /// The probability from which on targets of a route alarm: the configured one, or the one that keeps false alarms
    /// at the configured budget. `None` for a route that is not known or does not act on predictions.
    pub fn alarms_from(&self, route: &foreshift_domain::RouteName) -> Option<f64> {
        self.routes.get(route)?.alarms_from()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(budget: &mut RouteBudget, days: i64, risk: Option<f64>, ended: &[Ended]) -> (u64, f64) {
        let look = Look {
            risk,
            incidents: 0,
            treated: false,
        };
        let at = |day: i64| Timestamp::from_secs(1_700_000_000 + 86_400 * day);
        budget.tick(at(0), 0.3, 1.0, &[look], &[]);
        let wrong = budget.tick(at(days), 0.3, 1.0, &[look], ended);
        (wrong, budget.threshold.threshold(0.3))
    }

    #[test]
    fn only_an_alarm_that_nobody_acted_on_and_that_did_not_come_true_is_false() {
        let ended = |came_true, treated| Ended {
            came_true,
            treated,
            acted: false,
        };
        let (wrong, threshold) = after(&mut RouteBudget::default(), 0, Some(0.1), &[ended(false, false)]);
        assert!(wrong == 1 && threshold > 0.31);
        for known in [ended(true, false), ended(false, true), ended(true, true)] {
            let (wrong, threshold) = after(&mut RouteBudget::default(), 0, Some(0.1), &[known]);
            assert!(wrong == 0 && (threshold - 0.3).abs() < 1e-9);
        }
    }

    #[test]
    fn time_without_a_look_at_a_target_lowers_nothing() {
        let (_, unwatched) = after(&mut RouteBudget::default(), 1, None, &[]);
        assert!((unwatched - 0.3).abs() < 1e-9);
        assert!(after(&mut RouteBudget::default(), 1, Some(0.0), &[]).1 < 0.29);
    }
}
