//! Taking over a fallback configuration, and discovering routes and targets where it allows that.

use std::sync::Arc;

use foreshift_domain::decision::Cause;
use foreshift_domain::fallback::{
    Criticality, Fallback, Limits, Mode, Role, RouteConfig, RouteSettings, RouteTarget, Slo, TargetConfig,
    Triggers,
};
use foreshift_domain::weights::FULL_BP;
use foreshift_domain::{Duration, RouteName};

use crate::engine::Engine;
use crate::facts::LOAD_WINDOW;
use crate::output::Alert;
use crate::routes::Route;
use crate::target::Demands;
use crate::tick::feature_set;

impl Engine {
    pub(crate) fn on_fallback(&mut self, fallback: &Arc<Fallback>) {
        let before = std::mem::replace(&mut self.shared.fallback, Arc::clone(fallback));
        self.features = feature_set(fallback);
        self.check_model();
        if before.timing.horizons != fallback.timing.horizons || before.timing.tick != fallback.timing.tick {
            self.targets
                .values_mut()
                .for_each(|target| target.pending.clear());
            self.shared.next_tick = self
                .shared
                .next_tick
                .map(|tick| tick.floor_to(fallback.timing.tick) + fallback.timing.tick);
        }
        self.adopt_configured(&before);
    }

    /// Takes over configured targets and routes; configured routes that are gone are forgotten.
    pub(crate) fn adopt_configured(&mut self, before: &Fallback) {
        let fallback = Arc::clone(&self.shared.fallback);
        for target in &fallback.targets {
            let routes = fallback
                .routes
                .iter()
                .filter(|route| route.targets.iter().any(|t| t.target == target.name));
            let (names, settings): (Vec<_>, Vec<_>) =
                routes.map(|route| (route.name.clone(), &route.settings)).unzip();
            self.add_target(target.clone(), names, demands(&settings), false);
        }
        let gone = before
            .routes
            .iter()
            .filter(|route| fallback.route(&route.name).is_none());
        for route in gone {
            self.routes.shift_remove(&route.name);
            self.shared.applied.remove(&route.name);
        }
        for config in &fallback.routes {
            match self.routes.get_mut(&config.name) {
                Some(route) => {
                    (route.discovered, route.confirmed) = (false, true);
                    route.reshape(config.clone(), self.shared.now);
                }
                None => {
                    let route = Route::new(config.clone(), false, true, self.shared.now);
                    self.routes.insert(config.name.clone(), route);
                }
            }
            self.plan_route(&config.name, Cause::Config, None);
        }
    }

    /// A target that appeared in signals joins a route, which it creates where needed.
    pub(crate) fn discover(&mut self, config: TargetConfig, route: RouteName) -> Option<usize> {
        let settings = self.discovered_settings(&route);
        if !self.routes.contains_key(&route) {
            let limit = self.shared.fallback.fleet.max_routes;
            if self.routes.len() >= limit as usize {
                self.alert(Alert::TooManyRoutes {
                    route: route.clone(),
                    limit,
                });
                self.shared.counters.refused_targets += 1;
                return None;
            }
            let confirmed = self
                .shared
                .fallback
                .discover
                .as_ref()
                .is_some_and(|discover| discover.confirm_baselines);
            let empty = RouteConfig {
                name: route.clone(),
                targets: Vec::new(),
                settings: settings.clone(),
            };
            self.routes
                .insert(route.clone(), Route::new(empty, true, confirmed, self.shared.now));
        }
        let name = config.name.clone();
        let known = self.routes.get_mut(&route)?;
        if known.discovered {
            self.add_target(config, vec![route.clone()], demands(&[&settings]), true);
            let known = self.routes.get_mut(&route)?;
            let mut wider = known.config.clone();
            wider.targets.push(RouteTarget {
                target: name.clone(),
                role: Role::Primary,
                baseline_bp: 0,
            });
            spread_evenly(&mut wider.targets);
            known.reshape(wider, self.shared.now);
            self.plan_route(&route, Cause::Start, None);
        } else {
            // A configured route keeps its targets: what else reports under its name is followed and predicted.
            self.add_target(config, Vec::new(), demands(&[&settings]), true);
        }
        self.targets.get_index_of(&name)
    }

    fn discovered_settings(&self, route: &RouteName) -> RouteSettings {
        let rules = self
            .shared
            .fallback
            .discover
            .iter()
            .flat_map(|discover| &discover.rules);
        let rule = rules.into_iter().find(|rule| rule.matches(route));
        rule.map_or_else(watch_only, |rule| rule.settings.clone())
    }
}

/// The baseline of a discovered route: even, the remainder to the first ones.
fn spread_evenly(targets: &mut [RouteTarget]) {
    let count = targets.len().max(1) as u32;
    for (at, target) in targets.iter_mut().enumerate() {
        target.baseline_bp = FULL_BP / count + u32::from((at as u32) < FULL_BP % count);
    }
}

/// What routes ask of a target together: the strictest of their SLOs, the longest of their windows.
fn demands(settings: &[&RouteSettings]) -> Demands {
    let Some((first, rest)) = settings.split_first() else {
        return demands(&[&watch_only()]);
    };
    let slo = rest
        .iter()
        .map(|settings| &settings.slo)
        .fold(first.slo.clone(), |strict, slo| Slo {
            error_ratio: strict.error_ratio.min(slo.error_ratio),
            latency_p99: match (strict.latency_p99, slo.latency_p99) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            window: strict.window.min(slo.window),
            min_requests: strict.min_requests.min(slo.min_requests),
        });
    let windows = settings
        .iter()
        .map(|settings| settings.slo.window.max(settings.triggers.window));
    Demands {
        slo,
        look_back: windows.max().unwrap_or_default().max(LOAD_WINDOW),
    }
}

/// Settings of routes that are followed and predicted, and never steered.
fn watch_only() -> RouteSettings {
    let window = Duration::from_secs(10);
    RouteSettings {
        criticality: Criticality::Low,
        mode: Mode::Off,
        slo: Slo {
            error_ratio: 0.5,
            latency_p99: None,
            window,
            min_requests: 10,
        },
        triggers: Triggers {
            risk: None,
            consecutive_errors: 5,
            error_ratio: 0.5,
            latency_p99: None,
            window,
            min_requests: 10,
            recover_after: Duration::from_secs(30),
        },
        limits: Limits {
            floor_bp: FULL_BP,
            max_predictive_shift_bp: 0,
            max_step_bp_per_s: 1,
            max_hard_down_step_bp_per_s: 1,
            min_dwell: Duration::from_secs(30),
            max_flips_per_hour: 1,
            headroom: 0.8,
            valid_for: Duration::from_secs(60),
            decay: Duration::from_secs(60),
            held_out_bp: 0,
        },
    }
}
