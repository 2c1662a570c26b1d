//! Writes row groups on a thread of its own: to encode one takes longer than a decision may wait.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use parquet::file::writer::SerializedFileWriter;

use super::Retention;
use super::columns::Columns;
use crate::journal::schema::{properties, schema};
use crate::journal::segments::{sealed_path, segments, sync_dir, unsealed_path};
use crate::journal::{JournalError, file_error, parquet_error};

/// Row groups that wait or are being written. Past it the recorder waits: memory is bounded, the disk sets the pace.
const MAX_PENDING: usize = 2;

/// What the thread is asked for; it answers each once, in order, and ends after an error.
enum Job {
    Write(Box<Columns>),
    Seal,
}

/// Emptied columns, to be filled again.
type Answer = Result<Option<Columns>, JournalError>;

/// The near side of the thread.
pub(super) struct Writer {
    /// `None` only while it is dropped.
    jobs: Option<SyncSender<Job>>,
    answers: Receiver<Answer>,
    pending: usize,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(dir: &Path, retention: Retention) -> Result<Self, JournalError> {
        let (jobs, asked) = sync_channel(MAX_PENDING);
        let (answer, answers) = channel();
        let segments = Segments {
            dir: dir.to_owned(),
            retention,
            open: None,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || serve(segments, &asked, &answer))
            .map_err(|cause| file_error(dir, cause))?;
        Ok(Self {
            jobs: Some(jobs),
            answers,
            pending: 0,
            thread: Some(thread),
        })
    }

    /// Gives rows to write, and empty columns for the next.
    pub(super) fn write(&mut self, columns: Columns) -> Result<Columns, JournalError> {
        self.ask(Job::Write(Box::new(columns)))?;
        let mut emptied = None;
        while self.pending > MAX_PENDING {
            emptied = self.answer()?.or(emptied);
        }
        Ok(emptied.unwrap_or_default())
    }

    /// Waits until all that was given is written, sealed and synced.
    pub(super) fn seal(&mut self) -> Result<(), JournalError> {
        self.ask(Job::Seal)?;
        while self.pending > 0 {
            self.answer()?;
        }
        Ok(())
    }

    fn ask(&mut self, job: Job) -> Result<(), JournalError> {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent {
            self.pending += 1;
            return Ok(());
        }
        // It ended after an error, which is among its answers until it was told.
        while self.answer()?.is_some() {}
        Err(JournalError::Stopped)
    }

    fn answer(&mut self) -> Answer {
        let answer = self.answers.recv().unwrap_or(Err(JournalError::Stopped));
        self.pending = self.pending.saturating_sub(1);
        answer
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that was not among its answers.
            let _ = thread.join();
        }
    }
}

fn serve(mut segments: Segments, jobs: &Receiver<Job>, answers: &Sender<Answer>) {
    for job in jobs {
        let answer = match job {
            Job::Write(columns) => segments.write(*columns).map(Some),
            Job::Seal => segments.seal().map(|()| None),
        };
        let failed = answer.is_err();
        if answers.send(answer).is_err() || failed {
            return;
        }
    }
}

/// The segments of a directory, one of which may be open.
struct Segments {
    dir: PathBuf,
    retention: Retention,
    open: Option<OpenSegment>,
}

struct OpenSegment {
    first_seq: u64,
    path: PathBuf,
    writer: SerializedFileWriter<File>,
}

impl Segments {
    /// Writes the rows and empties the columns.
    fn write(&mut self, mut columns: Columns) -> Result<Columns, JournalError> {
        let segment = match &mut self.open {
            Some(segment) => segment,
            None => self.open.insert(open_segment(&self.dir, columns.first_seq())?),
        };
        let written = segment.writer.next_row_group().and_then(|mut group| {
            columns.write(&mut group)?;
            group.close()
        });
        written.map_err(|cause| parquet_error(&segment.path, cause))?;
        columns.clear();
        Ok(columns)
    }

    fn seal(&mut self) -> Result<(), JournalError> {
        let Some(OpenSegment {
            first_seq,
            path,
            writer,
        }) = self.open.take()
        else {
            return Ok(());
        };
        let file = writer.into_inner().map_err(|cause| parquet_error(&path, cause))?;
        file.sync_all().map_err(|cause| file_error(&path, cause))?;
        let sealed = sealed_path(&self.dir, first_seq);
        fs::rename(&path, &sealed).map_err(|cause| file_error(&sealed, cause))?;
        self.let_go()?;
        sync_dir(&self.dir)
    }

    fn let_go(&self) -> Result<(), JournalError> {
        let found = segments(&self.dir)?;
        let mut total: u64 = found.iter().map(|segment| segment.bytes).sum();
        let old = found.split_last().map(|(_, old)| old).unwrap_or_default();
        for segment in old {
            let too_large = self.retention.max_bytes.is_some_and(|most| total > most);
            let too_old = self
                .retention
                .max_age
                .is_some_and(|most| age(&segment.path) > most);
            if !too_large && !too_old {
                break;
            }
            fs::remove_file(&segment.path).map_err(|cause| file_error(&segment.path, cause))?;
            total = total.saturating_sub(segment.bytes);
        }
        Ok(())
    }
}

/// Time since a segment was sealed; zero when that is not known.
fn age(path: &Path) -> Duration {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    modified
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .unwrap_or_default()
}

fn open_segment(dir: &Path, first_seq: u64) -> Result<OpenSegment, JournalError> {
    let path = unsealed_path(dir, first_seq);
    let file = File::create(&path).map_err(|cause| file_error(&path, cause))?;
    let writer = schema().and_then(|schema| SerializedFileWriter::new(file, schema, properties()?));
    let writer = writer.map_err(|cause| parquet_error(&path, cause))?;
    Ok(OpenSegment {
        first_seq,
        path,
        writer,
    })
}
