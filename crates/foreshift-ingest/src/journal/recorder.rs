//! Writes a journal.

mod columns;
mod writer;

use std::fs;
use std::path::Path;
use std::time::Duration;

use foreshift_domain::Input;
use foreshift_domain::prediction::Served;

use self::columns::Columns;
use self::writer::Writer;
use super::row::JournalRow;
use super::schema::ROW_GROUP_ROWS;
use super::{JournalError, file_error};
use crate::sequencer::PartitionKey;

/// How much of a journal is kept. The newest segment always stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Older segments are removed when all are larger than this; `None` keeps all.
    pub max_bytes: Option<u64>,
    /// Segments sealed longer ago than this are removed; `None` keeps all.
    pub max_age: Option<Duration>,
}

/// Records inputs. Nothing is durable before [`Recorder::seal`]. What goes wrong in writing is told by a later call,
/// after which no call succeeds.
pub struct Recorder {
    next_seq: u64,
    columns: Columns,
    writer: Writer,
}

impl Recorder {
    /// Records into a directory, made if missing, from this sequence number on. Call
    /// [`discard_after`](super::discard_after) before.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(dir: &Path, next_seq: u64, retention: Retention) -> Result<Self, JournalError> {
        fs::create_dir_all(dir).map_err(|cause| file_error(dir, cause))?;
        Ok(Self {
            next_seq,
            columns: Columns::default(),
            writer: Writer::start(dir, retention)?,
        })
    }

    /// The sequence number that the next input gets.
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Records one input, gives its sequence number.
    ///
    /// # Errors
    /// When it, or one before it, cannot be written.
    pub fn record(
        &mut self,
        input: &Input,
        origin: Option<(&PartitionKey, i64)>,
    ) -> Result<u64, JournalError> {
        let origin = origin.map(|(key, offset)| (&*key.topic, key.partition, offset));
        self.push(input, origin)
    }

    /// Records a sample of what was served: it stands behind the input that brought it about, and is none itself.
    ///
    /// # Errors
    /// When it, or something before it, cannot be written.
    pub fn record_served(&mut self, served: &Served) -> Result<(), JournalError> {
        self.columns.push_served(self.next_seq, served)?;
        self.pushed()
    }

    /// Records a row as it was read.
    pub(super) fn record_row(&mut self, row: &JournalRow) -> Result<(), JournalError> {
        self.next_seq = row.seq;
        let origin = row
            .origin
            .as_ref()
            .map(|origin| (origin.topic.as_str(), origin.partition, origin.offset));
        self.push(&row.input, origin).map(|_| ())
    }

    fn push(&mut self, input: &Input, origin: Option<(&str, i32, i64)>) -> Result<u64, JournalError> {
        let seq = self.next_seq;
        self.columns.push(seq, input, origin)?;
        self.pushed()?;
        Ok(seq)
    }

    fn pushed(&mut self) -> Result<(), JournalError> {
        self.next_seq = self.next_seq.saturating_add(1);
        if self.columns.rows() >= ROW_GROUP_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    /// Seals what was recorded since the last time as one segment, and removes what retention lets go. Does nothing
    /// when there is nothing new.
    ///
    /// # Errors
    /// When it cannot be written, synced or renamed.
    pub fn seal(&mut self) -> Result<(), JournalError> {
        if self.columns.rows() > 0 {
            self.flush()?;
        }
        self.writer.seal()
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        let full = std::mem::take(&mut self.columns);
        self.columns = self.writer.write(full)?;
        Ok(())
    }
}
