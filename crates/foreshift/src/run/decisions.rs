//! Decisions on disk: JSON lines, one file an epoch, the newest files kept.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use foreshift_domain::decision::Decision;

use crate::storage::StorageError;

/// A file is closed and a new one begun at this size.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// This many files are kept: a gigabyte of decisions is months of a busy fleet.
const MAX_FILES: usize = 16;

/// Appends decisions.
pub(crate) struct DecisionLog {
    dir: PathBuf,
    open: Option<OpenFile>,
}

struct OpenFile {
    epoch: u64,
    path: PathBuf,
    writer: BufWriter<File>,
    bytes: u64,
}

impl DecisionLog {
    pub(crate) fn open(dir: &Path) -> Result<Self, StorageError> {
        fs::create_dir_all(dir).map_err(StorageError::io("create", dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            open: None,
        })
    }

    /// Appends a decision; `flush` makes it visible to others.
    pub(crate) fn append(&mut self, epoch: u64, decision: &Decision) -> Result<(), StorageError> {
        let full = |file: &OpenFile| file.epoch != epoch || file.bytes >= MAX_FILE_BYTES;
        if self.open.as_ref().is_none_or(full) {
            self.flush()?;
            self.open = Some(self.begin(epoch, decision.sequence)?);
            self.let_go()?;
        }
        let Some(file) = &mut self.open else { return Ok(()) };
        let damaged = |error: serde_json::Error| StorageError::Damaged {
            path: file.path.clone(),
            why: error.to_string(),
        };
        let mut line = serde_json::to_vec(decision).map_err(damaged)?;
        line.push(b'\n');
        file.bytes += line.len() as u64;
        file.writer
            .write_all(&line)
            .map_err(StorageError::io("append to", &file.path))
    }

    /// Writes out what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), StorageError> {
        let Some(file) = &mut self.open else { return Ok(()) };
        file.writer
            .flush()
            .map_err(StorageError::io("append to", &file.path))
    }

    fn begin(&self, epoch: u64, sequence: u64) -> Result<OpenFile, StorageError> {
        let path = self
            .dir
            .join(format!("decisions-{epoch:06}-{sequence:012}.jsonl"));
        let options = OpenOptions::new().append(true).create(true).open(&path);
        let file = options.map_err(StorageError::io("open", &path))?;
        Ok(OpenFile {
            epoch,
            path,
            writer: BufWriter::new(file),
            bytes: 0,
        })
    }

    fn let_go(&self) -> Result<(), StorageError> {
        let entries = fs::read_dir(&self.dir).map_err(StorageError::io("list", &self.dir))?;
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort_unstable();
        for old in files.iter().rev().skip(MAX_FILES) {
            fs::remove_file(old).map_err(StorageError::io("remove", old))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_files_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let log = DecisionLog::open(dir.path()).unwrap();
        for epoch in 0..MAX_FILES as u64 + 5 {
            log.begin(epoch, 1).unwrap();
        }
        log.let_go().unwrap();
        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), MAX_FILES);
        assert!(
            names
                .iter()
                .all(|name| name.to_str().unwrap() >= "decisions-000005")
        );
    }
}
