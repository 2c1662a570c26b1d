//! The story of a run: what a client of the server saw change, and when, in recorded time.

mod movement;

use std::collections::BTreeMap;
use std::sync::Arc;

use foreshift_domain::decision::Reason;
use foreshift_domain::fallback::{Fallback, RiskTrigger};
use foreshift_domain::published::{Published, TargetState};
use foreshift_domain::signal::Health;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};
use foreshift_sim::WeightChange;

use super::reasons;
use movement::{Movement, Step};

/// The most changes of weights kept: a change a tick on every route of the longest scenario, several times over.
const MAX_CHANGES: usize = 20_000;
/// The most alarms kept: one every other tick on every target of the longest scenario.
const MAX_ALARMS: usize = 2_000;

/// Something worth a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Moment {
    /// An alarm began.
    Prediction {
        target: TargetName,
        probability: f64,
        horizon: Duration,
        because: Vec<String>,
    },
    /// An alarm ended without a failure.
    Withdrawn {
        target: TargetName,
        probability: f64,
        horizon: Duration,
    },
    /// Weights begin to move away from rest, or back.
    Shift {
        route: RouteName,
        away: bool,
        shares: Vec<Share>,
        reason: Reason,
    },
    /// The movement that began with a shift has ended; what it came to in all.
    Shifted {
        route: RouteName,
        away: bool,
        shares: Vec<Share>,
        took: Duration,
    },
    /// A target fails.
    Failure { target: TargetName, in_incident: bool },
    /// It no longer does.
    Recovered { target: TargetName },
}

/// How the share of a target changed, in basis points of the route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) target: TargetName,
    pub(super) from_bp: u32,
    pub(super) to_bp: u32,
}

/// A moment, and when it was.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Timed {
    pub(super) at: Timestamp,
    pub(super) moment: Moment,
}

/// Follows one run.
pub(super) struct Story {
    fallback: Arc<Fallback>,
    targets: BTreeMap<TargetName, Seen>,
    routes: BTreeMap<RouteName, (RouteWeights, Option<Movement>)>,
    changes: Vec<WeightChange>,
    alarms: Vec<Alarm>,
}

/// An alarm, for the summary.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alarm {
    pub(super) target: TargetName,
    /// The prediction that raised it.
    pub(super) began: Timestamp,
    /// When it was withdrawn; `None` if it stood until the target failed, or to the end.
    pub(super) withdrawn: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    alarmed: bool,
    failing: bool,
}

impl Story {
    pub(super) fn new(fallback: Arc<Fallback>) -> Self {
        Self {
            fallback,
            targets: BTreeMap::new(),
            routes: BTreeMap::new(),
            changes: Vec::new(),
            alarms: Vec::new(),
        }
    }

    /// Every change of weights so far, at the time of its decision.
    pub(super) fn changes(&self) -> &[WeightChange] {
        &self.changes
    }

    /// Every alarm so far.
    pub(super) fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// Takes the newest weights of a route; repeated and renewed ones say nothing.
    pub(super) fn weights(&mut self, weights: RouteWeights, moments: &mut Vec<Timed>) {
        let Some((before, movement)) = self.routes.get_mut(&weights.route) else {
            self.routes.insert(weights.route.clone(), (weights, None));
            return;
        };
        if weights.version <= before.version {
            return;
        }
        let moved = shares_of(before) != shares_of(&weights);
        if moved && self.changes.len() < MAX_CHANGES {
            self.changes.push(change_of(&weights));
        }
        // A target that is down is the reason for the step: it is told first.
        for target in weights
            .targets
            .iter()
            .filter(|target| target.health == Some(Health::Down))
        {
            let seen = self.targets.entry(target.target.clone()).or_default();
            if !std::mem::replace(&mut seen.failing, true) {
                let failure = Moment::Failure {
                    target: target.target.clone(),
                    in_incident: false,
                };
                moments.push(Timed {
                    at: weights.decided_at,
                    moment: failure,
                });
            }
        }
        if moved {
            let step = Step::between(before, &weights);
            movement::take(movement, step, moments);
        }
        *before = weights;
    }

    /// Takes the newest state.
    pub(super) fn state(&mut self, published: &Published, moments: &mut Vec<Timed>) {
        for (_, movement) in self.routes.values_mut() {
            movement::end_if_quiet(movement, published.now, moments);
        }
        let fallback = Arc::clone(&self.fallback);
        for route in &fallback.routes {
            for target in &route.targets {
                let name = &target.target;
                let Some(state) = published.targets.get(name) else {
                    continue;
                };
                // The watch of weights is ahead of the status, which would take its news back.
                let is_down = self.is_down(&route.name, name);
                self.failing(name, state, is_down, published.now, moments);
                if let Some(trigger) = &route.settings.triggers.risk {
                    self.risk(name, state, trigger, moments);
                }
            }
        }
    }

    /// Ends what is still under way.
    pub(super) fn finish(&mut self, moments: &mut Vec<Timed>) {
        for (_, movement) in self.routes.values_mut() {
            movement::end(movement, moments);
        }
    }

    fn is_down(&self, route: &RouteName, target: &TargetName) -> bool {
        let weights = self.routes.get(route).map(|(weights, _)| weights);
        let weight = weights.and_then(|weights| weights.targets.iter().find(|one| one.target == *target));
        weight.is_some_and(|weight| weight.health == Some(Health::Down))
    }

    fn failing(
        &mut self,
        target: &TargetName,
        state: &TargetState,
        is_down: bool,
        now: Timestamp,
        moments: &mut Vec<Timed>,
    ) {
        let seen = self.targets.entry(target.clone()).or_default();
        let failing = state.incident_since.is_some() || is_down;
        if failing == seen.failing {
            return;
        }
        seen.failing = failing;
        let target = target.clone();
        moments.push(if failing {
            let at = state.incident_since.unwrap_or(now);
            Timed {
                at,
                moment: Moment::Failure {
                    target,
                    in_incident: state.incident_since.is_some(),
                },
            }
        } else {
            Timed {
                at: now,
                moment: Moment::Recovered { target },
            }
        });
    }

    fn risk(
        &mut self,
        target: &TargetName,
        state: &TargetState,
        trigger: &RiskTrigger,
        moments: &mut Vec<Timed>,
    ) {
        let Some(prediction) = &state.prediction else {
            return;
        };
        let horizon = trigger.horizon;
        let Some(risk) = prediction.risks.iter().find(|risk| risk.horizon == horizon) else {
            return;
        };
        let seen = self.targets.entry(target.clone()).or_default();
        let (at, probability, target) = (prediction.id.tick, risk.probability, target.clone());
        // While it fails, a prediction is about the incident after this one.
        if seen.failing || prediction.in_incident {
            seen.alarmed = false;
        } else if !seen.alarmed && probability >= trigger.enter {
            seen.alarmed = true;
            let explained = state.explanations.iter().find(|one| one.horizon == horizon);
            let [_, window, ..] = self.fallback.timing.windows;
            let because = explained
                .map(|one| reasons::because(one, window))
                .unwrap_or_default();
            if self.alarms.len() < MAX_ALARMS {
                self.alarms.push(Alarm {
                    target: target.clone(),
                    began: at,
                    withdrawn: None,
                });
            }
            moments.push(Timed {
                at,
                moment: Moment::Prediction {
                    target,
                    probability,
                    horizon,
                    because,
                },
            });
        } else if seen.alarmed && probability < trigger.exit {
            seen.alarmed = false;
            if let Some(alarm) = self.alarms.iter_mut().rfind(|alarm| alarm.target == target) {
                alarm.withdrawn = Some(at);
            }
            moments.push(Timed {
                at,
                moment: Moment::Withdrawn {
                    target,
                    probability,
                    horizon,
                },
            });
        }
    }
}

fn shares_of(weights: &RouteWeights) -> Vec<(&TargetName, u32)> {
    weights
        .targets
        .iter()
        .map(|target| (&target.target, target.weight_bp))
        .collect()
}

fn change_of(weights: &RouteWeights) -> WeightChange {
    WeightChange {
        time: weights.decided_at,
        route: weights.route.clone(),
        weights: weights
            .targets
            .iter()
            .map(|target| (target.target.clone(), target.weight_bp))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
