//! Routes: what is planned for them, decided and published.

use std::sync::Arc;

use foreshift_domain::decision::{Cause, Decision, DecisionTarget, Reason};
use foreshift_domain::fallback::{Mode, RouteConfig};
use foreshift_domain::prediction::Risk;
use foreshift_domain::weights::{RouteWeights, TargetWeight, Version};
use foreshift_domain::{RouteName, TargetName, Timestamp};
use foreshift_policy::{HealthView, Plan, PlanInput, ReactiveState, RouteState, TargetFacts};
use serde::{Deserialize, Serialize};

use crate::alarms::Alarms;
use crate::budget::RouteBudget;
use crate::engine::Engine;
use crate::output::{Alert, Output};
use crate::overrides::Overrides;
use crate::proof::Proof;

/// All state that belongs to one route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) config: RouteConfig,
    pub(crate) discovered: bool,
    /// Whether a person confirmed the baseline; configured routes: always.
    pub(crate) confirmed: bool,
    pub(crate) state: RouteState,
    /// One for each target, in the order of the configuration.
    pub(crate) reactive: Vec<ReactiveState>,
    pub(crate) views: Vec<HealthView>,
    pub(crate) overrides: Overrides,
    pub(crate) published: Option<Arc<RouteWeights>>,
    /// When it wants to be looked at again.
    pub(crate) look: Option<Timestamp>,
    /// The alarms of its targets that run.
    pub(crate) alarms: Alarms,
    /// What came of its alarms while predictions moved nothing.
    pub(crate) proof: Proof,
    /// What its alarms have cost of their budget.
    pub(crate) budget: RouteBudget,
}

impl Route {
    pub(crate) fn new(config: RouteConfig, discovered: bool, confirmed: bool, now: Timestamp) -> Self {
        Self {
            state: RouteState::new(&config, now),
            reactive: vec![ReactiveState::default(); config.targets.len()],
            views: vec![HealthView::default(); config.targets.len()],
            config,
            discovered,
            confirmed,
            overrides: Overrides::default(),
            published: None,
            look: None,
            alarms: Alarms::default(),
            proof: Proof::default(),
            budget: RouteBudget::default(),
        }
    }

    /// The mode in force: a person's over the configured one, and at most shadow until the baseline is confirmed.
    pub(crate) fn mode(&self) -> Mode {
        let mode = self.overrides.mode.unwrap_or(self.config.settings.mode);
        if self.confirmed {
            mode
        } else {
            mode.min(Mode::Shadow)
        }
    }

    /// Whether predictions may move its traffic: they have come true often enough here, or a person said auto by a
    /// command. In other modes a plan shows what auto would do.
    pub(crate) fn proven(&self) -> bool {
        let asked = self.overrides.mode == Some(Mode::Auto);
        let after = self.config.settings.limits.auto_after.as_ref();
        let threshold = self.alarms_from().unwrap_or(0.0);
        self.mode() != Mode::Auto || asked || after.is_none_or(|after| self.proof.suffices(after, threshold))
    }

    /// Whether it is predicted only: no plan moves it.
    pub(crate) fn rests(&self) -> bool {
        self.mode() == Mode::Off && self.overrides.pin.is_none()
    }

    /// Takes another configuration: what is known of targets that stay is kept.
    pub(crate) fn reshape(&mut self, config: RouteConfig, now: Timestamp) {
        let place = |name: &TargetName| {
            self.config
                .targets
                .iter()
                .position(|target| target.target == *name)
        };
        let kept: Vec<_> = config
            .targets
            .iter()
            .map(|target| place(&target.target))
            .collect();
        let reactive = kept.iter().map(|at| {
            at.and_then(|at| self.reactive.get(at).cloned())
                .unwrap_or_default()
        });
        let views = kept
            .iter()
            .map(|at| at.and_then(|at| self.views.get(at).copied()).unwrap_or_default());
        (self.reactive, self.views) = (reactive.collect(), views.collect());
        self.alarms.reshape(&kept);
        self.state.reshape(&self.config, &config, now);
        self.config = config;
    }

    /// A pin's weights in the order of the targets.
    fn pinned(&self) -> Option<Vec<u32>> {
        let pin = self.overrides.pin.as_ref()?;
        let weight = |name: &TargetName| {
            pin.weights
                .iter()
                .find(|(pinned, _)| pinned == name)
                .map_or(0, |(_, bp)| *bp)
        };
        Some(
            self.config
                .targets
                .iter()
                .map(|target| weight(&target.target))
                .collect(),
        )
    }
}

impl Engine {
    /// Evaluates a route's plan; what it changes is decided, recorded and published.
    pub(crate) fn plan_route(&mut self, name: &RouteName, cause: Cause, request_id: Option<&str>) {
        if self.shared.now == Timestamp::MIN {
            return; // time has not begun
        }
        let Some(route) = self.routes.get_mut(name) else {
            return;
        };
        if route.rests() {
            // Predicted only: it stays at its baseline, and nothing but a person or the configuration changes that.
            if route.published.is_some()
                && !matches!(
                    cause,
                    Cause::Start | Cause::Config | Cause::Command | Cause::Expiry
                )
            {
                return;
            }
            route.state = RouteState::new(&route.config, self.shared.now);
        }
        self.judge_route(name);
        let Some(route) = self.routes.get(name) else {
            return;
        };
        let mode = route.mode();
        self.shared.counters.plans += 1;
        let facts = self.facts(route);
        let limits = &self.shared.fallback.fleet;
        let fleet = self
            .shared
            .fleet
            .view(name, self.shared.now, limits, self.shared.alarms);
        let Some(route) = self.routes.get_mut(name) else {
            return;
        };
        let pin = route.pinned();
        let input = PlanInput {
            now: self.shared.now,
            route: &route.config,
            mode,
            targets: &facts.targets,
            demand: facts.demand,
            pin: pin.as_deref(),
            frozen: route.overrides.freeze.is_some() || self.shared.fleet_freeze.is_some(),
            proven: route.proven(),
            predictions_usable: self.shared.model_fault.is_empty() && !facts.model_failed,
            predicted_at: facts.predicted_at,
            fleet,
        };
        let plan = foreshift_policy::plan(&mut route.state, &input);
        if plan.begins_predictive_shift {
            self.shared
                .fleet
                .record(name, self.shared.now, &self.shared.fallback.fleet);
        }
        self.note_draws(name, &plan);
        if cause == Cause::Tick {
            self.ground_alarms(name, &plan.alarms);
        }
        self.schedule_look(name, &plan, &facts.targets);
        if mode != Mode::Off
            && plan.reason == Reason::NoTarget
            && !self.last_reason_was(name, Reason::NoTarget)
        {
            self.alert(Alert::NoTarget { route: name.clone() });
        }
        self.decide(name, &plan, &facts.targets, cause, request_id);
    }

    /// What was drawn for alarms on their first route holds for the rows that wait; episodes held out are counted.
    fn note_draws(&mut self, name: &RouteName, plan: &Plan) {
        let Some(route) = self.routes.get(name) else {
            return;
        };
        let draws = plan.alarms.iter().zip(&plan.held_out).zip(&plan.propensities);
        for (configured, ((alarm, held_out), propensity)) in route.config.targets.iter().zip(draws) {
            let Some(target) = self.targets.get_mut(&configured.target) else {
                continue;
            };
            if target.routes.first() != Some(name) {
                continue;
            }
            self.shared.counters.alarms += u64::from(*alarm && !target.alarm);
            self.shared.counters.held_out += u64::from(*held_out && !target.held_out);
            target.alarm = *alarm;
            (target.held_out, target.propensity) = (*held_out, *propensity);
            target.pending.drawn(*propensity);
        }
    }

    fn last_reason_was(&self, name: &RouteName, reason: Reason) -> bool {
        let published = self.routes.get(name).and_then(|route| route.published.as_ref());
        published.is_some_and(|weights| weights.reason == reason)
    }

    /// When the route must be looked at again although nothing comes in.
    fn schedule_look(&mut self, name: &RouteName, plan: &Plan, facts: &[TargetFacts]) {
        let now = self.shared.now;
        let staleness = self.shared.fallback.timing.staleness;
        let fresh = facts
            .iter()
            .filter(|fact| !fact.stale)
            .filter_map(|fact| fact.telemetry_age);
        let stale_at = fresh.map(|age| now - age + staleness).min();
        let Some(route) = self.routes.get_mut(name) else {
            return;
        };
        let planned = [plan.next_look, stale_at].map(|look| look.filter(|_| !route.rests()));
        let looks = planned.into_iter().chain([route.overrides.next_expiry()]);
        let look = looks.flatten().filter(|look| *look > now).min();
        if look == route.look {
            if let Some(look) = look {
                self.shared.looks.insert((look, name.clone()));
            }
            return;
        }
        if let Some(before) = std::mem::replace(&mut route.look, look) {
            self.shared.looks.remove(&(before, name.clone()));
        }
        if let Some(look) = look {
            self.shared.looks.insert((look, name.clone()));
        }
    }

    fn decide(
        &mut self,
        name: &RouteName,
        plan: &Plan,
        facts: &[TargetFacts],
        cause: Cause,
        request_id: Option<&str>,
    ) {
        let Some(route) = self.routes.get(name) else {
            return;
        };
        let asked = request_id.is_some() || cause == Cause::Model;
        if !asked && !changes(route, plan, self.shared.now) {
            return;
        }
        let sequence = self.shared.decisions + 1;
        let decision = Decision {
            sequence,
            version: Version {
                epoch: self.epoch,
                sequence,
            },
            time: self.shared.now,
            route: name.clone(),
            mode: route.mode(),
            cause,
            reason: plan.reason,
            targets: self.decision_targets(route, plan, facts),
            clauses: plan.clauses.clone(),
            propensity: plan.propensities.iter().product(),
            model: self.shared.model.version(),
            fallback: self.shared.fallback.digest,
            valid_until: plan.valid_until,
            request_id: request_id.map(str::to_owned),
            previous: self.shared.previous,
        };
        // Every number in a decision is finite: risks that are not were refused before the plan.
        let Ok(digest) = decision.digest() else { return };
        self.shared.decisions = sequence;
        self.shared.previous = digest;
        self.shared.counters.decisions += 1;
        let weights = Arc::new(self.route_weights(route, &decision));
        self.outputs
            .push_back(Output::Decision(Arc::new(decision), digest));
        self.publish_weights(name, weights);
    }

    fn decision_targets(&self, route: &Route, plan: &Plan, facts: &[TargetFacts]) -> Vec<DecisionTarget> {
        let bp = |all: &[u32], at: usize| all.get(at).copied().unwrap_or_default();
        let targets = route.config.targets.iter().zip(facts).enumerate();
        let decided = targets.map(|(at, (target, fact))| {
            let alarm = plan.alarms.get(at).copied().unwrap_or_default();
            let known = self.targets.get(&target.target).filter(|_| alarm);
            let grounds = known
                .zip(self.trigger(route))
                .and_then(|(known, (trigger, _))| known.grounds_at(trigger.horizon).cloned());
            DecisionTarget {
                target: target.target.clone(),
                health: fact.health.health,
                risk: fact.risk.filter(|risk| risk.is_finite()),
                alarm,
                grounds,
                held_out: plan.held_out.get(at).copied().unwrap_or_default(),
                telemetry_age: fact.telemetry_age,
                baseline_bp: target.baseline_bp,
                proposed_bp: bp(&plan.proposed, at),
                planned_bp: bp(&plan.planned, at),
                weight_bp: bp(&plan.weights, at),
            }
        });
        decided.collect()
    }

    fn route_weights(&self, route: &Route, decision: &Decision) -> RouteWeights {
        let targets = decision
            .targets
            .iter()
            .zip(&route.config.targets)
            .map(|(decided, configured)| TargetWeight {
                target: decided.target.clone(),
                role: configured.role,
                baseline_bp: decided.baseline_bp,
                weight_bp: decided.weight_bp,
                planned_bp: decided.planned_bp,
                health: decided.health,
                risks: self.risks(&decided.target),
            });
        RouteWeights {
            route: decision.route.clone(),
            version: decision.version,
            mode: decision.mode,
            targets: targets.collect(),
            reason: decision.reason,
            decision: decision.sequence,
            model: decision.model.clone(),
            decided_at: decision.time,
            valid_until: decision.valid_until,
            baseline_confirmed: route.confirmed,
            propensity: decision.propensity,
        }
    }

    fn risks(&self, target: &TargetName) -> Vec<Risk> {
        let probabilities = self
            .targets
            .get(target)
            .and_then(|target| target.prediction?.probabilities);
        let horizons = self.shared.fallback.timing.horizons.iter();
        let risks = probabilities.map(|all| {
            horizons
                .zip(all)
                .map(|(h, p)| Risk {
                    horizon: *h,
                    probability: p,
                })
                .collect()
        });
        risks.unwrap_or_default()
    }

    fn publish_weights(&mut self, name: &RouteName, weights: Arc<RouteWeights>) {
        for weight in &weights.targets {
            let Some(target) = self.targets.get_mut(&weight.target) else {
                continue;
            };
            if target.routes.first() != Some(name) {
                continue;
            }
            let share =
                (weight.baseline_bp > 0).then(|| f64::from(weight.weight_bp) / f64::from(weight.baseline_bp));
            if target.weight_share.is_some() && target.weight_share != share {
                target.shifted_at = Some(self.shared.now);
            }
            target.weight_share = share;
            let predicted = target.prediction.and_then(|last| last.probabilities);
            target.pending.given(share.unwrap_or(1.0), predicted);
        }
        if let Some(route) = self.routes.get_mut(name) {
            route.published = Some(Arc::clone(&weights));
        }
        self.outputs.push_back(Output::Weights(weights));
    }

    /// Publishes all weights again under this epoch, after a restart.
    pub(crate) fn republish(&mut self) {
        let names: Vec<_> = self.routes.keys().cloned().collect();
        for name in names {
            let Some(route) = self.routes.get(&name) else {
                continue;
            };
            let Some(before) = &route.published else { continue };
            let mut weights = RouteWeights::clone(before);
            weights.version.epoch = self.epoch;
            self.publish_weights(&name, Arc::new(weights));
        }
    }
}

/// Whether a plan is worth a decision: it changes what gateways or people see, or the validity runs out.
fn changes(route: &Route, plan: &Plan, now: Timestamp) -> bool {
    let Some(before) = &route.published else {
        return true;
    };
    let moved = before.targets.len() != plan.weights.len()
        || before
            .targets
            .iter()
            .zip(&plan.weights)
            .any(|(target, weight)| target.weight_bp != *weight)
        || before
            .targets
            .iter()
            .zip(&plan.planned)
            .any(|(target, planned)| target.planned_bp != *planned)
        || before
            .targets
            .iter()
            .zip(&route.config.targets)
            .any(|(a, b)| a.baseline_bp != b.baseline_bp || a.target != b.target)
        || before
            .targets
            .iter()
            .zip(&route.views)
            .any(|(target, view)| target.health != view.health);
    let drawn = before.propensity != plan.propensities.iter().product::<f64>();
    let told = before.reason != plan.reason || before.mode != route.mode() || drawn;
    let half_life = before.valid_until.since(before.decided_at).as_micros() / 2;
    let worn = plan.valid_until > before.valid_until && now.since(before.decided_at).as_micros() >= half_life;
    moved || told || worn
}
