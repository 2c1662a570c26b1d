//! Following a registry of models: what serves, what is scored in the shadow, and the way back when the model drifts.
//!
//! The registry's file is looked at, as the fallback configuration is. What it names is read beside the engine's thread
//! and handed over whole; the engine is told by inputs of the journal, so a replay needs no registry. What cannot be
//! read, or does not fit the configuration, leaves the present model on, and is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use foreshift_domain::fallback::Fallback;
use foreshift_domain::published::ModelsState;
use foreshift_domain::{Digest, Input, ModelUpdate, Timestamp};
use foreshift_predict::Model;
use foreshift_registry::{By, Change, Chosen, Manifest, ModelName, Registry, RegistryError};
use tokio::sync::{mpsc, watch};

use super::model;

/// How often the registry is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Who rolls back on a drift alarm.
const SELF: &str = "foreshift";

/// A state of the registry.
#[derive(Debug)]
pub(crate) struct Registered {
    champions: Vec<Version>,
    challengers: Vec<Version>,
    history: Vec<Change>,
}

/// A version, with what it holds or why it could not be read.
#[derive(Debug)]
struct Version {
    name: ModelName,
    read: Result<(Manifest, Model), String>,
}

impl Version {
    fn read(registry: &Registry, name: ModelName) -> Self {
        let loaded = registry.load(&name).map_err(|error| error.to_string());
        Self { name, read: loaded }
    }

    /// The model as it serves this configuration.
    fn fitted(&self, fallback: &Fallback) -> Result<Chosen, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", self.name);
        let (manifest, model) = self.read.as_ref().map_err(|error| told(error))?;
        manifest
            .fitted(model.clone(), fallback)
            .map_err(|error| told(&error))
    }
}

impl Registered {
    /// Champions and challengers of all scales, but for those of log lines.
    ///
    /// # Errors
    /// When there is no registry, or its aliases cannot be read. A version that cannot be read does not spoil the others.
    pub(crate) fn read(root: &Path) -> Result<Self, RegistryError> {
        let registry = Registry::open(root)?;
        let aliases = registry.aliases()?;
        // What cannot be read is no reason to leave it out in silence.
        let of_rows = |name: &ModelName| {
            registry
                .manifest(name)
                .map_or(true, |manifest| manifest.feature_schema.is_some())
        };
        let read = |names: Vec<ModelName>| {
            let names = names.into_iter().filter(of_rows);
            names.map(|name| Version::read(&registry, name)).collect()
        };
        Ok(Self {
            champions: read(aliases.champion.into_values().collect()),
            challengers: read(aliases.challenger.into_values().collect()),
            history: aliases.history,
        })
    }

    /// The first champion that fits the configuration; else why none does.
    pub(super) fn champion(&self, fallback: &Fallback) -> Result<Chosen, String> {
        let mut refused = Vec::new();
        for version in &self.champions {
            match version.fitted(fallback) {
                Ok(chosen) => return Ok(chosen),
                Err(why) => refused.push(why),
            }
        }
        if refused.is_empty() {
            refused.push("none is named; `foreshift-lab models promote` names one".to_owned());
        }
        Err(refused.join("; "))
    }

    /// What the engine is to be told, where it is not as it should be: first of the champion, so that a challenger that
    /// was promoted goes on with what it learned in the shadow.
    pub(super) fn inputs(&self, fallback: &Fallback, present: &ModelsState) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut serving = present.champion.version.name.clone();
        match self
            .champion(fallback)
            .and_then(|champion| self.update(&champion))
        {
            Ok((update, digest)) => {
                serving.clone_from(&update.name);
                if digest != present.champion.digest {
                    inputs.push(Input::Model(update));
                }
            }
            Err(why) => tracing::error!("no champion of the registry can serve, {serving} stays: {why}"),
        }
        let scale = serving
            .parse()
            .map_or(String::new(), |name: ModelName| name.scale().to_owned());
        let rival = self
            .challengers
            .iter()
            .find(|version| version.name.scale() == scale);
        let known = present
            .challenger
            .as_ref()
            .map(|challenger| challenger.model.digest);
        match rival.map(|rival| rival.fitted(fallback).and_then(|rival| self.update(&rival))) {
            Some(Ok((update, digest))) if Some(digest) != known => {
                inputs.push(Input::Challenger(Some(update)));
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => tracing::error!("the challenger cannot be scored: {why}"),
            None if known.is_some() => inputs.push(Input::Challenger(None)),
            None => {}
        }
        inputs
    }

    fn update(&self, chosen: &Chosen) -> Result<(Arc<ModelUpdate>, Digest), String> {
        let name = chosen.model.version().name;
        let named = |change: &&Change| change.to.as_ref().is_some_and(|to| to.to_string() == name);
        let change = self.history.iter().rev().find(named);
        let why = change.map(|change| format!("{}: {}", change.who, change.reason));
        let update =
            model::update(chosen, why.unwrap_or_default()).map_err(|error| format!("{name}: {error}"))?;
        let digest = Digest::of(update.model_json.as_bytes());
        Ok((Arc::new(update), digest))
    }
}

/// Follows the registry until the process stops.
pub(super) fn watch(root: PathBuf, to: mpsc::Sender<Registered>, mut stopping: watch::Receiver<bool>) {
    tokio::spawn(async move {
        let mut known = None;
        loop {
            let now = std::fs::read(root.join("registry.json"))
                .ok()
                .map(|bytes| Digest::of(&bytes));
            if now.is_some() && now != known {
                known = now;
                let from = root.clone();
                match tokio::task::spawn_blocking(move || Registered::read(&from)).await {
                    Ok(Ok(registered)) => {
                        if to.send(registered).await.is_err() {
                            return;
                        }
                    }
                    Ok(Err(error)) => {
                        tracing::error!("the registry is not followed, the present models stay: {error}")
                    }
                    Err(error) => tracing::error!("the registry could not be read: {error}"),
                }
            }
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    });
}

/// The model drifts: the champion before it shall serve again. Whoever follows the registry swaps it. Returns its name.
///
/// # Errors
/// When the registry's champion is another one by now, none came before, or the registry cannot be written.
pub(super) fn roll_back(
    root: &Path,
    drifting: &str,
    reason: &str,
    at: Timestamp,
) -> anyhow::Result<Option<ModelName>> {
    let drifting: ModelName = drifting.parse()?;
    let by = By {
        who: SELF,
        reason,
        at,
    };
    let aliases = Registry::open(root)?.roll_back(drifting.scale(), Some(&drifting), &by)?;
    Ok(aliases.champion.get(drifting.scale()).cloned())
}
