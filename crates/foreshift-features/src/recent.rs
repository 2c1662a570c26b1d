//! The last moments of a target for reactive rules and incident detection, at two resolutions.

use std::collections::VecDeque;

use foreshift_domain::fallback::Timing;
use foreshift_domain::signal::{Health, OutcomeCounts};
use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::histogram::{LatencyHistogram, SparseHistogram};

/// The newest closed buckets that are kept as they are.
pub const FINE_SLOTS: usize = 32;

/// Older ones are merged into slots of 1/31 of the look-back, at least a bucket: windows longer than
/// [`FINE_SLOTS`] buckets are read with that much error at their old edge.
pub const COARSE_SLOTS: usize = 32;

/// What reactive rules look at: requests of the last window, and the state now.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    /// Requests in the window.
    pub counts: OutcomeCounts,
    /// 99th percentile of latency in the window; `None` when none was measured.
    pub latency_p99: Option<Duration>,
    /// Requests whose latency was measured in the window.
    pub latency_samples: u64,
    /// Errors after the newest success by event time, whatever the window; at ties the worse wins. Saturates
    /// at [`crate::MAX_CONSECUTIVE`] moments.
    pub consecutive_errors: u32,
    /// Event time of the newest success.
    pub last_success: Option<Timestamp>,
    /// Newest state.
    pub health: Option<Health>,
    /// Newest event time of anything.
    pub last_seen: Timestamp,
}

/// Closed buckets of the look-back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecentRing {
    look_back: Duration,
    coarse: VecDeque<Slot>,
    fine: VecDeque<Slot>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Slot {
    start: Timestamp,
    end: Timestamp,
    counts: OutcomeCounts,
    latency: SparseHistogram,
}

impl RecentRing {
    /// Keeps at least this much; never less than before.
    pub(crate) fn look_back(&mut self, window: Duration) {
        self.look_back = self.look_back.max(window);
    }

    pub(crate) fn push(&mut self, timing: &Timing, bucket: &Bucket) {
        let look_back = self.look_back.max(timing.windows[crate::windows::SLOW]);
        let from = bucket.end - look_back;
        for slots in [&mut self.coarse, &mut self.fine] {
            while slots.front().is_some_and(|slot| slot.end <= from) {
                slots.pop_front();
            }
        }
        if bucket.counts == OutcomeCounts::default() && bucket.latency.samples() == 0 {
            return;
        }
        self.fine.push_back(Slot {
            start: bucket.start,
            end: bucket.end,
            counts: bucket.counts,
            latency: bucket.latency.to_sparse(),
        });
        if self.fine.len() > FINE_SLOTS
            && let Some(oldest) = self.fine.pop_front()
        {
            self.coarsen(timing.bucket, look_back, oldest);
        }
    }

    fn coarsen(&mut self, bucket: Duration, look_back: Duration, slot: Slot) {
        let step = bucket.as_micros().max(1);
        let part = look_back.as_micros() / (COARSE_SLOTS as i64 - 1);
        let length = Duration::from_micros(step * ((part + step - 1) / step).max(1));
        let start = slot.start.floor_to(length);
        match self.coarse.back_mut() {
            Some(last) if last.start >= start => {
                last.counts.merge(&slot.counts);
                let mut latency = LatencyHistogram::from(std::mem::take(&mut last.latency));
                latency.merge_sparse(&slot.latency);
                last.latency = latency.to_sparse();
                last.end = last.end.max(slot.end);
            }
            _ => self.coarse.push_back(Slot { start, ..slot }),
        }
        if self.coarse.len() > COARSE_SLOTS {
            self.coarse.pop_front();
        }
    }

    /// Requests in what ends after `from`.
    pub(crate) fn counts_since(&self, from: Timestamp) -> OutcomeCounts {
        let mut sum = OutcomeCounts::default();
        self.slots_since(from).for_each(|slot| sum.merge(&slot.counts));
        sum
    }

    /// Latencies in what ends after `from`. Dearer than counts: to be asked for where it is looked at.
    pub(crate) fn latency_since(&self, from: Timestamp) -> LatencyHistogram {
        let mut sum = LatencyHistogram::default();
        self.slots_since(from)
            .for_each(|slot| sum.merge_sparse(&slot.latency));
        sum
    }

    fn slots_since(&self, from: Timestamp) -> impl Iterator<Item = &Slot> {
        [&self.fine, &self.coarse]
            .into_iter()
            .flat_map(move |slots| slots.iter().rev().take_while(move |slot| slot.end > from))
    }
}
