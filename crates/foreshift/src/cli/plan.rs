//! `foreshift plan`: what a new fallback configuration would change now. Reads, and never writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use foreshift_config::{Loaded, Origin};
use foreshift_domain::command::Command;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::input::Input;
use foreshift_domain::published::Published;
use foreshift_engine::{Engine, Output, Snapshot};
use serde::Serialize;
use serde_json::Value;

use super::output::OutputArgs;
use super::render::{self, PlanView};
use super::values::wall_clock;
use crate::storage::CheckpointStore;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The new fallback configuration
    #[arg(long, value_name = "FILE")]
    fallback: PathBuf,
    /// The process configuration, which names the storage and the configuration in force
    #[arg(
        long,
        value_name = "FILE",
        default_value = "foreshift.yaml",
        env = "FORESHIFT_CONFIG"
    )]
    config: PathBuf,
    /// The storage directory of `foreshift run`, instead of the one that the process configuration names
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What the new configuration would change in the state of the newest snapshot.
#[derive(Serialize)]
pub(crate) struct Trial {
    /// Of the snapshot, in microseconds by the machine's clock.
    pub(crate) age_us: i64,
    /// Commands that were acknowledged since, and are part of it.
    pub(crate) commands_since: usize,
    pub(crate) before: Published,
    pub(crate) after: Published,
    /// What the engine would tell people.
    pub(crate) alerts: Vec<String>,
}

/// A setting that is another one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SettingChange {
    pub(crate) path: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let new = foreshift_config::load_fallback(&args.fallback)?;
    let refused = foreshift_config::refuse_for_live(&new.value).err();
    let process = match (&args.storage, args.config.exists()) {
        (Some(_), false) => None,
        _ => Some(foreshift_config::load_process(&args.config, std::env::vars())?.value),
    };
    let storage = args
        .storage
        .clone()
        .or_else(|| process.as_ref().map(|process| process.storage.dir.clone()));
    let file = process.as_ref().map(|process| process.fallback_path.as_path());
    let file = file.map(foreshift_config::load_fallback).transpose();
    let file = file.context(
        "the fallback configuration in force cannot be read; --storage alone compares with the snapshot",
    )?;
    let engine = storage.as_deref().map(restored).transpose()?.flatten();
    let old = match (&engine, &file) {
        (Some((engine, _)), _) => Arc::clone(engine.fallback()),
        (None, Some(file)) => Arc::new(file.value.clone()),
        (None, None) => {
            anyhow::bail!("there is no snapshot to compare with; --config names the configuration in force")
        }
    };
    // What the file says now is what is in force only while nobody has edited it.
    let settings = file
        .as_ref()
        .filter(|file| file.value.digest == old.digest)
        .map(|file| differences(file, &new));
    let trial = engine.map(|(engine, commands_since)| try_on(engine, commands_since, &new.value));
    let view = PlanView {
        new: &new.value,
        old: &old,
        trial: trial.as_ref(),
        settings: settings.as_deref(),
        warnings: &new.warnings,
        refused: refused.as_deref(),
    };
    args.output
        .print(&view.answer(), |paint| render::plan(&view, paint))?;
    Ok(if refused.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The engine of the newest snapshot, with what was ordered since; `None` where there is none. The lock is left
/// alone: a snapshot is written beside and renamed, so a running process never shows half of one.
fn restored(storage: &Path) -> anyhow::Result<Option<(Engine, usize)>> {
    if !storage.is_dir() {
        return Ok(None);
    }
    let Some(checkpoint) = CheckpointStore::new(storage).newest()? else {
        return Ok(None);
    };
    let mut engine = Engine::restore(&Snapshot::from_bytes(&checkpoint.engine)?, 0)?;
    let commands = commands_since(&storage.join("commands.log"))?;
    for command in &commands {
        engine.handle(&Input::Command(command.clone()));
    }
    Ok(Some((engine, commands.len())))
}

/// Commands in the log. A last line that is not whole is being written right now: it is left out.
fn commands_since(log: &Path) -> anyhow::Result<Vec<Command>> {
    let text = match fs::read_to_string(log) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", log.display())),
    };
    let whole = text
        .rfind('\n')
        .map_or("", |end| text.get(..end).unwrap_or_default());
    let commands = whole
        .lines()
        .map(|line| serde_json::from_str(line).context("the command log is damaged"));
    commands.collect()
}

fn try_on(mut engine: Engine, commands_since: usize, new: &Fallback) -> Trial {
    let before = engine.publish();
    while engine.poll_output().is_some() {}
    engine.handle(&Input::Fallback(Arc::new(new.clone())));
    let after = engine.publish();
    let mut alerts = Vec::new();
    while let Some(output) = engine.poll_output() {
        if let Output::Alert(alert) = output {
            alerts.push(alert.to_string());
        }
    }
    Trial {
        age_us: wall_clock().since(before.now).as_micros(),
        commands_since,
        before,
        after,
        alerts,
    }
}

/// Settings of the one file that are another in the other.
fn differences(old: &Loaded<Fallback>, new: &Loaded<Fallback>) -> Vec<SettingChange> {
    fn by_path(origins: &[Origin]) -> BTreeMap<&str, &Value> {
        origins
            .iter()
            .map(|one| (one.path.as_str(), &one.value))
            .collect()
    }
    let (before, after) = (by_path(&old.origins), by_path(&new.origins));
    let paths: std::collections::BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
    let pairs = paths
        .into_iter()
        .map(|path| (path, before.get(path).copied(), after.get(path).copied()));
    let changed = pairs.filter(|(_, before, after)| before != after);
    let change = |(path, before, after): (&str, Option<&Value>, Option<&Value>)| SettingChange {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
    };
    changed.map(change).collect()
}

#[cfg(test)]
mod tests {
    use foreshift_engine::fresh_model;

    use super::*;
    use crate::cli::render::Paint;
    use crate::storage::Checkpoint;

    fn file(baselines: [&str; 2]) -> Loaded<Fallback> {
        let [a, b] = baselines;
        let text = format!(
            "routes:\n  - name: chat\n    targets:\n      - {{name: openai, role: primary, baseline: {a}}}\n      \
             - {{name: mistral, role: primary, baseline: {b}}}\n"
        );
        foreshift_config::parse_fallback(&text, "f.yaml").unwrap()
    }

    #[test]
    fn a_dry_run_on_a_snapshot_shows_what_would_change_and_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let old = file(["60%", "40%"]);
        let engine = Engine::new(3, Arc::new(old.value.clone()), fresh_model(&old.value));
        let snapshot = engine.snapshot().unwrap().to_bytes().unwrap();
        let checkpoint = Checkpoint {
            engine: snapshot,
            intake: vec![],
            journal_row: 0,
        };
        CheckpointStore::new(dir.path()).write(&checkpoint).unwrap();
        let files = || {
            fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect::<Vec<_>>()
        };
        let before = files();

        let new = file(["70%", "30%"]);
        let (engine, commands) = restored(dir.path()).unwrap().unwrap();
        let trial = try_on(engine, commands, &new.value);
        let settings = differences(&old, &new);
        let view = PlanView {
            new: &new.value,
            old: &old.value,
            trial: Some(&trial),
            settings: Some(&settings),
            warnings: &[],
            refused: None,
        };
        let text = render::plan(&view, Paint::new(false));
        assert!(text.contains("chat"), "{text}");
        assert!(text.contains("60% → 70%"), "{text}");
        assert_eq!(files(), before);
    }

    #[test]
    fn settings_that_differ_are_listed_by_path() {
        let changes = differences(&file(["60%", "40%"]), &file(["70%", "30%"]));
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(
            changes.iter().all(|change| change.path.ends_with("baseline_bp")),
            "{changes:?}"
        );
    }

    #[test]
    fn a_command_that_is_being_written_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("commands.log");
        assert!(commands_since(&log).unwrap().is_empty());
        fs::write(&log, "{\"request_id\":\"cut").unwrap();
        assert!(commands_since(&log).unwrap().is_empty());
        fs::write(&log, "nonsense\n").unwrap();
        assert!(commands_since(&log).is_err());
    }
}
