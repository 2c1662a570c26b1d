//! Segments of a journal on disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::reader::JournalReader;
use super::recorder::{Recorder, Retention};
use super::{JournalError, file_error};

/// A sealed segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Sequence number of its first row.
    pub first_seq: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

const PREFIX: &str = "segment-";
const SUFFIX: &str = ".parquet";
pub(super) const UNSEALED_SUFFIX: &str = ".parquet.unsealed";

/// The path of a sealed segment.
pub(super) fn sealed_path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{first_seq:020}{SUFFIX}"))
}

/// The path of a segment that is being written.
pub(super) fn unsealed_path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{first_seq:020}{UNSEALED_SUFFIX}"))
}

/// The sealed segments of a directory, in order. Other files are left alone.
///
/// # Errors
/// When the directory cannot be read.
pub fn segments(dir: &Path) -> Result<Vec<Segment>, JournalError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|cause| file_error(dir, cause))? {
        let entry = entry.map_err(|cause| file_error(dir, cause))?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(first_seq) = number.and_then(|number| number.parse().ok()) {
            let path = entry.path();
            let bytes = entry.metadata().map_err(|cause| file_error(&path, cause))?.len();
            found.push(Segment {
                first_seq,
                path,
                bytes,
            });
        }
    }
    found.sort();
    Ok(found)
}

/// Discards what was recorded after `last_seq`: on restart its inputs come again. Unsealed segments go whole, and
/// of a sealed one that holds both, what is to stay is written anew.
///
/// # Errors
/// When a file cannot be removed, or the segment to be cut cannot be read.
pub fn discard_after(dir: &Path, last_seq: u64) -> Result<(), JournalError> {
    remove_unsealed(dir)?;
    let found = segments(dir)?;
    for segment in found.iter().filter(|segment| segment.first_seq > last_seq) {
        fs::remove_file(&segment.path).map_err(|cause| file_error(&segment.path, cause))?;
    }
    if let Some(last) = found.iter().rfind(|segment| segment.first_seq <= last_seq) {
        cut(dir, last, last_seq)?;
    }
    sync_dir(dir)
}

fn cut(dir: &Path, segment: &Segment, last_seq: u64) -> Result<(), JournalError> {
    if JournalReader::last_seq(&segment.path)?.is_none_or(|last| last <= last_seq) {
        return Ok(());
    }
    let mut reader = JournalReader::open(&segment.path, 0)?;
    let mut recorder = Recorder::open(dir, segment.first_seq, Retention::default())?;
    while let Some(rows) = reader.next_rows()? {
        for row in rows.into_iter().filter(|row| row.seq <= last_seq) {
            recorder.record_row(&row)?;
        }
    }
    recorder.seal()
}

fn remove_unsealed(dir: &Path) -> Result<(), JournalError> {
    for entry in fs::read_dir(dir).map_err(|cause| file_error(dir, cause))? {
        let path = entry.map_err(|cause| file_error(dir, cause))?.path();
        if path.to_str().is_some_and(|name| name.ends_with(UNSEALED_SUFFIX)) {
            fs::remove_file(&path).map_err(|cause| file_error(&path, cause))?;
        }
    }
    Ok(())
}

/// Makes renames and removals in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    let opened = fs::File::open(dir).and_then(|file| file.sync_all());
    opened.map_err(|cause| file_error(dir, cause))
}
