//! What is known of one partition.

use std::sync::Arc;

use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::held::HeldEvent;

/// Names a partition of a source; files have one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionKey {
    /// The topic, or the file.
    pub topic: Arc<str>,
    /// The partition; 0 in a file.
    pub partition: i32,
}

/// Number of a partition within a sequencer, in order of registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(pub u32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Partition {
    pub(super) key: PartitionKey,
    /// The newest event time that is believed; `None` before the first.
    pub(super) newest: Option<Timestamp>,
    /// When a record last came, by the wall clock; at first, when the partition became known.
    pub(super) active_at: Timestamp,
    /// Whether it is left out of the minimum.
    pub(super) idle: bool,
    /// Whether the source was asked to hold it back, so that its silence is ours.
    pub(super) paused: bool,
    /// When its end was last reached, by the wall clock: all that was sent before has been seen.
    pub(super) end_seen_at: Option<Timestamp>,
    /// Event clock: events too far ahead to be believed at once.
    pub(super) suspects: Vec<HeldEvent>,
    /// Distinct records among them.
    pub(super) suspect_records: u32,
}

impl Partition {
    pub(super) const fn new(key: PartitionKey, now: Timestamp) -> Self {
        Self {
            key,
            newest: None,
            active_at: now,
            idle: false,
            paused: false,
            end_seen_at: None,
            suspects: Vec::new(),
            suspect_records: 0,
        }
    }

    pub(super) fn believe(&mut self, time: Timestamp) {
        self.newest = Some(self.newest.map_or(time, |newest| newest.max(time)));
    }

    /// Sets an event aside. Events of one record count once: they prove nothing for each other.
    pub(super) fn suspect(&mut self, held: HeldEvent) {
        let same_record = self
            .suspects
            .last()
            .is_some_and(|last| last.origin.offset == held.origin.offset);
        self.suspect_records += u32::from(!same_record);
        self.suspects.push(held);
    }

    pub(super) fn take_suspects(&mut self) -> Vec<HeldEvent> {
        self.suspect_records = 0;
        std::mem::take(&mut self.suspects)
    }

    pub(super) fn is_silent(&self, now: Timestamp, idle_timeout: Duration) -> bool {
        !self.paused && now.since(self.active_at) >= idle_timeout
    }
}
