//! Foreshift's offline work: what a data scientist runs on recordings. Each command is a module.

mod log_lead;
mod replay;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Offline work on recordings: replay them through the same engine that serves.
#[derive(Parser)]
#[command(name = "foreshift-lab", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a signal CSV or a journal through the engine; write predictions, weights and decisions.
    Replay(replay::Args),
    /// Measure how much earlier logs let simulated faults be predicted than metrics alone.
    LogLead(log_lead::Args),
    /// Learn the live model on simulated fleets, and write it as a version of models/.
    Train(train::Args),
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let done = match command {
        Command::LogLead(args) => log_lead::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Train(args) => train::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
