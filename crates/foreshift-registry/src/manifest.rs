//! Where a model comes from.

use std::fs;
use std::path::Path;

use foreshift_domain::{Digest, Digesting};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::RegistryError;
use crate::files;
use crate::name::ModelName;

/// The format that this code writes and reads.
pub const MANIFEST_FORMAT: u32 = 1;

/// Where a model comes from, as `manifest.json`. The same command on the same inputs writes the same manifest, but for
/// `created_at` where it is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Its name and number.
    pub name: ModelName,
    /// The version that it was made from. Absence: it began from nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ModelName>,
    /// The model's file beside the manifest, a name without a directory.
    pub file: String,
    /// SHA-256 of that file.
    pub sha256: Digest,
    /// Size of that file.
    pub bytes: u64,
    /// Digest of the names and meanings of the features it reads. Absence: it reads none, as the model of log lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_schema: Option<Digest>,
    /// How many features it reads.
    #[serde(default)]
    pub features: usize,
    /// How far it looks ahead, in seconds, ascending.
    #[serde(default)]
    pub horizons_s: Vec<f64>,
    /// The four windows of the features it learned with, in seconds, ascending. Absence: those of the live scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_s: Option<[f64; 4]>,
    /// What it learned from, in a sentence.
    pub trained_on: String,
    /// Whether any of that was made by the simulator; then every explanation says so.
    pub simulated: bool,
    /// The files it learned from.
    #[serde(default)]
    pub inputs: Vec<InputFile>,
    /// The seed of everything random in its making.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Revision of the code that made it. Absence: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_revision: Option<String>,
    /// The command that made it.
    pub created_by: String,
    /// When it was made, RFC 3339. Absence: not said, so that the same run gives the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// What else its trainer was told and counted, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub training: Map<String, Value>,
}

/// A file that a model learned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// What it is called, without machine-bound directories.
    pub name: String,
    /// SHA-256 of its bytes, or of the names and digests of a directory's files. Absence: it is made anew from the seeds each time, and kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

impl InputFile {
    /// Digests a file, or all files of a directory with their names.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn of(path: &Path) -> Result<Self, RegistryError> {
        let sha256 = if path.is_dir() {
            let mut files = fs::read_dir(path)
                .and_then(|listed| {
                    listed
                        .map(|entry| Ok(entry?.path()))
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(RegistryError::io("list", path))?;
            files.sort();
            let mut digesting = Digesting::default();
            for file in files.iter().filter(|file| file.is_file()) {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                digesting.update(format!("{name} {}\n", files::digest(file)?).as_bytes());
            }
            digesting.finish()
        } else {
            files::digest(path)?
        };
        Ok(Self {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            sha256: Some(sha256),
        })
    }

    /// What is made anew from seeds each time, and kept nowhere.
    #[must_use]
    pub fn made_anew(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            sha256: None,
        }
    }
}

impl Manifest {
    /// The manifest of a model of rows: what the model itself says of its features and horizons is taken from it.
    #[must_use]
    pub fn of(name: ModelName, model: &foreshift_predict::Model, created_by: &str, trained_on: &str) -> Self {
        Self {
            feature_schema: Some(model.schema()),
            features: model.inputs().len(),
            horizons_s: model
                .horizons()
                .iter()
                .map(|horizon| horizon.as_secs_f64())
                .collect(),
            ..Self::bare(name, "model.json", created_by, trained_on)
        }
    }

    /// The manifest of a file of which nothing is known but what is said here. Digest and size are filled in as the
    /// version is written.
    #[must_use]
    pub fn bare(name: ModelName, file: &str, created_by: &str, trained_on: &str) -> Self {
        Self {
            format: MANIFEST_FORMAT,
            name,
            parent: None,
            file: file.to_owned(),
            sha256: Digest::default(),
            bytes: 0,
            feature_schema: None,
            features: 0,
            horizons_s: Vec::new(),
            windows_s: None,
            trained_on: trained_on.to_owned(),
            simulated: false,
            inputs: Vec::new(),
            seed: None,
            git_revision: None,
            created_by: created_by.to_owned(),
            created_at: None,
            training: Map::new(),
        }
    }
}
