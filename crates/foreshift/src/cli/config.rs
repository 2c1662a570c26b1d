//! `foreshift config`: validate, print the schema, show every value and where it came from.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use foreshift_config::{ConfigErrors, Loaded, Origin, OriginFrom, ProcessConfig};
use foreshift_domain::fallback::Fallback;
use serde::Serialize;

use super::output::{OutputArgs, emit, emit_json, paint};
use super::render::clean;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Every mistake, with its line and how to mend it; exit status 1 if there is one
    Validate {
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// The JSON schema of a file, for editors
    Schema {
        /// Which file
        file: Which,
    },
    /// Every value in effect
    Show {
        /// And where it came from: file and line, environment, or default
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        files: Files,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Without any, `./foreshift.yaml` and the fallback configuration that it names.
#[derive(clap::Args)]
struct Files {
    /// The process configuration
    #[arg(long, value_name = "FILE", alias = "config")]
    process: Option<PathBuf>,
    /// The fallback configuration
    #[arg(long, value_name = "FILE")]
    fallback: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Process,
    Fallback,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Schema { file: Which::Process } => emit_json(&foreshift_config::process_schema(), true)?,
        What::Schema {
            file: Which::Fallback,
        } => emit_json(&foreshift_config::fallback_schema(), true)?,
        What::Validate { files, output } => return validate(files, *output),
        What::Show {
            origin,
            files,
            output,
        } => show(files, *origin, *output)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A file as it was read; what is meant by none is the usual file, and the one that it names.
struct Read {
    process: Option<(PathBuf, Result<Loaded<ProcessConfig>, ConfigErrors>)>,
    fallback: Option<(PathBuf, Result<Loaded<Fallback>, ConfigErrors>)>,
}

impl Files {
    fn read(&self) -> Read {
        let usual = || (self.fallback.is_none()).then(|| PathBuf::from("foreshift.yaml"));
        let process = self.process.clone().or_else(usual).map(|path| {
            let loaded = foreshift_config::load_process(&path, std::env::vars());
            (path, loaded)
        });
        let named = || match &process {
            Some((_, Ok(loaded))) if self.process.is_none() => Some(loaded.value.fallback_path.clone()),
            _ => None,
        };
        let fallback = self.fallback.clone().or_else(named).map(|path| {
            let loaded = foreshift_config::load_fallback(&path);
            (path, loaded)
        });
        Read { process, fallback }
    }
}

/// What is said of one file.
#[derive(Serialize)]
struct Verdict {
    file: String,
    valid: bool,
    errors: Vec<foreshift_config::ConfigError>,
    warnings: Vec<String>,
}

impl Verdict {
    fn of<T>(path: &Path, loaded: &Result<Loaded<T>, ConfigErrors>) -> Self {
        let (errors, warnings) = match loaded {
            Ok(loaded) => (Vec::new(), loaded.warnings.clone()),
            Err(errors) => (errors.errors().to_vec(), Vec::new()),
        };
        Self {
            file: path.display().to_string(),
            valid: errors.is_empty(),
            errors,
            warnings,
        }
    }
}

fn validate(files: &Files, output: OutputArgs) -> anyhow::Result<ExitCode> {
    let read = files.read();
    let process = read
        .process
        .iter()
        .map(|(path, loaded)| (Verdict::of(path, loaded), loaded.as_ref().err()));
    let fallback = read
        .fallback
        .iter()
        .map(|(path, loaded)| (Verdict::of(path, loaded), loaded.as_ref().err()));
    let verdicts: Vec<(Verdict, Option<&ConfigErrors>)> = process.chain(fallback).collect();
    let all_valid = verdicts.iter().all(|(verdict, _)| verdict.valid);
    if output.is_json() {
        emit_json(
            &verdicts.iter().map(|(verdict, _)| verdict).collect::<Vec<_>>(),
            true,
        )?;
    } else {
        for (verdict, errors) in &verdicts {
            match errors {
                Some(errors) => eprintln!("{errors}"),
                None => emit(&format!("{}: valid", verdict.file))?,
            }
            verdict
                .warnings
                .iter()
                .for_each(|warning| eprintln!("warning: {warning}"));
        }
    }
    Ok(if all_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(files: &Files, with_origin: bool, output: OutputArgs) -> anyhow::Result<()> {
    let read = files.read();
    let mut origins: Vec<(&Path, &[Origin])> = Vec::new();
    if let Some((path, loaded)) = &read.process {
        origins.push((path, &loaded.as_ref().map_err(Clone::clone)?.origins));
    }
    if let Some((path, loaded)) = &read.fallback {
        origins.push((path, &loaded.as_ref().map_err(Clone::clone)?.origins));
    }
    if output.is_json() {
        return emit_json(
            &origins
                .iter()
                .flat_map(|(_, origins)| *origins)
                .collect::<Vec<_>>(),
            true,
        );
    }
    let mut text = String::new();
    for (path, origins) in origins {
        text.push_str(&paint().bold(&format!("# {}\n", path.display())));
        text.push_str(&values(origins, with_origin));
    }
    emit(&text)
}

/// One value a line, with its origin in a column of its own.
fn values(origins: &[Origin], with_origin: bool) -> String {
    let lines: Vec<String> = origins
        .iter()
        .map(|one| clean(&format!("{}: {}", one.path, one.value)))
        .collect();
    let widest = lines
        .iter()
        .map(|line| line.chars().count())
        .filter(|width| *width <= 60)
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (line, one) in lines.iter().zip(origins) {
        text.push_str(line);
        if with_origin {
            let from = match &one.from {
                OriginFrom::Default => paint().dim("default"),
                from => clean(&from.to_string()),
            };
            let blanks = " ".repeat(widest.saturating_sub(line.chars().count()) + 2);
            text.push_str(&format!("{blanks}{from}"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_with_where_they_came_from() {
        let origins = [
            Origin {
                path: "a".into(),
                value: 1.into(),
                from: OriginFrom::Default,
            },
            Origin {
                path: "b.c".into(),
                value: "x".into(),
                from: OriginFrom::Environment("FORESHIFT__B__C".into()),
            },
        ];
        assert_eq!(
            values(&origins, true),
            "a: 1      default\nb.c: \"x\"  environment FORESHIFT__B__C\n"
        );
        assert_eq!(values(&origins, false), "a: 1\nb.c: \"x\"\n");
    }

    #[test]
    fn a_broken_file_is_told_and_the_other_still_read() {
        let dir = tempfile::tempdir().unwrap();
        let fallback = dir.path().join("fallback.yaml");
        std::fs::write(&fallback, "routes: 7\n").unwrap();
        let files = Files {
            process: None,
            fallback: Some(fallback),
        };
        let read = files.read();
        assert!(read.process.is_none());
        let (path, loaded) = read.fallback.unwrap();
        assert!(!Verdict::of(&path, &loaded).valid);
    }
}
