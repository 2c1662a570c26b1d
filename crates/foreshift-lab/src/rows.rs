//! Rows for training and checking models: one row is one target at one prediction tick, looked at over one horizon.
//! They lie in Parquet, written by `foreshift-lab extract`; docs/data-science.md describes the columns.

mod columns;
mod writer;

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use foreshift_domain::fallback::{DeclaredFeature, Fallback};
use foreshift_features::FeatureSet;
use polars::prelude::{DataFrame, ParquetReader, SerReader};
use serde::{Deserialize, Serialize};

pub(crate) use columns::Rows;
pub(crate) use writer::{LabelledRow, RowWriter};

/// Columns before the features, in their order.
pub(crate) const META: [&str; 12] = [
    "time",
    "route",
    "target",
    "horizon_s",
    "label",
    "label_known_at",
    "incident_id",
    "row_weight",
    "treated",
    "propensity",
    "held_out",
    "weight_bp",
];

/// Where the file says what its rows are.
const ABOUT_KEY: &str = "foreshift";

/// What a file of rows says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    /// SHA-256 over the features: the catalogue, then what the configuration declares.
    pub(crate) feature_schema: String,
    /// What the configuration declares.
    pub(crate) declared: Vec<DeclaredFeature>,
    /// Digest of the fallback configuration; several, where rows of several worlds were put together.
    pub(crate) fallback: Vec<String>,
    /// Version of the engine.
    pub(crate) engine: String,
    /// Horizons in seconds, ascending.
    pub(crate) horizons_s: Vec<f64>,
    /// Time between prediction ticks in seconds.
    pub(crate) tick_s: f64,
    /// An incident that begins so soon after a tick is not predicted but seen, in seconds.
    pub(crate) guard_s: f64,
}

impl About {
    /// Of rows that this build makes with this configuration, in a world that goes `pace` times as fast as life.
    pub(crate) fn new(first: &Fallback, pace: f64, fallback: Vec<String>) -> Self {
        let (set, timing) = (foreshift_engine::feature_set(first), &first.timing);
        Self {
            feature_schema: set.digest(0..set.count()).to_string(),
            declared: first.features.clone(),
            fallback,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            horizons_s: timing
                .horizons
                .iter()
                .map(|horizon| horizon.as_secs_f64() * pace)
                .collect(),
            tick_s: timing.tick.as_secs_f64() * pace,
            guard_s: timing.guard.as_secs_f64() * pace,
        }
    }
}

impl About {
    /// The features, in the order of their columns.
    ///
    /// # Errors
    /// When this build cannot work out what is declared.
    pub(crate) fn set(&self) -> anyhow::Result<FeatureSet> {
        FeatureSet::of(&self.declared).map_err(|(_, error)| error.into())
    }
}

/// Reads a file of rows whole, or only the named columns of it, as a frame.
///
/// # Errors
/// When it cannot be read, is no file of rows, or its features are not those of this build.
pub(crate) fn read_frame(path: &Path, columns: Option<&[&str]>) -> anyhow::Result<(About, DataFrame)> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut reader = ParquetReader::new(file);
    let about =
        about(&mut reader).with_context(|| format!("{} holds no rows to learn from", path.display()))?;
    if let Some(columns) = columns {
        reader = reader.with_columns(Some(columns.iter().map(|name| (*name).to_owned()).collect()));
    }
    let frame = reader
        .finish()
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok((about, frame))
}

fn about(reader: &mut ParquetReader<File>) -> anyhow::Result<About> {
    let metadata = reader.get_metadata()?;
    let entries = metadata.key_value_metadata().as_deref().unwrap_or_default();
    let entry = entries.iter().find(|entry| entry.key == ABOUT_KEY);
    let text = entry
        .and_then(|entry| entry.value.as_deref())
        .with_context(|| format!("its metadata has no {ABOUT_KEY:?}: make it with foreshift-lab extract"))?;
    let about: About = serde_json::from_str(text).context("its metadata is not that of this version")?;
    let ours = about.set().map(|set| set.digest(0..set.count()).to_string());
    if !ours.as_ref().is_ok_and(|ours| *ours == about.feature_schema) {
        bail!(
            "its features (schema {}) are not those of this build ({}): extract the rows again",
            about.feature_schema,
            ours.map_or_else(|error| error.to_string(), |ours| format!("schema {ours}")),
        );
    }
    Ok(about)
}

#[cfg(test)]
pub(crate) mod tests;
