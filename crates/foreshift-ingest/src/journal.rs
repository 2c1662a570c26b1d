//! The journal: the ordered inputs of the engine as Parquet segments, which any tool reads.
//!
//! One row is one input. Signals and log events have typed columns; windows, commands, configurations, models,
//! acknowledgements and watermarks have their JSON in `payload`. A segment is written under a temporary name and
//! sealed (closed, synced, renamed, directory synced) when a snapshot is taken, so that a sealed segment is whole;
//! what was written after the last snapshot is discarded on restart, since its inputs come again.

mod reader;
mod recorder;
mod row;
mod schema;
mod segments;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use reader::JournalReader;
pub use recorder::{Recorder, Retention};
pub use row::{JournalRow, RowOrigin};
pub use segments::{Segment, discard_after, segments};

/// The journal cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or directory cannot be used.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A segment is not readable Parquet, or could not be written as such.
    #[error("segment {path} is damaged or cannot be written")]
    Parquet {
        /// Which.
        path: String,
        /// Why.
        #[source]
        cause: parquet::errors::ParquetError,
    },
    /// A row does not make an input.
    #[error("row {seq} makes no input: {why}")]
    Row {
        /// Its sequence number.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// Writing went wrong before, and nothing is written since.
    #[error("the journal is written no more after an error")]
    Stopped,
    /// A payload cannot be written as JSON.
    #[error("an input cannot be written as json")]
    Payload(#[from] serde_json::Error),
}

fn file_error(path: &Path, cause: std::io::Error) -> JournalError {
    JournalError::File {
        path: path.display().to_string(),
        cause,
    }
}

fn parquet_error(path: &Path, cause: parquet::errors::ParquetError) -> JournalError {
    JournalError::Parquet {
        path: path.display().to_string(),
        cause,
    }
}
