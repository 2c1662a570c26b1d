//! Metrics of what comes in. The engine's own are part of the published state.

use std::sync::{Arc, Mutex, PoisonError};

use foreshift_ingest::DeliveryCounters;
use foreshift_ingest::IntakeCounters;
use foreshift_ingest::dead_letter::DeadLetters;
use foreshift_ingest::receive::{ReceiveCounters, ReceiverCounters};
use foreshift_ingest::source::push::Receiver;
use foreshift_serve::{Metric, MetricKind};

use super::logs::LogMetrics;

/// The newest counters of the engine's thread, shared with scrapes.
#[derive(Clone, Default)]
pub(crate) struct IngestMetrics {
    newest: Arc<Mutex<Newest>>,
    /// Of the receivers, where there are any: they count by themselves.
    received: Option<ReceiveCounters>,
    /// Of the log reader.
    pub(crate) logs: LogMetrics,
}

#[derive(Clone, Copy, Default)]
struct Newest {
    intake: IntakeCounters,
    letters: DeliveryCounters,
    results: DeliveryCounters,
    /// `None` without Kafka.
    connected: Option<bool>,
}

impl IngestMetrics {
    /// Nothing has come in yet.
    pub(crate) fn new(received: Option<ReceiveCounters>) -> Self {
        Self {
            newest: Arc::default(),
            received,
            logs: LogMetrics::default(),
        }
    }

    /// Takes over the newest counters.
    pub(crate) fn set(
        &self,
        intake: IntakeCounters,
        letters: Option<&DeadLetters>,
        results: DeliveryCounters,
        connected: Option<bool>,
    ) {
        let letters = letters.map(DeadLetters::counters).unwrap_or_default();
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Newest {
            intake,
            letters,
            results,
            connected,
        };
    }

    /// As metrics.
    pub(crate) fn export(&self) -> Vec<Metric> {
        let Newest {
            intake,
            letters,
            results,
            connected,
        } = *self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = [
            ("items", "Items decoded from records.", intake.items),
            (
                "undecodable",
                "Records, or parts of them, that could not be decoded.",
                intake.undecodable,
            ),
            ("mapped", "Items of configured targets.", intake.mapping.mapped),
            (
                "discovered",
                "Items of discovered targets.",
                intake.mapping.discovered,
            ),
            (
                "unmapped",
                "Items of no known target, dropped.",
                intake.mapping.unmapped,
            ),
            (
                "duplicate_outcomes",
                "Outcomes of another source than the target's own, dropped.",
                intake.mapping.duplicate_outcomes,
            ),
            (
                "bad_names",
                "Items with an empty or overlong name, dropped.",
                intake.mapping.bad_names,
            ),
            ("accepted", "Events put in order.", intake.sequencer.accepted),
            ("late", "Events older than the watermark.", intake.sequencer.late),
            (
                "refused_time",
                "Events refused for their time.",
                intake.sequencer.refused,
            ),
            (
                "forced",
                "Events forced out of a full reorder buffer.",
                intake.sequencer.forced,
            ),
            (
                "stream_resets",
                "Cumulative streams that counted anew.",
                intake.deltas.resets,
            ),
            (
                "streams_evicted",
                "Cumulative streams forgotten because there were too many.",
                intake.deltas.evicted,
            ),
            (
                "dead_letters_delivered",
                "Dead letters delivered.",
                letters.delivered,
            ),
            (
                "dead_letters_dropped",
                "Dead letters dropped because the queue was full.",
                letters.dropped,
            ),
            (
                "results_delivered",
                "Results delivered to Kafka.",
                results.delivered,
            ),
            (
                "results_dropped",
                "Results dropped because the queue was full.",
                results.dropped,
            ),
            (
                "results_failed",
                "Results that the brokers did not take.",
                results.failed,
            ),
            (
                "dead_letters_failed",
                "Dead letters that the broker did not take.",
                letters.failed,
            ),
        ];
        let counters = counters.into_iter().map(|(name, help, value)| Metric {
            name: format!("ingest_{name}_total"),
            help: help.to_owned(),
            kind: MetricKind::Counter,
            labels: Vec::new(),
            value: value as f64,
        });
        let connected = connected.map(|connected| Metric {
            name: "ingest_connected".to_owned(),
            help: "Whether records are being read from Kafka: 1 or 0.".to_owned(),
            kind: MetricKind::Gauge,
            labels: Vec::new(),
            value: f64::from(u8::from(connected)),
        });
        let received = self.received.iter().flat_map(received);
        let logs = self.logs.export();
        counters.chain(connected).chain(received).chain(logs).collect()
    }
}

/// What receivers took, dropped and refused: all metrics of one name in a row.
pub(crate) fn received(counters: &ReceiveCounters) -> Vec<Metric> {
    type Read = fn(ReceiverCounters) -> u64;
    let metrics: [(&str, &str, Read); 6] = [
        (
            "received_items_total",
            "Items that were sent to a receiver and taken.",
            |of| of.items,
        ),
        (
            "received_ignored_total",
            "Parts of what was sent that say nothing that is asked for.",
            |of| of.ignored,
        ),
        (
            "received_dropped_total",
            "Items dropped because the buffer was full.",
            |of| of.dropped,
        ),
        (
            "received_refused_exports_total",
            "Exports refused because the buffer stayed full.",
            |of| of.refused_exports,
        ),
        (
            "received_refused_calls_total",
            "Streams and exports refused because too many were open.",
            |of| of.refused_calls,
        ),
        (
            "received_open_calls",
            "Streams and exports that are open.",
            |of| of.open_calls,
        ),
    ];
    let mut exported = Vec::new();
    for (name, help, read) in metrics {
        let kind = match name.ends_with("_total") {
            true => MetricKind::Counter,
            false => MetricKind::Gauge,
        };
        exported.extend(Receiver::ALL.map(|receiver| Metric {
            name: format!("ingest_{name}"),
            help: help.to_owned(),
            kind,
            labels: vec![("receiver".to_owned(), receiver.as_str().to_owned())],
            value: read(counters.read(receiver)) as f64,
        }));
    }
    exported
}
