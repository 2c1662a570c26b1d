//! Decoders: one total function for each format, from bytes to items. None of them keeps state but the log reader, which
//! learns templates, and none fails for one bad part: what is wrong is in [`Parts::bad`], and the good around it in [`Parts::good`]. Fields that are not
//! known are ignored.

pub mod als;
pub mod csv;
pub mod envoy;
pub mod lrs;
pub mod native;
pub mod otlp;
pub mod outcome;
#[cfg(test)]
mod tests;

use foreshift_logs::{ReaderInvalid, ReaderSettings};
use serde::{Deserialize, Serialize};

use crate::decoded::Decoded;
use crate::intern::SignalNames;
use crate::logs::Logs;

/// A larger record is refused before it is decoded: Kafka's own default limit is 1 MiB, collectors go to a few.
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// What a record holds.
#[derive(Debug, Default, PartialEq)]
pub struct Parts {
    /// What could be decoded.
    pub good: Vec<Decoded>,
    /// What could not.
    pub bad: Vec<DecodeError>,
    /// What is well formed and says nothing that is asked for: other metrics, internal spans, answers of the gateway
    /// itself.
    pub ignored: u64,
}

/// The format of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Found out from the topic's name and each record.
    #[default]
    Auto,
    /// `foreshift.v1.SignalBatch`.
    NativeProto,
    /// Native JSON signals: one object, an array, or one object a line.
    NativeJson,
    /// `foreshift.v1.LogBatch`.
    NativeLogProto,
    /// Native JSON log lines, as for signals.
    NativeLogJson,
    /// OTLP metrics as protobuf.
    OtlpMetricsProto,
    /// OTLP metrics as JSON.
    OtlpMetricsJson,
    /// OTLP logs as protobuf.
    OtlpLogsProto,
    /// OTLP logs as JSON.
    OtlpLogsJson,
    /// OTLP spans as protobuf.
    OtlpSpansProto,
    /// OTLP spans as JSON.
    OtlpSpansJson,
    /// Envoy's JSON access log: one object, an array, or one object a line.
    EnvoyJson,
    /// A message of Envoy's gRPC access log, `envoy.service.accesslog.v3.StreamAccessLogsMessage`.
    EnvoyAls,
}

impl Format {
    /// Whether payloads may hold log text, which goes no further than the decoder.
    pub const fn holds_text(self) -> bool {
        !matches!(
            self,
            Self::NativeProto | Self::NativeJson | Self::OtlpMetricsProto | Self::OtlpMetricsJson
        )
    }
}

/// Decodes records of all formats. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Decoder {
    logs: Logs,
    envoy: envoy::EnvoyKeys,
}

impl Decoder {
    /// A decoder with these keys of Envoy's access log, and a log reader of its own.
    ///
    /// # Errors
    /// When the tables of the log reader cannot be used, which a test excludes.
    pub fn new(envoy: envoy::EnvoyKeys) -> Result<Self, ReaderInvalid> {
        Ok(Self::sharing(envoy, Logs::new(ReaderSettings::default())?))
    }

    /// A decoder with these keys of Envoy's access log, that reads logs with this reader.
    pub const fn sharing(envoy: envoy::EnvoyKeys, logs: Logs) -> Self {
        Self { logs, envoy }
    }

    /// What a dead letter may hold of a record that could not be decoded. On a topic of logs nothing; elsewhere all of it,
    /// unless it holds something that looks like a secret, an address or a sentence: a log record may have come to
    /// the wrong topic.
    pub(crate) fn letter(&self, format: Format, payload: &[u8]) -> Vec<u8> {
        let is_prose = |bytes: &[u8]| {
            let mut triples = bytes.windows(3);
            triples.any(
                |triple| matches!(triple, [a, b' ', b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic()),
            )
        };
        let may_be_kept = !format.holds_text()
            && !is_prose(payload)
            && self.logs.lock().is_clean(&String::from_utf8_lossy(payload));
        if may_be_kept { payload.to_vec() } else { Vec::new() }
    }

    /// Decodes one record of a topic.
    pub fn decode(&self, format: Format, topic: &str, bytes: &[u8]) -> Parts {
        self.decode_sharing(format, topic, bytes, &mut SignalNames::default())
    }

    /// Decodes one record of a topic; its signals share the names of those before.
    pub(crate) fn decode_sharing(
        &self,
        format: Format,
        topic: &str,
        bytes: &[u8],
        names: &mut SignalNames,
    ) -> Parts {
        if bytes.len() > MAX_RECORD_BYTES {
            return Parts::refused(DecodeError::TooLarge {
                bytes: bytes.len(),
                most: MAX_RECORD_BYTES,
            });
        }
        let mut parts = match format {
            Format::Auto => return self.decode_auto(topic, bytes, names),
            Format::NativeProto => return native::signals_proto(bytes, names),
            Format::NativeJson => native::signals_json(bytes),
            Format::NativeLogProto => native::logs_proto(bytes, &self.logs),
            Format::NativeLogJson => native::logs_json(bytes, &self.logs),
            Format::OtlpMetricsProto => otlp::metrics_proto(bytes),
            Format::OtlpMetricsJson => otlp::metrics_json(bytes),
            Format::OtlpLogsProto => otlp::logs_proto(bytes, self),
            Format::OtlpLogsJson => otlp::logs_json(bytes, self),
            Format::OtlpSpansProto => otlp::spans_proto(bytes),
            Format::OtlpSpansJson => otlp::spans_json(bytes),
            Format::EnvoyJson => envoy::access_log(bytes, &self.envoy),
            Format::EnvoyAls => als::record(bytes),
        };
        parts.good.iter_mut().for_each(|decoded| names.share(decoded));
        parts
    }

    fn decode_auto(&self, topic: &str, bytes: &[u8], names: &mut SignalNames) -> Parts {
        match bytes.first() {
            Some(b'{' | b'[' | b' ' | b'\t' | b'\r') => self.decode_json(topic, bytes, names),
            // A line feed, or the tag of protobuf's first field.
            Some(_) => self.decode_binary(topic, bytes, names),
            None => Parts::default(),
        }
    }

    fn decode_json(&self, topic: &str, bytes: &[u8], names: &mut SignalNames) -> Parts {
        match bytes.trim_ascii().is_empty() {
            true => Parts::default(),
            false => self.decode_sharing(sniff_json(bytes), topic, bytes, names),
        }
    }

    /// Protobuf does not name its type: the collector's names of topics do, else the first that it fits and that
    /// says something.
    fn decode_binary(&self, topic: &str, bytes: &[u8], names: &mut SignalNames) -> Parts {
        const TRIED: [Format; 4] = [
            Format::NativeProto,
            Format::OtlpLogsProto,
            Format::OtlpMetricsProto,
            Format::OtlpSpansProto,
        ];
        if let Some(format) = format_of_topic(topic) {
            return self.decode_sharing(format, topic, bytes, names);
        }
        let mut found = TRIED
            .into_iter()
            .map(|format| self.decode_sharing(format, topic, bytes, names));
        if let Some(parts) = found.find(Parts::says_something) {
            return parts;
        }
        match bytes.trim_ascii_start().first() {
            None | Some(b'{' | b'[') => self.decode_json(topic, bytes, names),
            Some(_) => Parts::refused(DecodeError::Malformed {
                format: "any known format",
                why: String::new(),
            }),
        }
    }
}

/// The format of binary records by the names of topics that collectors use, OpenTelemetry's and ours.
fn format_of_topic(topic: &str) -> Option<Format> {
    let has = |word| topic.contains(word);
    match () {
        () if has("envoy_als") => Some(Format::EnvoyAls),
        () if !has("otlp") && !has("otel") => None,
        () if has("metric") => Some(Format::OtlpMetricsProto),
        () if has("log") => Some(Format::OtlpLogsProto),
        () if has("span") || has("trace") => Some(Format::OtlpSpansProto),
        () => None,
    }
}

/// The format of a JSON record by the first of its keys that only one format has.
fn sniff_json(bytes: &[u8]) -> Format {
    /// Keys stand early; what lies further behind may be text.
    const LOOKED_AT: usize = 4_096;
    let head = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let has = |key: &str| head.windows(key.len()).any(|window| window == key.as_bytes());
    match () {
        () if has("\"resourceMetrics\"") => Format::OtlpMetricsJson,
        () if has("\"resourceLogs\"") => Format::OtlpLogsJson,
        () if has("\"resourceSpans\"") => Format::OtlpSpansJson,
        () if has("\"target\"") && has("\"body\"") => Format::NativeLogJson,
        () if has("\"target\"") => Format::NativeJson,
        () => Format::EnvoyJson,
    }
}

impl Parts {
    fn refused(error: DecodeError) -> Self {
        Self {
            good: Vec::new(),
            bad: vec![error],
            ignored: 0,
        }
    }

    fn says_something(&self) -> bool {
        !self.good.is_empty() || (self.bad.is_empty() && self.ignored > 0)
    }

    /// Puts a result where it belongs.
    fn add(&mut self, result: Result<Decoded, DecodeError>) {
        match result {
            Ok(decoded) => self.good.push(decoded),
            Err(error) => self.bad.push(error),
        }
    }
}

/// A record, or a row, that could not be decoded, or not wholly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Its offset; the line in a file.
    pub offset: i64,
    /// Why; of several parts the first.
    pub why: DecodeError,
    /// How many of its parts could not be decoded, at least 1.
    pub parts: usize,
    /// Its bytes for the dead-letter topic, cut; empty for logs, and for what may hold a secret or text of people.
    pub payload: Vec<u8>,
}

/// Why something could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too large to look at.
    #[error("{bytes} bytes long, the most is {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// Not of the declared format.
    #[error("not {format}{}{why}", if why.is_empty() { "" } else { ": " })]
    Malformed {
        /// The format.
        format: &'static str,
        /// Where and how the parser stopped, without the text.
        why: String,
    },
    /// A field that is needed is missing.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field holds what it cannot.
    #[error("{field} is not {expected}")]
    BadField {
        /// The field.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It says nothing about a target.
    #[error("it says nothing about a target")]
    NoTarget,
    /// More parts than are looked at.
    #[error("more than {most} parts")]
    TooMany {
        /// The bound.
        most: usize,
    },
}

/// Says where JSON is broken, without quoting it.
fn json_error(format: &'static str, error: &serde_json::Error) -> DecodeError {
    let kind = match error.classify() {
        serde_json::error::Category::Eof => "cut off",
        serde_json::error::Category::Data => "of another shape",
        _ => "broken",
    };
    DecodeError::Malformed {
        format,
        why: format!("{kind} at line {} column {}", error.line(), error.column()),
    }
}

/// The JSON values of a record: one object, an array of them, or one a line. Each is decoded on its own, so that a
/// broken line costs one line.
fn each_json<T: serde::de::DeserializeOwned>(
    format: &'static str,
    bytes: &[u8],
    mut take: impl FnMut(Result<T, DecodeError>),
) {
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        match serde_json::from_slice::<Vec<serde_json::Value>>(bytes) {
            Ok(values) if values.len() > MAX_PARTS => take(Err(DecodeError::TooMany { most: MAX_PARTS })),
            Ok(values) => values.into_iter().for_each(|value| {
                take(serde_json::from_value(value).map_err(|error| json_error(format, &error)))
            }),
            Err(error) => take(Err(json_error(format, &error))),
        }
        return;
    }
    if let Ok(one) = serde_json::from_slice::<T>(bytes) {
        return take(Ok(one));
    }
    let lines = || {
        bytes
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
    };
    if lines().nth(MAX_PARTS).is_some() {
        return take(Err(DecodeError::TooMany { most: MAX_PARTS }));
    }
    for line in lines() {
        take(serde_json::from_slice(line).map_err(|error| json_error(format, &error)));
    }
}

/// The most parts of one record that are looked at: what holds more is a mistake of its sender.
pub const MAX_PARTS: usize = 65_536;
