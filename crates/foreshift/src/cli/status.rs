//! `foreshift status`: the state of a running Foreshift.

use std::path::PathBuf;
use std::process::ExitCode;

use super::connect::{ConnectArgs, runtime};
use super::output::OutputArgs;
use super::render::{self, StatusView};
use super::values::wall_clock;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these routes, with all their targets
    routes: Vec<String>,
    /// Every route, target and gateway
    #[arg(long)]
    all: bool,
    /// The fallback configuration, to show how much room targets have
    #[arg(long, value_name = "FILE")]
    fallback: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let fallback = args
        .fallback
        .as_deref()
        .map(foreshift_config::load_fallback)
        .transpose()?;
    let published =
        runtime()?.block_on(async { anyhow::Ok(args.connect.connect().await?.status().await?) })?;
    let unknown = args
        .routes
        .iter()
        .find(|route| !published.routes.contains_key(route.as_str()));
    if let Some(unknown) = unknown {
        let known: Vec<&str> = published
            .routes
            .keys()
            .take(20)
            .map(|route| route.as_str())
            .collect();
        anyhow::bail!("no route {unknown:?} is known; known are {}", known.join(", "));
    }
    args.output.print(&published, |paint| {
        render::status(&StatusView {
            published: &published,
            wall: wall_clock(),
            fallback: fallback.as_ref().map(|loaded| &loaded.value),
            only: &args.routes,
            all: args.all,
            flags: &args.connect.flags(),
            paint,
        })
    })?;
    Ok(ExitCode::SUCCESS)
}
