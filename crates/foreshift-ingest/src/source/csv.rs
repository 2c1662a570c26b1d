//! A signal CSV as a source, plain or gzipped, in bounded memory.
//!
//! Rows are lines: a quoted cell may hold commas and doubled quotes but no line break, so that one lost quote
//! costs one row and not the rest of the file.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;

use super::{Batch, Item, Positions, Run, Source, SourceError};
use crate::decode::csv::RowDecoder;
use crate::decode::{BadRecord, DecodeError};
use crate::sequencer::PartitionKey;

/// A longer line is skipped and counted: the widest row of 256 numbers has a few kilobytes.
pub(super) const MAX_LINE_BYTES: usize = 1 << 20;

const BUFFER_BYTES: usize = 1 << 18;

/// Reads a signal CSV.
pub struct CsvSource {
    path: PathBuf,
    partition: PartitionKey,
    lines: Lines,
    decoder: RowDecoder,
    decoded: Vec<crate::decoded::Decoded>,
    /// Number of the next line; the header is line 1.
    next_line: i64,
    finished: bool,
    progress: CsvProgress,
}

/// How far the reading is; may be read from another thread.
#[derive(Clone, Debug)]
pub struct CsvProgress {
    read: Arc<AtomicU64>,
    /// Size of the file in bytes, as it lies on disk.
    pub total_bytes: u64,
}

impl CsvProgress {
    /// Bytes of the file read, as it lies on disk.
    pub fn read_bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl CsvSource {
    /// Opens a file; one that begins as gzip does is unpacked, whatever its name.
    ///
    /// # Errors
    /// When it cannot be read, or its first line is no header of a signal CSV.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let read = Arc::new(AtomicU64::new(0));
        let (mut lines, total_bytes) = Lines::open(path, &read).map_err(|cause| file_error(path, cause))?;
        let decoder = read_header(path, &mut lines)?;
        Ok(Self {
            path: path.to_owned(),
            partition: PartitionKey {
                topic: path.to_string_lossy().into(),
                partition: 0,
            },
            lines,
            decoder,
            decoded: Vec::new(),
            next_line: 2,
            finished: false,
            progress: CsvProgress { read, total_bytes },
        })
    }

    /// How far the reading is.
    pub fn progress(&self) -> CsvProgress {
        self.progress.clone()
    }

    fn row(&mut self, line: i64, run: &mut Run) {
        let split = self.lines.split(self.decoder.width());
        let result = split.and_then(|()| self.decoder.decode(self.lines.cells(), &mut self.decoded));
        match result {
            Ok(()) => {
                let items = self.decoded.drain(..).map(|decoded| Item {
                    offset: line,
                    decoded,
                });
                run.items.extend(items);
            }
            Err(why) => run.refused.push(BadRecord {
                offset: line,
                why,
                parts: 1,
                payload: Vec::new(),
            }),
        }
    }
}

impl Source for CsvSource {
    fn poll(&mut self, max: usize, _timeout: Duration) -> Result<Batch, SourceError> {
        let mut run = Run {
            partition: self.partition.clone(),
            next_offset: self.next_line,
            items: Vec::with_capacity(max.min(1 << 16)),
            refused: Vec::new(),
            caught_up: false,
        };
        while !self.finished && run.items.len() + run.refused.len() < max.max(1) {
            let line = self.next_line;
            match self.lines.next().map_err(|cause| file_error(&self.path, cause))? {
                NextLine::End => self.finished = true,
                NextLine::Blank => self.next_line += 1,
                NextLine::TooLong(bytes) => {
                    self.next_line += 1;
                    let why = too_long(bytes);
                    run.refused.push(BadRecord {
                        offset: line,
                        why,
                        parts: 1,
                        payload: Vec::new(),
                    });
                }
                NextLine::Line => {
                    self.next_line += 1;
                    self.row(line, &mut run);
                }
            }
        }
        run.next_offset = self.next_line;
        run.caught_up = self.finished;
        Ok(Batch {
            runs: vec![run],
            finished: self.finished,
        })
    }

    fn positions(&self) -> Positions {
        Positions::from([(self.partition.clone(), self.next_line)])
    }

    fn seek(&mut self, to: &Positions) -> Result<(), SourceError> {
        let Some(&line) = to.get(&self.partition) else {
            return Ok(());
        };
        self.progress.read.store(0, Ordering::Relaxed);
        let reopened = Lines::open(&self.path, &self.progress.read);
        (self.lines, _) = reopened.map_err(|cause| file_error(&self.path, cause))?;
        self.decoder = read_header(&self.path, &mut self.lines)?;
        self.next_line = 2;
        self.finished = false;
        while self.next_line < line && !self.finished {
            match self.lines.next().map_err(|cause| file_error(&self.path, cause))? {
                NextLine::End => self.finished = true,
                _ => self.next_line += 1,
            }
        }
        Ok(())
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        vec![self.partition.clone()]
    }
}

const fn too_long(bytes: usize) -> DecodeError {
    DecodeError::TooLarge {
        bytes,
        most: MAX_LINE_BYTES,
    }
}

fn file_error(path: &Path, cause: std::io::Error) -> SourceError {
    SourceError::File {
        path: path.display().to_string(),
        cause,
    }
}

fn read_header(path: &Path, lines: &mut Lines) -> Result<RowDecoder, SourceError> {
    let refused = |why: String| SourceError::Header {
        path: path.display().to_string(),
        why,
    };
    match lines.next().map_err(|cause| file_error(path, cause))? {
        NextLine::Line => {}
        _ => return Err(refused("its first line is empty".into())),
    }
    // Spreadsheets put a byte order mark in front.
    if lines.line.starts_with(b"\xef\xbb\xbf") {
        lines.line.drain(..3);
    }
    let width = 1 + lines.line.iter().filter(|byte| **byte == b',').count();
    // Quotes in a header are taken out; a quoted comma would make it a column short, which no header has.
    lines.split(width).map_err(|error| refused(error.to_string()))?;
    RowDecoder::new(lines.cells()).map_err(|error| refused(error.to_string()))
}

enum NextLine {
    Line,
    Blank,
    TooLong(usize),
    End,
}

/// Lines of a file, one at a time, each split into cells on demand.
struct Lines {
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    cells: Vec<(usize, usize)>,
}

impl Lines {
    fn open(path: &Path, read: &Arc<AtomicU64>) -> std::io::Result<(Self, u64)> {
        let file = File::open(path)?;
        let total = file.metadata()?.len();
        let mut plain = BufReader::with_capacity(
            BUFFER_BYTES,
            Counted {
                file,
                read: Arc::clone(read),
            },
        );
        let zipped = plain.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + Send> = if zipped {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok((
            Self {
                reader,
                line: Vec::new(),
                cells: Vec::new(),
            },
            total,
        ))
    }

    fn next(&mut self) -> std::io::Result<NextLine> {
        self.line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        let taken = self
            .reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.line)?;
        if taken == 0 {
            return Ok(NextLine::End);
        }
        if taken > MAX_LINE_BYTES && self.line.last() != Some(&b'\n') {
            let skipped = self.reader.skip_until(b'\n')?;
            self.line = Vec::new();
            return Ok(NextLine::TooLong(taken + skipped));
        }
        while matches!(self.line.last(), Some(b'\n' | b'\r')) {
            self.line.pop();
        }
        Ok(if self.line.iter().all(u8::is_ascii_whitespace) {
            NextLine::Blank
        } else {
            NextLine::Line
        })
    }

    /// The cells of the line last split.
    fn cells(&self) -> impl Iterator<Item = &[u8]> {
        self.cells
            .iter()
            .map(|(from, to)| self.line.get(*from..*to).unwrap_or_default())
    }

    /// Splits the line into exactly `width` cells.
    fn split(&mut self, width: usize) -> Result<(), DecodeError> {
        self.cells.clear();
        if self.line.contains(&b'"') {
            self.quoted_cells()?;
        } else {
            let mut from = 0;
            for (at, byte) in self.line.iter().enumerate() {
                if *byte == b',' {
                    self.cells.push((from, at));
                    from = at + 1;
                }
            }
            self.cells.push((from, self.line.len()));
        }
        if self.cells.len() == width {
            Ok(())
        } else {
            Err(DecodeError::BadField {
                field: "row".into(),
                expected: "as wide as the header",
            })
        }
    }

    /// Splits a line that has quotes; quotes are taken out in place.
    fn quoted_cells(&mut self) -> Result<(), DecodeError> {
        let (mut read, mut write, mut from) = (0, 0, 0);
        let mut inside = false;
        while let Some(&byte) = self.line.get(read) {
            read += 1;
            match byte {
                b'"' if inside && self.line.get(read) == Some(&b'"') => read += 1,
                b'"' => {
                    inside = !inside;
                    continue;
                }
                b',' if !inside => {
                    self.cells.push((from, write));
                    from = write;
                    continue;
                }
                _ => {}
            }
            if let Some(slot) = self.line.get_mut(write) {
                *slot = byte;
            }
            write += 1;
        }
        self.cells.push((from, write));
        if inside {
            return Err(DecodeError::BadField {
                field: "row".into(),
                expected: "free of an open quote",
            });
        }
        Ok(())
    }
}

struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
