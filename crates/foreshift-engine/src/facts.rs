//! What a plan needs to know of a route's targets, and judging them by the reactive rules.

use foreshift_domain::fallback::{CapacityUnit, RouteTarget, SyncRequirement};
use foreshift_domain::signal::Health;
use foreshift_domain::{Duration, GaugeName, RouteName, TargetName, Timestamp};
use foreshift_policy::{Evidence, HealthView, Sync, TargetFacts};

use crate::engine::Engine;
use crate::routes::Route;
use crate::target::Target;

/// Over how long load is measured. Long enough that single requests do not shake it, short enough to see a shift.
pub(crate) const LOAD_WINDOW: Duration = Duration::from_secs(10);

/// The facts of one plan.
pub(crate) struct Facts {
    pub(crate) targets: Vec<TargetFacts>,
    /// Load of the route in requests a second; `None` when no signal carries counts.
    pub(crate) demand: Option<f64>,
    /// The oldest prediction among them.
    pub(crate) predicted_at: Option<Timestamp>,
    /// Whether the model gave no number for one of them.
    pub(crate) model_failed: bool,
}

impl Engine {
    /// Judges a target on a route by the reactive rules; says whether the verdict changed.
    pub(crate) fn judge(&mut self, target: &TargetName, route: &RouteName) -> bool {
        let Some(known) = self.routes.get_mut(route) else {
            return false;
        };
        let Some(at) = known
            .config
            .targets
            .iter()
            .position(|configured| configured.target == *target)
        else {
            return false;
        };
        let Some(state) = self.targets.get_mut(target) else {
            return false;
        };
        let (Some(reactive), Some(view)) = (known.reactive.get_mut(at), known.views.get_mut(at)) else {
            return false;
        };
        let triggers = &known.config.settings.triggers;
        let timing = &self.shared.fallback.timing;
        let recent = state.features.recent(triggers.window, self.shared.now);
        let evidence = Evidence {
            counts: recent.counts,
            latency_p99: recent.latency_p99,
            latency_samples: recent.latency_samples,
            consecutive_errors: recent.consecutive_errors,
            reported: recent.health,
            last_seen: recent.last_seen,
            last_success: recent.last_success,
        };
        let verdict =
            foreshift_policy::judge(reactive, &evidence, triggers, timing.staleness, self.shared.now);
        let changed = (verdict.health, verdict.hard) != (view.health, view.hard);
        *view = verdict;
        state.watched = known
            .views
            .get(at)
            .is_some_and(|view| view.health != Some(Health::Up));
        changed
    }

    /// Judges all targets of a route.
    pub(crate) fn judge_route(&mut self, route: &RouteName) {
        let Some(known) = self.routes.get(route) else {
            return;
        };
        let targets: Vec<_> = known
            .config
            .targets
            .iter()
            .map(|target| target.target.clone())
            .collect();
        for target in targets {
            self.judge(&target, route);
        }
    }

    /// What a plan of this route needs to know.
    pub(crate) fn facts(&self, route: &Route) -> Facts {
        let loads: Vec<Option<Load>> = route
            .config
            .targets
            .iter()
            .map(|target| self.targets.get(&target.target).map(|t| self.load(t)))
            .collect();
        let counted: Vec<_> = loads.iter().flatten().filter(|load| load.counted).collect();
        let demand = counted
            .iter()
            .map(|load| load.rate_rps * load.share_here)
            .sum::<f64>();
        let demand = (!counted.is_empty()).then_some(demand);
        let head = route.config.settings.triggers.risk.as_ref().and_then(|risk| {
            self.shared
                .fallback
                .timing
                .horizons
                .iter()
                .position(|horizon| *horizon == risk.horizon)
        });
        let pairs = route.config.targets.iter().zip(&route.views).zip(&loads);
        let targets = pairs.map(
            |((configured, view), load)| match self.targets.get(&configured.target) {
                Some(target) => {
                    let facts = self.target_facts(target, *view, load.as_ref(), head);
                    let risk = facts.risk.map(|risk| route.counted(risk));
                    TargetFacts { risk, ..facts }
                }
                None => unknown(*view),
            },
        );
        let newest = |target: &RouteTarget| {
            self.targets
                .get(&target.target)
                .and_then(|target| target.prediction)
        };
        let predictions = route.config.targets.iter().filter_map(newest);
        Facts {
            targets: targets.collect(),
            demand,
            predicted_at: predictions.clone().map(|prediction| prediction.tick).min(),
            model_failed: predictions
                .clone()
                .any(|prediction| prediction.probabilities.is_none()),
        }
    }

    fn target_facts(
        &self,
        target: &Target,
        health: HealthView,
        load: Option<&Load>,
        head: Option<usize>,
    ) -> TargetFacts {
        let age = self.telemetry_age(target);
        let risk = head.and_then(|head| self.current_risk(target, head));
        TargetFacts {
            health,
            risk,
            telemetry_age: age,
            stale: age.is_none_or(|age| age > self.shared.fallback.timing.staleness),
            capacity: self.capacity_rps(target, load),
            load_elsewhere: load.map_or(0.0, |load| load.rate_rps * (1.0 - load.share_here)),
            sync: target
                .config
                .sync
                .as_ref()
                .map_or(Sync::NotRequired, |sync| self.sync(target, sync)),
            domain: target.domain_group,
        }
    }

    /// The probability a plan looks at; the policy judges whether it is too old.
    fn current_risk(&self, target: &Target, head: usize) -> Option<f64> {
        let horizon = *self.shared.fallback.timing.horizons.get(head)?;
        target.prediction?.risk(head, self.shared.now, horizon)
    }

    /// Capacity in requests a second: declared, or learned as the highest rate served within the SLO.
    fn capacity_rps(&self, target: &Target, load: Option<&Load>) -> Option<f64> {
        let Some(capacity) = target.config.capacity else {
            return (target.best_rate_rps > 0.0).then_some(target.best_rate_rps);
        };
        let gauge = match capacity.unit {
            CapacityUnit::RequestsPerSecond => return Some(capacity.amount),
            CapacityUnit::ConcurrentRequests => "in_flight",
            CapacityUnit::TokensPerMinute => "tokens_per_minute",
        };
        // Requests a second at which the gauge would reach its capacity, were each request to cost what it does now.
        let (level, _, _) = target.features.gauge(&GaugeName::from(gauge))?;
        let rate_rps = load?.rate_rps;
        (level > 0.0 && rate_rps > 0.0).then(|| rate_rps * capacity.amount / level)
    }

    fn sync(&self, target: &Target, sync: &SyncRequirement) -> Sync {
        match target.features.gauge(&sync.gauge) {
            Some((_, _, seen)) if self.shared.now.since(seen) > sync.max_age => Sync::Unknown,
            Some((lag, _, _)) if lag > sync.max => Sync::Over,
            Some(_) => Sync::Ok,
            None => Sync::Unknown,
        }
    }

    /// A target's load, and the part of it that is of its first route. Signals do not always say which route a
    /// request was of: a target of several routes is taken to serve them evenly.
    fn load(&self, target: &Target) -> Load {
        let counts = target.features.recent_counts(LOAD_WINDOW, self.shared.now);
        let outcomes = target.features.counters().outcomes;
        Load {
            counted: outcomes.total() > 0,
            rate_rps: counts.total() as f64 / LOAD_WINDOW.as_secs_f64(),
            share_here: 1.0 / target.routes.len().max(1) as f64,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Load {
    counted: bool,
    rate_rps: f64,
    share_here: f64,
}

fn unknown(health: HealthView) -> TargetFacts {
    TargetFacts {
        health,
        risk: None,
        telemetry_age: None,
        stale: true,
        capacity: None,
        load_elsewhere: 0.0,
        sync: Sync::NotRequired,
        domain: None,
    }
}
