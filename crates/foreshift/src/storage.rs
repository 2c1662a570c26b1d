//! What survives a restart: the epoch, snapshots, the command log. One directory, one process at a time.
//!
//! ```text
//! epoch               number of this start, in text; fsynced before anything is published under it
//! lock                held while a process uses the directory
//! snapshot-<n>.bin    state of engine and sequencer, source offsets, journal position; the two newest are kept
//! commands.log        commands acknowledged since; one JSON a line, each fsynced before it is acknowledged
//! journal/            Parquet segments
//! logs.bin            templates of log lines that may be seen, and counts
//! models.json         the models at work, and how the challenger does, as of the newest snapshot
//! decisions/          decisions as JSON lines, one file an epoch
//! ```

mod checkpoint;
mod command_log;
mod files;
mod log_state;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

pub(crate) use checkpoint::{Checkpoint, CheckpointStore};
pub(crate) use command_log::CommandLog;
pub(crate) use files::write_durably;
pub(crate) use log_state::LogState;

/// The storage directory, locked by this process.
pub(crate) struct Storage {
    root: PathBuf,
    _lock: File,
}

/// Why the storage cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    /// The system said no.
    #[error("storage: cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process is there.
    #[error("storage: {path} is used by another process; give each one a directory of its own")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A file does not hold what it should.
    #[error("storage: {path} is damaged: {why}; move it away to go on without it")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl StorageError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

impl Storage {
    /// Takes the directory, creating it where needed.
    pub(crate) fn open(root: &Path) -> Result<Self, StorageError> {
        fs::create_dir_all(root).map_err(StorageError::io("create", root))?;
        let path = root.join("lock");
        let lock = File::create(&path).map_err(StorageError::io("create", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                root: root.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StorageError::InUse {
                path: root.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(StorageError::Io {
                doing: "lock",
                path,
                source,
            }),
        }
    }

    /// Where the models at work are told.
    pub(crate) fn models_file(&self) -> PathBuf {
        self.root.join("models.json")
    }

    /// The epoch of this start: one more than that of the start before, durable before it is returned.
    pub(crate) fn next_epoch(&self) -> Result<u64, StorageError> {
        let path = self.root.join("epoch");
        let before: u64 = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| StorageError::Damaged {
                path: path.clone(),
                why: format!("expected a number, found {text:?}"),
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => {
                return Err(StorageError::Io {
                    doing: "read",
                    path,
                    source: error,
                });
            }
        };
        let epoch = before + 1;
        write_durably(&path, format!("{epoch}\n").as_bytes())?;
        Ok(epoch)
    }

    /// Snapshots.
    pub(crate) fn checkpoints(&self) -> CheckpointStore {
        CheckpointStore::new(&self.root)
    }

    /// The log of acknowledged commands.
    pub(crate) fn command_log(&self) -> Result<CommandLog, StorageError> {
        CommandLog::open(&self.root.join("commands.log"))
    }

    /// What log lines have taught.
    pub(crate) fn log_state(&self) -> LogState {
        LogState::new(&self.root)
    }

    /// Where journal segments go.
    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// Where decisions go.
    pub(crate) fn decisions_dir(&self) -> PathBuf {
        self.root.join("decisions")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_grows_with_every_start_and_a_second_process_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for expected in 1..4 {
            let storage = Storage::open(dir.path()).unwrap();
            assert_eq!(storage.next_epoch().unwrap(), expected);
            assert!(matches!(
                Storage::open(dir.path()),
                Err(StorageError::InUse { .. })
            ));
        }
    }

    #[test]
    fn a_damaged_epoch_is_an_error_and_never_starts_from_zero_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("epoch"), "seven").unwrap();
        let storage = Storage::open(dir.path()).unwrap();
        assert!(matches!(storage.next_epoch(), Err(StorageError::Damaged { .. })));
    }
}
