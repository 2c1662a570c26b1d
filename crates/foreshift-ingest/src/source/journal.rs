//! A journal as a source: its rows are inputs already, in order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Batch, Item, Positions, Run, Source, SourceError};
use crate::decoded::Decoded;
use crate::journal::{JournalReader, JournalRow};
use crate::sequencer::PartitionKey;

/// Reads a journal: a directory of segments, or one segment. Give the inputs to the engine as they are; offsets are
/// sequence numbers.
pub struct JournalSource {
    path: PathBuf,
    partition: PartitionKey,
    reader: JournalReader,
    rows: std::vec::IntoIter<JournalRow>,
    next_seq: i64,
}

impl JournalSource {
    /// Opens a journal at its first row.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Ok(Self {
            path: path.to_owned(),
            partition: PartitionKey {
                topic: path.to_string_lossy().into(),
                partition: 0,
            },
            reader: JournalReader::open(path, 0)?,
            rows: Vec::new().into_iter(),
            next_seq: 0,
        })
    }
}

impl Source for JournalSource {
    fn poll(&mut self, max: usize, _timeout: Duration) -> Result<Batch, SourceError> {
        let mut items = Vec::with_capacity(max.min(1 << 16));
        let mut finished = false;
        while items.len() < max.max(1) && !finished {
            match self.rows.next() {
                Some(row) => {
                    let offset = row.seq.cast_signed();
                    self.next_seq = offset.saturating_add(1);
                    items.push(Item {
                        offset,
                        decoded: Decoded::Ordered(row.input),
                    });
                }
                None => match self.reader.next_rows()? {
                    Some(rows) => self.rows = rows.into_iter(),
                    None => finished = true,
                },
            }
        }
        let run = Run {
            partition: self.partition.clone(),
            next_offset: self.next_seq,
            items,
            refused: Vec::new(),
            caught_up: finished,
        };
        Ok(Batch {
            runs: vec![run],
            finished,
        })
    }

    fn positions(&self) -> Positions {
        Positions::from([(self.partition.clone(), self.next_seq)])
    }

    fn seek(&mut self, to: &Positions) -> Result<(), SourceError> {
        if let Some(&seq) = to.get(&self.partition) {
            self.reader = JournalReader::open(&self.path, seq.cast_unsigned())?;
            self.rows = Vec::new().into_iter();
            self.next_seq = seq;
        }
        Ok(())
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        vec![self.partition.clone()]
    }
}
