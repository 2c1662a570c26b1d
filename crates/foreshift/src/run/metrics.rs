//! Metrics of what comes in. The engine's own are part of the published state.

use std::sync::{Arc, Mutex, PoisonError};

use foreshift_ingest::IntakeCounters;
use foreshift_ingest::dead_letter::{DeadLetterCounters, DeadLetters};
use foreshift_ingest::results::ResultCounters;
use foreshift_serve::{Metric, MetricKind};

/// The newest counters of the engine's thread, shared with scrapes.
#[derive(Clone, Default)]
pub(crate) struct IngestMetrics(Arc<Mutex<Newest>>);

#[derive(Clone, Copy, Default)]
struct Newest {
    intake: IntakeCounters,
    letters: DeadLetterCounters,
    results: ResultCounters,
    connected: bool,
}

impl IngestMetrics {
    /// Takes over the newest counters.
    pub(crate) fn set(
        &self,
        intake: IntakeCounters,
        letters: Option<&DeadLetters>,
        results: ResultCounters,
        connected: bool,
    ) {
        let letters = letters.map(DeadLetters::counters).unwrap_or_default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Newest {
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
        } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let connected = Metric {
            name: "ingest_connected".to_owned(),
            help: "Whether records are being read from Kafka: 1 or 0.".to_owned(),
            kind: MetricKind::Gauge,
            labels: Vec::new(),
            value: f64::from(u8::from(connected)),
        };
        counters.chain([connected]).collect()
    }
}
