//! An input as a flat row, and back.

use foreshift_domain::log::{ErrorClass, LogEvent};
use foreshift_domain::prediction::Served;
use foreshift_domain::signal::{
    EventKind, Gauge, Health, Observation, Outcome, OutcomeKind, OutcomeWindow, Signal,
};
use foreshift_domain::{
    Duration, EndpointName, GatewayName, GaugeName, Input, RouteName, TargetName, Timestamp,
};

use crate::intern::Interner;

/// One row of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalRow {
    /// Its sequence number: counts all inputs of the engine from 1.
    pub seq: u64,
    /// The input.
    pub input: Input,
    /// Where it came from; `None` for what the process added.
    pub origin: Option<RowOrigin>,
}

/// Where a row came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOrigin {
    /// The topic, or the file.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset, or the line.
    pub offset: i64,
}

/// The columns of a row, without sequence number and origin. What a kind of input has not is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Flat<'a> {
    pub(super) kind: &'a str,
    pub(super) time: Option<i64>,
    pub(super) target: Option<&'a str>,
    pub(super) route: Option<&'a str>,
    pub(super) gateway: Option<&'a str>,
    pub(super) endpoint: Option<&'a str>,
    pub(super) outcome: Option<&'a str>,
    pub(super) count: Option<i64>,
    pub(super) latency: Option<i64>,
    pub(super) ttfb: Option<i64>,
    pub(super) gauge: Option<&'a str>,
    pub(super) value: Option<f64>,
    pub(super) limit: Option<f64>,
    pub(super) health: Option<&'a str>,
    pub(super) event: Option<&'a str>,
    pub(super) template: Option<i64>,
    pub(super) class: Option<&'a str>,
}

/// The columns of an input, and its payload.
pub(super) fn flatten(input: &Input) -> Result<(Flat<'_>, Option<String>), serde_json::Error> {
    let plain = |kind, time: Timestamp| Flat {
        kind,
        time: Some(time.as_micros()),
        ..Flat::default()
    };
    Ok(match input {
        Input::Signal(signal) => return flatten_signal(signal),
        Input::Log(event) => (flatten_log(event), None),
        Input::Clock(now) => (plain("clock", *now), None),
        Input::Watermark(watermark) => (
            plain("watermark", watermark.time),
            Some(serde_json::to_string(watermark)?),
        ),
        Input::Command(command) => (
            plain("command", command.issued_at),
            Some(serde_json::to_string(command)?),
        ),
        Input::Fallback(fallback) => (
            Flat {
                kind: "fallback",
                ..Flat::default()
            },
            Some(serde_json::to_string(fallback)?),
        ),
        Input::Model(model) => (
            Flat {
                kind: "model",
                ..Flat::default()
            },
            Some(serde_json::to_string(model)?),
        ),
        Input::Challenger(model) => (
            Flat {
                kind: "challenger",
                ..Flat::default()
            },
            Some(serde_json::to_string(model)?),
        ),
        Input::ModelHealth(health) => (
            Flat {
                kind: "model_health",
                ..Flat::default()
            },
            Some(serde_json::to_string(health)?),
        ),
        Input::Applied(applied) => {
            let flat = Flat {
                gateway: Some(applied.gateway.as_str()),
                route: Some(applied.route.as_str()),
                ..plain("applied", applied.time)
            };
            (flat, Some(serde_json::to_string(applied)?))
        }
    })
}

/// The kind of a row that is no input: a sample of what was served.
pub(super) const SERVED: &str = "served";

/// The columns of a sample of what was served, and its payload.
pub(super) fn flatten_served(served: &Served) -> Result<(Flat<'_>, String), serde_json::Error> {
    let flat = Flat {
        kind: SERVED,
        time: Some(served.id.tick.as_micros()),
        target: Some(served.id.target.as_str()),
        ..Flat::default()
    };
    Ok((flat, serde_json::to_string(served)?))
}

/// The sample of what was served in a row's payload; `Err` says what is wrong.
pub(super) fn restore_served(payload: Option<&str>) -> Result<Served, String> {
    json(payload)
}

fn flatten_signal(signal: &Signal) -> Result<(Flat<'_>, Option<String>), serde_json::Error> {
    let mut flat = Flat {
        time: Some(signal.time.as_micros()),
        target: Some(signal.target.as_str()),
        route: signal.route.as_ref().map(|name| name.as_str()),
        gateway: signal.gateway.as_ref().map(|name| name.as_str()),
        endpoint: signal.endpoint.as_ref().map(|name| name.as_str()),
        ..Flat::default()
    };
    let mut payload = None;
    match &signal.observation {
        Observation::Outcome(outcome) => {
            flat.kind = "outcome";
            flat.outcome = Some(outcome.kind.as_str());
            flat.count = Some(i64::from(outcome.count));
            flat.latency = outcome.latency.map(Duration::as_micros);
            flat.ttfb = outcome.ttfb.map(Duration::as_micros);
        }
        Observation::Window(window) => {
            flat.kind = "window";
            flat.count = i64::try_from(window.counts.total()).ok();
            payload = Some(serde_json::to_string(window)?);
        }
        Observation::Gauge(gauge) => {
            flat.kind = "gauge";
            flat.gauge = Some(gauge.name.as_str());
            flat.value = Some(gauge.value);
            flat.limit = gauge.limit;
        }
        Observation::Health(health) => {
            flat.kind = "health";
            flat.health = Some(health_word(*health));
        }
        Observation::Event(event) => {
            flat.kind = "event";
            flat.event = Some(event_word(*event));
        }
    }
    Ok((flat, payload))
}

fn flatten_log(event: &LogEvent) -> Flat<'_> {
    Flat {
        kind: "log",
        time: Some(event.time.as_micros()),
        target: Some(event.target.as_str()),
        // The column is declared unsigned: the bits are kept.
        template: Some(event.template.cast_signed()),
        class: Some(event.class.as_str()),
        count: Some(i64::from(event.count)),
        ..Flat::default()
    }
}

/// The input of a row's columns; `Err` says what is wrong.
pub(super) fn restore(flat: &Flat<'_>, payload: Option<&str>, names: &mut Names) -> Result<Input, String> {
    let time = || {
        flat.time
            .map(Timestamp::from_micros)
            .ok_or_else(|| lacks("time_us"))
    };
    Ok(match flat.kind {
        "outcome" | "window" | "gauge" | "health" | "event" => {
            Input::Signal(restore_signal(flat, payload, names)?)
        }
        "log" => Input::Log(LogEvent {
            time: time()?,
            target: names.targets.get(flat.target.ok_or_else(|| lacks("target"))?),
            template: flat.template.ok_or_else(|| lacks("template"))?.cast_unsigned(),
            class: flat
                .class
                .and_then(ErrorClass::parse)
                .ok_or_else(|| lacks("class"))?,
            count: count(flat)?,
        }),
        "clock" => Input::Clock(time()?),
        "watermark" => Input::Watermark(json(payload)?),
        "command" => Input::Command(json(payload)?),
        "fallback" => Input::Fallback(json(payload)?),
        "model" => Input::Model(json(payload)?),
        "challenger" => Input::Challenger(json(payload)?),
        "model_health" => Input::ModelHealth(json(payload)?),
        "applied" => Input::Applied(json(payload)?),
        other => return Err(format!("unknown kind {other:?}")),
    })
}

fn restore_signal(flat: &Flat<'_>, payload: Option<&str>, names: &mut Names) -> Result<Signal, String> {
    let observation = match flat.kind {
        "outcome" => Observation::Outcome(Outcome {
            kind: flat
                .outcome
                .and_then(OutcomeKind::parse)
                .ok_or_else(|| lacks("outcome"))?,
            latency: flat.latency.map(Duration::from_micros),
            ttfb: flat.ttfb.map(Duration::from_micros),
            count: count(flat)?,
        }),
        "window" => Observation::Window(Box::new(json::<OutcomeWindow>(payload)?)),
        "gauge" => Observation::Gauge(Gauge {
            name: names.gauges.get(flat.gauge.ok_or_else(|| lacks("gauge"))?),
            value: flat.value.ok_or_else(|| lacks("value"))?,
            limit: flat.limit,
        }),
        "health" => Observation::Health(
            flat.health
                .and_then(parse_health)
                .ok_or_else(|| lacks("health"))?,
        ),
        _ => Observation::Event(flat.event.and_then(parse_event).ok_or_else(|| lacks("event"))?),
    };
    Ok(Signal {
        time: flat
            .time
            .map(Timestamp::from_micros)
            .ok_or_else(|| lacks("time_us"))?,
        target: names.targets.get(flat.target.ok_or_else(|| lacks("target"))?),
        route: flat.route.map(|name| names.routes.get(name)),
        gateway: flat.gateway.map(|name| names.gateways.get(name)),
        endpoint: flat.endpoint.map(|name| names.endpoints.get(name)),
        observation,
    })
}

fn lacks(column: &str) -> String {
    format!("column {column} is missing or wrong")
}

fn count(flat: &Flat<'_>) -> Result<u32, String> {
    flat.count
        .and_then(|count| u32::try_from(count).ok())
        .ok_or_else(|| lacks("count"))
}

fn json<T: serde::de::DeserializeOwned>(payload: Option<&str>) -> Result<T, String> {
    let payload = payload.ok_or_else(|| lacks("payload"))?;
    serde_json::from_str(payload).map_err(|error| format!("payload: {error}"))
}

const HEALTHS: [(Health, &str); 3] = [
    (Health::Up, "up"),
    (Health::Degraded, "degraded"),
    (Health::Down, "down"),
];

const EVENTS: [(EventKind, &str); 5] = [
    (EventKind::Deploy, "deploy"),
    (EventKind::MaintenanceStart, "maintenance_start"),
    (EventKind::MaintenanceEnd, "maintenance_end"),
    (EventKind::ConfigChange, "config_change"),
    (EventKind::Scale, "scale"),
];

const fn health_word(health: Health) -> &'static str {
    match health {
        Health::Up => "up",
        Health::Degraded => "degraded",
        Health::Down => "down",
    }
}

const fn event_word(event: EventKind) -> &'static str {
    match event {
        EventKind::Deploy => "deploy",
        EventKind::MaintenanceStart => "maintenance_start",
        EventKind::MaintenanceEnd => "maintenance_end",
        EventKind::ConfigChange => "config_change",
        EventKind::Scale => "scale",
    }
}

fn parse_health(word: &str) -> Option<Health> {
    HEALTHS
        .iter()
        .find(|(_, theirs)| *theirs == word)
        .map(|(health, _)| *health)
}

fn parse_event(word: &str) -> Option<EventKind> {
    EVENTS
        .iter()
        .find(|(_, theirs)| *theirs == word)
        .map(|(event, _)| *event)
}

/// Shares the text of names.
#[derive(Debug, Default)]
pub(super) struct Names {
    targets: Interner<TargetName>,
    routes: Interner<RouteName>,
    gateways: Interner<GatewayName>,
    endpoints: Interner<EndpointName>,
    gauges: Interner<GaugeName>,
}
