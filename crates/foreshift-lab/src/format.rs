//! How a command prints what it found.

use clap::ValueEnum;

/// For people, or for machines.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}
