//! `foreshift-lab models`: what the registry holds, and moving its aliases.

mod list;
mod show;
mod words;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use foreshift_registry::{ModelName, Registry};

/// Arguments of `foreshift-lab models`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The directory of the registry.
    #[arg(long, value_name = "DIR", default_value = "models", global = true)]
    models: PathBuf,
    /// `table` or `json`.
    #[arg(short, long, default_value = "table", value_parser = ["table", "json"], global = true)]
    output: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// All versions, with the aliases they hold and how they did.
    List,
    /// One version: where it comes from, how it did, what to know before trusting it.
    Show {
        /// The version, such as `live@2`.
        name: ModelName,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let registry = Registry::open(&args.models)?;
    let json = args.output == "json";
    match &args.command {
        Command::List => list::run(&registry, json),
        Command::Show { name } => show::run(&registry, name, json),
    }
}

/// Revision of the code in the working directory, with `-dirty` where files differ from it; `None` outside of one.
pub(crate) fn git_revision() -> Option<String> {
    let asked = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"])
        .output()
        .ok()
        .filter(|answer| answer.status.success())?;
    let revision = String::from_utf8(asked.stdout).ok()?;
    Some(revision.trim().to_owned()).filter(|revision| !revision.is_empty())
}
