//! Native JSON: the same signals and log lines as in the protos, spelled for people. Unknown fields are ignored.
//!
//! ```json
//! {"time": "2025-03-01T12:00:00Z", "target": "eu", "outcome": {"kind": "timeout", "latency_ms": 950.5}}
//! {"time": 1740830400.25, "target": "eu", "gauge": {"name": "queue_depth", "value": 12, "limit": 64}}
//! {"time": 1740830400, "target": "eu", "window": {"length_s": 10, "counts": {"success": 99, "reset": 1}}}
//! {"time": 1740830400, "target": "eu", "health": "down"}
//! {"time": 1740830400, "target": "eu", "event": "deploy"}
//! ```

use std::collections::BTreeMap;

use foreshift_domain::signal::{
    EventKind, Gauge, Health, LatencyBin, MAX_LATENCY_BINS, Observation, Outcome, OutcomeCounts, OutcomeKind,
    OutcomeWindow, Signal,
};
use foreshift_domain::{Duration, Timestamp};
use serde::Deserialize;

use crate::error::WireError;
use crate::field;
use crate::log::{LogLine, Severity};
use crate::{rfc3339, v1};

/// The most seconds, of a span or since the epoch (the year 5138): what is beyond was sent in milliseconds or finer.
const MAX_SECONDS: f64 = 1e11;

/// A signal as JSON spells it. Exactly one of `outcome`, `window`, `gauge`, `health` and `event` must be there.
#[derive(Clone, Debug, Deserialize)]
pub struct JsonSignal {
    /// RFC 3339, or Unix seconds with or without a fraction.
    pub time: JsonTime,
    /// As in the proto.
    pub target: String,
    /// As in the proto.
    #[serde(default)]
    pub route: Option<String>,
    /// As in the proto.
    #[serde(default)]
    pub gateway: Option<String>,
    /// As in the proto.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// One or more requests that ended alike.
    #[serde(default)]
    pub outcome: Option<JsonOutcome>,
    /// Many requests, counted by the sender.
    #[serde(default)]
    pub window: Option<JsonWindow>,
    /// A level at a moment.
    #[serde(default)]
    pub gauge: Option<JsonGauge>,
    /// `up`, `degraded` or `down`.
    #[serde(default)]
    pub health: Option<Health>,
    /// `deploy`, `maintenance_start`, `maintenance_end`, `config_change` or `scale`.
    #[serde(default)]
    pub event: Option<EventKind>,
}

/// A point in time as JSON spells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum JsonTime {
    /// Unix seconds.
    Seconds(f64),
    /// RFC 3339.
    Text(String),
}

/// How requests ended. `kind` or `status` must be there; `kind` wins.
#[derive(Clone, Debug, Deserialize)]
pub struct JsonOutcome {
    /// How they ended, such as `timeout`.
    #[serde(default)]
    pub kind: Option<OutcomeKind>,
    /// HTTP status; 0 is no connection.
    #[serde(default)]
    pub status: Option<u16>,
    /// Time to the last byte, in milliseconds.
    #[serde(default)]
    pub latency_ms: Option<f64>,
    /// Time to the first byte or token, in milliseconds.
    #[serde(default)]
    pub ttfb_ms: Option<f64>,
    /// How many requests this stands for; 1 when left out.
    #[serde(default)]
    pub count: Option<u32>,
}

/// Requests of an interval that ends at the signal's time.
#[derive(Clone, Debug, Deserialize)]
pub struct JsonWindow {
    /// Length in seconds, above 0.
    pub length_s: f64,
    /// Requests by how they ended.
    #[serde(default)]
    pub counts: BTreeMap<OutcomeKind, u64>,
    /// A histogram of latency.
    #[serde(default)]
    pub latency: Vec<JsonBin>,
}

/// One bin of a latency histogram.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct JsonBin {
    /// Upper bound in milliseconds, inclusive.
    pub upper_ms: f64,
    /// Requests in the bin.
    pub count: u64,
}

/// A level at a moment.
#[derive(Clone, Debug, Deserialize)]
pub struct JsonGauge {
    /// Its name.
    pub name: String,
    /// The level.
    pub value: f64,
    /// The level at which the target is full.
    #[serde(default)]
    pub limit: Option<f64>,
}

/// A log line as JSON spells it; names as in the proto.
#[derive(Clone, Debug, Deserialize)]
pub struct JsonLogLine {
    /// RFC 3339, or Unix seconds with or without a fraction.
    pub time: JsonTime,
    /// As in the proto.
    pub target: String,
    /// As in the proto.
    #[serde(default)]
    pub route: Option<String>,
    /// `trace`, `debug`, `info`, `warn`, `error` or `fatal`, in any case.
    #[serde(default)]
    pub severity: Option<String>,
    /// As in the proto.
    #[serde(default)]
    pub body: String,
    /// As in the proto.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// As in the proto.
    #[serde(default)]
    pub http_status: Option<u32>,
    /// As in the proto.
    #[serde(default)]
    pub grpc_status: Option<u32>,
    /// As in the proto.
    #[serde(default)]
    pub provider_error_code: Option<String>,
    /// As in the proto.
    #[serde(default)]
    pub provider_error_type: Option<String>,
    /// As in the proto.
    #[serde(default)]
    pub count: Option<u32>,
}

impl TryFrom<JsonTime> for Timestamp {
    type Error = WireError;

    fn try_from(json: JsonTime) -> Result<Self, WireError> {
        let seconds = match json {
            JsonTime::Text(text) => {
                return rfc3339::parse(&text).ok_or(WireError::OutOfRange {
                    field: "time",
                    expected: "RFC 3339 or Unix seconds",
                });
            }
            JsonTime::Seconds(seconds) => field::finite("time", seconds)?,
        };
        if seconds.abs() > MAX_SECONDS {
            return Err(WireError::OutOfRange {
                field: "time",
                expected: "Unix seconds, not milliseconds or finer",
            });
        }
        Ok(Self::from_micros(Duration::from_secs_f64(seconds).as_micros()))
    }
}

impl TryFrom<JsonSignal> for Signal {
    type Error = WireError;

    fn try_from(json: JsonSignal) -> Result<Self, WireError> {
        let said = [
            json.outcome.is_some(),
            json.window.is_some(),
            json.gauge.is_some(),
            json.health.is_some(),
            json.event.is_some(),
        ];
        if said.into_iter().filter(|said| *said).count() > 1 {
            return Err(WireError::OutOfRange {
                field: "observation",
                expected: "exactly one of outcome, window, gauge, health and event",
            });
        }
        let observation = if let Some(outcome) = json.outcome {
            Observation::Outcome(outcome.try_into()?)
        } else if let Some(window) = json.window {
            Observation::Window(Box::new(window.try_into()?))
        } else if let Some(gauge) = json.gauge {
            Observation::Gauge(gauge.try_into()?)
        } else if let Some(health) = json.health {
            Observation::Health(health)
        } else if let Some(event) = json.event {
            Observation::Event(event)
        } else {
            return Err(WireError::Missing { field: "observation" });
        };
        Ok(Self {
            time: json.time.try_into()?,
            target: field::name("target", json.target)?,
            route: field::optional_name("route", json.route.unwrap_or_default())?,
            gateway: field::optional_name("gateway", json.gateway.unwrap_or_default())?,
            endpoint: field::optional_name("endpoint", json.endpoint.unwrap_or_default())?,
            observation,
        })
    }
}

impl TryFrom<JsonOutcome> for Outcome {
    type Error = WireError;

    fn try_from(json: JsonOutcome) -> Result<Self, WireError> {
        let kind = json.kind.or(json.status.map(OutcomeKind::from_http_status));
        Ok(Self {
            kind: kind.ok_or(WireError::Missing {
                field: "outcome.kind",
            })?,
            latency: json
                .latency_ms
                .map(|ms| millis("outcome.latency_ms", ms))
                .transpose()?,
            ttfb: json.ttfb_ms.map(|ms| millis("outcome.ttfb_ms", ms)).transpose()?,
            count: field::count("outcome.count", json.count)?,
        })
    }
}

impl TryFrom<JsonWindow> for OutcomeWindow {
    type Error = WireError;

    fn try_from(json: JsonWindow) -> Result<Self, WireError> {
        field::at_most_entries("window.latency", json.latency.len(), MAX_LATENCY_BINS)?;
        let mut counts = OutcomeCounts::default();
        for (kind, count) in json.counts {
            counts.add(kind, count);
        }
        let latency = json
            .latency
            .into_iter()
            .map(|bin| {
                Ok(LatencyBin {
                    upper: millis("window.latency.upper_ms", bin.upper_ms)?,
                    count: bin.count,
                })
            })
            .collect::<Result<Vec<_>, WireError>>()?;
        crate::signal::ascending("window.latency", &latency)?;
        let length = seconds("window.length_s", json.length_s)?;
        Ok(Self {
            length: field::positive_span("window.length_s", length.as_micros())?,
            counts,
            latency,
        })
    }
}

impl TryFrom<JsonGauge> for Gauge {
    type Error = WireError;

    fn try_from(json: JsonGauge) -> Result<Self, WireError> {
        crate::signal::checked_gauge(Self {
            name: field::name("gauge.name", json.name)?,
            value: json.value,
            limit: json.limit,
        })
    }
}

impl TryFrom<JsonLogLine> for LogLine {
    type Error = WireError;

    fn try_from(json: JsonLogLine) -> Result<Self, WireError> {
        let severity = json.severity.as_deref().and_then(Severity::parse);
        let line: Self = v1::LogRecord {
            time_unix_us: Timestamp::try_from(json.time)?.as_micros(),
            target: json.target,
            route: json.route.unwrap_or_default(),
            severity: v1::Severity::Unspecified.into(),
            body: json.body,
            attributes: json.attributes,
            http_status: json.http_status,
            grpc_status: json.grpc_status,
            provider_error_code: json.provider_error_code.unwrap_or_default(),
            provider_error_type: json.provider_error_type.unwrap_or_default(),
            count: json.count,
        }
        .try_into()?;
        Ok(Self { severity, ..line })
    }
}

fn seconds(field: &'static str, seconds: f64) -> Result<Duration, WireError> {
    if (0.0..=MAX_SECONDS).contains(&field::finite(field, seconds)?) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(WireError::OutOfRange {
            field,
            expected: "at least 0, and at most 1e11 seconds",
        })
    }
}

fn millis(field: &'static str, ms: f64) -> Result<Duration, WireError> {
    seconds(field, ms / 1e3)
}
