//! Trees of LightGBM and XGBoost beside the linear model of a version.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use foreshift_domain::{Duration, Timestamp};
use foreshift_features::FEATURES;
use foreshift_predict::trees::{ImportError, Imported as Foreign, Trees, lightgbm, xgboost};
use foreshift_predict::{EnsembleParams, Model};
use foreshift_registry::Registry;

use super::{ImportArgs, Imported, read};

/// A file of trees, and the horizon they look ahead.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HeadFile {
    horizon: Duration,
    path: PathBuf,
}

impl HeadFile {
    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }
}

impl FromStr for HeadFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (horizon, path) = text
            .split_once('=')
            .ok_or_else(|| format!("expected a horizon and a file such as 2m=model.txt, found {text:?}"))?;
        Ok(Self {
            horizon: foreshift_config::parse_duration(horizon)?,
            path: PathBuf::from(path),
        })
    }
}

/// The linear model of a version with these trees. Horizons that none are named for keep those the version has.
pub(super) fn beside(registry: &Registry, args: &ImportArgs) -> anyhow::Result<Imported> {
    let champion = || {
        let named = registry.aliases()?.champion.get(&args.scale).cloned();
        named.with_context(|| {
            format!(
                "scale {:?} has no champion: name the version that gives the linear model with --beside",
                args.scale
            )
        })
    };
    let parent = args.beside.clone().map_or_else(champion, Ok)?;
    let (manifest, model) = registry.load(&parent)?;
    let trees = of_heads(&model, &args.heads).with_context(|| format!("beside {parent}"))?;
    let params = EnsembleParams {
        speaks_from: args.grown_until.unwrap_or(Timestamp::MIN),
        ..EnsembleParams::default()
    };
    let horizons: Vec<String> = args.heads.iter().map(|head| head.horizon.to_string()).collect();
    Ok(Imported {
        model: model.with_trees(trees, params)?,
        simulated: manifest.simulated,
        windows_s: manifest.windows_s,
        what: format!(
            "The linear model of {parent}, and imported trees for {}.",
            horizons.join(", ")
        ),
        parent: Some(parent),
    })
}

/// Trees for each head: those that are named, else the model's own.
fn of_heads(model: &Model, heads: &[HeadFile]) -> anyhow::Result<Vec<Trees>> {
    let horizons = model.horizons();
    for head in heads {
        ensure!(
            horizons.contains(&head.horizon),
            "it does not look {} ahead, but {}",
            head.horizon,
            listed(horizons)
        );
    }
    let names: Vec<&str> = model.inputs().iter().map(|input| input.name.as_str()).collect();
    let own: Vec<&Trees> = model.trees().collect();
    let (mut all, mut bare) = (Vec::new(), Vec::new());
    for (number, horizon) in horizons.iter().enumerate() {
        let mut named = heads.iter().filter(|head| head.horizon == *horizon);
        match (named.next(), own.get(number)) {
            (Some(_), _) if named.next().is_some() => bail!("{horizon} is named twice"),
            (Some(head), _) => all.push(one(&head.path, &names)?),
            (None, Some(own)) => all.push(Trees::clone(own)),
            (None, None) => bare.push(*horizon),
        }
    }
    ensure!(
        bare.is_empty(),
        "it has no trees of its own for {}: name a file for each with --head",
        listed(&bare)
    );
    Ok(all)
}

/// The trees of a file, reading the features of these names.
fn one(path: &Path, names: &[&str]) -> anyhow::Result<Trees> {
    let text = read(path)?;
    let trees = foreign(&text).and_then(|foreign| match foreign.map_features(names) {
        Err(ImportError::NoSuchFeature { name }) if FEATURES.iter().any(|known| known.name == name) => bail!(
            "the model reads feature {name:?}, which is newer than the version beside which it is to stand: that reads the \
             first {} of the catalogue",
            names.len()
        ),
        mapped => Ok(mapped?),
    });
    trees.with_context(|| format!("cannot import {}", path.display()))
}

fn foreign(text: &str) -> anyhow::Result<Foreign> {
    match text.trim_start().as_bytes() {
        [b'{', ..] => Ok(xgboost::read(text)?),
        [b't', b'r', b'e', b'e', ..] => Ok(lightgbm::read(text)?),
        _ => bail!("it is neither a text model of LightGBM nor a JSON model of XGBoost"),
    }
}

fn listed(horizons: &[Duration]) -> String {
    let horizons: Vec<String> = horizons.iter().map(ToString::to_string).collect();
    horizons.join(", ")
}

#[cfg(test)]
mod tests;
