//! The engine's state as others may see it.

use std::sync::Arc;

use foreshift_domain::Timestamp;
use foreshift_domain::prediction::{Explanation, Prediction, PredictionId, Risk};
use foreshift_domain::published::{Published, TargetState};

use crate::engine::Engine;
use crate::facts::LOAD_WINDOW;
use crate::target::Target;

/// For how many targets, those at the highest risk, predictions are explained in each publication: ten
/// microseconds each keep a publication of a large fleet within milliseconds.
const MAX_EXPLAINED: usize = 256;

impl Engine {
    /// All that readers may see, at this moment.
    pub fn publish(&self) -> Published {
        let explained = self.explained_above();
        let targets = self.targets.iter();
        let targets =
            targets.map(|(name, target)| (name.clone(), Arc::new(self.target_state(target, explained))));
        let weights = self
            .routes
            .iter()
            .filter_map(|(name, route)| Some((name.clone(), route.published.clone()?)));
        let overrides = self
            .routes
            .iter()
            .filter_map(|(name, route)| Some((name.clone(), route.overrides.published()?)));
        Published {
            epoch: self.epoch,
            now: self.shared.now,
            watermark: self.shared.watermark,
            routes: weights.collect(),
            targets: targets.collect(),
            overrides: overrides.collect(),
            fleet_freeze: self.shared.fleet_freeze.clone(),
            applied: self.shared.applied.clone(),
            counters: self.shared.counters.by_name(),
            decisions: self.shared.decisions,
            models: self.models(),
            // Texts of templates never reach the engine: whoever publishes adds them.
            logs: Arc::default(),
        }
    }

    /// The risk from which on targets are explained.
    fn explained_above(&self) -> f64 {
        if self.targets.len() <= MAX_EXPLAINED {
            return 0.0;
        }
        let mut risks: Vec<f64> = self.targets.values().filter_map(Target::highest_risk).collect();
        if risks.len() <= MAX_EXPLAINED {
            return 0.0;
        }
        let (_, nth, _) = risks.select_nth_unstable_by(MAX_EXPLAINED, |a, b| b.total_cmp(a));
        *nth
    }

    fn target_state(&self, target: &Target, explained_above: f64) -> TargetState {
        let features = &target.features;
        let recent = features.recent_counts(LOAD_WINDOW, self.shared.now);
        let counters = features.counters();
        let counted = counters.outcomes.total() > 0;
        let explain = target.highest_risk().is_some_and(|risk| risk >= explained_above);
        TargetState {
            health: features.health().map(|(health, _)| health),
            last_seen: features.last_seen(),
            outcomes: counters.outcomes,
            signals: counters.signals,
            late_signals: counters.late,
            log_lines: counters.log_lines,
            rate_rps: counted.then(|| recent.total() as f64 / LOAD_WINDOW.as_secs_f64()),
            incidents: target.incident_count,
            incident_since: target.incidents.since(),
            prediction: self.prediction_of(target),
            explanations: if explain { self.explain(target) } else { Vec::new() },
        }
    }

    fn prediction_of(&self, target: &Target) -> Option<Prediction> {
        let last = target.prediction?;
        let probabilities = last.probabilities?;
        let horizons = self.shared.fallback.timing.horizons.iter();
        let risks = horizons.zip(probabilities).map(|(horizon, probability)| Risk {
            horizon: *horizon,
            probability,
        });
        Some(Prediction {
            id: PredictionId {
                target: target.config.name.clone(),
                tick: last.tick,
            },
            risks: risks.collect(),
            model: self.shared.model.version(),
            in_incident: last.in_incident,
        })
    }

    /// Why the model says what it says of a target now, for each horizon.
    fn explain(&self, target: &Target) -> Vec<Explanation> {
        let Some(tick) = target
            .prediction
            .map(|last| last.tick)
            .filter(|tick| *tick > Timestamp::MIN)
        else {
            return Vec::new();
        };
        let row = self.feature_row(target, tick);
        let heads = 0..self.shared.fallback.timing.horizons.len();
        heads
            .map(|head| Explanation {
                simulated: self.shared.source.simulated,
                ..self.shared.model.explain(head, &target.learned, tick, &row)
            })
            .collect()
    }
}

impl Target {
    fn highest_risk(&self) -> Option<f64> {
        self.prediction?.probabilities?.into_iter().reduce(f64::max)
    }
}
