//! `foreshift-lab models`: what the registry holds, and moving its aliases.

mod change;
mod diff;
mod evidence;
mod import;
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
    /// What differs between two versions: inputs, horizons, parameters, metrics, and the weights that changed most.
    Diff {
        /// The version before.
        from: ModelName,
        /// The version after.
        to: ModelName,
    },
    /// Score a version in the champion's shadow.
    Challenge(change::ChallengeArgs),
    /// Score no version of a scale any more.
    Withdraw(change::ScaleArgs),
    /// Let the challenger, or a named version, serve: refused unless the gate passes.
    Promote(change::PromoteArgs),
    /// Let the champion before serve again.
    Rollback(change::ScaleArgs),
    /// Make a model from elsewhere a version.
    Import(import::ImportArgs),
}

pub(crate) use words::now;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let registry = match &args.command {
        Command::Import(_) => Registry::create(&args.models)?,
        _ => Registry::open(&args.models)?,
    };
    let json = args.output == "json";
    match &args.command {
        Command::List => list::run(&registry, json),
        Command::Show { name } => show::run(&registry, name, json),
        Command::Diff { from, to } => diff::run(&registry, from, to, json),
        Command::Challenge(args) => change::challenge(&registry, args),
        Command::Withdraw(args) => change::withdraw(&registry, args),
        Command::Promote(args) => change::promote(&registry, args, json),
        Command::Rollback(args) => change::roll_back(&registry, args),
        Command::Import(args) => import::run(&registry, args),
    }
}

/// Revision of the code in the working directory, with `-dirty` where files but those of models/ differ from it; `None` outside of one.
pub(crate) fn git_revision() -> Option<String> {
    let git = |arguments: &[&str]| std::process::Command::new("git").args(arguments).output().ok();
    let asked = git(&["rev-parse", "HEAD"]).filter(|answer| answer.status.success())?;
    let mut revision = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    let unchanged = git(&["diff", "--quiet", "HEAD", "--", ":(top)", ":(top,exclude)models"])?;
    if !unchanged.status.success() {
        revision += "-dirty";
    }
    Some(revision)
}
