//! Native signals and log lines, as protobuf and JSON. `foreshift-proto` checks every field.

use std::hash::{Hash, Hasher};

use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::log::LogEvent;
use foreshift_domain::signal::Signal;
use foreshift_logs::{Arrival, LogLine, LogReader, Severity};
use foreshift_proto::json::{JsonLogLine, JsonSignal};
use foreshift_proto::{Malformed, SignalView, WireError, v1};
use prost::Message;
use rustc_hash::FxHasher;

use super::{DecodeError, MAX_PARTS, Parts, each_json};
use crate::decoded::Decoded;
use crate::intern::SignalNames;
use crate::logs::Logs;

/// `foreshift.v1.SignalBatch`.
pub(super) fn signals_proto(bytes: &[u8], names: &mut SignalNames) -> Parts {
    /// Fewer than most signals have.
    const BYTES: usize = 64;
    let mut parts = Parts {
        good: Vec::with_capacity(bytes.len() / BYTES + 1),
        ..Parts::default()
    };
    for (number, view) in SignalView::of_batch(bytes).enumerate() {
        if number >= MAX_PARTS {
            return Parts::refused(DecodeError::TooMany { most: MAX_PARTS });
        }
        match view {
            Ok(view) => parts.add(view.signal(names).map(signal_seen).map_err(wire_error)),
            Err(Malformed) => return Parts::refused(no_signals(bytes)),
        }
    }
    parts
}

fn no_signals(bytes: &[u8]) -> DecodeError {
    let why = v1::SignalBatch::decode(bytes)
        .err()
        .map_or_else(String::new, |error| error.to_string());
    DecodeError::Malformed {
        format: "foreshift.v1.SignalBatch",
        why,
    }
}

/// Native JSON signals.
pub fn signals_json(bytes: &[u8]) -> Parts {
    let mut parts = Parts::default();
    each_json::<JsonSignal>("native json", bytes, |signal| {
        parts.add(signal.and_then(|signal| Signal::try_from(signal).map(signal_seen).map_err(wire_error)));
    });
    parts
}

/// `foreshift.v1.LogBatch`.
pub fn logs_proto(bytes: &[u8], logs: &Logs) -> Parts {
    let batch = match v1::LogBatch::decode(bytes) {
        Ok(batch) => batch,
        Err(error) => return Parts::refused(proto_error("foreshift.v1.LogBatch", &error)),
    };
    if batch.records.len() > MAX_PARTS {
        return Parts::refused(DecodeError::TooMany { most: MAX_PARTS });
    }
    let (mut parts, mut logs) = (Parts::default(), logs.lock());
    for record in batch.records {
        let line = foreshift_proto::LogLine::try_from(record);
        parts.add(line.map(|line| log_seen(&line, &mut logs)).map_err(wire_error));
    }
    parts
}

/// Native JSON log lines.
pub fn logs_json(bytes: &[u8], logs: &Logs) -> Parts {
    let (mut parts, mut logs) = (Parts::default(), logs.lock());
    each_json::<JsonLogLine>("native json", bytes, |line| {
        let line = line.and_then(|line| foreshift_proto::LogLine::try_from(line).map_err(wire_error));
        parts.add(line.map(|line| log_seen(&line, &mut logs)));
    });
    parts
}

/// Says how protobuf is broken. prost names fields, never their content.
pub(super) fn proto_error(format: &'static str, error: &prost::DecodeError) -> DecodeError {
    DecodeError::Malformed {
        format,
        why: error.to_string(),
    }
}

fn wire_error(error: WireError) -> DecodeError {
    DecodeError::Malformed {
        format: "a native record",
        why: error.to_string(),
    }
}

const fn signal_seen(signal: Signal) -> Decoded {
    Decoded::Signal {
        signal,
        aliases: Vec::new(),
        source: OutcomeSource::Native,
    }
}

fn log_seen(line: &foreshift_proto::LogLine, logs: &mut LogReader) -> Decoded {
    use foreshift_proto::Severity as Wire;
    let attribute = |key: &str| line.attributes.get(key).map(String::as_str);
    let severity = line.severity.map(|severity| match severity {
        Wire::Trace | Wire::Debug => Severity::Debug,
        Wire::Info => Severity::Info,
        Wire::Warn => Severity::Warn,
        Wire::Error => Severity::Error,
        Wire::Fatal => Severity::Fatal,
    });
    let instance = ["service.instance.id", "host.name", "host", "instance", "pod"]
        .iter()
        .find_map(|key| attribute(key));
    let reading = logs.read(&Arrival {
        line: LogLine {
            message: &line.body,
            severity,
            http_status: line.http_status,
            grpc_status: line.grpc_status.map(u16::from),
            response_flags: attribute("response_flags"),
            provider_error: line
                .provider_error_type
                .as_deref()
                .or_else(|| attribute("error.type")),
            provider_code: line.provider_error_code.as_deref(),
        },
        error: attribute("error").or_else(|| attribute("exception.message")),
        time: line.time,
        source: source_of([line.target.as_str(), instance.unwrap_or_default()]),
    });
    let event = LogEvent {
        time: line.time,
        target: line.target.clone(),
        template: reading.template,
        class: reading.class,
        count: line.count,
    };
    Decoded::Log {
        event,
        aliases: Vec::new(),
    }
}

/// Tells the writers of lines apart.
pub(super) fn source_of<'a>(names: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = FxHasher::default();
    names.into_iter().for_each(|name| name.hash(&mut hash));
    hash.finish()
}
