//! The command log: what was acknowledged to operators since the newest snapshot.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use foreshift_domain::command::Command;

use super::StorageError;

/// The longest log, in bytes. Snapshots empty it every few seconds; past this, commands are refused rather
/// than taken without a promise to keep them.
const MAX_BYTES: u64 = 64 << 20;

/// Commands, appended and synced one by one.
pub(crate) struct CommandLog {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl CommandLog {
    pub(crate) fn open(path: &Path) -> Result<Self, StorageError> {
        let options = OpenOptions::new().read(true).append(true).create(true).open(path);
        let file = options.map_err(StorageError::io("open", path))?;
        let bytes = file.metadata().map_err(StorageError::io("read", path))?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
        })
    }

    /// Appends a command; when this returns, it survives a crash.
    pub(crate) fn append(&mut self, command: &Command) -> Result<(), StorageError> {
        let mut line = serde_json::to_vec(command).map_err(|error| self.damaged(error.to_string()))?;
        line.push(b'\n');
        if self.bytes + line.len() as u64 > MAX_BYTES {
            return Err(self.damaged(format!(
                "it is full ({MAX_BYTES} bytes): are snapshots being written?"
            )));
        }
        self.file
            .write_all(&line)
            .map_err(StorageError::io("append to", &self.path))?;
        self.file
            .sync_data()
            .map_err(StorageError::io("sync", &self.path))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// All commands in the log, oldest first. A last line cut short by a crash was never acknowledged: it is dropped.
    pub(crate) fn read(&mut self) -> Result<Vec<Command>, StorageError> {
        self.file
            .seek(SeekFrom::Start(0))
            .map_err(StorageError::io("read", &self.path))?;
        let mut commands = Vec::new();
        let mut whole_bytes = 0;
        let mut reader = BufReader::new(&self.file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader
                .read_until(b'\n', &mut line)
                .map_err(StorageError::io("read", &self.path))?;
            if read == 0 || line.last() != Some(&b'\n') {
                break;
            }
            let command = serde_json::from_slice(&line).map_err(|error| StorageError::Damaged {
                path: self.path.clone(),
                why: format!("line {}: {error}", commands.len() + 1),
            })?;
            commands.push(command);
            whole_bytes += read as u64;
        }
        self.file
            .set_len(whole_bytes)
            .map_err(StorageError::io("cut", &self.path))?;
        self.bytes = whole_bytes;
        Ok(commands)
    }

    /// Empties the log: a snapshot holds the effect of all its commands.
    pub(crate) fn clear(&mut self) -> Result<(), StorageError> {
        self.file
            .set_len(0)
            .map_err(StorageError::io("cut", &self.path))?;
        self.file
            .sync_data()
            .map_err(StorageError::io("sync", &self.path))?;
        self.bytes = 0;
        Ok(())
    }

    fn damaged(&self, why: String) -> StorageError {
        StorageError::Damaged {
            path: self.path.clone(),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use foreshift_domain::Timestamp;
    use foreshift_domain::command::Action;

    use super::*;

    fn command(id: u32) -> Command {
        Command {
            request_id: id.to_string(),
            actor: "sre".into(),
            on_behalf_of: None,
            reason: "test".into(),
            issued_at: Timestamp::from_secs(1),
            expires_at: None,
            expected_version: None,
            action: Action::Unpin { route: "llm".into() },
        }
    }

    #[test]
    fn acknowledged_commands_are_read_back_and_a_line_cut_short_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("commands.log");
        let mut log = CommandLog::open(&path).unwrap();
        log.append(&command(1)).unwrap();
        log.append(&command(2)).unwrap();
        log.file.write_all(b"{\"request_id\":\"3\",\"act").unwrap();
        let mut log = CommandLog::open(&path).unwrap();
        assert_eq!(log.read().unwrap(), [command(1), command(2)]);
        log.append(&command(4)).unwrap();
        assert_eq!(
            CommandLog::open(&path).unwrap().read().unwrap(),
            [command(1), command(2), command(4)]
        );
        log.clear().unwrap();
        assert_eq!(CommandLog::open(&path).unwrap().read().unwrap(), []);
    }

    #[test]
    fn a_full_log_refuses_commands() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = CommandLog::open(&dir.path().join("commands.log")).unwrap();
        log.bytes = MAX_BYTES;
        assert!(log.append(&command(1)).is_err());
    }
}
