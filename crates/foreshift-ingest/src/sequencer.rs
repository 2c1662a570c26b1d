//! From partitions to one ordered stream of inputs, with the watermark and the clock.
//!
//! Pure logic without I/O: time comes in as an argument. The whole state can be stored and restored.
//!
//! **Wall clock.** Events pass at once, in order of arrival; `advance` emits the watermark when it crosses the
//! boundary of a bucket, and the clock. The watermark is the minimum over partitions that are not idle of their
//! newest event time, less the allowed lateness. A partition whose end was reached may hold it back by the idle
//! timeout at most, so that a sender whose clock is days behind cannot stop it for all. An event further ahead
//! of the wall clock than `max_future` is refused before it can move anything.
//!
//! **Event clock** (files, recorded streams). Events wait in a reorder buffer until the watermark has passed
//! them, and leave in a total order. The stream that comes out depends on the set of events alone: not on
//! partitions, batches, or their order within the lateness. What comes after a later event has left is counted
//! and passed on as it is: the engine, whose buckets are closed by then, counts it too and does not fold it.
//! There is no wall clock to measure the future by. An event further ahead of its partition than
//! `max_future + lateness` is set aside, unless another partition is there already. A following record that
//! would be late if it were true refutes it; [`CONFIRMING_RECORDS`] records without such a one, the end of
//! the stream or silence on all partitions make it believed. The first events of all are believed when
//! [`FIRST_RECORDS`] records, or the end, have come, the earliest of them first.

mod canonical;
mod held;
mod partition;
#[cfg(test)]
mod tests;

use foreshift_domain::{Duration, Input, Timestamp, Watermark};
use serde::{Deserialize, Serialize};

use crate::decoded::Event;
use held::{Held, HeldEvent};
use partition::Partition;

pub use held::MAX_HELD;
pub use partition::{PartitionId, PartitionKey};

/// Nothing that Foreshift reads happened before the year 2000.
pub const EARLIEST: Timestamp = Timestamp::from_secs(946_684_800);
/// Nothing that Foreshift reads happens after the year 2100.
pub const LATEST: Timestamp = Timestamp::from_secs(4_102_444_800);
/// So many records in a row that agree on a jump ahead make it believed. A sender with a wrong clock that shares
/// its partition with good ones is interrupted by them long before.
pub const CONFIRMING_RECORDS: u32 = 256;
/// So many records are looked at before the first event time is believed.
pub const FIRST_RECORDS: u32 = 16;
/// The most events set aside in a partition; past it they are believed. Bounds memory when single records hold
/// many thousand events.
pub const MAX_SUSPECTS: usize = 1 << 16;

/// Event clock: it moves when events have gone so much further, not with each: a clock is an input, and a row of the
/// journal.
pub const CLOCK_STEP: Duration = Duration::from_millis(100);

/// What drives the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockMode {
    /// Real time, for live serving.
    Wall,
    /// The events themselves, for files and recorded streams.
    Event,
}

/// How to order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What drives the clock.
    pub clock: ClockMode,
    /// Length of a bucket: watermarks are emitted when they cross a multiple of it.
    pub bucket: Duration,
    /// How much later than a younger event an event may come and still count.
    pub lateness: Duration,
    /// How far ahead an event may be.
    pub max_future: Duration,
    /// A partition without records for this long, by the wall clock, is left out of the minimum.
    pub idle_timeout: Duration,
}

/// Where an event came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The partition.
    pub partition: PartitionId,
    /// The offset; the line of a file.
    pub offset: i64,
}

/// An input in its place, with its origin if it came from a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequenced {
    /// The input.
    pub input: Input,
    /// Where it came from; `None` for what the sequencer or the shell adds.
    pub origin: Option<Origin>,
}

/// Why an event was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Before the year 2000 or after 2100.
    #[error("its time is not between the years 2000 and 2100")]
    OutOfRange,
    /// Ahead of the wall clock by more than `max_future`.
    #[error("its time is further ahead of our clock than is allowed")]
    Future,
    /// Ahead of its partition, and refuted by what followed.
    #[error("its time is far ahead of the records around it")]
    Refuted,
}

/// An event that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where it came from.
    pub origin: Origin,
    /// Its time.
    pub time: Timestamp,
    /// Why.
    pub why: Refusal,
}

/// What comes out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outbox {
    /// Inputs, in order.
    pub ordered: Vec<Sequenced>,
    /// Events that were refused, for the dead-letter topic.
    pub refused: Vec<Refused>,
}

/// Counters since the start, restored with the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Events accepted.
    pub accepted: u64,
    /// Events older than the watermark (wall clock) or than the clock that had left already (event clock).
    pub late: u64,
    /// Events refused for their time.
    pub refused: u64,
    /// Events forced out of a full reorder buffer before the watermark had passed them.
    pub forced: u64,
}

/// Orders events. See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sequencer {
    settings: Settings,
    partitions: Vec<Partition>,
    held: Held,
    /// The last clock emitted.
    clock: Timestamp,
    /// The last watermark emitted.
    watermark: Timestamp,
    counters: Counters,
}

impl Sequencer {
    /// Orders nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            partitions: Vec::new(),
            held: Held::default(),
            clock: Timestamp::MIN,
            watermark: Timestamp::MIN,
            counters: Counters::default(),
        }
    }

    /// The number of a partition, which is known and holds the watermark back from now on.
    pub fn partition(&mut self, key: &PartitionKey, now: Timestamp) -> PartitionId {
        let known = self.partitions.iter().position(|partition| &partition.key == key);
        let index = known.unwrap_or_else(|| {
            self.partitions.push(Partition::new(key.clone(), now));
            self.partitions.len() - 1
        });
        PartitionId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The name of a partition.
    pub fn key(&self, id: PartitionId) -> Option<&PartitionKey> {
        self.partitions.get(id.0 as usize).map(|partition| &partition.key)
    }

    /// Counters since the start.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Events that wait for the watermark.
    pub const fn held(&self) -> usize {
        self.held.len()
    }

    /// Partitions left out of the minimum as idle.
    pub fn idle_partitions(&self) -> u32 {
        let idle = self.partitions.iter().filter(|partition| partition.idle).count();
        u32::try_from(idle).unwrap_or(u32::MAX)
    }

    /// The last watermark emitted; `Timestamp::MIN` before the first.
    pub const fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes the length of buckets.
    pub const fn set_bucket(&mut self, bucket: Duration) {
        self.settings.bucket = bucket;
    }

    /// After a restore: the time since the snapshot was not silence of the sources.
    pub fn resumed(&mut self, now: Timestamp) {
        for partition in &mut self.partitions {
            partition.active_at = now;
            partition.paused = false;
            partition.end_seen_at = None;
        }
    }

    /// Takes one event. Call `advance` after each batch.
    pub fn push(&mut self, id: PartitionId, offset: i64, event: Event, now: Timestamp, out: &mut Outbox) {
        let origin = Origin {
            partition: id,
            offset,
        };
        if event.time() < EARLIEST || event.time() >= LATEST {
            return self.refuse(origin, event.time(), Refusal::OutOfRange, out);
        }
        let Some(partition) = self.partitions.get_mut(id.0 as usize) else {
            return self.refuse(origin, event.time(), Refusal::OutOfRange, out);
        };
        partition.active_at = now;
        partition.idle = false;
        match self.settings.clock {
            ClockMode::Wall => self.push_wall(HeldEvent { event, origin }, now, out),
            ClockMode::Event => self.push_event(HeldEvent { event, origin }, out),
        }
    }

    /// The end of a partition was reached: all that was sent before `now` has been seen.
    pub fn caught_up(&mut self, id: PartitionId, now: Timestamp) {
        if let Some(partition) = self.partitions.get_mut(id.0 as usize) {
            partition.end_seen_at = Some(now);
        }
    }

    /// Judges idle partitions and emits what is due: after each batch, and once a second without one.
    pub fn advance(&mut self, now: Timestamp, out: &mut Outbox) {
        for partition in &mut self.partitions {
            partition.idle = partition.is_silent(now, self.settings.idle_timeout);
        }
        match self.settings.clock {
            ClockMode::Wall => self.advance_wall(now, out),
            ClockMode::Event if self.partitions.iter().all(|partition| partition.idle) => self.finish(out),
            ClockMode::Event => self.release(out),
        }
    }

    /// Releases all that is held: at the end of a file, or when nothing more is to be expected.
    pub fn finish(&mut self, out: &mut Outbox) {
        // The first round may only find the first event time; the second believes the rest.
        for _ in 0..2 {
            for index in 0..self.partitions.len() {
                self.believe_suspects(index, out);
            }
        }
        while let Some(events) = self.held.take_oldest() {
            self.emit(events, out);
        }
    }

    /// Partitions that the source should hold back now, because they run ahead and the reorder buffer fills.
    pub fn ahead(&mut self, now: Timestamp) -> Vec<PartitionId> {
        let slowest = self
            .partitions
            .iter()
            .filter(|partition| !partition.idle)
            .map(|partition| partition.newest)
            .min();
        let (high, low) = (MAX_HELD / 2, MAX_HELD / 4);
        for partition in &mut self.partitions {
            let was = partition.paused;
            partition.paused = match self.held.len() {
                len if len >= high => slowest.is_some_and(|slowest| partition.newest > slowest),
                len if len >= low => was && slowest.is_some_and(|slowest| partition.newest > slowest),
                _ => false,
            };
            if was && !partition.paused {
                partition.active_at = now;
            }
        }
        let ids = 0..u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        ids.zip(&self.partitions)
            .filter(|(_, partition)| partition.paused)
            .map(|(id, _)| PartitionId(id))
            .collect()
    }

    fn refuse(&mut self, origin: Origin, time: Timestamp, why: Refusal, out: &mut Outbox) {
        self.counters.refused += 1;
        out.refused.push(Refused { origin, time, why });
    }

    // Wall clock.

    fn push_wall(&mut self, held: HeldEvent, now: Timestamp, out: &mut Outbox) {
        let time = held.event.time();
        if time > now + self.settings.max_future {
            return self.refuse(held.origin, time, Refusal::Future, out);
        }
        if let Some(partition) = self.partitions.get_mut(held.origin.partition.0 as usize) {
            partition.believe(time);
        }
        self.counters.accepted += 1;
        self.counters.late += u64::from(time < self.watermark);
        out.ordered.push(Sequenced {
            input: held.event.into(),
            origin: Some(held.origin),
        });
    }

    fn advance_wall(&mut self, now: Timestamp, out: &mut Outbox) {
        if let Some(time) = self.wall_frontier() {
            let boundary = time.floor_to(self.settings.bucket);
            if boundary > self.watermark {
                self.watermark = boundary;
                let watermark = Watermark {
                    time: boundary,
                    idle_partitions: self.idle_partitions(),
                };
                out.ordered.push(Sequenced {
                    input: Input::Watermark(watermark),
                    origin: None,
                });
            }
        }
        if now > self.clock {
            self.clock = now;
            out.ordered.push(Sequenced {
                input: Input::Clock(now),
                origin: None,
            });
        }
    }

    fn wall_frontier(&self) -> Option<Timestamp> {
        let newest = self
            .partitions
            .iter()
            .filter_map(|partition| partition.newest)
            .max()?;
        let mut minimum = None;
        for partition in self.partitions.iter().filter(|partition| !partition.idle) {
            let ended = partition
                .end_seen_at
                .map(|at| (at - self.settings.idle_timeout).min(newest));
            // A partition that has shown nothing yet holds all back until it does, or is idle, or ends.
            let reached = partition.newest.max(ended)?;
            minimum = Some(minimum.map_or(reached, |minimum: Timestamp| minimum.min(reached)));
        }
        Some(minimum.unwrap_or(newest) - self.settings.lateness)
    }

    // Event clock.

    fn push_event(&mut self, held: HeldEvent, out: &mut Outbox) {
        let index = held.origin.partition.0 as usize;
        let time = held.event.time();
        self.refute_suspects(index, time, out);
        if self.is_believable(time) {
            self.hold(index, held, out);
            return;
        }
        let first = self.reference(index).is_none();
        let enough = if first { FIRST_RECORDS } else { CONFIRMING_RECORDS };
        let Some(partition) = self.partitions.get_mut(index) else {
            return;
        };
        partition.suspect(held);
        if partition.suspect_records >= enough || partition.suspects.len() >= MAX_SUSPECTS {
            self.believe_suspects(index, out);
        }
    }

    /// The time that jumps of a partition are measured from: its own, else that of the furthest other.
    fn reference(&self, index: usize) -> Option<Timestamp> {
        let own = self.partitions.get(index).and_then(|partition| partition.newest);
        own.or_else(|| {
            self.partitions
                .iter()
                .filter_map(|partition| partition.newest)
                .max()
        })
    }

    fn is_believable(&self, time: Timestamp) -> bool {
        let plausible = self.settings.max_future + self.settings.lateness;
        let near = |newest: Timestamp| time <= newest + plausible;
        self.partitions
            .iter()
            .any(|partition| partition.newest.is_some_and(near))
    }

    /// A record that would be late if the suspects were true proves them false.
    fn refute_suspects(&mut self, index: usize, time: Timestamp, out: &mut Outbox) {
        if self.reference(index).is_none() {
            return;
        }
        let lateness = self.settings.lateness;
        let Some(partition) = self.partitions.get_mut(index) else {
            return;
        };
        let earliest = partition.suspects.iter().map(|held| held.event.time()).min();
        if earliest.is_some_and(|earliest| time + lateness < earliest) {
            for held in partition.take_suspects() {
                self.refuse(held.origin, held.event.time(), Refusal::Refuted, out);
            }
        }
    }

    fn believe_suspects(&mut self, index: usize, out: &mut Outbox) {
        let first = self.reference(index).is_none();
        let Some(partition) = self.partitions.get_mut(index) else {
            return;
        };
        let suspects = partition.take_suspects();
        if first {
            // Of the first events the earliest is believed; the others are then judged by it.
            let Some(base) = suspects.iter().map(|held| held.event.time()).min() else {
                return;
            };
            partition.believe(base);
            for held in suspects {
                self.push_event(held, out);
            }
        } else {
            for held in suspects {
                self.hold(index, held, out);
            }
        }
    }

    /// Believes what another partition has reached since it was set aside, and what is reached by that.
    fn clear_suspects(&mut self, out: &mut Outbox) {
        for index in 0..self.partitions.len() {
            while self.has_believable_suspects(index) {
                let Some(partition) = self.partitions.get_mut(index) else {
                    return;
                };
                for held in partition.take_suspects() {
                    match self.is_believable(held.event.time()) {
                        true => self.hold(index, held, out),
                        false => self.set_aside(index, held),
                    }
                }
            }
        }
    }

    fn has_believable_suspects(&self, index: usize) -> bool {
        let suspects = self
            .partitions
            .get(index)
            .map(|partition| partition.suspects.iter());
        let times = suspects.into_iter().flatten().map(|held| held.event.time());
        times.min().is_some_and(|earliest| self.is_believable(earliest))
    }

    fn set_aside(&mut self, index: usize, held: HeldEvent) {
        if let Some(partition) = self.partitions.get_mut(index) {
            partition.suspect(held);
        }
    }

    fn hold(&mut self, index: usize, held: HeldEvent, out: &mut Outbox) {
        if let Some(partition) = self.partitions.get_mut(index) {
            partition.believe(held.event.time());
        }
        self.counters.accepted += 1;
        self.held.insert(held, self.slot());
        if self.held.len() > MAX_HELD {
            self.overflow(out);
        }
    }

    /// Width of a slot of the reorder buffer: small against the lateness, so that it adds little to it.
    fn slot(&self) -> Duration {
        Duration::from_micros((self.settings.lateness.as_micros() / 8).max(1_000))
    }

    fn release(&mut self, out: &mut Outbox) {
        self.clear_suspects(out);
        let Some(until) = self.event_frontier() else {
            return;
        };
        while let Some(events) = self.held.take_before(until, self.slot()) {
            self.emit(events, out);
        }
    }

    fn event_frontier(&self) -> Option<Timestamp> {
        let active = self.partitions.iter().filter(|partition| !partition.idle);
        let slowest = active.map(|partition| partition.newest).min()??;
        Some(slowest - self.settings.lateness)
    }

    fn overflow(&mut self, out: &mut Outbox) {
        self.release(out);
        while self.held.len() > MAX_HELD / 4 * 3 {
            let Some(events) = self.held.take_oldest() else {
                return;
            };
            self.counters.forced += events.len() as u64;
            self.emit(events, out);
        }
    }

    fn emit(&mut self, events: Vec<HeldEvent>, out: &mut Outbox) {
        for HeldEvent { event, origin } in events {
            let time = event.time();
            if time >= self.clock + CLOCK_STEP || self.crosses_bucket(time) {
                self.move_clock(time, out);
            }
            self.counters.late += u64::from(time < self.clock);
            out.ordered.push(Sequenced {
                input: event.into(),
                origin: Some(origin),
            });
        }
    }

    fn crosses_bucket(&self, time: Timestamp) -> bool {
        time.floor_to(self.settings.bucket) > self.watermark.floor_to(self.settings.bucket)
    }

    /// All that is earlier than `time` has left: its buckets are closed, and the clock is there.
    fn move_clock(&mut self, time: Timestamp, out: &mut Outbox) {
        if self.crosses_bucket(time) {
            self.watermark = time;
            // Idleness is a matter of the wall clock, which must leave no trace in this stream.
            let watermark = Watermark {
                time,
                idle_partitions: 0,
            };
            out.ordered.push(Sequenced {
                input: Input::Watermark(watermark),
                origin: None,
            });
        }
        self.clock = time;
        out.ordered.push(Sequenced {
            input: Input::Clock(time),
            origin: None,
        });
    }
}
