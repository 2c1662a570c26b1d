//! Snapshots on disk: state of engine and sequencer, and where sources and journal stood.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{StorageError, write_durably};

/// How many snapshots are kept: the newest, and one before it in case that one is damaged.
const KEPT: usize = 2;
const PREFIX: &str = "snapshot-";
const SUFFIX: &str = ".bin";
const HASH_BYTES: usize = 32;

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The engine's snapshot, as bytes.
    pub(crate) engine: Vec<u8>,
    /// The intake's state, as bytes: where the sources stood, what waits for the watermark.
    pub(crate) intake: Vec<u8>,
    /// Sequence number of the next row of the journal.
    pub(crate) journal_row: u64,
}

/// Snapshots in a directory.
pub(crate) struct CheckpointStore {
    root: PathBuf,
}

impl CheckpointStore {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The newest snapshot that is whole. A damaged one is passed over with a warning: the one before it is
    /// older, but true.
    pub(crate) fn newest(&self) -> Result<Option<Checkpoint>, StorageError> {
        for (_, path) in self.list()?.into_iter().rev() {
            match Self::read(&path) {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(error) => tracing::warn!(%error, "passing over a snapshot"),
            }
        }
        Ok(None)
    }

    /// Writes a snapshot; when this returns, it survives a crash. Older ones than the last two are removed.
    pub(crate) fn write(&self, checkpoint: &Checkpoint) -> Result<(), StorageError> {
        let known = self.list()?;
        let next = known.last().map_or(1, |(number, _)| number + 1);
        let path = self.root.join(format!("{PREFIX}{next:010}{SUFFIX}"));
        let damaged = |error: postcard::Error| StorageError::Damaged {
            path: path.clone(),
            why: error.to_string(),
        };
        let body = postcard::to_stdvec(checkpoint).map_err(damaged)?;
        let mut bytes = Sha256::digest(&body).to_vec();
        bytes.extend_from_slice(&body);
        write_durably(&path, &bytes)?;
        for (_, old) in known.iter().rev().skip(KEPT - 1) {
            fs::remove_file(old).map_err(StorageError::io("remove", old))?;
        }
        Ok(())
    }

    fn read(path: &Path) -> Result<Checkpoint, StorageError> {
        let damaged = |why: &str| StorageError::Damaged {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        let bytes = fs::read(path).map_err(StorageError::io("read", path))?;
        let (hash, body) = bytes
            .split_at_checked(HASH_BYTES)
            .ok_or_else(|| damaged("it is cut short"))?;
        if Sha256::digest(body).as_slice() != hash {
            return Err(damaged("its checksum is wrong"));
        }
        postcard::from_bytes(body).map_err(|error| damaged(&error.to_string()))
    }

    fn list(&self) -> Result<Vec<(u64, PathBuf)>, StorageError> {
        let entries = fs::read_dir(&self.root).map_err(StorageError::io("list", &self.root))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(StorageError::io("list", &self.root))?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let number = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.strip_suffix(SUFFIX));
            if let Some(number) = number.and_then(|number| number.parse().ok()) {
                found.push((number, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(row: u64) -> Checkpoint {
        Checkpoint {
            engine: vec![1; 100],
            intake: vec![2],
            journal_row: row,
        }
    }

    #[test]
    fn the_newest_whole_snapshot_counts_and_two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = CheckpointStore::new(dir.path());
        assert_eq!(store.newest().unwrap(), None);
        for row in 1..=4 {
            store.write(&checkpoint(row)).unwrap();
        }
        let kept = store.list().unwrap();
        assert_eq!(kept.len(), 2);
        assert_eq!(store.newest().unwrap(), Some(checkpoint(4)));
        let newest = &kept[1].1;
        let mut bytes = fs::read(newest).unwrap();
        bytes[60] ^= 1;
        fs::write(newest, bytes).unwrap();
        assert_eq!(store.newest().unwrap(), Some(checkpoint(3)));
    }
}
