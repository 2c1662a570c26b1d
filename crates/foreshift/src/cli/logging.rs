//! Logs go to stderr: stdout belongs to what was asked for.

use std::io::IsTerminal;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::Command;

/// What is logged, and how.
#[derive(Args)]
pub(crate) struct LoggingArgs {
    /// What is logged to stderr, such as `info` or `foreshift=debug,rdkafka=info`
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "FORESHIFT_LOG",
        help_heading = "Logging"
    )]
    log: Option<String>,
    /// Log as JSON lines
    #[arg(long, global = true, env = "FORESHIFT_LOG_JSON", help_heading = "Logging")]
    log_json: bool,
}

impl LoggingArgs {
    /// Starts logging. A filter that cannot be read is told and replaced by the usual one: a service must not
    /// stay down over how it logs.
    pub(crate) fn start(&self, command: &Command) {
        let usual = match command {
            Command::Run(_) | Command::Collect(_) => "info",
            // What would be warned of is what the demo shows; a line in between would tear its bars.
            Command::Demo(_) => "error",
            _ => "warn",
        };
        let asked = self.log.as_deref().unwrap_or(usual);
        let (filter, refused) = match EnvFilter::try_new(asked) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new(usual), Some(error)),
        };
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        let started = if self.log_json {
            lines.json().try_init()
        } else {
            lines.with_ansi(std::io::stderr().is_terminal()).try_init()
        };
        if let Err(error) = started {
            eprintln!("foreshift: logs cannot be started: {error}");
        }
        if let Some(error) = refused {
            tracing::warn!(%error, "the log filter cannot be read, using {usual:?}");
        }
    }
}
