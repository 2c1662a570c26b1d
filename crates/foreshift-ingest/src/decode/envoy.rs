//! Envoy's JSON access log. Operators choose the keys; the defaults are those of Envoy Gateway, Istio and the
//! examples of Envoy's documentation.
//!
//! One entry is one outcome, at the end of the request. Response flags and details tell failures of the upstream
//! from those of the client and from answers that Envoy gave by itself. Only the last attempt is in an entry; that
//! there were others is told by the gauge [`RETRIES_GAUGE`].

use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::signal::{Gauge, Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::outcome::from_envoy;
use super::{DecodeError, Parts, each_json};
use crate::decoded::{Decoded, millis};
use crate::time_text;

/// The gauge of attempts beyond the first, of requests whose entry tells them.
pub const RETRIES_GAUGE: &str = "retries";

/// The keys of an access log, each with the names it may have; the first that holds a value counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnvoyKeys {
    /// `%START_TIME%`: RFC 3339, or Unix seconds.
    pub start_time: Vec<String>,
    /// `%UPSTREAM_CLUSTER%`.
    pub upstream_cluster: Vec<String>,
    /// `%RESPONSE_CODE%`.
    pub response_code: Vec<String>,
    /// `%RESPONSE_FLAGS%`.
    pub response_flags: Vec<String>,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub response_code_details: Vec<String>,
    /// `%GRPC_STATUS_NUMBER%`.
    pub grpc_status: Vec<String>,
    /// `%DURATION%`, in milliseconds.
    pub duration: Vec<String>,
    /// Time to the first byte of the upstream, in milliseconds.
    pub ttfb: Vec<String>,
    /// `%UPSTREAM_HOST%`.
    pub upstream_host: Vec<String>,
    /// `%ROUTE_NAME%`.
    pub route_name: Vec<String>,
    /// Name of the gateway.
    pub gateway: Vec<String>,
    /// `%UPSTREAM_REQUEST_ATTEMPT_COUNT%`.
    pub attempts: Vec<String>,
}

impl Default for EnvoyKeys {
    fn default() -> Self {
        let keys = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            start_time: keys(&["start_time", "time", "@timestamp", "timestamp"]),
            upstream_cluster: keys(&["upstream_cluster", "upstream_cluster_raw", "cluster"]),
            response_code: keys(&["response_code", "status"]),
            response_flags: keys(&["response_flags", "flags"]),
            response_code_details: keys(&["response_code_details"]),
            grpc_status: keys(&["grpc_status", "grpc_status_number"]),
            duration: keys(&["duration", "duration_ms", "request_duration"]),
            ttfb: keys(&[
                "upstream_ttfb_ms",
                "response_duration",
                "x-envoy-upstream-service-time",
                "upstream_service_time",
            ]),
            upstream_host: keys(&["upstream_host"]),
            route_name: keys(&["route_name"]),
            gateway: keys(&["gateway", "node_id", "hostname"]),
            attempts: keys(&["upstream_request_attempt_count", "attempt_count"]),
        }
    }
}

/// Decodes a record of access log entries.
pub fn access_log(bytes: &[u8], keys: &EnvoyKeys) -> Parts {
    let mut parts = Parts::default();
    each_json::<Map<String, Value>>("an Envoy access log", bytes, |entry| match entry {
        Ok(entry) => decode_entry(&entry, keys, &mut parts),
        Err(error) => parts.bad.push(error),
    });
    parts
}

/// Decodes one entry, also one that came as attributes of an OTLP log record.
pub(super) fn decode_entry(entry: &Map<String, Value>, keys: &EnvoyKeys, parts: &mut Parts) {
    let fields = Fields { entry };
    let Some(code) = fields.number(&keys.response_code) else {
        return parts.bad.push(DecodeError::Missing {
            field: "response_code",
        });
    };
    // Without a cluster Envoy answered by itself: no route, a redirect.
    let Some(target) = fields.text(&keys.upstream_cluster) else {
        parts.ignored += 1;
        return;
    };
    let Some(start) = fields.time(&keys.start_time) else {
        return parts.bad.push(DecodeError::BadField {
            field: "start_time".into(),
            expected: "RFC 3339 or Unix seconds",
        });
    };
    let latency = fields.number(&keys.duration).and_then(millis);
    let flags = fields.text(&keys.response_flags).unwrap_or_default();
    let details = fields.text(&keys.response_code_details).unwrap_or_default();
    let kind = outcome(
        whole(code),
        &flags,
        &details,
        fields.number(&keys.grpc_status).map(whole),
    );
    let ttfb = fields.number(&keys.ttfb).and_then(millis);
    let observation = Observation::Outcome(Outcome {
        kind,
        latency,
        ttfb,
        count: 1,
    });
    let signal = Signal {
        // The entry is written at the end, and says how it ended: long requests would else look late.
        time: start + latency.unwrap_or(Duration::ZERO),
        target: target.as_ref().into(),
        route: fields.text(&keys.route_name).map(|name| name.as_ref().into()),
        gateway: fields.text(&keys.gateway).map(|name| name.as_ref().into()),
        endpoint: fields.text(&keys.upstream_host).map(|name| name.as_ref().into()),
        observation,
    };
    request_end(signal, fields.number(&keys.attempts), parts);
}

/// Puts the end of a request among the good parts, after the level of its retries where attempts are told.
pub(super) fn request_end(signal: Signal, attempts: Option<f64>, parts: &mut Parts) {
    if let Some(attempts) = attempts.filter(|attempts| *attempts >= 1.0) {
        let retries = Gauge {
            name: RETRIES_GAUGE.into(),
            value: attempts - 1.0,
            limit: None,
        };
        parts.good.push(seen(Signal {
            observation: Observation::Gauge(retries),
            ..signal.clone()
        }));
    }
    parts.good.push(seen(signal));
}

const fn seen(signal: Signal) -> Decoded {
    Decoded::Signal {
        signal,
        aliases: Vec::new(),
        source: OutcomeSource::EnvoyAccessLog,
    }
}

fn whole(value: f64) -> u16 {
    // Saturates; NaN cannot come from JSON.
    value as u16
}

/// How the request ended, as a client of the target would see it.
fn outcome(code: u16, flags: &str, details: &str, grpc: Option<u16>) -> OutcomeKind {
    from_envoy(code, flags.split([',', ' ']), details, grpc)
}

/// Looks up keys; `null`, an empty text and `-` are Envoy's ways of saying nothing.
struct Fields<'a> {
    entry: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn value(&self, keys: &[String]) -> Option<&'a Value> {
        let entry = self.entry;
        keys.iter()
            .filter_map(|key| entry.get(key))
            .find(|value| match value {
                Value::Null => false,
                Value::String(text) => !text.is_empty() && text != "-",
                _ => true,
            })
    }

    fn text(&self, keys: &[String]) -> Option<std::borrow::Cow<'a, str>> {
        match self.value(keys)? {
            Value::String(text) => Some(text.into()),
            Value::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    fn number(&self, keys: &[String]) -> Option<f64> {
        let value = match self.value(keys)? {
            Value::Number(number) => number.as_f64()?,
            Value::String(text) => text.trim_end_matches("ms").trim().parse().ok()?,
            _ => return None,
        };
        value.is_finite().then_some(value)
    }

    fn time(&self, keys: &[String]) -> Option<Timestamp> {
        match self.value(keys)? {
            Value::String(text) => time_text::parse(text.as_bytes()),
            Value::Number(number) => time_text::parse(number.to_string().as_bytes()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
