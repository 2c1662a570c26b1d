//! Foreshift's offline work: what a data scientist runs on recordings. Each command is a module.

mod anomaly;
mod classify;
mod log_lead;
mod parse;
mod replay;
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
    /// Say how anomalous each point of a series is, seeing only the points before it.
    Anomaly(anomaly::Args),
    /// Give each line of a log file its template.
    Parse(parse::Args),
    /// Check that the miner's memory stays flat over a long stream of made-up lines.
    #[command(hide = true)]
    ParseMemory(parse::memory::Args),
    /// Run a signal CSV or a journal through the engine; write predictions, weights and decisions.
    Replay(replay::Args),
    /// Measure how much earlier logs let simulated faults be predicted than metrics alone.
    LogLead(log_lead::Args),
    /// Learn the live model on simulated fleets, and write it as a version of models/.
    Train(train::Args),
    /// Say what each log line of a file says went wrong.
    Classify(classify::Args),
    /// Learn the model of log classes from labelled lines, and write it as a version of models/logs.
    TrainLogs(train_logs::Args),
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let done = match command {
        Command::Anomaly(args) => anomaly::run(&args),
        Command::Parse(args) => parse::run(&args),
        Command::ParseMemory(args) => parse::memory::run(&args),
        Command::LogLead(args) => log_lead::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Classify(args) => classify::run(&args),
        Command::TrainLogs(args) => train_logs::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
