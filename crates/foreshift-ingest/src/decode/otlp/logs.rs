//! OTLP logs: lines to log events, and Envoy's access log over OTLP to outcomes.

use foreshift_domain::log::LogEvent;
use foreshift_logs::{Arrival, LogLine, LogReader, Severity};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::super::native::source_of;
use super::super::{DecodeError, Decoder, MAX_PARTS, Parts, envoy};
use super::attributes::Attributes;
use super::time;
use crate::decoded::Decoded;

pub(super) fn decode(request: ExportLogsServiceRequest, decoder: &Decoder) -> Parts {
    let (mut parts, mut logs) = (Parts::default(), decoder.logs.lock());
    for resource in &request.resource_logs {
        for record in resource.scope_logs.iter().flat_map(|scope| &scope.log_records) {
            if parts.good.len() >= MAX_PARTS {
                return Parts::refused(DecodeError::TooMany { most: MAX_PARTS });
            }
            read(record, resource.resource.as_ref(), decoder, &mut logs, &mut parts);
        }
    }
    parts
}

fn read(
    record: &LogRecord,
    resource: Option<&Resource>,
    decoder: &Decoder,
    logs: &mut LogReader,
    parts: &mut Parts,
) {
    let attributes = Attributes::new(&record.attributes, resource);
    if is_access_log(&record.attributes, decoder) {
        let entry = access_log_entry(record);
        return envoy::decode_entry(&entry, &decoder.envoy, parts);
    }
    let Some(subject) = attributes.subject(true) else {
        parts.ignored += 1;
        return;
    };
    let Some(at) = time(record.time_unix_nano).or_else(|| time(record.observed_time_unix_nano)) else {
        return parts.bad.push(DecodeError::Missing {
            field: "time_unix_nano",
        });
    };
    let message = body(record.body.as_ref(), &MESSAGES);
    let error = attributes
        .text("exception.message")
        .or_else(|| attributes.text("error.message"))
        .or_else(|| body(record.body.as_ref(), &ERRORS).filter(|error| message != Some(error)));
    let severity =
        Severity::from_otlp(record.severity_number).or_else(|| Severity::parse(&record.severity_text));
    let reading = logs.read(&Arrival {
        line: LogLine {
            message: message.unwrap_or_default(),
            severity,
            http_status: attributes.http_status(),
            grpc_status: attributes.grpc_status(),
            response_flags: attributes.text("response_flags"),
            provider_error: attributes.error_type(),
            provider_code: attributes.text("error.code"),
        },
        error,
        time: at,
        source: source_of(
            [subject.target.as_str()]
                .into_iter()
                .chain(INSTANCES.iter().filter_map(|key| attributes.text(key))),
        ),
    });
    let event = LogEvent {
        time: at,
        target: subject.target,
        template: reading.template,
        class: reading.class,
        count: 1,
    };
    parts.good.push(Decoded::Log {
        event,
        aliases: subject.aliases,
    });
}

/// Keys of a structured body that hold its message, in order.
const MESSAGES: [&str; 5] = ["message", "msg", "event", "body", "log"];
/// Keys of a structured body that hold its error, in order.
const ERRORS: [&str; 4] = ["error", "err", "exception", "error.message"];
/// Attributes that tell instances apart.
const INSTANCES: [&str; 4] = ["service.instance.id", "host.name", "k8s.pod.name", "container.id"];

/// The text of a body: itself, or a field of a structured one.
fn body<'a>(value: Option<&'a AnyValue>, keys: &[&str]) -> Option<&'a str> {
    match value?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        Value::KvlistValue(list) => keys
            .iter()
            .find_map(|key| list.values.iter().find(|entry| entry.key == *key))
            .and_then(|entry| match entry.value.as_ref()?.value.as_ref()? {
                Value::StringValue(text) => Some(text.as_str()),
                _ => None,
            }),
        _ => None,
    }
}

/// Envoy's OTLP access logger puts its fields into attributes, under the operator's keys.
fn is_access_log(attributes: &[KeyValue], decoder: &Decoder) -> bool {
    let has = |keys: &[String]| attributes.iter().any(|attribute| keys.contains(&attribute.key));
    has(&decoder.envoy.upstream_cluster) && has(&decoder.envoy.response_code)
}

fn access_log_entry(record: &LogRecord) -> serde_json::Map<String, serde_json::Value> {
    let mut entry: serde_json::Map<String, serde_json::Value> = record
        .attributes
        .iter()
        .filter_map(|attribute| {
            let value = match attribute.value.as_ref()?.value.as_ref()? {
                Value::StringValue(text) => text.as_str().into(),
                Value::IntValue(number) => (*number).into(),
                Value::DoubleValue(number) => (*number).into(),
                _ => return None,
            };
            Some((attribute.key.clone(), value))
        })
        .collect();
    // The record's own time is that of the entry unless the operator logs another.
    if let Some(at) = time(record.time_unix_nano) {
        let text = format!("{}.{:06}", at.as_micros() / 1_000_000, at.as_micros() % 1_000_000);
        entry.entry("start_time").or_insert_with(|| text.into());
    }
    entry
}
