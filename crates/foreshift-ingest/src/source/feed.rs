//! A source on a thread of its own: polling and decoding there, batches through a bounded channel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Batch, Positions, Source, SourceError};
use crate::sequencer::PartitionKey;

/// Batches that wait for the engine: enough to keep both sides busy, few enough to bound memory.
pub const MAX_WAITING: usize = 4;
/// Items asked for in one batch.
pub const BATCH_ITEMS: usize = 8_192;
/// How long a poll waits for the first record: so late a wish to stop is seen.
const POLL: Duration = Duration::from_millis(100);

/// Batches of a source that is read by its own thread.
pub struct Feed {
    batches: Receiver<Result<Batch, SourceError>>,
    control: Arc<Control>,
    thread: Option<JoinHandle<Box<dyn Source>>>,
}

#[derive(Default)]
struct Control {
    stop: AtomicBool,
    held_back: Mutex<Vec<PartitionKey>>,
}

impl Feed {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &str, mut source: Box<dyn Source>) -> std::io::Result<Self> {
        let (sender, batches) = sync_channel(MAX_WAITING);
        let control = Arc::new(Control::default());
        let theirs = Arc::clone(&control);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            read(&mut *source, &sender, &theirs);
            source
        })?;
        Ok(Self {
            batches,
            control,
            thread: Some(thread),
        })
    }

    /// The next batch; `None` when none came within the time, or the source has ended.
    ///
    /// # Errors
    /// When the source can no longer be read; nothing follows it.
    pub fn next(&self, timeout: Duration) -> Result<Option<Batch>, SourceError> {
        match self.batches.recv_timeout(timeout) {
            Ok(batch) => batch.map(Some),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    /// Whether the thread has ended and all that it read was taken.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Holds back these partitions from the next poll on.
    pub fn hold_back(&self, partitions: Vec<PartitionKey>) {
        *self
            .control
            .held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = partitions;
    }

    /// Stops the thread, waiting at most this long; gives back the source if it stopped. Batches not taken are lost,
    /// and come again from the positions of the last snapshot.
    pub fn stop(mut self, deadline: Duration) -> Option<Box<dyn Source>> {
        self.control.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + deadline;
        let thread = self.thread.take()?;
        while !thread.is_finished() && Instant::now() < until {
            // The thread may wait for room in the channel.
            let _ = self.batches.recv_timeout(Duration::from_millis(10));
        }
        if thread.is_finished() {
            thread.join().ok()
        } else {
            None
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }
}

fn read(source: &mut dyn Source, sender: &SyncSender<Result<Batch, SourceError>>, control: &Control) {
    while !control.stop.load(Ordering::Relaxed) {
        let held_back = control
            .held_back
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        source.hold_back(&held_back);
        let polled = source.poll(BATCH_ITEMS, POLL);
        let over = polled.as_ref().map_or(true, |batch| batch.finished);
        let empty = polled
            .as_ref()
            .is_ok_and(|batch| batch.runs.is_empty() && !batch.finished);
        if !empty && !send(sender, polled, control) {
            return;
        }
        if over {
            return;
        }
    }
}

/// Waits for room; gives up when nobody listens or the feed is to stop.
fn send(
    sender: &SyncSender<Result<Batch, SourceError>>,
    mut batch: Result<Batch, SourceError>,
    control: &Control,
) -> bool {
    loop {
        batch = match sender.try_send(batch) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => back,
        };
        if control.stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Where a batch leaves each of its partitions.
pub fn positions_after(batch: &Batch) -> Positions {
    batch
        .runs
        .iter()
        .map(|run| (run.partition.clone(), run.next_offset))
        .collect()
}

#[cfg(test)]
mod tests;
