//! The directory.

use std::fs;
use std::path::{Path, PathBuf};

use foreshift_domain::Digest;
use foreshift_predict::Model;
use serde_json::Value;

use crate::aliases::{Aliases, By, FORMAT};
use crate::error::RegistryError;
use crate::files;
use crate::manifest::{MANIFEST_FORMAT, Manifest};
use crate::name::ModelName;

/// The largest model that is read: a thousand trees are below 10 MiB.
pub const MAX_MODEL_BYTES: u64 = 256 << 20;
/// The largest manifest, card, metrics and `registry.json`.
const MAX_TEXT_BYTES: u64 = 16 << 20;
/// The most entries of one directory that are looked at.
const MAX_ENTRIES: usize = 100_000;

const ALIASES: &str = "registry.json";
const MANIFEST: &str = "manifest.json";
const METRICS: &str = "metrics.json";
const CARD: &str = "CARD.md";

/// A directory of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    root: PathBuf,
}

/// What a new version is made of.
#[derive(Clone, Debug)]
pub struct Release {
    /// Where it comes from. Digest and size of the model are filled in as it is written.
    pub manifest: Manifest,
    /// The model's file.
    pub model: Vec<u8>,
    /// `metrics.json`.
    pub metrics: String,
    /// `CARD.md`.
    pub card: String,
}

impl Registry {
    /// The registry in this directory.
    ///
    /// # Errors
    /// When it holds no `registry.json`.
    pub fn open(root: &Path) -> Result<Self, RegistryError> {
        if !root.join(ALIASES).is_file() {
            return Err(RegistryError::NoRegistry {
                path: root.to_owned(),
            });
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// The registry in this directory, which becomes an empty one where it is none.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(root: &Path) -> Result<Self, RegistryError> {
        fs::create_dir_all(root).map_err(RegistryError::io("create", root))?;
        let registry = Self {
            root: root.to_owned(),
        };
        let _held = files::lock(root)?;
        if !root.join(ALIASES).exists() {
            registry.write_aliases(&Aliases {
                format: FORMAT,
                ..Aliases::default()
            })?;
        }
        Ok(registry)
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Champions, challengers and what was changed.
    ///
    /// # Errors
    /// When `registry.json` cannot be read, or is no such file of this format.
    pub fn aliases(&self) -> Result<Aliases, RegistryError> {
        let path = self.root.join(ALIASES);
        let aliases: Aliases = files::read_json(&path, MAX_TEXT_BYTES)?;
        if aliases.format != FORMAT {
            return Err(RegistryError::Format {
                path,
                found: aliases.format,
                reads: FORMAT,
            });
        }
        Ok(aliases)
    }

    /// All versions, by scale and number. Directories that are none are left out.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub fn versions(&self) -> Result<Vec<ModelName>, RegistryError> {
        let mut found = Vec::new();
        for scale in entries(&self.root)? {
            let dir = self.root.join(&scale);
            if !dir.is_dir() {
                continue;
            }
            let numbers = entries(&dir)?
                .into_iter()
                .filter(|entry| dir.join(entry).is_dir());
            found.extend(numbers.filter_map(|number| format!("{scale}@{number}").parse::<ModelName>().ok()));
        }
        found.sort();
        Ok(found)
    }

    /// The directory of a version, which need not exist.
    #[must_use]
    pub fn dir(&self, name: &ModelName) -> PathBuf {
        self.root.join(name.path())
    }

    /// Where a version comes from.
    ///
    /// # Errors
    /// When there is no such version, or its manifest cannot be read or is of another one.
    pub fn manifest(&self, name: &ModelName) -> Result<Manifest, RegistryError> {
        let dir = self.dir(name);
        if !dir.is_dir() {
            return Err(RegistryError::Unknown {
                name: name.clone(),
                root: self.root.clone(),
            });
        }
        let manifest = manifest(&dir)?;
        if manifest.name != *name {
            return Err(RegistryError::Misplaced {
                path: dir.join(MANIFEST),
                expected: name.clone(),
                found: manifest.name,
            });
        }
        Ok(manifest)
    }

    /// How a version did on what was held out; null where nothing says.
    ///
    /// # Errors
    /// When the file is there and is no JSON.
    pub fn metrics(&self, name: &ModelName) -> Result<Value, RegistryError> {
        let path = self.dir(name).join(METRICS);
        if !path.exists() {
            return Ok(Value::Null);
        }
        files::read_json(&path, MAX_TEXT_BYTES)
    }

    /// What people should know of a version; empty where nothing says.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn card(&self, name: &ModelName) -> Result<String, RegistryError> {
        let path = self.dir(name).join(CARD);
        if !path.exists() {
            return Ok(String::new());
        }
        Ok(String::from_utf8_lossy(&files::read(&path, MAX_TEXT_BYTES)?).into_owned())
    }

    /// A version's manifest and model.
    ///
    /// # Errors
    /// When there is no such version, a file of it is damaged, or this build cannot use the model.
    pub fn load(&self, name: &ModelName) -> Result<(Manifest, Model), RegistryError> {
        self.manifest(name)?;
        load_model(&self.dir(name))
    }

    /// A new version of a scale, with the next number. `release` makes it once the name is known.
    ///
    /// # Errors
    /// When it cannot be made or written; then nothing is left behind.
    pub fn add<E: From<RegistryError>>(
        &self,
        scale: &str,
        release: impl FnOnce(ModelName) -> Result<Release, E>,
    ) -> Result<ModelName, E> {
        let _held = files::lock(&self.root)?;
        let taken = self.versions()?;
        let newest = taken
            .iter()
            .filter(|name| name.scale() == scale)
            .map(ModelName::version)
            .max();
        let name =
            ModelName::new(scale, newest.unwrap_or(0) + 1).map_err(|error| RegistryError::Damaged {
                path: self.root.join(scale),
                why: error.to_string(),
            })?;
        let made = release(name.clone())?;
        write_version(&self.dir(&name), made, false)?;
        Ok(name)
    }

    /// Makes a version the challenger of its scale. Returns the aliases as they are then.
    ///
    /// # Errors
    /// When it is not there, is champion or challenger already, or the registry cannot be written.
    pub fn challenge(&self, name: &ModelName, by: &By<'_>) -> Result<Aliases, RegistryError> {
        self.manifest(name)?;
        self.change(by, |aliases| aliases.challenge(name.clone(), by))
    }

    /// Takes the challenger of a scale away.
    ///
    /// # Errors
    /// When there is none, or the registry cannot be written.
    pub fn withdraw(&self, scale: &str, by: &By<'_>) -> Result<Aliases, RegistryError> {
        self.change(by, |aliases| aliases.withdraw(scale, by).map(drop))
    }

    /// Makes a version the champion of its scale. Whether it has earned that is judged before, by whoever calls:
    /// `against` is the champion it was compared with, and another one by now is an error. `forced` says that it has
    /// not earned it and a person insists.
    ///
    /// # Errors
    /// When it is not there or damaged, is champion already, another champion serves by now, or the registry cannot be
    /// written.
    pub fn promote(
        &self,
        name: &ModelName,
        against: Option<&ModelName>,
        by: &By<'_>,
        forced: bool,
        evidence: Option<Value>,
    ) -> Result<Aliases, RegistryError> {
        read_version(&self.dir(name), &self.manifest(name)?)?;
        self.change(by, |aliases| {
            if let (Some(expected), Some(found)) = (against, aliases.champion.get(name.scale()))
                && expected != found
            {
                return Err(RegistryError::MovedOn {
                    scale: name.scale().to_owned(),
                    expected: expected.clone(),
                    found: found.clone(),
                });
            }
            aliases.promote(name.clone(), by, forced, evidence).map(drop)
        })
    }

    /// The champion before serves again. `against` is the champion that is to go: another one by now is an error.
    ///
    /// # Errors
    /// When none came before, it is damaged, another champion serves by now, or the registry cannot be written.
    pub fn roll_back(
        &self,
        scale: &str,
        against: Option<&ModelName>,
        by: &By<'_>,
    ) -> Result<Aliases, RegistryError> {
        self.change(by, |aliases| {
            if let (Some(expected), Some(found)) = (against, aliases.champion.get(scale))
                && expected != found
            {
                return Err(RegistryError::MovedOn {
                    scale: scale.to_owned(),
                    expected: expected.clone(),
                    found: found.clone(),
                });
            }
            let before = aliases.roll_back(scale, by)?;
            read_version(&self.dir(&before), &self.manifest(&before)?).map(drop)
        })
    }

    fn change(
        &self,
        by: &By<'_>,
        apply: impl FnOnce(&mut Aliases) -> Result<(), RegistryError>,
    ) -> Result<Aliases, RegistryError> {
        by.check()?;
        let _held = files::lock(&self.root)?;
        let mut aliases = self.aliases()?;
        apply(&mut aliases)?;
        self.write_aliases(&aliases)?;
        Ok(aliases)
    }

    fn write_aliases(&self, aliases: &Aliases) -> Result<(), RegistryError> {
        let path = self.root.join(ALIASES);
        let mut text = serde_json::to_string_pretty(aliases).map_err(|error| RegistryError::Damaged {
            path: path.clone(),
            why: error.to_string(),
        })?;
        text.push('\n');
        files::replace(&path, text.as_bytes())
    }
}

fn entries(dir: &Path) -> Result<Vec<String>, RegistryError> {
    let listed = fs::read_dir(dir).map_err(RegistryError::io("list", dir))?;
    let names = listed
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

fn manifest(dir: &Path) -> Result<Manifest, RegistryError> {
    let path = dir.join(MANIFEST);
    let manifest: Manifest = files::read_json(&path, MAX_TEXT_BYTES)?;
    if manifest.format != MANIFEST_FORMAT {
        return Err(RegistryError::Format {
            path,
            found: manifest.format,
            reads: MANIFEST_FORMAT,
        });
    }
    if manifest.file.is_empty() || manifest.file.contains(['/', '\\']) || manifest.file.starts_with('.') {
        return Err(RegistryError::Damaged {
            path,
            why: format!("{:?} is no file beside it", manifest.file),
        });
    }
    Ok(manifest)
}

/// The bytes of a version's model, which are those that its manifest names.
///
/// # Errors
/// When the file cannot be read, or has another digest.
pub fn read_version(dir: &Path, manifest: &Manifest) -> Result<Vec<u8>, RegistryError> {
    let path = dir.join(&manifest.file);
    let bytes = files::read(&path, MAX_MODEL_BYTES)?;
    let found = Digest::of(&bytes);
    if found != manifest.sha256 {
        return Err(RegistryError::Digest {
            path,
            expected: manifest.sha256,
            found,
        });
    }
    Ok(bytes)
}

/// The manifest and model of a directory, in a registry or not.
///
/// # Errors
/// When a file cannot be read, the model is not the one that the manifest names, or this build cannot use it.
pub fn load_model(dir: &Path) -> Result<(Manifest, Model), RegistryError> {
    let manifest = manifest(dir)?;
    let bytes = read_version(dir, &manifest)?;
    let path = dir.join(&manifest.file);
    let text = std::str::from_utf8(&bytes).map_err(|error| RegistryError::Damaged {
        path: path.clone(),
        why: error.to_string(),
    })?;
    let model = Model::from_json(text).map_err(|source| RegistryError::Model { path, source })?;
    Ok((manifest, model))
}

/// Writes a version: all of it is there, or nothing. `anew` writes over one that is there: whoever made it makes it
/// again.
///
/// # Errors
/// When the directory holds a version and it is not made anew, or cannot be written.
pub fn write_version(dir: &Path, release: Release, anew: bool) -> Result<(), RegistryError> {
    if dir.exists() && !anew {
        return Err(RegistryError::Exists { path: dir.to_owned() });
    }
    let manifest = Manifest {
        sha256: Digest::of(&release.model),
        bytes: release.model.len() as u64,
        ..release.manifest
    };
    let mut text = serde_json::to_string_pretty(&manifest).map_err(|error| RegistryError::Damaged {
        path: dir.join(MANIFEST),
        why: error.to_string(),
    })?;
    text.push('\n');
    let beside = dir.with_extension("new");
    clear(&beside)?;
    fs::create_dir_all(&beside).map_err(RegistryError::io("create", &beside))?;
    files::write(&beside.join(&manifest.file), &release.model)?;
    files::write(&beside.join(MANIFEST), text.as_bytes())?;
    files::write(&beside.join(METRICS), release.metrics.as_bytes())?;
    files::write(&beside.join(CARD), release.card.as_bytes())?;
    clear(dir)?;
    files::rename(&beside, dir)
}

fn clear(dir: &Path) -> Result<(), RegistryError> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(RegistryError::io("clear", dir))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
