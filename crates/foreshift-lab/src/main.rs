//! Foreshift's offline work: what a data scientist runs on recordings. Each command is a module.

mod anomaly;
mod backtest;
mod baselines;
mod boost;
mod censoring;
mod challengers;
mod classify;
mod compare;
mod drift;
mod evaluate;
mod explain;
mod extract;
mod faults;
mod features;
mod forest;
mod format;
mod import;
mod log_lead;
mod logistic;
mod models;
mod parse;
mod replay;
mod report;
mod retrain;
mod rows;
mod skew;
mod splits;
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
    /// Make rows to learn from: features and labels of a journal, a signal CSV or simulated fleets, as Parquet.
    Extract(extract::Args),
    /// Say why a model says what it says of a target at a moment of a recording.
    Explain(explain::Args),
    /// Say how far the features of rows have moved from those of other rows.
    Drift(drift::Args),
    /// Make a signal CSV of what others recorded.
    Import(import::Args),
    /// Measure predictions on rows beside eight baselines: ranking, calibration, alarms, leads, with intervals.
    Evaluate(evaluate::Args),
    /// Write what truly went wrong in simulated fleets, so that evaluate can report abrupt incidents apart.
    Faults(faults::Args),
    /// Measure what the policy would have been worth: requests lost, needless shifts, flips.
    Backtest(backtest::Args),
    /// Write one HTML page about how good predictions are: curves, calibration, leads, incidents, targets.
    Report(report::Args),
    /// Compare models and predictions on the same rows, with intervals of their differences.
    Compare(compare::Args),
    /// Check that a journal gives the same features and probabilities again as were served.
    SkewCheck(skew::Args),
    /// Measure how much earlier logs let simulated faults be predicted than metrics alone.
    LogLead(log_lead::Args),
    /// List the features that models read, and what expressions over them may use.
    Features(features::Args),
    /// Learn the live model on simulated fleets, and write it as a version of models/.
    Train(train::Args),
    /// Make the next version of a running Foreshift's model: extract, train, evaluate and gate in one command.
    Retrain(retrain::Args),
    /// Train boosted trees on extracted rows, beside a random forest and a logistic regression.
    Boost(boost::Args),
    /// Train a random forest and a logistic regression on a table, and ask them about another.
    #[command(hide = true)]
    Challengers(challengers::Args),
    /// Show in simulation what acting on predictions does to the models trained afterwards.
    Censoring(censoring::Args),
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
        Command::Anomaly(args) => anomaly::run(&args),
        Command::Parse(args) => parse::run(&args),
        Command::ParseMemory(args) => parse::memory::run(&args),
        Command::Extract(args) => extract::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Drift(args) => drift::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Faults(args) => faults::run(&args),
        Command::Backtest(args) => backtest::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::SkewCheck(args) => skew::run(&args),
        Command::LogLead(args) => log_lead::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Retrain(args) => retrain::run(&args),
        Command::Boost(args) => boost::run(&args),
        Command::Challengers(args) => challengers::run(&args),
        Command::Censoring(args) => censoring::run(&args),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::Cli::command().debug_assert();
    }
}
