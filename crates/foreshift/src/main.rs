//! Foreshift: moves traffic before an upstream fails.
//!
//! This binary wires the pure engine to the world: Kafka and files in, gRPC and HTTP out, a directory that
//! survives a restart, and the command line. It deliberately decides nothing: what a signal means and where
//! traffic goes is the engine's, and a client's commands only ask a running process.

mod cli;
mod collect;
mod demo;
mod run;
mod serving;
mod storage;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let Cli { logging, command } = Cli::parse();
    logging.start(&command);
    let ended = match command {
        Command::Run(args) => run::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Collect(args) => collect::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Demo(args) => demo::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Init(args) => cli::init::run(&args),
        Command::Check(args) => cli::check::run(&args),
        Command::Config(args) => cli::config::run(&args),
        Command::Plan(args) => cli::plan::run(&args),
        Command::Status(args) => cli::status::run(&args),
        Command::Watch(args) => cli::watch::run(&args),
        Command::Explain(args) => cli::explain::run(&args),
        Command::Pin(args) => args.order().and_then(cli::operate::run),
        Command::Unpin(args) => args.order().and_then(cli::operate::run),
        Command::Freeze(args) => args.order().and_then(cli::operate::run),
        Command::Unfreeze(args) => args.order().and_then(cli::operate::run),
        Command::Mode(args) => args.order().and_then(cli::operate::run),
        Command::Baseline(args) => args.order().and_then(cli::operate::run),
        Command::Incident(args) => args.order().and_then(cli::operate::run),
        Command::Verdict(args) => args.order().and_then(cli::operate::run),
    };
    ended.unwrap_or_else(|error| cli::output::failed(&error))
}
