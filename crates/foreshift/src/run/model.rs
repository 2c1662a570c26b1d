//! The model to begin with: the one that is named, the built-in champion where it fits, else a fresh one.

use std::path::Path;

use anyhow::Context;
use foreshift_domain::fallback::Fallback;
use foreshift_predict::Model;

/// The champion for live time scales, as in models/.
const LIVE: &str = include_str!("../../../../models/live/1/model.json");

/// The built-in champion, if it reads the features and looks at the horizons of this configuration.
pub(crate) fn built_in_model(fallback: &Fallback) -> Option<Model> {
    let model = Model::from_json(LIVE).ok()?;
    let schema = foreshift_engine::fresh_model(fallback).schema();
    model
        .check_against(schema, &fallback.timing.horizons)
        .is_ok()
        .then_some(model)
}

/// The model of a directory, else the built-in one, else a fresh one.
pub(super) fn load(dir: Option<&Path>, fallback: &Fallback) -> anyhow::Result<Model> {
    let Some(dir) = dir else {
        return Ok(built_in_model(fallback).unwrap_or_else(|| {
            tracing::info!("no built-in model has these horizons: beginning with the hazard prior alone");
            foreshift_engine::fresh_model(fallback)
        }));
    };
    let path = dir.join("model.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Model::from_json(&text).with_context(|| format!("{} is no model of this build", path.display()))
}
