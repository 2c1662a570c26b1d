//! Alarms of a route's targets, episode by episode: its budget, its proof and the record of explanations follow them.
//!
//! An alarm begins when the newest prediction of a target that is at risk reaches the threshold in force, and ends with
//! an incident or with the horizon, whichever comes first. Only one alarm of a target runs at a time.

use foreshift_domain::fallback::{Mode, RiskTrigger};
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::labels::RELIEVED_BELOW;
use crate::routes::Route;

/// The alarms that run: one place for each target, in the order of the configuration; shorter before the first tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alarms {
    open: Vec<Option<Episode>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Episode {
    began: Timestamp,
    /// Incidents of the target before it.
    incidents: u64,
    /// Whether we moved traffic away since.
    treated: bool,
    /// Whether predictions could move the route's traffic since.
    acted: bool,
}

/// A target as its alarm sees it at a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    /// As it counts against the configured threshold; `None` while no alarm can begin.
    pub(crate) risk: Option<f64>,
    pub(crate) incidents: u64,
    pub(crate) treated: bool,
}

/// An alarm that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Whether by an incident.
    pub(crate) came_true: bool,
    /// Whether we moved traffic away meanwhile: then nobody knows what an alarm that did not come true was worth.
    pub(crate) treated: bool,
    /// Whether predictions could move the route's traffic meanwhile.
    pub(crate) acted: bool,
}

/// What happened at a tick.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Turns {
    /// Places of the targets whose alarm began.
    pub(crate) began: Vec<usize>,
    pub(crate) ended: Vec<Ended>,
}

/// An alarm that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Began {
    pub(crate) target: TargetName,
    /// The horizon of the alarm, by its place.
    pub(crate) head: usize,
    pub(crate) route: RouteName,
}

impl Alarms {
    /// The targets of the route changed: which of them was where.
    pub(crate) fn reshape(&mut self, kept: &[Option<usize>]) {
        let open = |at: &Option<usize>| at.and_then(|at| self.open.get(at).copied().flatten());
        self.open = kept.iter().map(open).collect();
    }

    /// One tick. `acts`: predictions can move the route's traffic.
    pub(crate) fn tick(
        &mut self,
        tick: Timestamp,
        horizon: Duration,
        enter: f64,
        acts: bool,
        looks: &[Look],
    ) -> Turns {
        self.open.resize(looks.len(), None);
        let mut turns = Turns::default();
        for (at, (open, look)) in self.open.iter_mut().zip(looks).enumerate() {
            if let Some(episode) = open {
                episode.treated |= look.treated;
                episode.acted |= acts;
                let came_true = look.incidents > episode.incidents;
                if came_true || tick.since(episode.began) >= horizon {
                    turns.ended.push(Ended {
                        came_true,
                        treated: episode.treated,
                        acted: episode.acted,
                    });
                    *open = None;
                }
            }
            if open.is_none() && look.risk.is_some_and(|risk| risk >= enter) {
                *open = Some(Episode {
                    began: tick,
                    incidents: look.incidents,
                    treated: look.treated,
                    acted: acts,
                });
                turns.began.push(at);
            }
        }
        turns
    }
}

impl Engine {
    /// Follows the alarms of all routes once all targets are predicted: what they cost of a budget, and what they prove.
    /// Returns those that began.
    pub(crate) fn follow_alarms(&mut self, tick: Timestamp) -> Vec<Began> {
        let mut began = Vec::new();
        let names: Vec<RouteName> = self.routes.keys().cloned().collect();
        for name in names {
            let Some((trigger, head, looks)) = self.routes.get(&name).and_then(|route| {
                let (trigger, head) = self.trigger(route)?;
                Some((trigger.clone(), head, self.looks(route, tick, trigger, head)))
            }) else {
                continue;
            };
            let Some(route) = self.routes.get_mut(&name) else {
                continue;
            };
            let acts = route.mode() == Mode::Auto && route.proven();
            let turns = route
                .alarms
                .tick(tick, trigger.horizon, trigger.enter, acts, &looks);
            if let Some(per_day) = trigger.budget_per_day {
                let wrong = route
                    .budget
                    .tick(tick, trigger.enter, per_day, &looks, &turns.ended);
                self.shared.counters.false_alarms += wrong;
            }
            route.proof.follow(&turns.ended);
            let targets = turns.began.iter().filter_map(|at| route.config.targets.get(*at));
            began.extend(targets.map(|configured| Began {
                target: configured.target.clone(),
                head,
                route: name.clone(),
            }));
        }
        began
    }

    /// What a route's predictions are held against, and the place of its horizon.
    pub(crate) fn trigger<'a>(&self, route: &'a Route) -> Option<(&'a RiskTrigger, usize)> {
        let trigger = route.config.settings.triggers.risk.as_ref()?;
        let mut horizons = self.shared.fallback.timing.horizons.iter();
        let head = horizons.position(|horizon| *horizon == trigger.horizon)?;
        Some((trigger, head))
    }

    fn looks(&self, route: &Route, tick: Timestamp, trigger: &RiskTrigger, head: usize) -> Vec<Look> {
        let cooldown = self.shared.fallback.timing.cooldown;
        let looks = route.config.targets.iter().map(|configured| {
            let target = self.targets.get(&configured.target);
            let probability = target.and_then(|target| {
                let at_risk = !target.incidents.masks(tick, cooldown);
                let newest = target.prediction.filter(|last| at_risk && last.tick == tick)?;
                newest.probabilities?.get(head).copied()
            });
            Look {
                risk: probability.map(|probability| route.budget.counted(trigger, probability)),
                incidents: target.map_or(0, |target| target.incident_count),
                treated: target
                    .and_then(|target| target.weight_share)
                    .is_some_and(|share| share < RELIEVED_BELOW),
            }
        });
        looks.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: Duration = Duration::from_secs(100);

    fn look(risk: f64) -> Look {
        Look {
            risk: Some(risk),
            incidents: 0,
            treated: false,
        }
    }

    /// What happens over ticks of 10 s up to `until` to one target that is looked at so: when alarms began, and how they
    /// ended.
    fn follow(until: i64, acts: bool, of: impl Fn(i64) -> Look) -> (Vec<i64>, Vec<Ended>) {
        let (mut alarms, mut began, mut ended) = (Alarms::default(), Vec::new(), Vec::new());
        for second in (0..=until / 10).map(|tick| 10 * tick) {
            let at = Timestamp::from_secs(1_700_000_000 + second);
            let turns = alarms.tick(at, HORIZON, 0.3, acts, &[of(second)]);
            began.extend(turns.began.iter().map(|_| second));
            ended.extend(turns.ended);
        }
        (began, ended)
    }

    const FALSE: Ended = Ended {
        came_true: false,
        treated: false,
        acted: false,
    };

    #[test]
    fn an_alarm_without_an_incident_is_one_however_long_it_lasts_within_the_horizon() {
        let lasting = |second| look(if second < 60 { 0.5 } else { 0.1 });
        assert_eq!(follow(200, false, lasting), (vec![0], vec![FALSE]));
        let flapping = |second: i64| look(if second < 60 && second % 20 == 0 { 0.5 } else { 0.1 });
        assert_eq!(follow(200, false, flapping), (vec![0], vec![FALSE]));
        let (began, ended) = follow(250, false, |_| look(0.5));
        assert_eq!(
            (began, ended.len()),
            (vec![0, 100, 200], 2),
            "past the horizon it is another"
        );
    }

    #[test]
    fn an_incident_ends_an_alarm_and_one_without_an_alarm_ends_none() {
        let came = |second: i64| Look {
            incidents: u64::from(second >= 50) + u64::from(second >= 150),
            ..look(if second < 50 { 0.5 } else { 0.1 })
        };
        let (began, ended) = follow(200, false, came);
        assert_eq!(began, [0]);
        assert_eq!(
            ended,
            [Ended {
                came_true: true,
                ..FALSE
            }]
        );
    }

    #[test]
    fn what_we_did_since_an_alarm_began_is_known_at_its_end() {
        let moved = |second: i64| Look {
            treated: (20..40).contains(&second),
            ..look(if second < 50 { 0.5 } else { 0.1 })
        };
        let (_, ended) = follow(200, true, moved);
        assert_eq!(
            ended,
            [Ended {
                treated: true,
                acted: true,
                ..FALSE
            }]
        );
    }

    #[test]
    fn alarms_stay_with_their_targets_when_the_route_changes() {
        let mut alarms = Alarms::default();
        let at = Timestamp::from_secs(0);
        alarms.tick(at, HORIZON, 0.3, false, &[look(0.1), look(0.5)]);
        alarms.reshape(&[Some(1), None]);
        let turns = alarms.tick(at, HORIZON, 0.3, false, &[look(0.5), look(0.5)]);
        assert_eq!(turns.began, [1], "that of the first runs already");
    }
}
