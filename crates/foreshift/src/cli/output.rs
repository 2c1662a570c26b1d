//! Where answers go: text for people, JSON for programs, errors to stderr.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::render::Paint;

/// How an answer is printed.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OutputArgs {
    /// Text for people, JSON for programs
    #[arg(short, long = "output", value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

impl OutputArgs {
    pub(crate) fn is_json(self) -> bool {
        self.output == Format::Json
    }

    /// Prints what was asked for in the form that was asked for.
    pub(crate) fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(Paint) -> String,
    ) -> anyhow::Result<()> {
        match self.output {
            Format::Text => emit(&text(paint())),
            Format::Json => emit_json(value, true),
        }
    }
}

/// Colours are for terminals, and for people who want them (<https://no-color.org>).
pub(crate) fn paint() -> Paint {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Paint::new(io::stdout().is_terminal() && !refused)
}

/// Writes to stdout, with a line break at the end.
pub(crate) fn emit(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush());
    match written {
        // `foreshift status | head` has read enough: that is no failure.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.context("cannot write the answer"),
    }
}

/// Writes JSON to stdout, over several lines or on one.
pub(crate) fn emit_json<T: Serialize>(value: &T, pretty: bool) -> anyhow::Result<()> {
    let text = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    emit(&text.context("the answer cannot be written as JSON")?)
}

/// Says why a command failed.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("foreshift: {error:#}");
    ExitCode::FAILURE
}
