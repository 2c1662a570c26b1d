//! Alarms within a budget: the probability from which on targets of a route alarm is found by counting the alarms that
//! turned out to be false.
//!
//! One alarm is one episode: it begins when a target's risk reaches the threshold, and ends with an incident or with the
//! horizon, whichever comes first. Without an incident it was false, unless we moved traffic away meanwhile: then nobody
//! knows, and it counts neither way. The state is the route's, so that its targets learn from each other.

use foreshift_domain::fallback::RiskTrigger;
use foreshift_domain::{Duration, Timestamp};
use foreshift_predict::AlarmBudget;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::routes::Route;

/// The threshold of a route and the episodes of its targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouteBudget {
    threshold: AlarmBudget,
    /// One for each target, in the order of the configuration; shorter before the first tick.
    open: Vec<Option<Episode>>,
    /// Until when time was counted.
    at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    began: Timestamp,
    /// Incidents of the target before it.
    incidents: u64,
    /// Whether we moved traffic away since.
    treated: bool,
}

/// A target as its episode sees it at a tick.
struct Look {
    /// As it counts against the configured threshold; `None` while no alarm can begin.
    risk: Option<f64>,
    incidents: u64,
    treated: bool,
}

impl RouteBudget {
    /// The targets of the route changed: which of them was where.
    pub(crate) fn reshape(&mut self, kept: &[Option<usize>]) {
        let open = |at: &Option<usize>| at.and_then(|at| self.open.get(at).copied().flatten());
        self.open = kept.iter().map(open).collect();
    }

    /// A probability as it counts against this trigger.
    pub(crate) fn counted(&self, trigger: &RiskTrigger, risk: f64) -> f64 {
        match trigger.budget_per_day {
            Some(_) => self.threshold.counted(risk),
            None => risk,
        }
    }

    /// One tick; says how many alarms turned out to be false.
    fn tick(&mut self, tick: Timestamp, horizon: Duration, enter: f64, per_day: f64, looks: &[Look]) -> u64 {
        let passed = self.at.map_or(Duration::ZERO, |at| tick.since(at));
        self.at = Some(tick);
        self.open.resize(looks.len(), None);
        let mut wrong = 0;
        let mut watched = 0;
        for (open, look) in self.open.iter_mut().zip(looks) {
            if let Some(episode) = open {
                episode.treated |= look.treated;
                let over = tick.since(episode.began) >= horizon;
                if look.incidents > episode.incidents || over {
                    wrong += u64::from(look.incidents == episode.incidents && !episode.treated);
                    *open = None;
                }
            }
            watched += usize::from(look.risk.is_some() && !look.treated);
            if open.is_none() && look.risk.is_some_and(|risk| risk >= enter) {
                *open = Some(Episode {
                    began: tick,
                    incidents: look.incidents,
                    treated: look.treated,
                });
            }
        }
        for _ in 0..wrong {
            self.threshold.false_alarm(enter, looks.len());
        }
        // Only targets that could alarm use up time: of the others nothing is learned.
        let days = passed.as_secs_f64() / 86_400.0 * watched as f64 / looks.len().max(1) as f64;
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
    /// Moves the thresholds of routes with a budget, once all targets are predicted.
    pub(crate) fn keep_budgets(&mut self, tick: Timestamp) {
        let timing = &self.shared.fallback.timing;
        for route in self.routes.values_mut() {
            let Some(trigger) = route.config.settings.triggers.risk.clone() else {
                continue;
            };
            let head = timing
                .horizons
                .iter()
                .position(|horizon| *horizon == trigger.horizon);
            let (Some(per_day), Some(head)) = (trigger.budget_per_day, head) else {
                continue;
            };
            let looks = route.config.targets.iter().map(|configured| {
                let target = self.targets.get(&configured.target);
                let probability = target.and_then(|target| {
                    let free = !target.incidents.masks(tick, timing.cooldown);
                    let last = target.prediction.filter(|last| free && last.tick == tick)?;
                    last.risk(head, tick, trigger.horizon)
                });
                Look {
                    risk: probability.map(|probability| route.counted(probability)),
                    incidents: target.map_or(0, |target| target.incident_count),
                    treated: target
                        .and_then(|target| target.weight_share)
                        .is_some_and(|share| share < crate::labels::RELIEVED_BELOW),
                }
            });
            let looks: Vec<Look> = looks.collect();
            let wrong = route
                .budget
                .tick(tick, trigger.horizon, trigger.enter, per_day, &looks);
            self.shared.counters.false_alarms += wrong;
        }
    }

    /// The probability from which on targets of a route alarm: the configured one, or the one that keeps false alarms
    /// at the configured budget. `None` for a route that is not known or does not act on predictions.
    pub fn alarms_from(&self, route: &foreshift_domain::RouteName) -> Option<f64> {
        self.routes.get(route)?.alarms_from()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: Duration = Duration::from_secs(100);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + second)
    }

    fn look(risk: f64) -> Look {
        Look {
            risk: Some(risk),
            incidents: 0,
            treated: false,
        }
    }

    /// False alarms over the ticks of 10 s up to `until` of one target that is looked at so.
    fn wrong(budget: &mut RouteBudget, until: i64, of: impl Fn(i64) -> Look) -> u64 {
        let ticks = (0..=until / 10).map(|tick| 10 * tick);
        ticks
            .map(|second| budget.tick(at(second), HORIZON, 0.3, 1.0, &[of(second)]))
            .sum()
    }

    #[test]
    fn an_alarm_without_an_incident_is_one_false_alarm_however_long_it_lasts_within_the_horizon() {
        let mut budget = RouteBudget::default();
        assert_eq!(
            wrong(&mut budget, 200, |second| look(if second < 60 {
                0.5
            } else {
                0.1
            })),
            1
        );
        let mut budget = RouteBudget::default();
        let flapping = |second: i64| look(if second < 60 && second % 20 == 0 { 0.5 } else { 0.1 });
        assert_eq!(wrong(&mut budget, 200, flapping), 1);
        assert!(budget.threshold.threshold(0.3) > 0.3);
    }

    #[test]
    fn an_alarm_before_an_incident_is_none_and_one_that_we_acted_on_counts_neither_way() {
        let came = |second: i64| Look {
            incidents: u64::from(second >= 50),
            ..look(if second < 50 { 0.5 } else { 0.1 })
        };
        assert_eq!(wrong(&mut RouteBudget::default(), 200, came), 0);
        let moved = |second: i64| Look {
            treated: (20..200).contains(&second),
            ..look(if second < 50 { 0.5 } else { 0.1 })
        };
        assert_eq!(wrong(&mut RouteBudget::default(), 200, moved), 0);
    }

    #[test]
    fn time_without_a_look_at_a_target_lowers_nothing() {
        let mut budget = RouteBudget::default();
        let blind = |_| Look {
            risk: None,
            ..look(0.0)
        };
        wrong(&mut budget, 100_000, blind);
        assert_eq!(budget.threshold, AlarmBudget::default());
        wrong(&mut budget, 100_000, |_| look(0.0));
        assert!(budget.threshold.threshold(0.3) < 0.3);
    }
}
