//! What is sent to this process rather than fetched by it: a bounded buffer that receivers put decoded records into,
//! and that one thread polls as a source.
//!
//! The buffer is shared by all receivers. A sender that may be told to come again has its record put in whole or not at
//! all, and waits for room in turn ([`PushSender::put_waiting`]); one that sends and forgets has dropped, and counted,
//! what does not fit ([`PushSender::put_or_drop`]), and never takes room that another already waits for.
//!
//! Nothing that was pushed can be read again: positions only count records, and go on over restarts.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foreshift_domain::signal::Observation;
use tokio::sync::{Semaphore, TryAcquireError};

use super::{Batch, Item, Positions, Run, Source, SourceError};
use crate::decode::{BadRecord, MAX_PARTS, Parts};
use crate::decoded::Decoded;
use crate::sequencer::PartitionKey;

/// The most that waits, in units of one signal, about 256 bytes: 32 MiB, some seconds of a busy gateway. Twice what
/// one record may hold, so that none is too large for an empty buffer.
pub const MAX_BUFFERED_UNITS: usize = 2 * MAX_PARTS;
/// Bins of a histogram that weigh as much as a signal.
const BINS_PER_UNIT: usize = 16;
/// What a record weighs for itself: a flood of empty ones is bounded too.
const RECORD_UNITS: usize = 1;

/// What a record was received by. Each is one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// Envoy's access log service.
    AccessLogs,
    /// OTLP.
    Otlp,
    /// Envoy's load reporting service.
    LoadReports,
}

impl Receiver {
    /// All of them, in the order of their index.
    pub const ALL: [Self; 3] = [Self::AccessLogs, Self::Otlp, Self::LoadReports];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessLogs => "als",
            Self::Otlp => "otlp",
            Self::LoadReports => "lrs",
        }
    }

    /// The partition of what it receives. The slash keeps it apart from topics: their names have none.
    fn partition(self) -> PartitionKey {
        PartitionKey {
            topic: match self {
                Self::AccessLogs => "receive/als".into(),
                Self::Otlp => "receive/otlp".into(),
                Self::LoadReports => "receive/lrs".into(),
            },
            partition: 0,
        }
    }
}

/// Whether a partition is one of a receiver.
pub fn is_received(key: &PartitionKey) -> bool {
    key.topic.starts_with("receive/")
}

/// A buffer of at most `capacity` units, usually [`MAX_BUFFERED_UNITS`].
pub fn channel(capacity: usize) -> (PushSender, PushSource) {
    let shared = Arc::new(Shared {
        room: Semaphore::new(capacity.min(Semaphore::MAX_PERMITS)),
        capacity,
        queue: Mutex::default(),
        arrived: Condvar::new(),
    });
    let source = PushSource {
        shared: Arc::clone(&shared),
        partitions: Receiver::ALL.map(Partition::new),
    };
    (PushSender { shared }, source)
}

struct Shared {
    /// Units that are free.
    room: Semaphore,
    capacity: usize,
    queue: Mutex<VecDeque<Record>>,
    arrived: Condvar,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, VecDeque<Record>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One message of a sender, decoded.
struct Record {
    receiver: Receiver,
    items: Vec<Decoded>,
    refused: Option<BadRecord>,
    units: usize,
}

/// The receivers' side.
#[derive(Clone)]
pub struct PushSender {
    shared: Arc<Shared>,
}

/// A record that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// There was no room in time.
    #[error("the buffer of received telemetry is full")]
    Full,
    /// It would not fit into an empty buffer.
    #[error("the record weighs {units} units, the whole buffer holds {most}")]
    TooLarge {
        /// What it weighs.
        units: usize,
        /// The bound.
        most: usize,
    },
    /// Nobody polls any more: the process stops.
    #[error("telemetry is no longer taken")]
    Closed,
}

impl PushSender {
    /// Takes nothing more: whoever may come again is told so, and what is in the buffer can still be polled.
    pub fn close(&self) {
        self.shared.room.close();
    }

    /// Puts a record in whole, waiting for room at most this long.
    ///
    /// # Errors
    /// When there was none in time, or there can be none.
    pub async fn put_waiting(
        &self,
        receiver: Receiver,
        parts: Parts,
        patience: Duration,
    ) -> Result<(), PushError> {
        let record = Record::new(receiver, parts);
        let most = self.shared.capacity;
        let needed = match u32::try_from(record.units) {
            Ok(needed) if record.units <= most => needed,
            _ => {
                return Err(PushError::TooLarge {
                    units: record.units,
                    most,
                });
            }
        };
        match tokio::time::timeout(patience, self.shared.room.acquire_many(needed)).await {
            Err(_) => Err(PushError::Full),
            Ok(Err(_)) => Err(PushError::Closed),
            Ok(Ok(room)) => {
                room.forget();
                self.put(record);
                Ok(())
            }
        }
    }

    /// Puts in what there is room for, and gives back how many items were dropped, with those that could not be decoded
    /// when nothing fits. Never waits.
    pub fn put_or_drop(&self, receiver: Receiver, mut parts: Parts) -> u64 {
        let whole = parts.good.len();
        let (kept, units) = self.take_room(&parts.good);
        if units == 0 {
            return (whole + parts.bad.len()) as u64;
        }
        parts.good.truncate(kept);
        let mut record = Record::new(receiver, parts);
        record.units = units;
        self.put(record);
        (whole - kept) as u64
    }

    /// Room for the record and as many of its first items as fit: how many, and the units taken; none of them when
    /// not even one item fits.
    fn take_room(&self, items: &[Decoded]) -> (usize, usize) {
        let (mut kept, mut units) = (0, RECORD_UNITS);
        for item in items {
            units += weight(item);
            kept += 1;
        }
        while let Err(error) = self.try_take(units) {
            let free = self.shared.room.available_permits();
            if error == TryAcquireError::Closed || kept == 0 {
                return (0, 0);
            }
            // At least one less each time, so that this ends however others take and give back.
            loop {
                kept -= 1;
                units -= items.get(kept).map_or(0, weight);
                if units <= free || kept == 0 {
                    break;
                }
            }
            if kept == 0 {
                return (0, 0);
            }
        }
        (kept, units)
    }

    fn try_take(&self, units: usize) -> Result<(), TryAcquireError> {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.shared.room.try_acquire_many(units).map(|room| room.forget())
    }

    fn put(&self, record: Record) {
        self.shared.queue().push_back(record);
        self.shared.arrived.notify_one();
    }
}

impl Record {
    fn new(receiver: Receiver, parts: Parts) -> Self {
        let refused = parts.bad.first().map(|why| BadRecord {
            offset: 0,
            why: why.clone(),
            parts: parts.bad.len(),
            // Requests and log text of others: nothing of it is kept.
            payload: Vec::new(),
        });
        Self {
            receiver,
            units: RECORD_UNITS + parts.good.iter().map(weight).sum::<usize>(),
            items: parts.good,
            refused,
        }
    }
}

/// What an item takes of the buffer.
fn weight(item: &Decoded) -> usize {
    let observation = match item {
        Decoded::Signal { signal, .. } => &signal.observation,
        Decoded::Cumulative(point) => &point.signal.observation,
        Decoded::Log { .. } | Decoded::Ordered(_) => return 1,
    };
    match observation {
        Observation::Window(window) => 1 + window.latency.len() / BINS_PER_UNIT,
        _ => 1,
    }
}

/// The engine's side.
pub struct PushSource {
    shared: Arc<Shared>,
    partitions: [Partition; Receiver::ALL.len()],
}

struct Partition {
    receiver: Receiver,
    key: PartitionKey,
    next_offset: i64,
    /// Whether anything came by it. One that is never used must hold nobody's watermark back.
    is_used: bool,
}

impl Partition {
    fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            key: receiver.partition(),
            next_offset: 0,
            is_used: false,
        }
    }

    fn run(&self, caught_up: bool) -> Run {
        Run {
            partition: self.key.clone(),
            next_offset: self.next_offset,
            items: Vec::new(),
            refused: Vec::new(),
            caught_up,
        }
    }

    fn take(&mut self, record: Record, run: &mut Run) {
        let offset = self.next_offset;
        self.is_used = true;
        self.next_offset = offset.saturating_add(1);
        run.next_offset = self.next_offset;
        let items = record.items.into_iter();
        run.items.extend(items.map(|decoded| Item { offset, decoded }));
        run.refused
            .extend(record.refused.map(|bad| BadRecord { offset, ..bad }));
    }
}

impl PushSource {
    /// A sender into this buffer.
    pub fn sender(&self) -> PushSender {
        PushSender {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Waits for the first record.
    fn wait(&self, timeout: Duration) -> MutexGuard<'_, VecDeque<Record>> {
        let until = Instant::now() + timeout;
        let mut queue = self.shared.queue();
        while queue.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.arrived.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue
    }

    /// Takes records until there are `max` items or no more; says whether there are no more.
    fn take(&self, max: usize, timeout: Duration) -> (Vec<Record>, bool) {
        let mut queue = self.wait(timeout);
        let (mut taken, mut items) = (Vec::new(), 0);
        while items < max.max(1)
            && let Some(record) = queue.pop_front()
        {
            // Records without items count too, so that a flood of them cannot make a batch endless.
            items += record.items.len().max(1);
            taken.push(record);
        }
        let is_empty = queue.is_empty();
        drop(queue);
        let units = taken.iter().map(|record| record.units).sum();
        self.shared.room.add_permits(units);
        (taken, is_empty)
    }
}

impl Source for PushSource {
    fn poll(&mut self, max: usize, timeout: Duration) -> Result<Batch, SourceError> {
        let (records, is_empty) = self.take(max, timeout);
        let mut runs = Receiver::ALL.map(|_| None);
        for record in records {
            let mut each = self.partitions.iter_mut().zip(&mut runs);
            if let Some((partition, run)) = each.find(|(partition, _)| partition.receiver == record.receiver)
            {
                let run = run.get_or_insert_with(|| partition.run(is_empty));
                partition.take(record, run);
            }
        }
        for (partition, run) in self.partitions.iter().zip(&mut runs) {
            // Silence of a sender is no backlog of ours: say that all it sent was seen.
            if run.is_none() && is_empty && partition.is_used {
                *run = Some(partition.run(true));
            }
        }
        Ok(Batch {
            runs: runs.into_iter().flatten().collect(),
            finished: false,
        })
    }

    fn positions(&self) -> Positions {
        let used = self.partitions.iter().filter(|partition| partition.is_used);
        used.map(|partition| (partition.key.clone(), partition.next_offset))
            .collect()
    }

    /// Counts on from there. What came before cannot be had again.
    fn seek(&mut self, to: &Positions) -> Result<(), SourceError> {
        for partition in &mut self.partitions {
            if let Some(next) = to.get(&partition.key) {
                partition.next_offset = partition.next_offset.max(*next);
            }
        }
        Ok(())
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        self.positions().into_keys().collect()
    }
}

impl Drop for PushSource {
    /// Whoever waits for room waits in vain.
    fn drop(&mut self) {
        self.shared.room.close();
    }
}

#[cfg(test)]
mod tests;
