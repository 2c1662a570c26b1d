//! Configuration files: parsing, defaults, checks, schema, and where each value came from.
//!
//! Two files: `fallback.yaml` (routes, targets, when and how far to act) becomes the domain's
//! [`Fallback`](foreshift_domain::fallback::Fallback); `foreshift.yaml` (brokers, listeners, storage) becomes
//! [`ProcessConfig`]. A file passes four steps: YAML to a tree that knows the place of every value; the
//! tree against the JSON schema, all mistakes at once; short forms, `defaults` and the environment
//! folded in; what no schema can say, again all mistakes at once.
//!
//! This crate deliberately does not know what a setting does, whether a broker or a listener exists,
//! when a file changes, or what was in force before: it reads text and says what it means.

mod check;
mod defaults;
mod error;
mod fallback;
mod origin;
mod process;
mod report;
mod suggest;
mod text;
mod tree;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use error::{ConfigError, ConfigErrors, MAX_ERRORS_SHOWN, Place};
pub use fallback::{fallback_schema, load_fallback, parse_fallback, refuse_for_live};
pub use origin::{From as OriginFrom, HIDDEN, Origin};
pub use process::{
    Clock, CollectConfig, Consume, JournalConfig, KafkaConfig, ListenConfig, Listener, LogsConfig,
    OutputTopics, ProcessConfig, Properties, SamplesConfig, SignalKind, StartAt, StorageConfig, TimeConfig,
    Tls, TopicConfig, TopicFormat, XdsConfig, XdsGroup, load_process, parse_process, process_schema,
};
pub use text::{MAX_DURATION_DAYS, parse_duration};

use tree::{MAX_FILE_BYTES, Tree};

/// A configuration as it is in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded<T> {
    /// The configuration, complete.
    pub value: T,
    /// Every effective value and where it came from.
    pub origins: Vec<Origin>,
    /// What is allowed but probably not meant, each with its place.
    pub warnings: Vec<String>,
}

fn read(path: &Path, file: &str) -> Result<String, ConfigErrors> {
    let refuse = |message: String, hint: &str| ConfigError::new(file, Place::START, "", message, hint);
    let mut text = String::new();
    File::open(path)
        .and_then(|opened| opened.take(MAX_FILE_BYTES as u64 + 1).read_to_string(&mut text))
        .map_err(|error| {
            refuse(
                format!("cannot be read: {error}"),
                "check the path, the permissions and that it is UTF-8 text",
            )
        })?;
    Ok(text)
}

/// The tree as a type. The schema was held before, so a failure here is a gap between schema and type: it is
/// told all the same, without a line.
fn shaped<T: DeserializeOwned>(tree: &Tree, file: &str) -> Result<T, ConfigErrors> {
    serde_json::from_value(tree.to_json()).map_err(|error| {
        let hint = "the file passed the schema and yet cannot be used: please report this";
        ConfigError::new(file, Place::START, "", error.to_string(), hint).into()
    })
}

fn as_json<T: Serialize>(value: &T, file: &str) -> Result<Value, ConfigErrors> {
    serde_json::to_value(value).map_err(|error| {
        let hint = "the effective configuration cannot be printed: please report this";
        ConfigError::new(file, Place::START, "", error.to_string(), hint).into()
    })
}
