//! Signals, both ways.

mod view;

use foreshift_domain::signal::{
    Gauge, LatencyBin, MAX_LATENCY_BINS, Observation, Outcome, OutcomeCounts, OutcomeKind, OutcomeWindow,
    Signal,
};

use crate::enums;
use crate::error::WireError;
use crate::field;
use crate::v1;
use crate::v1::signal::Observation as Wire;

pub use view::{Malformed, Names, SignalView};

/// The most signals or log records in one batch. One record of Kafka seldom exceeds 1 MiB, and the smallest
/// signal takes some 16 bytes.
pub const MAX_BATCH: usize = 65_536;

fn observation(wire: Wire) -> Result<Observation, WireError> {
    Ok(match wire {
        Wire::Outcome(wire) => Observation::Outcome(outcome(&wire)?),
        Wire::Window(wire) => Observation::Window(Box::new(window(&wire)?)),
        Wire::Gauge(wire) => Observation::Gauge(gauge(wire)?),
        Wire::Health(wire) => Observation::Health(enums::health("health", wire)?),
        Wire::Event(wire) => Observation::Event(enums::event_kind("event", wire)?),
    })
}

fn outcome(wire: &v1::Outcome) -> Result<Outcome, WireError> {
    let span = |field, micros: Option<i64>| micros.map(|micros| field::span(field, micros)).transpose();
    Ok(Outcome {
        kind: enums::outcome_kind("outcome.kind", wire.kind)?,
        latency: span("outcome.latency_us", wire.latency_us)?,
        ttfb: span("outcome.ttfb_us", wire.ttfb_us)?,
        count: field::count("outcome.count", wire.count)?,
    })
}

fn window(wire: &v1::OutcomeWindow) -> Result<OutcomeWindow, WireError> {
    field::at_most_entries("window.latency", wire.latency.len(), MAX_LATENCY_BINS)?;
    let mut counts = OutcomeCounts::default();
    for entry in &wire.counts {
        counts.add(
            enums::outcome_kind("window.counts.kind", entry.kind)?,
            entry.count,
        );
    }
    let latency = wire
        .latency
        .iter()
        .map(|bin| {
            Ok(LatencyBin {
                upper: field::span("window.latency.upper_us", bin.upper_us)?,
                count: bin.count,
            })
        })
        .collect::<Result<Vec<_>, WireError>>()?;
    ascending("window.latency", &latency)?;
    Ok(OutcomeWindow {
        length: field::positive_span("window.length_us", wire.length_us)?,
        counts,
        latency,
    })
}

/// Bins must ascend, or a quantile read from them is nonsense.
pub(crate) fn ascending(field: &'static str, bins: &[LatencyBin]) -> Result<(), WireError> {
    let sorted = bins
        .iter()
        .zip(bins.iter().skip(1))
        .all(|(low, high)| low.upper < high.upper);
    if sorted {
        Ok(())
    } else {
        Err(WireError::OutOfRange {
            field,
            expected: "bins with strictly ascending upper bounds",
        })
    }
}

fn gauge(wire: v1::Gauge) -> Result<Gauge, WireError> {
    checked_gauge(Gauge {
        name: field::name("gauge.name", wire.name)?,
        value: wire.value,
        limit: wire.limit,
    })
}

/// The gauge, if its numbers keep their promise.
pub(crate) fn checked_gauge(gauge: Gauge) -> Result<Gauge, WireError> {
    field::finite("gauge.value", gauge.value)?;
    if let Some(limit) = gauge.limit
        && field::finite("gauge.limit", limit)? <= 0.0
    {
        return Err(WireError::OutOfRange {
            field: "gauge.limit",
            expected: "above 0",
        });
    }
    Ok(gauge)
}

impl From<&Signal> for v1::Signal {
    fn from(signal: &Signal) -> Self {
        let text = |name: Option<&str>| name.unwrap_or_default().to_owned();
        Self {
            time_unix_us: signal.time.as_micros(),
            target: signal.target.as_str().to_owned(),
            route: text(signal.route.as_ref().map(|name| name.as_str())),
            gateway: text(signal.gateway.as_ref().map(|name| name.as_str())),
            endpoint: text(signal.endpoint.as_ref().map(|name| name.as_str())),
            observation: Some(match &signal.observation {
                Observation::Outcome(outcome) => Wire::Outcome(outcome.into()),
                Observation::Window(window) => Wire::Window(window.as_ref().into()),
                Observation::Gauge(gauge) => Wire::Gauge(v1::Gauge {
                    name: gauge.name.as_str().to_owned(),
                    value: gauge.value,
                    limit: gauge.limit,
                }),
                Observation::Health(health) => Wire::Health(v1::Health::from(*health).into()),
                Observation::Event(event) => Wire::Event(v1::EventKind::from(*event).into()),
            }),
        }
    }
}

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> Self {
        Self {
            kind: v1::OutcomeKind::from(outcome.kind).into(),
            latency_us: outcome.latency.map(|span| span.as_micros()),
            ttfb_us: outcome.ttfb.map(|span| span.as_micros()),
            count: (outcome.count != 1).then_some(outcome.count),
        }
    }
}

impl From<&OutcomeWindow> for v1::OutcomeWindow {
    fn from(window: &OutcomeWindow) -> Self {
        Self {
            length_us: window.length.as_micros(),
            counts: counts_to_wire(&window.counts),
            latency: window
                .latency
                .iter()
                .map(|bin| v1::LatencyBin {
                    upper_us: bin.upper.as_micros(),
                    count: bin.count,
                })
                .collect(),
        }
    }
}

/// Kinds that had requests.
pub(crate) fn counts_to_wire(counts: &OutcomeCounts) -> Vec<v1::OutcomeCount> {
    OutcomeKind::ALL
        .into_iter()
        .filter(|kind| counts.of(*kind) > 0)
        .map(|kind| v1::OutcomeCount {
            kind: v1::OutcomeKind::from(kind).into(),
            count: counts.of(kind),
        })
        .collect()
}

impl FromIterator<Signal> for v1::SignalBatch {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> Self {
        Self {
            signals: signals.into_iter().map(|signal| (&signal).into()).collect(),
        }
    }
}
