//! Foreshift's offline work: what a data scientist runs on recordings. Each command is a module.

mod classify;
mod extract;
mod features;
mod log_lead;
mod models;
mod parse;
mod replay;
#[allow(dead_code, unused_imports, reason = "training and evaluation read rows")]
mod rows;
mod train;
mod train_logs;
mod tsv;

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
    /// Give each line of a log file its template.
    Parse(parse::Args),
    /// Check that the miner's memory stays flat over a long stream of made-up lines.
    #[command(hide = true)]
    ParseMemory(parse::memory::Args),
    /// Run a signal CSV or a journal through the engine; write predictions, weights and decisions.
    Replay(replay::Args),
    /// Make rows to learn from: features and labels of a journal, a signal CSV or simulated fleets, as Parquet.
    Extract(extract::Args),
    /// Measure how much earlier logs let simulated faults be predicted than metrics alone.
    LogLead(log_lead::Args),
    /// List the features that models read, and what expressions over them may use.
    Features(features::Args),
    /// Learn the live model on simulated fleets, and write it as a version of models/.
    Train(train::Args),
    /// Say what each log line of a file says went wrong.
    Classify(classify::Args),
    /// Learn the model of log classes from labelled lines, and write it as a version of models/logs.
    TrainLogs(train_logs::Args),
    /// The registry of models: list, show, and change which version serves.
    Models(models::Args),
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let done = match command {
        Command::Parse(args) => parse::run(&args),
        Command::ParseMemory(args) => parse::memory::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::LogLead(args) => log_lead::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Classify(args) => classify::run(&args),
        Command::TrainLogs(args) => train_logs::run(&args),
        Command::Models(args) => models::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
