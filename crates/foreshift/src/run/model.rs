//! The model to begin with: the one that is named, the registry's champion, the built-in one where it fits, else a
//! fresh one.

use std::path::Path;

use anyhow::Context;
use foreshift_config::ProcessConfig;
use foreshift_domain::ModelUpdate;
use foreshift_domain::fallback::Fallback;
use foreshift_predict::{Model, ModelError};
use foreshift_registry::{Chosen, shipped};

use super::models::Registered;
use super::registry_of;

/// As the engine is told of a model.
pub(super) fn update(chosen: &Chosen, why: String) -> Result<ModelUpdate, ModelError> {
    Ok(ModelUpdate {
        name: chosen.model.version().name,
        model_json: chosen.model.to_json()?,
        simulated: chosen.simulated,
        why,
    })
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
    Ok(shipped(fallback).unwrap_or_else(|| {
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
