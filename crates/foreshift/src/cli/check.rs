//! `foreshift check`: what is wrong with brokers, topics, records, mapping, capacities, places and, where Foreshift runs,
//! the loop from a request seen to a weight acknowledged; and how to mend it. Reads, and leaves everything as it is: no
//! offset is committed, no group joined.

mod files;
mod kafka;
mod live;
mod mapping;
mod places;

use std::path::PathBuf;
use std::process::ExitCode;

use foreshift_domain::Duration;

use super::connect::ConnectArgs;
use super::output::OutputArgs;
use super::render::{self, Finding, Level};
use super::values;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The process configuration
    #[arg(
        long,
        value_name = "FILE",
        default_value = "foreshift.yaml",
        env = "FORESHIFT_CONFIG"
    )]
    config: PathBuf,
    /// How long to read of each topic
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = values::span)]
    sample: Duration,
    /// Leave Kafka out
    #[arg(long)]
    no_kafka: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Exit status 1 if anything is wrong.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let (process, fallback) = files::check(&args.config, &mut findings);
    if let Some(process) = &process {
        let is_running = places::check(process, &mut findings);
        if !args.no_kafka {
            kafka::check(process, fallback.as_ref(), args.sample, &mut findings);
        }
        if let Some(fallback) = &fallback {
            live::check(process, fallback, is_running, &args.connect, &mut findings)?;
        }
    }
    args.output
        .print(&findings, |paint| render::findings(&findings, paint))?;
    Ok(if is_fit(&findings) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn is_fit(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.level < Level::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_does_not_fail_a_check_and_a_failure_does() {
        assert!(is_fit(&[Finding::ok("a", "b"), Finding::warn("a", "b", "c")]));
        assert!(!is_fit(&[Finding::ok("a", "b"), Finding::fail("a", "b", "c")]));
    }
}
