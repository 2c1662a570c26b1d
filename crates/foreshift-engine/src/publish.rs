//! The engine's state as others may see it.

use std::sync::Arc;

use foreshift_domain::prediction::{Explanation, Grounds, Prediction, PredictionId, Risk};
use foreshift_domain::published::{Published, TargetState};

use crate::engine::Engine;
use crate::facts::LOAD_WINDOW;
use crate::target::Target;

impl Engine {
    /// All that readers may see, at this moment.
    pub fn publish(&self) -> Published {
        let targets = self.targets.iter();
        let targets = targets.map(|(name, target)| (name.clone(), Arc::new(self.target_state(target))));
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

    fn target_state(&self, target: &Target) -> TargetState {
        let features = &target.features;
        let recent = features.recent_counts(LOAD_WINDOW, self.shared.now);
        let counters = features.counters();
        let counted = counters.outcomes.total() > 0;
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
            explanations: self.standing_grounds(target),
            why: self.why(target),
        }
    }

    /// Why alarms were given that are not over yet.
    fn standing_grounds(&self, target: &Target) -> Vec<Explanation> {
        let Some(newest) = target.prediction.map(|last| last.tick) else {
            return Vec::new();
        };
        let stands = |grounds: &&Arc<Grounds>| newest.since(grounds.tick) <= grounds.explanation.horizon;
        let standing = target.grounds.iter().filter(stands);
        standing.map(|grounds| grounds.explanation.clone()).collect()
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
}
