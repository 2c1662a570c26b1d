//! OTLP spans: each request between services is one outcome.

use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::signal::{Observation, Outcome, OutcomeKind, Signal};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::super::outcome::from_error_type;
use super::super::{DecodeError, MAX_PARTS, Parts};
use super::attributes::Attributes;
use super::time;
use crate::decoded::Decoded;

/// Kinds of spans, and the status of a failed one, as OTLP numbers them.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const STATUS_ERROR: i32 = 2;

/// When the first part of a streamed answer came, in seconds from the request.
const FIRST_CHUNK_KEY: &str = "gen_ai.response.time_to_first_chunk";

pub(super) fn decode(request: ExportTraceServiceRequest) -> Parts {
    let mut parts = Parts::default();
    for resource in &request.resource_spans {
        for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
            if parts.good.len() >= MAX_PARTS {
                return Parts::refused(DecodeError::TooMany { most: MAX_PARTS });
            }
            match read(span, resource.resource.as_ref()) {
                Ok(Some(decoded)) => parts.good.push(decoded),
                Ok(None) => parts.ignored += 1,
                Err(error) => parts.bad.push(error),
            }
        }
    }
    parts
}

fn read(span: &Span, resource: Option<&Resource>) -> Result<Option<Decoded>, DecodeError> {
    // Spans inside of a service are no requests to a target.
    if span.kind != SERVER && span.kind != CLIENT {
        return Ok(None);
    }
    let attributes = Attributes::new(&span.attributes, resource);
    let Some(subject) = attributes.subject(span.kind == SERVER) else {
        return Ok(None);
    };
    let end = time(span.end_time_unix_nano).ok_or(DecodeError::Missing {
        field: "end_time_unix_nano",
    })?;
    let latency = time(span.start_time_unix_nano)
        .filter(|start| *start <= end)
        .map(|start| end.since(start));
    let failed = span
        .status
        .as_ref()
        .is_some_and(|status| status.code == STATUS_ERROR);
    let kind = match attributes.outcome() {
        // A failure without a status of its own: a client that got no answer.
        Some(OutcomeKind::Success) | None if failed => attributes
            .error_type()
            .map_or(OutcomeKind::ServerError, from_error_type),
        Some(kind) => kind,
        None => OutcomeKind::Success,
    };
    let signal = Signal {
        time: end,
        target: subject.target,
        route: subject.route,
        gateway: subject.gateway,
        endpoint: subject.endpoint,
        observation: Observation::Outcome(Outcome {
            kind,
            latency,
            ttfb: attributes.seconds(FIRST_CHUNK_KEY),
            count: 1,
        }),
    };
    Ok(Some(Decoded::Signal {
        signal,
        aliases: subject.aliases,
        source: OutcomeSource::OtlpSpans,
    }))
}
