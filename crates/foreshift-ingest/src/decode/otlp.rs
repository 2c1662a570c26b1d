//! OTLP metrics, logs and spans, as protobuf and JSON.
//!
//! Targets are named by attributes, of the point, record or span first and then of its resource. Requests are read
//! from the duration histograms of the semantic conventions (HTTP, RPC and GenAI, new and old names), from those of
//! Traefik, and from Envoy's response counters; other gauges and levels pass under their own names. Metrics that
//! count the same requests again are ignored.

mod attributes;
mod histogram;
mod logs;
mod metrics;
mod spans;
#[cfg(test)]
mod tests;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::de::DeserializeOwned;

use super::{Decoder, Parts, json_error, native};
use foreshift_domain::Timestamp;

/// OTLP metrics as protobuf.
pub fn metrics_proto(bytes: &[u8]) -> Parts {
    proto::<ExportMetricsServiceRequest>("OTLP metrics", bytes, metrics::decode)
}

/// OTLP metrics that came as a call.
pub fn metrics(request: ExportMetricsServiceRequest) -> Parts {
    metrics::decode(request)
}

/// OTLP logs that came as a call.
pub fn logs(request: ExportLogsServiceRequest, decoder: &Decoder) -> Parts {
    logs::decode(request, decoder)
}

/// OTLP spans that came as a call.
pub fn spans(request: ExportTraceServiceRequest) -> Parts {
    spans::decode(request)
}

/// OTLP metrics as JSON.
pub fn metrics_json(bytes: &[u8]) -> Parts {
    json::<ExportMetricsServiceRequest>("OTLP metrics", bytes, metrics::decode)
}

/// OTLP logs as protobuf.
pub fn logs_proto(bytes: &[u8], decoder: &Decoder) -> Parts {
    proto::<ExportLogsServiceRequest>("OTLP logs", bytes, |request| logs::decode(request, decoder))
}

/// OTLP logs as JSON.
pub fn logs_json(bytes: &[u8], decoder: &Decoder) -> Parts {
    json::<ExportLogsServiceRequest>("OTLP logs", bytes, |request| logs::decode(request, decoder))
}

/// OTLP spans as protobuf.
pub fn spans_proto(bytes: &[u8]) -> Parts {
    proto::<ExportTraceServiceRequest>("OTLP spans", bytes, spans::decode)
}

/// OTLP spans as JSON.
pub fn spans_json(bytes: &[u8]) -> Parts {
    json::<ExportTraceServiceRequest>("OTLP spans", bytes, spans::decode)
}

fn proto<T: Message + Default>(format: &'static str, bytes: &[u8], decode: impl Fn(T) -> Parts) -> Parts {
    match T::decode(bytes) {
        Ok(request) => decode(request),
        Err(error) => Parts::refused(native::proto_error(format, &error)),
    }
}

/// One request, or one a line as the collector's file exporter writes them.
fn json<T: DeserializeOwned>(format: &'static str, bytes: &[u8], decode: impl Fn(T) -> Parts) -> Parts {
    if let Ok(request) = serde_json::from_slice(bytes) {
        return decode(request);
    }
    let mut all = Parts::default();
    for line in bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
    {
        match serde_json::from_slice(line) {
            Ok(request) => {
                let parts = decode(request);
                all.good.extend(parts.good);
                all.bad.extend(parts.bad);
                all.ignored += parts.ignored;
            }
            Err(error) => all.bad.push(json_error(format, &error)),
        }
    }
    all
}

/// OTLP counts nanoseconds; 0 is "not known".
fn time(nanos: u64) -> Option<Timestamp> {
    (nanos > 0).then(|| Timestamp::from_micros(i64::try_from(nanos / 1_000).unwrap_or(i64::MAX)))
}
