//! What log lines have taught: templates that may be seen, and counts. A file of its own beside the snapshots: nothing
//! depends on it, so that a damaged one costs templates their texts until they are seen again, and no more.

use std::fs;
use std::path::{Path, PathBuf};

use foreshift_logs::ReaderSnapshot;
use sha2::{Digest, Sha256};

use super::{StorageError, write_durably};

/// Rises when what is stored changes its form: an older file is passed over.
const FORMAT: u8 = 1;
/// The largest file that is read, in bytes: more than all templates and counts take.
const MAX_BYTES: u64 = 128 << 20;
const HASH_BYTES: usize = 32;

/// The file.
pub(crate) struct LogState {
    path: PathBuf,
}

impl LogState {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            path: root.join("logs.bin"),
        }
    }

    /// What was stored; nothing when there is no file, or none that can be used, which is said.
    pub(crate) fn read(&self) -> ReaderSnapshot {
        match self.try_read() {
            Ok(snapshot) => snapshot.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "templates of log lines are learned anew");
                ReaderSnapshot::default()
            }
        }
    }

    fn try_read(&self) -> Result<Option<ReaderSnapshot>, StorageError> {
        let read = StorageError::io("read", &self.path);
        let length = match fs::metadata(&self.path) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(read(error)),
        };
        if length > MAX_BYTES {
            return Err(self.damaged("it is too large"));
        }
        let bytes = fs::read(&self.path).map_err(read)?;
        let (format, rest) = bytes.split_first().ok_or_else(|| self.damaged("it is empty"))?;
        if *format != FORMAT {
            return Err(self.damaged("it is of another version"));
        }
        let (hash, body) = rest
            .split_at_checked(HASH_BYTES)
            .ok_or_else(|| self.damaged("it is cut short"))?;
        if Sha256::digest(body).as_slice() != hash {
            return Err(self.damaged("its checksum is wrong"));
        }
        let snapshot = postcard::from_bytes(body).map_err(|error| self.damaged(&error.to_string()))?;
        Ok(Some(snapshot))
    }

    /// Stores a snapshot in place of the one before.
    pub(crate) fn write(&self, snapshot: &ReaderSnapshot) -> Result<(), StorageError> {
        let body = postcard::to_stdvec(snapshot).map_err(|error| self.damaged(&error.to_string()))?;
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&Sha256::digest(&body));
        bytes.extend_from_slice(&body);
        write_durably(&self.path, &bytes)
    }

    fn damaged(&self, why: &str) -> StorageError {
        StorageError::Damaged {
            path: self.path.clone(),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use foreshift_domain::Timestamp;
    use foreshift_logs::{Arrival, LogLine, LogReader, ReaderSettings};

    use super::*;

    const LINE: &str = "no answer from 10.0.0.1 after 30 ms";
    const SECRET: &str = "tenant blue42 said xyzzy once";

    fn reader() -> (LogReader, u64) {
        let mut reader = LogReader::new(ReaderSettings::default()).unwrap();
        let mut read = |message: &str, source| {
            let line = LogLine {
                message,
                ..LogLine::default()
            };
            let time = Timestamp::from_secs(1_000);
            let arrival = Arrival {
                line,
                error: None,
                time,
                source,
            };
            reader.read(&arrival).template
        };
        read(SECRET, 1);
        let ids = [1, 2, 3].map(|source| read(LINE, source));
        (reader, ids[0])
    }

    #[test]
    fn texts_that_may_be_seen_survive_and_private_ones_are_not_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let state = LogState::new(dir.path());
        assert_eq!(state.read(), ReaderSnapshot::default());
        let (reader, id) = reader();
        state.write(&reader.snapshot()).unwrap();
        let restored = LogReader::restore(ReaderSettings::default(), state.read()).unwrap();
        assert!(restored.text(id).is_some());
        assert_eq!(restored.text(id), reader.text(id));
        let bytes = fs::read(dir.path().join("logs.bin")).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("xyzzy"));
    }

    #[test]
    fn a_damaged_file_costs_no_more_than_the_texts() {
        let dir = tempfile::tempdir().unwrap();
        let state = LogState::new(dir.path());
        state.write(&reader().0.snapshot()).unwrap();
        let path = dir.path().join("logs.bin");
        let whole = fs::read(&path).unwrap();
        for (place, byte) in [
            (0, 9),
            (5, whole[5] ^ 1),
            (whole.len() - 1, whole[whole.len() - 1] ^ 1),
        ] {
            let mut bytes = whole.clone();
            bytes[place] = byte;
            fs::write(&path, bytes).unwrap();
            assert_eq!(state.read(), ReaderSnapshot::default());
        }
        for length in [0, 1, 20] {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(state.read(), ReaderSnapshot::default());
        }
    }
}
