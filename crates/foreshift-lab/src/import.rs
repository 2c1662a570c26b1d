//! `foreshift-lab import`: what others recorded, as a signal CSV.

mod upptime;

use clap::{Args as ClapArgs, Subcommand};

/// Arguments of `foreshift-lab import`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Subcommand)]
enum From {
    /// The status monitor Upptime: its history is in the commits of its repository.
    Upptime(upptime::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match &args.from {
        From::Upptime(args) => upptime::run(args),
    }
}
