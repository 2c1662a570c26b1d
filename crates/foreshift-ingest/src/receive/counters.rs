//! What receivers took, dropped and refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::push::Receiver;

/// Counters of all receivers since the start. Cheap to clone; all clones count together.
#[derive(Clone, Debug, Default)]
pub struct ReceiveCounters(Arc<[Meters; Receiver::ALL.len()]>);

/// Counters of one receiver since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverCounters {
    /// Items put into the buffer.
    pub items: u64,
    /// Parts that are well formed and say nothing that is asked for.
    pub ignored: u64,
    /// Items dropped because the buffer was full.
    pub dropped: u64,
    /// Exports that were told to come again, or that they are too large for the buffer.
    pub refused_exports: u64,
    /// Calls refused because too many were open.
    pub refused_calls: u64,
    /// Calls that are open now.
    pub open_calls: u64,
}

#[derive(Debug, Default)]
pub(super) struct Meters {
    items: AtomicU64,
    ignored: AtomicU64,
    dropped: AtomicU64,
    refused_exports: AtomicU64,
    refused_calls: AtomicU64,
    open_calls: AtomicU64,
}

impl ReceiveCounters {
    /// Of one receiver, now.
    pub fn read(&self, receiver: Receiver) -> ReceiverCounters {
        let meters = self.of(receiver);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReceiverCounters {
            items: read(&meters.items),
            ignored: read(&meters.ignored),
            dropped: read(&meters.dropped),
            refused_exports: read(&meters.refused_exports),
            refused_calls: read(&meters.refused_calls),
            open_calls: read(&meters.open_calls),
        }
    }

    pub(super) fn of(&self, receiver: Receiver) -> &Meters {
        let [access_logs, otlp, load_reports] = &*self.0;
        match receiver {
            Receiver::AccessLogs => access_logs,
            Receiver::Otlp => otlp,
            Receiver::LoadReports => load_reports,
        }
    }
}

impl Meters {
    pub(super) fn add_items(&self, items: u64, ignored: u64) {
        self.items.fetch_add(items, Ordering::Relaxed);
        self.ignored.fetch_add(ignored, Ordering::Relaxed);
    }

    pub(super) fn add_dropped(&self, dropped: u64) {
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    pub(super) fn add_refused_export(&self) {
        self.refused_exports.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_refused_call(&self) {
        self.refused_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) {
        self.open_calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.open_calls.fetch_sub(1, Ordering::Relaxed);
    }
}
