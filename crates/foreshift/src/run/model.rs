//! The model to begin with: the one that is named, the registry's champion, the built-in one where it fits, else a
//! fresh one.

use std::path::Path;

use anyhow::Context;
use foreshift_config::ProcessConfig;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::{Duration, ModelUpdate};
use foreshift_predict::{Model, ModelError};
use foreshift_registry::Manifest;

use super::models::Registered;
use super::registry_of;

/// The champion for live time scales, as in models/.
const LIVE: &str = include_str!("../../../../models/live/2/model.json");
const LIVE_MANIFEST: &str = include_str!("../../../../models/live/2/manifest.json");

/// The windows of features that champions are trained with, in seconds.
const TRAINED_WINDOWS_S: [f64; 4] = [5.0, 30.0, 300.0, 3_600.0];

/// A model with what its explanations must say.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) model: Model,
    /// Whether it learned from simulation.
    pub(crate) simulated: bool,
}

impl Chosen {
    /// As the engine is told of it.
    pub(super) fn update(&self, why: String) -> Result<ModelUpdate, ModelError> {
        Ok(ModelUpdate {
            name: self.model.version().name,
            model_json: self.model.to_json()?,
            simulated: self.simulated,
            why,
        })
    }
}

/// How many times as fast as that of training everything of this configuration happens; `None` where its windows are
/// not those of training, shorter or longer by one factor.
fn pace(fallback: &Fallback) -> Option<f64> {
    let windows = fallback.timing.windows.map(Duration::as_secs_f64);
    let pace = TRAINED_WINDOWS_S[0] / windows[0];
    let mut pairs = TRAINED_WINDOWS_S.iter().zip(windows);
    pairs
        .all(|(trained, ours)| (trained / ours / pace - 1.0).abs() < 1e-6)
        .then_some(pace)
}

/// The model at the pace of this configuration.
///
/// # Errors
/// When it reads other features, or does not look ahead at the horizons of the configuration at its pace.
pub(super) fn fitted(model: Model, fallback: &Fallback) -> Result<Model, ModelError> {
    let model = match pace(fallback) {
        Some(pace) if pace != 1.0 => model.at_pace(pace),
        _ => model,
    };
    foreshift_engine::check_model(&model, fallback)?;
    Ok(model)
}

/// The built-in champion, if it reads the features of this configuration, and its time scales are those of the
/// configuration or all of them shorter or longer by one factor.
pub(crate) fn built_in_model(fallback: &Fallback) -> Option<Model> {
    pace(fallback)?;
    fitted(Model::from_json(LIVE).ok()?, fallback).ok()
}

/// The champion of a registry.
///
/// # Errors
/// When the registry cannot be read, or none of its champions fits the configuration.
pub(crate) fn in_registry(root: &Path, fallback: &Fallback) -> anyhow::Result<Chosen> {
    Registered::read(root)?
        .champion(fallback)
        .map_err(anyhow::Error::msg)
}

/// The model that is named, the registry's champion, else the built-in one, else a fresh one.
pub(super) fn load(config: &ProcessConfig, fallback: &Fallback) -> anyhow::Result<Chosen> {
    if let Some(dir) = &config.model_path {
        return named(dir);
    }
    if let Some(root) = registry_of(config) {
        match in_registry(root, fallback) {
            Ok(chosen) => return Ok(chosen),
            Err(error) => tracing::error!("the registry's champion cannot serve: {error:#}"),
        }
    }
    let built_in = built_in_model(fallback).map(|model| Chosen {
        model,
        simulated: serde_json::from_str(LIVE_MANIFEST).is_ok_and(|manifest: Manifest| manifest.simulated),
    });
    Ok(built_in.unwrap_or_else(|| {
        tracing::info!("no built-in model has these horizons: beginning with the hazard prior alone");
        Chosen {
            model: foreshift_engine::fresh_model(fallback),
            simulated: false,
        }
    }))
}

/// The model of a directory, with or without a manifest.
fn named(dir: &Path) -> anyhow::Result<Chosen> {
    if dir.join("manifest.json").exists() {
        let (manifest, model) = foreshift_registry::load_model(dir)?;
        return Ok(Chosen {
            model,
            simulated: manifest.simulated,
        });
    }
    let path = dir.join("model.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let model =
        Model::from_json(&text).with_context(|| format!("{} is no model of this build", path.display()))?;
    Ok(Chosen {
        model,
        simulated: false,
    })
}

#[cfg(test)]
mod tests {
    use foreshift_config::parse_fallback;

    use super::*;

    fn champion_for(horizons: &str, windows: &str) -> Option<Model> {
        let text = format!(
            "timing: {{bucket: 100ms, tick: 100ms, horizons: {horizons}, guard: 0s, windows: {windows}}}\ndiscover: true\n"
        );
        built_in_model(&parse_fallback(&text, "fallback.yaml").unwrap().value)
    }

    #[test]
    fn the_champion_serves_time_scales_that_are_all_its_own_at_one_pace() {
        assert!(champion_for("[30s, 2m, 10m]", "[5s, 30s, 5m, 1h]").is_some());
        assert!(champion_for("[3s, 12s, 1m]", "[500ms, 3s, 30s, 6m]").is_some());
        assert!(
            champion_for("[3s, 12s, 1m]", "[5s, 30s, 5m, 1h]").is_none(),
            "other windows"
        );
        assert!(
            champion_for("[30s, 5m]", "[5s, 30s, 5m, 1h]").is_none(),
            "other horizons"
        );
    }
}
