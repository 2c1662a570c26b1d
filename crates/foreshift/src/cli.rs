//! The command line: what can be asked, in clap's words. Each command has a module that carries it out, and what
//! it prints is made by `render`, which takes values and gives text.

pub(crate) mod check;
pub(crate) mod config;
mod connect;
pub(crate) mod explain;
pub(crate) mod init;
mod logging;
pub(crate) mod operate;
mod orders;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod render;
#[cfg(test)]
mod served;
pub(crate) mod status;
mod values;
pub(crate) mod watch;

use clap::{Parser, Subcommand};

/// Moves traffic before an upstream fails.
#[derive(Parser)]
#[command(
    name = "foreshift",
    version,
    propagate_version = true,
    after_help = "On call? `foreshift status` says what moves and why, and how to stop it."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) logging: logging::LoggingArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve: read telemetry from Kafka, predict, give weights to gateways
    Run(crate::run::Args),
    /// Take what gateways and collectors send over gRPC and write it to Kafka, for `run` to read
    Collect(crate::collect::Args),
    /// Watch a recorded incident being predicted and avoided; needs nothing but this binary
    Demo(crate::demo::Args),
    /// Write fallback.yaml, foreshift.yaml and what Envoy needs, from what an Envoy is configured to do
    Init(init::Args),
    /// Say what is wrong with brokers, topics, records, mapping, capacities and listeners, and how to mend it
    Check(check::Args),
    /// Validate configuration files, print their schema, or show every value and where it came from
    Config(config::Args),
    /// Show what a new fallback configuration would change now, without changing anything
    Plan(plan::Args),
    /// Mode, age of the data, what moves or would move and why, what it costs, how to stop it
    Status(status::Args),
    /// Print weights as they change
    Watch(watch::Args),
    /// Say why a target is at risk, why a route has its weights, or what led to a decision
    Explain(explain::Args),
    /// Fix the weights of a route for a while
    Pin(orders::PinArgs),
    /// End a pin
    Unpin(orders::UnpinArgs),
    /// Let nothing change by itself for a while, on one route or on all
    Freeze(orders::FreezeArgs),
    /// End a freeze
    Unfreeze(orders::UnfreezeArgs),
    /// Say what may be done without asking: off, shadow, recommend or auto
    Mode(orders::ModeArgs),
    /// Confirm the baseline of a discovered route
    Baseline(orders::BaselineArgs),
    /// Say that a target was in an incident, so that the model learns from it
    Incident(orders::IncidentArgs),
    /// Judge a prediction
    Verdict(orders::VerdictArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_prints_values_takes_json() {
        for name in [
            "init", "check", "plan", "status", "watch", "explain", "pin", "freeze", "verdict",
        ] {
            let cli = Cli::command();
            let command = cli.find_subcommand(name).unwrap();
            assert!(
                command.get_arguments().any(|arg| arg.get_short() == Some('o')),
                "{name}"
            );
        }
    }

    #[test]
    fn an_order_without_a_reason_or_an_expiry_is_refused_before_anything_is_sent() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).map(drop);
        assert!(parse("foreshift freeze --for 30m --reason why").is_ok());
        assert!(parse("foreshift freeze --for 30m").is_err());
        assert!(parse("foreshift pin chat a=100% --reason why").is_err());
        assert!(parse("foreshift pin chat --for 1h --reason why").is_err());
        assert!(parse("foreshift mode chat auto --reason why").is_ok());
        assert!(parse("foreshift mode --all shadow --reason why").is_ok());
        assert!(parse("foreshift baseline confirm chat a=50% b=50% --reason why").is_ok());
        assert!(parse("foreshift verdict openai@1700000000000 false-alarm --reason why").is_ok());
    }
}
