//! What xDS clients do, counted.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::{Metric, MetricKind};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct XdsCounters {
    pub(super) streams: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) responses: AtomicU64,
    pub(super) accepted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) cut_off: AtomicU64,
    last_refusal: Mutex<Option<String>>,
}

impl XdsCounters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self, gateway: &str, reason: &str) {
        Self::add(&self.refused);
        let mut last = self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(format!("{gateway}: {reason}"));
    }

    /// Who last refused weights, and why.
    pub fn last_refusal(&self) -> Option<String> {
        let last = self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    /// For `/metrics`.
    pub fn export(&self) -> Vec<Metric> {
        let counter = |name: &str, help: &str, counter: &AtomicU64| Metric {
            name: String::from(name),
            help: String::from(help),
            kind: MetricKind::Counter,
            labels: Vec::new(),
            value: counter.load(Ordering::Relaxed) as f64,
        };
        vec![
            counter(
                "xds_streams_total",
                "xDS streams that were opened.",
                &self.streams,
            ),
            counter("xds_requests_total", "Requests on xDS streams.", &self.requests),
            counter(
                "xds_responses_total",
                "Weights sent on xDS streams, and renewals of them.",
                &self.responses,
            ),
            counter("xds_accepted_total", "Answers that accept (ACK).", &self.accepted),
            counter("xds_refused_total", "Answers that refuse (NACK).", &self.refused),
            counter(
                "xds_cut_off_total",
                "Streams ended because their client asked too often.",
                &self.cut_off,
            ),
        ]
    }
}
