//! `foreshift-testbed`: real gateways, upstreams of our own with scripted faults, open-loop load, and what clients see.

mod compare;
mod kafka;
mod lane;
mod live;
mod load;
mod outcome;
mod play;
mod process;
mod record;
mod scenario;
mod shifts;
mod stages;
mod stories;
mod table;
mod upstream;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::lane::Binaries;

/// Plays scenarios against real gateways, with and without Foreshift.
#[derive(Parser)]
#[command(name = "foreshift-testbed")]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// The Envoy binary.
    #[arg(long, env = "FORESHIFT_ENVOY", global = true, default_value = "envoy")]
    envoy: PathBuf,
    /// The foreshift binary.
    #[arg(
        long,
        env = "FORESHIFT_BINARY",
        global = true,
        default_value = "target/release/foreshift"
    )]
    foreshift: PathBuf,
    /// A model in place of the built-in one, made for the pace of the scenarios.
    #[arg(long, global = true)]
    model: Option<PathBuf>,
    /// The Python of the environment that tests/litellm/setup.sh makes; without it, lanes of LiteLLM are left out.
    #[arg(long, env = "FORESHIFT_LITELLM_PYTHON", global = true)]
    litellm_python: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Play scenarios against several setups side by side.
    Compare(compare::Args),
    /// Show one scenario while it happens.
    Live(live::Args),
    /// Record made-up stories with Foreshift watching, as training data.
    Record(record::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let binaries = Binaries {
        envoy: args.envoy,
        foreshift: args.foreshift,
        model: args.model,
        litellm_python: args.litellm_python,
    };
    match args.command {
        Command::Compare(args) => compare::run(args, &binaries).await,
        Command::Live(args) => live::run(args, &binaries).await,
        Command::Record(args) => record::run(args, &binaries).await,
    }
}
