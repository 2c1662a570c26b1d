//! What the gate is asked with: what a shadow gathered, pairs of scores, or a replay with the challenger in the shadow.

mod scores;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::fallback::{Fallback, Mode};
use foreshift_domain::prediction::Comparison;
use foreshift_domain::published::ModelsState;
use foreshift_domain::{Duration, Input, ModelUpdate};
use foreshift_engine::Engine;
use foreshift_predict::Model;
use foreshift_registry::{ModelName, Registry};
use serde::Deserialize;

use crate::replay::driver::{self, Given, Nothing, Replay};

/// Where evidence comes from.
#[derive(ClapArgs)]
pub(super) struct EvidenceArgs {
    /// What a running shadow gathered: `models.json` in the storage of `foreshift run`, or the output of `foreshift
    /// status -o json`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scores", "replay"])]
    shadow: Option<PathBuf>,
    /// Pairs of scores: `time,target,horizon_s,label,champion,challenger`, and `row_weight,incident_id` where there are.
    #[arg(long, value_name = "CSV", conflicts_with = "replay")]
    scores: Option<PathBuf>,
    /// A signal CSV or a journal: both models learn on it side by side, and nothing is steered.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// The fallback configuration of `--replay`; a journal has its own.
    #[arg(long, value_name = "FILE", requires = "replay")]
    config: Option<PathBuf>,
    /// How much later than a younger row a row of `--replay` may stand and still count, in seconds.
    #[arg(long, value_name = "S", default_value_t = 300.0, requires = "replay")]
    lateness: f64,
}

/// The comparison of these two; `None` when no evidence is named.
pub(super) fn gather(
    args: &EvidenceArgs,
    registry: &Registry,
    champion: &ModelName,
    challenger: &ModelName,
) -> anyhow::Result<Option<Comparison>> {
    if let Some(path) = &args.shadow {
        return from_shadow(path, champion, challenger).map(Some);
    }
    if let Some(path) = &args.scores {
        return scores::compare(path).map(Some);
    }
    let Some(input) = &args.replay else {
        return Ok(None);
    };
    let load = |name: &ModelName| anyhow::Ok(registry.load(name)?.1);
    from_replay(args, input, load(champion)?, load(challenger)?).map(Some)
}

/// What `foreshift run` leaves beside its state, or `foreshift status` prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Shadow {
    Status { models: ModelsState },
    Alone(ModelsState),
}

fn from_shadow(path: &Path, champion: &ModelName, challenger: &ModelName) -> anyhow::Result<Comparison> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let shadow: Shadow =
        serde_json::from_str(&text).with_context(|| format!("{} says nothing of models", path.display()))?;
    let (Shadow::Status { models } | Shadow::Alone(models)) = shadow;
    let rival = models
        .challenger
        .with_context(|| format!("{} has no challenger", path.display()))?;
    let compared = (&models.champion.version.name, &rival.model.version.name);
    ensure!(
        *compared.0 == champion.to_string() && *compared.1 == challenger.to_string(),
        "{} compares {} with {}, asked is {challenger} with {champion}: wait for the shadow of these two",
        path.display(),
        compared.1,
        compared.0
    );
    Ok(rival.comparison)
}

fn from_replay(
    args: &EvidenceArgs,
    input: &Path,
    champion: Model,
    challenger: Model,
) -> anyhow::Result<Comparison> {
    let fallback = match &args.config {
        Some(path) => Arc::new(foreshift_config::load_fallback(path)?.value),
        None => driver::recorded_fallback(input)?,
    };
    let fallback = Arc::new(observing(&fallback));
    let pace = |model: &Model| -> Option<f64> {
        let first = |horizons: &[Duration]| horizons.first().map(|horizon| horizon.as_secs_f64());
        Some(first(model.horizons())? / first(&fallback.timing.horizons)?)
    };
    let [champion, challenger] = [champion, challenger].map(|model| match pace(&model) {
        Some(pace) if pace != 1.0 => model.at_pace(pace),
        _ => model,
    });
    let mut engine = Engine::new(1, Arc::clone(&fallback), champion);
    engine.handle(&Input::Challenger(Some(Arc::new(ModelUpdate {
        name: challenger.version().name,
        model_json: challenger.to_json()?,
        ..ModelUpdate::default()
    }))));
    let lateness = Duration::from_secs_f64(args.lateness.max(0.0));
    let mut source = driver::open(input)?;
    let mut replay = Replay::new(engine, &fallback, lateness, Duration::DAY * 365, Given::ALL);
    replay.run(source.as_mut(), &mut Nothing)?;
    let models = replay.engine.models();
    Ok(models
        .challenger
        .context("the challenger was let go during the replay")?
        .comparison)
}

/// The configuration with every route left alone: what is steered hides outcomes.
fn observing(fallback: &Fallback) -> Fallback {
    let mut fallback = fallback.clone();
    fallback.learning.online = true;
    fallback
        .routes
        .iter_mut()
        .for_each(|route| route.settings.mode = Mode::Off);
    if let Some(discover) = &mut fallback.discover {
        discover
            .rules
            .iter_mut()
            .for_each(|rule| rule.settings.mode = Mode::Off);
    }
    fallback
}
