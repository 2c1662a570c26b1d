//! Why a registry could not be read or changed. Every message says where, and what mends it.

use std::path::{Path, PathBuf};

use foreshift_domain::Digest;
use foreshift_predict::ModelError;

use crate::name::ModelName;

/// Why a registry could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The system said no.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no registry.
    #[error(
        "{path} is no registry of models: it has no registry.json; name the directory that holds one, such as models/"
    )]
    NoRegistry {
        /// The directory.
        path: PathBuf,
    },
    /// A file is larger than any honest one.
    #[error("{path} has {bytes} bytes, at most {limit} are read: it is not what it should be")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The most.
        limit: u64,
    },
    /// A file does not hold what it should.
    #[error("{path} does not parse: {why}; restore it from version control, or from another replica")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        why: String,
    },
    /// Written by a newer Foreshift.
    #[error("{path} has format {found}, this build reads format {reads}: use a newer build")]
    Format {
        /// The file.
        path: PathBuf,
        /// As read.
        found: u32,
        /// As this build writes it.
        reads: u32,
    },
    /// The model file is not the one that the manifest names.
    #[error(
        "{path} has the digest {found}, its manifest names {expected}: the file was changed or cut short; copy the version again"
    )]
    Digest {
        /// The model file.
        path: PathBuf,
        /// The manifest's.
        expected: Digest,
        /// The file's.
        found: Digest,
    },
    /// The manifest is of another version than its directory.
    #[error("{path} is the manifest of {found}, and lies where {expected} belongs: move the directory back")]
    Misplaced {
        /// The manifest.
        path: PathBuf,
        /// By the directory.
        expected: ModelName,
        /// By the manifest.
        found: ModelName,
    },
    /// The model cannot be used by this build.
    #[error("{path} cannot be used: {source}")]
    Model {
        /// The model file.
        path: PathBuf,
        /// Why.
        source: ModelError,
    },
    /// No such version.
    #[error("there is no {name} in {root}; `foreshift-lab models list` shows what there is")]
    Unknown {
        /// As asked.
        name: ModelName,
        /// Where.
        root: PathBuf,
    },
    /// The version exists and is not written over.
    #[error("{path} is there already: versions are never changed; write to the next number")]
    Exists {
        /// The version's directory.
        path: PathBuf,
    },
    /// Nothing holds the alias.
    #[error("scale {scale:?} has no {alias}; set one with `foreshift-lab models {command}`")]
    NoAlias {
        /// The scale.
        scale: String,
        /// `champion` or `challenger`.
        alias: &'static str,
        /// The command that sets one.
        command: &'static str,
    },
    /// It holds the alias already.
    #[error("{name} is the {alias} already")]
    Already {
        /// The version.
        name: ModelName,
        /// `champion` or `challenger`.
        alias: &'static str,
    },
    /// Nothing to go back to.
    #[error(
        "no champion of scale {scale:?} came before this one: promote the version that should serve instead"
    )]
    NothingBefore {
        /// The scale.
        scale: String,
    },
    /// Another champion than the caller looked at.
    #[error("the champion of scale {scale:?} is {found} by now, not {expected}: look again, then repeat")]
    MovedOn {
        /// The scale.
        scale: String,
        /// As the caller saw it.
        expected: ModelName,
        /// As it is.
        found: ModelName,
    },
    /// A change needs a person and a reason.
    #[error("who changes the registry and why must be said, in at most {limit} bytes each")]
    Unsaid {
        /// The most bytes.
        limit: usize,
    },
    /// Another process changes it.
    #[error(
        "{root} is being changed by another process, and was for {waited_s} s: try again, or see what hangs"
    )]
    Busy {
        /// The registry.
        root: PathBuf,
        /// How long was waited, in seconds.
        waited_s: u64,
    },
}

impl RegistryError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
