//! Writing files so that a crash leaves the old content or the new, never half of it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::StorageError;

/// Writes beside, syncs, renames, syncs the directory.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let beside = path.with_extension("tmp");
    let mut file = File::create(&beside).map_err(StorageError::io("create", &beside))?;
    file.write_all(bytes)
        .map_err(StorageError::io("write", &beside))?;
    file.sync_all().map_err(StorageError::io("sync", &beside))?;
    fs::rename(&beside, path).map_err(StorageError::io("rename", &beside))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(StorageError::io("sync", dir))
}
