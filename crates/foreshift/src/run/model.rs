//! The model to begin with: the one that is named, the built-in champion where it fits, else a fresh one.

use std::path::Path;

use anyhow::Context;
use foreshift_domain::Duration;
use foreshift_domain::fallback::Fallback;
use foreshift_predict::Model;

/// The champion for live time scales, as in models/.
const LIVE: &str = include_str!("../../../../models/live/2/model.json");

/// The windows of features that the champion was trained with, in seconds.
const LIVE_WINDOWS_S: [f64; 4] = [5.0, 30.0, 300.0, 3_600.0];

/// The built-in champion, if it reads the features of this configuration, and its time scales are those of the
/// configuration or all of them shorter or longer by one factor.
pub(crate) fn built_in_model(fallback: &Fallback) -> Option<Model> {
    let model = Model::from_json(LIVE).ok()?;
    let windows = fallback.timing.windows.map(Duration::as_secs_f64);
    let pace = LIVE_WINDOWS_S[0] / windows[0];
    let proportional = LIVE_WINDOWS_S
        .iter()
        .zip(windows)
        .all(|(trained, ours)| (trained / ours / pace - 1.0).abs() < 1e-6);
    if !proportional {
        return None;
    }
    let model = model.at_pace(pace);
    foreshift_engine::check_model(&model, fallback)
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
