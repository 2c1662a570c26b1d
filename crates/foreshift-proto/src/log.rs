//! Log records. The domain has no word for a raw line, since none goes further than the log step: [`LogLine`] is
//! what that step is fed.

use std::collections::BTreeMap;

use foreshift_domain::{RouteName, TargetName, Timestamp};

use crate::error::WireError;
use crate::field;
use crate::v1;

/// The longest text kept of a line, in bytes: templates and error classes are settled long before.
pub const MAX_BODY_BYTES: usize = 8_192;
/// The most structured fields kept of a line.
pub const MAX_ATTRIBUTES: usize = 64;
/// The longest key or value of a structured field kept, in bytes.
pub const MAX_ATTRIBUTE_BYTES: usize = 512;

/// One checked log line about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, by the sender's clock.
    pub time: Timestamp,
    /// The target it is about.
    pub target: TargetName,
    /// The route whose traffic it was about, where known.
    pub route: Option<RouteName>,
    /// How grave its writer took it to be, where known.
    pub severity: Option<Severity>,
    /// The text, at most [`MAX_BODY_BYTES`]; may be empty.
    pub body: String,
    /// Structured fields, at most [`MAX_ATTRIBUTES`].
    pub attributes: BTreeMap<String, String>,
    /// HTTP status it is about, 100 to 599 or 0 for no connection.
    pub http_status: Option<u16>,
    /// gRPC status code it is about, 0 to 16.
    pub grpc_status: Option<u8>,
    /// Error code as the provider names it.
    pub provider_error_code: Option<String>,
    /// Error type as the provider names it.
    pub provider_error_type: Option<String>,
    /// How many lines this stands for, at least 1.
    pub count: u32,
}

/// How grave a line is, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For tracing single steps.
    Trace,
    /// For finding mistakes.
    Debug,
    /// As it should be.
    Info,
    /// Odd, and handled.
    Warn,
    /// Something failed.
    Error,
    /// The process cannot go on.
    Fatal,
}

impl Severity {
    /// The severity of that name, in any case; `None` for a word that is not one of them.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" | "information" | "notice" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "err" => Self::Error,
            "fatal" | "critical" | "crit" | "alert" | "emerg" => Self::Fatal,
            _ => return None,
        })
    }

    const fn from_wire(severity: v1::Severity) -> Option<Self> {
        Some(match severity {
            v1::Severity::Unspecified => return None,
            v1::Severity::Trace => Self::Trace,
            v1::Severity::Debug => Self::Debug,
            v1::Severity::Info => Self::Info,
            v1::Severity::Warn => Self::Warn,
            v1::Severity::Error => Self::Error,
            v1::Severity::Fatal => Self::Fatal,
        })
    }

    const fn to_wire(self) -> v1::Severity {
        match self {
            Self::Trace => v1::Severity::Trace,
            Self::Debug => v1::Severity::Debug,
            Self::Info => v1::Severity::Info,
            Self::Warn => v1::Severity::Warn,
            Self::Error => v1::Severity::Error,
            Self::Fatal => v1::Severity::Fatal,
        }
    }
}

impl TryFrom<v1::LogRecord> for LogLine {
    type Error = WireError;

    fn try_from(wire: v1::LogRecord) -> Result<Self, WireError> {
        // A severity newer than this build is only not known: the line still says something.
        let severity = v1::Severity::try_from(wire.severity).ok();
        Ok(Self {
            time: field::time(wire.time_unix_us),
            target: field::name("target", wire.target)?,
            route: field::optional_name("route", wire.route)?,
            severity: severity.and_then(Severity::from_wire),
            body: field::cut(wire.body, MAX_BODY_BYTES),
            attributes: attributes(wire.attributes),
            http_status: wire.http_status.map(http_status).transpose()?,
            grpc_status: wire.grpc_status.map(grpc_status).transpose()?,
            provider_error_code: field::optional_name("provider_error_code", wire.provider_error_code)?,
            provider_error_type: field::optional_name("provider_error_type", wire.provider_error_type)?,
            count: field::count("count", wire.count)?,
        })
    }
}

/// The first fields by key, each cut: a stack trace in a field must not cost the line.
fn attributes(wire: BTreeMap<String, String>) -> BTreeMap<String, String> {
    wire.into_iter()
        .take(MAX_ATTRIBUTES)
        .map(|(key, value)| {
            (
                field::cut(key, MAX_ATTRIBUTE_BYTES),
                field::cut(value, MAX_ATTRIBUTE_BYTES),
            )
        })
        .collect()
}

fn http_status(status: u32) -> Result<u16, WireError> {
    match u16::try_from(status) {
        Ok(status @ (0 | 100..=599)) => Ok(status),
        _ => Err(WireError::OutOfRange {
            field: "http_status",
            expected: "0 or from 100 to 599",
        }),
    }
}

fn grpc_status(status: u32) -> Result<u8, WireError> {
    match u8::try_from(status) {
        Ok(status @ 0..=16) => Ok(status),
        _ => Err(WireError::OutOfRange {
            field: "grpc_status",
            expected: "from 0 to 16",
        }),
    }
}

impl From<&LogLine> for v1::LogRecord {
    fn from(line: &LogLine) -> Self {
        Self {
            time_unix_us: line.time.as_micros(),
            target: line.target.as_str().to_owned(),
            route: line
                .route
                .as_ref()
                .map_or_else(String::new, |route| route.as_str().to_owned()),
            severity: line
                .severity
                .map_or(v1::Severity::Unspecified, Severity::to_wire)
                .into(),
            body: line.body.clone(),
            attributes: line.attributes.clone(),
            http_status: line.http_status.map(u32::from),
            grpc_status: line.grpc_status.map(u32::from),
            provider_error_code: line.provider_error_code.clone().unwrap_or_default(),
            provider_error_type: line.provider_error_type.clone().unwrap_or_default(),
            count: (line.count != 1).then_some(line.count),
        }
    }
}
