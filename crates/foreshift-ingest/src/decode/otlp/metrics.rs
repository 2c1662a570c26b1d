//! OTLP metrics: request histograms and counters to windows, levels to gauges.

use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::signal::{
    Gauge, LatencyBin, Observation, OutcomeCounts, OutcomeKind, OutcomeWindow, Signal,
};
use foreshift_domain::{Duration, Timestamp};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::super::{DecodeError, MAX_PARTS, Parts};
use super::attributes::{Attributes, StreamHash, Subject};
use super::{histogram, time};
use crate::decoded::{CumulativePoint, Decoded};

/// Delta and cumulative, as OTLP numbers them.
const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;
/// A point that says "no value was recorded".
const NO_VALUE_FLAG: u32 = 1;

/// The attribute of a level's point that says how high it can go: OTLP has no word for it.
const LIMIT_KEY: &str = "foreshift.limit";

/// What a metric is to us.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// A histogram of request durations, in this unit if none is given; seen by the server itself, or by a client.
    Requests { unit_s: f64, by_server: bool },
    /// A histogram of durations whose requests are counted by another metric.
    LatencyOnly { unit_s: f64 },
    /// A counter of requests.
    Counter,
    /// A level, under this name.
    Level,
}

fn role(name: &str) -> Role {
    let requests = |unit_s, by_server| Role::Requests { unit_s, by_server };
    match name {
        "http.server.request.duration" | "http_server_request_duration_seconds" => requests(1.0, true),
        "http.client.request.duration" | "http_client_request_duration_seconds" => requests(1.0, false),
        "http.server.duration" => requests(0.001, true),
        "http.client.duration" => requests(0.001, false),
        "rpc.server.duration" => requests(0.001, true),
        "rpc.client.duration" => requests(0.001, false),
        "rpc.server.call.duration" => requests(1.0, true),
        "rpc.client.call.duration" => requests(1.0, false),
        "gen_ai.client.operation.duration" | "gen_ai.server.request.duration" => requests(1.0, false),
        "foreshift.request.duration" => requests(1.0, false),
        "traefik_service_request_duration_seconds" => requests(1.0, false),
        "envoy_cluster_upstream_rq_time" | "envoy.cluster.upstream_rq_time" => {
            Role::LatencyOnly { unit_s: 0.001 }
        }
        "envoy_cluster_upstream_rq_xx" | "envoy.cluster.upstream_rq_xx" | "foreshift.requests" => {
            Role::Counter
        }
        _ => Role::Level,
    }
}

/// Names that features know, for levels that the conventions name otherwise.
fn level_name(name: &str) -> &str {
    match name {
        "http.server.active_requests"
        | "http.client.active_requests"
        | "envoy_cluster_upstream_rq_active"
        | "envoy.cluster.upstream_rq_active" => "in_flight",
        "envoy_cluster_upstream_rq_pending_active" | "envoy.cluster.upstream_rq_pending_active" => {
            "queue_depth"
        }
        other => other,
    }
}

/// The unit of a histogram in seconds; the metric's own if it is known.
fn unit_seconds(unit: &str, default: f64) -> f64 {
    match unit {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => default,
    }
}

pub(super) fn decode(request: ExportMetricsServiceRequest) -> Parts {
    let mut parts = Parts::default();
    for resource in &request.resource_metrics {
        for scope in &resource.scope_metrics {
            for metric in &scope.metrics {
                let scope_name = scope
                    .scope
                    .as_ref()
                    .map(|scope| scope.name.as_str())
                    .unwrap_or_default();
                let reader = Reader {
                    metric,
                    resource: resource.resource.as_ref(),
                    scope: scope_name,
                };
                reader.read(&mut parts);
                if parts.good.len() > MAX_PARTS {
                    return Parts::refused(DecodeError::TooMany { most: MAX_PARTS });
                }
            }
        }
    }
    parts
}

struct Reader<'a> {
    metric: &'a Metric,
    resource: Option<&'a Resource>,
    scope: &'a str,
}

/// The counts and bins of one point, with its interval.
struct Point<'a> {
    attributes: &'a [KeyValue],
    start_nanos: u64,
    time_nanos: u64,
    count: u64,
    latency: Vec<LatencyBin>,
    temporality: i32,
}

impl Reader<'_> {
    fn read(&self, parts: &mut Parts) {
        let role = role(&self.metric.name);
        match (&self.metric.data, role) {
            (Some(Data::Histogram(data)), Role::Requests { unit_s, .. } | Role::LatencyOnly { unit_s }) => {
                let unit_s = unit_seconds(&self.metric.unit, unit_s);
                for point in data
                    .data_points
                    .iter()
                    .filter(|point| point.flags & NO_VALUE_FLAG == 0)
                {
                    let latency = histogram::explicit(point, unit_s);
                    self.window(
                        role,
                        parts,
                        latency.map(|latency| Point {
                            attributes: &point.attributes,
                            start_nanos: point.start_time_unix_nano,
                            time_nanos: point.time_unix_nano,
                            count: point.count,
                            latency,
                            temporality: data.aggregation_temporality,
                        }),
                    );
                }
            }
            (
                Some(Data::ExponentialHistogram(data)),
                Role::Requests { unit_s, .. } | Role::LatencyOnly { unit_s },
            ) => {
                let unit_s = unit_seconds(&self.metric.unit, unit_s);
                for point in data
                    .data_points
                    .iter()
                    .filter(|point| point.flags & NO_VALUE_FLAG == 0)
                {
                    let latency = histogram::exponential(point, unit_s);
                    self.window(
                        role,
                        parts,
                        latency.map(|latency| Point {
                            attributes: &point.attributes,
                            start_nanos: point.start_time_unix_nano,
                            time_nanos: point.time_unix_nano,
                            count: point.count,
                            latency,
                            temporality: data.aggregation_temporality,
                        }),
                    );
                }
            }
            (Some(Data::Sum(data)), Role::Counter) if data.is_monotonic => {
                for point in data
                    .data_points
                    .iter()
                    .filter(|point| point.flags & NO_VALUE_FLAG == 0)
                {
                    self.window(
                        role,
                        parts,
                        whole(point).map(|count| Point {
                            attributes: &point.attributes,
                            start_nanos: point.start_time_unix_nano,
                            time_nanos: point.time_unix_nano,
                            count,
                            latency: Vec::new(),
                            temporality: data.aggregation_temporality,
                        }),
                    );
                }
            }
            (Some(Data::Gauge(data)), Role::Level) => self.levels(&data.data_points, parts),
            // An up-down counter is a level as long as it is cumulative.
            (Some(Data::Sum(data)), Role::Level)
                if !data.is_monotonic && data.aggregation_temporality == CUMULATIVE =>
            {
                self.levels(&data.data_points, parts);
            }
            _ => parts.ignored += 1,
        }
    }

    fn window(&self, role: Role, parts: &mut Parts, point: Result<Point<'_>, DecodeError>) {
        match point.and_then(|point| self.decode_window(role, point)) {
            Ok(Some(decoded)) => parts.good.push(decoded),
            Ok(None) => parts.ignored += 1,
            Err(error) => parts.bad.push(error),
        }
    }

    fn decode_window(&self, role: Role, point: Point<'_>) -> Result<Option<Decoded>, DecodeError> {
        let attributes = Attributes::new(point.attributes, self.resource);
        let by_server = matches!(role, Role::Requests { by_server: true, .. });
        let Some(subject) = attributes.subject(by_server) else {
            return Ok(None);
        };
        let at = time(point.time_nanos).ok_or(DecodeError::Missing {
            field: "time_unix_nano",
        })?;
        let mut counts = OutcomeCounts::default();
        match role {
            Role::LatencyOnly { .. } => {}
            // A counter without a word on the end counts each request once more, beside those with one.
            Role::Counter => match attributes.outcome() {
                Some(kind) => counts.add(kind, point.count),
                None => return Ok(None),
            },
            _ => counts.add(attributes.outcome().unwrap_or(OutcomeKind::Success), point.count),
        }
        let start = time(point.start_nanos).filter(|start| *start < at);
        let length = start.map_or(UNKNOWN_LENGTH, |start| at.since(start));
        let window = OutcomeWindow {
            length,
            counts,
            latency: point.latency,
        };
        let aliases = subject.aliases.clone();
        let signal = signal(subject, at, Observation::Window(Box::new(window)));
        match point.temporality {
            DELTA => Ok(Some(Decoded::Signal {
                signal,
                aliases,
                source: OutcomeSource::OtlpMetrics,
            })),
            CUMULATIVE => {
                let stream = StreamHash::new()
                    .attributes(attributes.resource())
                    .bytes(self.scope.as_bytes())
                    .bytes(self.metric.name.as_bytes())
                    .attributes(attributes.own())
                    .finish();
                let start = start.unwrap_or(Timestamp::MIN);
                Ok(Some(Decoded::Cumulative(Box::new(CumulativePoint {
                    stream,
                    start,
                    signal,
                    aliases,
                }))))
            }
            _ => Err(DecodeError::BadField {
                field: "aggregation_temporality".into(),
                expected: "delta or cumulative",
            }),
        }
    }

    fn levels(&self, points: &[NumberDataPoint], parts: &mut Parts) {
        for point in points.iter().filter(|point| point.flags & NO_VALUE_FLAG == 0) {
            let attributes = Attributes::new(&point.attributes, self.resource);
            // Of a server's levels its own service is meant, as of its requests.
            let by_server = self.metric.name.contains("server");
            let Some(subject) = attributes.subject(by_server) else {
                parts.ignored += 1;
                continue;
            };
            let level = level(point).and_then(|value| {
                let at = time(point.time_unix_nano).ok_or(DecodeError::Missing {
                    field: "time_unix_nano",
                })?;
                let name = self.level_name(&attributes);
                let aliases = subject.aliases.clone();
                let gauge = Observation::Gauge(Gauge {
                    name: name.into(),
                    value,
                    limit: attributes.real(LIMIT_KEY),
                });
                let signal = signal(subject, at, gauge);
                Ok(Decoded::Signal {
                    signal,
                    aliases,
                    source: OutcomeSource::OtlpMetrics,
                })
            });
            parts.add(level);
        }
    }

    /// Points of one metric that differ by a state are levels of their own: `db.client.connection.count.used`.
    fn level_name(&self, attributes: &Attributes<'_>) -> String {
        let name = level_name(&self.metric.name);
        let state = attributes
            .own()
            .iter()
            .find(|attribute| attribute.key.ends_with("state"));
        match state.and_then(|state| attributes.text(&state.key)) {
            Some(state) => format!("{name}.{state}"),
            None => name.to_owned(),
        }
    }
}

/// The length of a delta that does not say when it began.
const UNKNOWN_LENGTH: Duration = Duration::from_secs(1);

fn signal(subject: Subject, time: Timestamp, observation: Observation) -> Signal {
    Signal {
        time,
        target: subject.target,
        route: subject.route,
        gateway: subject.gateway,
        endpoint: subject.endpoint,
        observation,
    }
}

fn whole(point: &NumberDataPoint) -> Result<u64, DecodeError> {
    let bad = || DecodeError::BadField {
        field: "value".into(),
        expected: "a count",
    };
    match point.value.as_ref() {
        Some(Value::AsInt(value)) => u64::try_from(*value).map_err(|_| bad()),
        // Counts of requests as floats are whole up to 2^53.
        Some(Value::AsDouble(value)) if (0.0..9e15).contains(value) => Ok(*value as u64),
        _ => Err(bad()),
    }
}

fn level(point: &NumberDataPoint) -> Result<f64, DecodeError> {
    let bad = || DecodeError::BadField {
        field: "value".into(),
        expected: "a finite number",
    };
    match point.value.as_ref() {
        Some(Value::AsInt(value)) => Ok(*value as f64),
        Some(Value::AsDouble(value)) if value.is_finite() => Ok(*value),
        _ => Err(bad()),
    }
}
