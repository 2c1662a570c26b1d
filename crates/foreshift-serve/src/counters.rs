//! What clients do, counted.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::{Metric, MetricKind};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct ServeCounters {
    pub(crate) connections: AtomicU64,
    pub(crate) connections_ended: AtomicU64,
    pub(crate) connections_too_many: AtomicU64,
    pub(crate) connections_too_fast: AtomicU64,
    pub(crate) connections_silent: AtomicU64,
    pub(crate) watches_skipped: AtomicU64,
    pub(crate) xds_streams: AtomicU64,
    pub(crate) xds_requests: AtomicU64,
    pub(crate) xds_responses: AtomicU64,
    pub(crate) xds_accepted: AtomicU64,
    pub(crate) xds_refused: AtomicU64,
    pub(crate) xds_cut_off: AtomicU64,
    pub(crate) xds_stale: AtomicU64,
    pub(crate) xds_oversized: AtomicU64,
    pub(crate) xds_slow: AtomicU64,
    last_refusal: Mutex<Option<String>>,
}

impl ServeCounters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, gateway: &str, reason: &str) {
        Self::add(&self.xds_refused);
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
        let metric = |name: &str, kind, help: &str, value: u64| Metric {
            name: String::from(name),
            help: String::from(help),
            kind,
            labels: Vec::new(),
            value: value as f64,
        };
        let ended = self.connections_ended.load(Ordering::Relaxed);
        let open = self.connections.load(Ordering::Relaxed).saturating_sub(ended);
        let help = "Connections that are open, over gRPC.";
        let mut metrics = vec![metric("connections_open", MetricKind::Gauge, help, open)];
        metrics.extend(self.counters().map(|(name, help, counter)| {
            let value = counter.load(Ordering::Relaxed);
            metric(name, MetricKind::Counter, help, value)
        }));
        metrics
    }

    fn counters(&self) -> [(&str, &str, &AtomicU64); 14] {
        [
            (
                "connections_total",
                "Connections that were let in, over gRPC.",
                &self.connections,
            ),
            (
                "connections_too_many_total",
                "Connections closed at once: as many as are allowed were open.",
                &self.connections_too_many,
            ),
            (
                "connections_too_fast_total",
                "Connections closed at once: too many came within a second.",
                &self.connections_too_fast,
            ),
            (
                "connections_silent_total",
                "Connections closed since their client did not begin to talk in time.",
                &self.connections_silent,
            ),
            (
                "watches_skipped_total",
                "Times that a watcher was too slow to be told every version, and was told the newest.",
                &self.watches_skipped,
            ),
            (
                "xds_streams_total",
                "xDS streams that were opened.",
                &self.xds_streams,
            ),
            (
                "xds_requests_total",
                "Requests on xDS streams.",
                &self.xds_requests,
            ),
            (
                "xds_responses_total",
                "Weights sent on xDS streams, and renewals of them.",
                &self.xds_responses,
            ),
            (
                "xds_accepted_total",
                "Answers that accept (ACK).",
                &self.xds_accepted,
            ),
            (
                "xds_refused_total",
                "Answers that refuse (NACK).",
                &self.xds_refused,
            ),
            (
                "xds_cut_off_total",
                "Streams ended because their client asked too often.",
                &self.xds_cut_off,
            ),
            (
                "xds_stale_total",
                "Answers to another response than the last one, which say nothing.",
                &self.xds_stale,
            ),
            (
                "xds_oversized_total",
                "Streams ended because a request was larger than is accepted.",
                &self.xds_oversized,
            ),
            (
                "xds_slow_total",
                "Renewals that could not be sent, since their client had not answered what was sent before.",
                &self.xds_slow,
            ),
        ]
    }
}
