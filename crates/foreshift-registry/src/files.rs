//! Reading with a bound, and writing so that a crash leaves the old content or the new.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use foreshift_domain::{Digest, Digesting};
use serde::de::DeserializeOwned;

use crate::error::RegistryError;

/// How long a change waits for another one: each takes milliseconds.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The whole file, unless it is larger than `limit`.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, RegistryError> {
    let file = File::open(path).map_err(RegistryError::io("open", path))?;
    let size = file.metadata().map_err(RegistryError::io("look at", path))?.len();
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(RegistryError::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(RegistryError::TooLarge {
            path: path.to_owned(),
            bytes: size,
            limit,
        });
    }
    Ok(bytes)
}

/// The digest of a file of any size.
pub(crate) fn digest(path: &Path) -> Result<Digest, RegistryError> {
    let mut file = File::open(path).map_err(RegistryError::io("open", path))?;
    let mut digesting = Digesting::default();
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut piece).map_err(RegistryError::io("read", path))?;
        match piece.get(..length) {
            Some(read) if !read.is_empty() => digesting.update(read),
            _ => return Ok(digesting.finish()),
        }
    }
}

/// The value of a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, limit: u64) -> Result<T, RegistryError> {
    serde_json::from_slice(&read(path, limit)?).map_err(|error| RegistryError::Damaged {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

/// Writes and syncs a new file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let mut file = File::create(path).map_err(RegistryError::io("create", path))?;
    file.write_all(bytes).map_err(RegistryError::io("write", path))?;
    file.sync_all().map_err(RegistryError::io("sync", path))
}

/// Writes beside, syncs, renames, syncs the directory. Whoever calls holds the registry's lock.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
    let beside = path.with_extension("tmp");
    write(&beside, bytes)?;
    rename(&beside, path)
}

/// Moves a finished file or directory to its place, and syncs the place.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), RegistryError> {
    fs::rename(from, to).map_err(RegistryError::io("rename to", to))?;
    let dir = to.parent().unwrap_or(Path::new("."));
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(RegistryError::io("sync", dir))
}

/// Takes the directory for one change: released when the handle is dropped, and by the system when a process dies.
pub(crate) fn lock(root: &Path) -> Result<File, RegistryError> {
    let dir = File::open(root).map_err(RegistryError::io("open", root))?;
    let began = Instant::now();
    loop {
        match dir.try_lock() {
            Ok(()) => return Ok(dir),
            Err(TryLockError::WouldBlock) if began.elapsed() < MAX_WAIT => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(RegistryError::Busy {
                    root: root.to_owned(),
                    waited_s: MAX_WAIT.as_secs(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(RegistryError::io("lock", root)(source)),
        }
    }
}
