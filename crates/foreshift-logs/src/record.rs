//! The fields of a line: its message and error, how grave it is, the statuses and codes that came with it.
//!
//! Lines are JSON objects, `key=value` pairs, or plain text. Fields are found by the names that common loggers give them
//! (zap, logrus, slog, log4j, Serilog, pino, bunyan, structlog, tracing, ECS, OpenTelemetry, Docker); all others are
//! left out, so that what only one request has makes no template. Of a record of several lines the first and the
//! innermost cause are kept.

mod json;
mod lines;
mod names;
mod pairs;
mod plain;

use std::borrow::Cow;

use crate::line::{LogLine, Severity};
use names::{Known, known};

/// The most of a record that is looked at: its beginning and its end, each half as long.
pub const MAX_RECORD_BYTES: usize = 64 << 10;
/// The longest text that is made of a record.
pub const MAX_TEXT_BYTES: usize = 8 << 10;
/// The longest word that is taken for an error code or type.
const MAX_WORD_BYTES: usize = 64;
/// A message may be a record itself, as Docker's are; deeper nesting is a mistake.
const MAX_NESTING: usize = 2;

/// What is read of a line. Its text still holds what the line held: secrets too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// Message and error, without the lines between.
    pub text: Cow<'a, str>,
    /// How grave its writer took it to be.
    pub severity: Option<Severity>,
    /// HTTP status that it is about.
    pub http_status: Option<u16>,
    /// gRPC status that it is about.
    pub grpc_status: Option<u16>,
    /// Envoy's response flags.
    pub response_flags: Option<Cow<'a, str>>,
    /// The error's type.
    pub provider_error: Option<Cow<'a, str>>,
    /// The error's code.
    pub provider_code: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> {
    /// Reads a line, or a record of several. Total: whatever it is given, it finds a text.
    pub fn read(text: &'a str) -> Self {
        Self::read_nested(text, MAX_NESTING)
    }

    /// Reads a line that came with fields and an error beside it; these win over what its text says of itself.
    pub fn of(line: &LogLine<'a>, error: Option<&'a str>) -> Self {
        let record = Self::read(line.message).followed_by(error.map(|error| (0, Cow::Borrowed(error))));
        let given = |word: Option<&'a str>| word.map(Cow::Borrowed);
        Self {
            severity: line.severity.or(record.severity),
            http_status: line.http_status.or(record.http_status),
            grpc_status: line.grpc_status.or(record.grpc_status),
            response_flags: given(line.response_flags).or(record.response_flags),
            provider_error: given(line.provider_error).or(record.provider_error),
            provider_code: given(line.provider_code).or(record.provider_code),
            text: record.text,
        }
    }

    fn read_nested(text: &'a str, depth: usize) -> Self {
        let trimmed = text.trim();
        let fields = match trimmed.as_bytes().first() {
            Some(b'{') => json::read(cut(trimmed, MAX_RECORD_BYTES)),
            Some(_) if pairs::are_likely(trimmed) => pairs::read(cut(trimmed, MAX_RECORD_BYTES)),
            _ => Fields::default(),
        };
        let mut record = match (fields.message, fields.error) {
            (None, None) => Self {
                text: lines::essence(trimmed),
                severity: plain::severity(trimmed),
                ..Self::default()
            },
            (Some((_, message)), error) => Self::of_message(message, depth).followed_by(error),
            (None, error) => Self::default().followed_by(error),
        };
        record.severity = fields.severity.or(record.severity);
        record.http_status = fields.http_status.or(record.http_status);
        record.grpc_status = fields.grpc_status.or(record.grpc_status);
        record.response_flags = fields.response_flags.or(record.response_flags);
        record.provider_error = fields.error_type.or(record.provider_error);
        record.provider_code = fields.error_code.or(record.provider_code);
        record
    }

    /// Of a message that may be a record itself.
    fn of_message(message: Cow<'a, str>, depth: usize) -> Self {
        let is_record =
            depth > 0 && (message.trim_start().starts_with('{') || pairs::are_likely(message.trim()));
        match (is_record, message) {
            (true, Cow::Borrowed(text)) => Self::read_nested(text, depth - 1),
            (true, Cow::Owned(text)) => Record::read_nested(&text, depth - 1).into_owned(),
            (false, message) => Self {
                text: essence_of(message),
                ..Self::default()
            },
        }
    }

    /// The error behind the message, unless the message says it already.
    fn followed_by(mut self, error: Option<(u8, Cow<'a, str>)>) -> Self {
        let Some((_, error)) = error else { return self };
        let error = essence_of(error);
        if self.text.is_empty() {
            self.text = error;
        } else if !error.is_empty() && !self.text.contains(&*error) {
            self.text = Cow::Owned(cut(&format!("{}: {error}", self.text), MAX_TEXT_BYTES).to_owned());
        }
        self
    }

    /// The same with a text of its own.
    pub fn into_owned(self) -> Record<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Record {
            text: own(self.text),
            severity: self.severity,
            http_status: self.http_status,
            grpc_status: self.grpc_status,
            response_flags: self.response_flags.map(own),
            provider_error: self.provider_error.map(own),
            provider_code: self.provider_code.map(own),
        }
    }

    /// As the classifier takes it, with this text in place of its own.
    pub fn line<'b>(&'b self, text: &'b str) -> LogLine<'b> {
        LogLine {
            message: text,
            severity: self.severity,
            http_status: self.http_status,
            grpc_status: self.grpc_status,
            response_flags: self.response_flags.as_deref(),
            provider_error: self.provider_error.as_deref(),
            provider_code: self.provider_code.as_deref(),
        }
    }
}

/// Fields as they are found, of each the one whose name says most.
#[derive(Default)]
struct Fields<'a> {
    message: Option<(u8, Cow<'a, str>)>,
    error: Option<(u8, Cow<'a, str>)>,
    severity: Option<Severity>,
    http_status: Option<u16>,
    grpc_status: Option<u16>,
    response_flags: Option<Cow<'a, str>>,
    error_type: Option<Cow<'a, str>>,
    error_code: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// Takes a field of that name, in lower case, with the names of what it lies in before it.
    fn take(&mut self, name: &str, value: Cow<'a, str>) {
        let Some(known) = known(name) else { return };
        match known {
            Known::Message(rank) => prefer(&mut self.message, rank, value),
            Known::Error(rank) => prefer(&mut self.error, rank, value),
            Known::Severity => self.severity = self.severity.or_else(|| names::severity(&value)),
            Known::HttpStatus => {
                let status = value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|status| (100..600).contains(status));
                self.http_status = self.http_status.or(status);
            }
            Known::GrpcStatus => self.grpc_status = self.grpc_status.or_else(|| names::grpc_status(&value)),
            Known::Flags => fill(&mut self.response_flags, value),
            Known::ErrorType => fill(&mut self.error_type, value),
            Known::ErrorCode => fill(&mut self.error_code, value),
        }
    }
}

fn prefer<'a>(field: &mut Option<(u8, Cow<'a, str>)>, rank: u8, value: Cow<'a, str>) {
    let is_better = field.as_ref().is_none_or(|(held, _)| rank < *held);
    if is_better && !value.trim().is_empty() {
        *field = Some((rank, value));
    }
}

/// Codes are words: a text in their place says nothing exact.
fn fill<'a>(field: &mut Option<Cow<'a, str>>, value: Cow<'a, str>) {
    if field.is_none() && is_code(&value) {
        *field = Some(value);
    }
}

fn is_code(word: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'#' | b':' | b',');
    !word.is_empty() && word.len() <= MAX_WORD_BYTES && word.bytes().all(fits)
}

fn essence_of(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => lines::essence(text.trim()),
        Cow::Owned(text) => Cow::Owned(lines::essence(text.trim()).into_owned()),
    }
}

/// The beginning of a text, at most so many bytes of it.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
