//! The reorder buffer: events that wait for the watermark, in slots of event time.

use std::collections::BTreeMap;

use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Origin, canonical};
use crate::decoded::Event;

/// The most events held: about 150 MB. A source that runs further ahead than this is paused before
/// (see `Sequencer::ahead`); what still comes forces the oldest out.
pub const MAX_HELD: usize = 1 << 19;

/// An event that waits, with the place it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HeldEvent {
    pub(super) event: Event,
    pub(super) origin: Origin,
}

/// Slots make insertion cheap, and sort each event once: a slot is sorted when it is released whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    slots: BTreeMap<Timestamp, Vec<HeldEvent>>,
    count: usize,
}

impl Held {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn insert(&mut self, held: HeldEvent, slot: Duration) {
        let start = held.event.time().floor_to(slot);
        self.slots.entry(start).or_default().push(held);
        self.count += 1;
    }

    /// Takes the oldest slot that ends at or before `until`, in canonical order.
    pub(super) fn take_before(&mut self, until: Timestamp, slot: Duration) -> Option<Vec<HeldEvent>> {
        let (start, _) = self.slots.first_key_value()?;
        if *start + slot > until {
            return None;
        }
        self.take_oldest()
    }

    /// Takes the oldest slot, in canonical order.
    pub(super) fn take_oldest(&mut self) -> Option<Vec<HeldEvent>> {
        let (_, mut events) = self.slots.pop_first()?;
        self.count = self.count.saturating_sub(events.len());
        // Stable, so that events equal in all fields keep their order of arrival.
        events.sort_by(|left, right| canonical::compare(&left.event, &right.event));
        Some(events)
    }
}
