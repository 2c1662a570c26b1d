//! Which model serves a configuration: it must look ahead at its horizons, at its pace.

use foreshift_domain::Duration;
use foreshift_domain::fallback::Fallback;
use foreshift_predict::{Model, ModelError};

use crate::manifest::Manifest;

/// The windows of the live scale, in seconds: what a manifest without windows was trained with.
const LIVE_WINDOWS_S: [f64; 4] = [5.0, 30.0, 300.0, 3_600.0];

/// The champions of models/, model and manifest.
const SHIPPED: [(&str, &str); 2] = [
    (
        include_str!("../../../models/live/3/model.json"),
        include_str!("../../../models/live/3/manifest.json"),
    ),
    (
        include_str!("../../../models/probe/1/model.json"),
        include_str!("../../../models/probe/1/manifest.json"),
    ),
];

/// A model with what its explanations must say.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The model, at the pace of the configuration.
    pub model: Model,
    /// Whether it learned from simulation.
    pub simulated: bool,
}

impl Manifest {
    /// How many times as fast as in its training everything of this configuration happens; `None` where the windows of
    /// features are not those of its training, all shorter or longer by one factor.
    #[must_use]
    pub fn pace(&self, fallback: &Fallback) -> Option<f64> {
        let trained = self.windows_s.unwrap_or(LIVE_WINDOWS_S);
        let ours = fallback.timing.windows.map(Duration::as_secs_f64);
        let pace = trained[0] / ours[0];
        let mut pairs = trained.iter().zip(ours);
        pairs
            .all(|(trained, ours)| (trained / ours / pace - 1.0).abs() < 1e-6)
            .then_some(pace)
    }

    /// Its model at the pace of this configuration.
    ///
    /// # Errors
    /// When it reads other features, or does not look ahead at the horizons of the configuration at its pace.
    pub fn fitted(&self, model: Model, fallback: &Fallback) -> Result<Chosen, ModelError> {
        let model = match self.pace(fallback) {
            Some(pace) if pace != 1.0 => model.at_pace(pace),
            _ => model,
        };
        foreshift_engine::check_model(&model, fallback)?;
        Ok(Chosen {
            model,
            simulated: self.simulated,
        })
    }
}

/// The champion that is built in for this configuration, if there is one: it reads its features, and its time scales
/// are those of the configuration, or all of them shorter or longer by one factor.
#[must_use]
pub fn shipped(fallback: &Fallback) -> Option<Chosen> {
    SHIPPED.iter().find_map(|(model, manifest)| {
        let manifest: Manifest = serde_json::from_str(manifest).ok()?;
        manifest.pace(fallback)?;
        manifest.fitted(Model::from_json(model).ok()?, fallback).ok()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use foreshift_config::parse_fallback;

    use super::*;
    use crate::Registry;

    fn champion_for(horizons: &str, windows: &str) -> Option<String> {
        let (tick, staleness) = if windows.ends_with("d]") {
            ("1m", "1h")
        } else {
            ("100ms", "30s")
        };
        let text = format!(
            "timing: {{bucket: {tick}, tick: {tick}, horizons: {horizons}, guard: 0s, windows: {windows}, staleness: {staleness}}}\ndiscover: true\n"
        );
        let fallback = parse_fallback(&text, "fallback.yaml").unwrap().value;
        let name = shipped(&fallback)?.model.version().name;
        Some(name.split('@').next().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_champion_serves_time_scales_that_are_all_its_own_at_one_pace() {
        let live = Some("live".to_owned());
        assert_eq!(champion_for("[30s, 2m, 10m]", "[5s, 30s, 5m, 1h]"), live);
        assert_eq!(champion_for("[3s, 12s, 1m]", "[500ms, 3s, 30s, 6m]"), live);
        let probe = Some("probe".to_owned());
        assert_eq!(champion_for("[1h, 6h]", "[1h, 6h, 24h, 7d]"), probe);
        assert_eq!(
            champion_for("[3s, 12s, 1m]", "[5s, 30s, 5m, 1h]"),
            None,
            "other windows"
        );
        assert_eq!(
            champion_for("[30s, 5m]", "[5s, 30s, 5m, 1h]"),
            None,
            "other horizons"
        );
    }

    #[test]
    fn what_is_built_in_are_the_champions_of_the_registry_that_ships() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
        let champions = Registry::open(&root).unwrap().aliases().unwrap().champion;
        let mut named: Vec<String> = champions.values().map(ToString::to_string).collect();
        named.retain(|name| !name.starts_with("logs@"));
        let built_in = SHIPPED.map(|(_, manifest)| serde_json::from_str::<Manifest>(manifest).unwrap());
        let built_in: Vec<String> = built_in
            .iter()
            .map(|manifest| manifest.name.to_string())
            .collect();
        assert_eq!(built_in, named);
    }
}
