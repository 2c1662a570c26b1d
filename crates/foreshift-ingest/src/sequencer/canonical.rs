//! A total order over events: by time, then over every field, so that equal sets of events are released in
//! one order however they arrived.

use std::cmp::Ordering;

use foreshift_domain::log::LogEvent;
use foreshift_domain::signal::{Gauge, Observation, Outcome, OutcomeWindow, Signal};

use crate::decoded::Event;

/// Compares by time first. `Equal` only for events that are equal in every field (NaN equals itself).
pub(super) fn compare(left: &Event, right: &Event) -> Ordering {
    left.time().cmp(&right.time()).then_with(|| match (left, right) {
        (Event::Signal(left), Event::Signal(right)) => signals(left, right),
        (Event::Log(left), Event::Log(right)) => logs(left, right),
        (Event::Signal(_), Event::Log(_)) => Ordering::Less,
        (Event::Log(_), Event::Signal(_)) => Ordering::Greater,
    })
}

fn signals(left: &Signal, right: &Signal) -> Ordering {
    left.target
        .cmp(&right.target)
        .then_with(|| left.route.cmp(&right.route))
        .then_with(|| left.gateway.cmp(&right.gateway))
        .then_with(|| left.endpoint.cmp(&right.endpoint))
        .then_with(|| observations(&left.observation, &right.observation))
}

fn observations(left: &Observation, right: &Observation) -> Ordering {
    match (left, right) {
        (Observation::Outcome(left), Observation::Outcome(right)) => outcomes(left, right),
        (Observation::Window(left), Observation::Window(right)) => windows(left, right),
        (Observation::Gauge(left), Observation::Gauge(right)) => gauges(left, right),
        (Observation::Health(left), Observation::Health(right)) => left.cmp(right),
        (Observation::Event(left), Observation::Event(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

/// Events first (a deploy explains what follows), then health, levels and outcomes.
const fn rank(observation: &Observation) -> u8 {
    match observation {
        Observation::Event(_) => 0,
        Observation::Health(_) => 1,
        Observation::Gauge(_) => 2,
        Observation::Window(_) => 3,
        Observation::Outcome(_) => 4,
    }
}

fn outcomes(left: &Outcome, right: &Outcome) -> Ordering {
    let key = |outcome: &Outcome| (outcome.kind, outcome.latency, outcome.ttfb, outcome.count);
    key(left).cmp(&key(right))
}

fn windows(left: &OutcomeWindow, right: &OutcomeWindow) -> Ordering {
    let bins = |window: &OutcomeWindow| {
        window
            .latency
            .iter()
            .map(|bin| (bin.upper, bin.count))
            .collect::<Vec<_>>()
    };
    (left.length, left.counts.0)
        .cmp(&(right.length, right.counts.0))
        .then_with(|| bins(left).cmp(&bins(right)))
}

fn gauges(left: &Gauge, right: &Gauge) -> Ordering {
    let limit = |gauge: &Gauge| gauge.limit.unwrap_or(f64::NEG_INFINITY);
    left.name
        .cmp(&right.name)
        .then_with(|| left.value.total_cmp(&right.value))
        .then_with(|| limit(left).total_cmp(&limit(right)))
}

fn logs(left: &LogEvent, right: &LogEvent) -> Ordering {
    let key = |event: &LogEvent| (event.class, event.template, event.count);
    left.target
        .cmp(&right.target)
        .then_with(|| key(left).cmp(&key(right)))
}
