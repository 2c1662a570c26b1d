//! `foreshift.yaml`: brokers, listeners, storage; with overrides from the environment.

mod checks;
mod config;
mod environment;

use std::path::Path;

use schemars::generate::SchemaSettings;
use serde_json::Value;

pub use self::config::{
    Clock, CollectConfig, Consume, JournalConfig, KafkaConfig, ListenConfig, Listener, LogsConfig,
    OutputTopics, ProcessConfig, Properties, SamplesConfig, SignalKind, StartAt, StorageConfig, TimeConfig,
    Tls, TopicConfig, TopicFormat, XdsConfig, XdsGroup,
};

use crate::error::ConfigErrors;
use crate::origin::origins;
use crate::report::Report;
use crate::tree::Tree;
use crate::{Loaded, check, read, shaped};

/// Reads a `foreshift.yaml` and lays the environment over it: `FORESHIFT__KAFKA__BROKERS=a:9092,b:9092` sets
/// `kafka.brokers`. Variables that do not begin with `FORESHIFT__` are ignored. Relative paths start at the
/// directory of the file, wherever they are set.
///
/// # Errors
/// The file cannot be read, is not YAML, or file or environment say something they may not; every
/// mistake is listed.
pub fn load_process(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded<ProcessConfig>, ConfigErrors> {
    let file = path.display().to_string();
    let text = read(path, &file)?;
    parse_process(&text, &file, path.parent().unwrap_or(Path::new("")), env)
}

/// Reads the text of a `foreshift.yaml`; `file` names it in errors and origins, relative paths start at `directory`.
///
/// # Errors
/// As [`load_process`], but for reading.
pub fn parse_process(
    text: &str,
    file: &str,
    directory: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded<ProcessConfig>, ConfigErrors> {
    let mut tree = Tree::parse(text, file)?;
    let schema = process_schema();
    let mut errors = environment::overlay(&mut tree, &schema, env);
    errors.extend(check::against_schema(&schema, &mut tree, file));
    if !errors.is_empty() {
        return Err(ConfigErrors::new(errors));
    }
    let mut value: ProcessConfig = shaped(&tree, file)?;
    let mut report = Report::new(file, &tree);
    checks::process(&value, &mut report);
    let Report { errors, warnings, .. } = report;
    if !errors.is_empty() {
        return Err(ConfigErrors::new(errors));
    }
    value.resolve_paths(directory);
    let mut origins = origins(&crate::as_json(&value, file)?, &tree, file);
    for origin in &mut origins {
        config::hide_secrets(origin);
    }
    Ok(Loaded {
        value,
        origins,
        warnings,
    })
}

/// The JSON schema (draft 2020-12) of `foreshift.yaml`, for editors.
pub fn process_schema() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<ProcessConfig>()
        .to_value()
}

#[cfg(test)]
mod tests;
