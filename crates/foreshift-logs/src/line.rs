//! A log line as its decoder found it: borrowed, so that no text outlives the decoding.

/// One log line with the structured fields that came with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The text. May be empty.
    pub message: &'a str,
    /// How bad its writer thought it was.
    pub severity: Option<Severity>,
    /// HTTP status of the request that the line is about; 0 is no answer.
    pub http_status: Option<u16>,
    /// gRPC status of the request that the line is about.
    pub grpc_status: Option<u16>,
    /// Envoy's response flags: `UF,URX`.
    pub response_flags: Option<&'a str>,
    /// The provider's (or language's) own word: error type, code or exception, `insufficient_quota`.
    pub provider_error: Option<&'a str>,
    /// A second such word, where type and code are apart.
    pub provider_code: Option<&'a str>,
}

/// The text up to a bound in bytes, cut between characters.
pub(crate) fn head(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// How bad the writer of a line thought it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For developers.
    Debug,
    /// Nothing is wrong.
    Info,
    /// Something may go wrong.
    Warn,
    /// Something went wrong.
    Error,
    /// The process cannot go on.
    Fatal,
}

impl Severity {
    /// From the word used by common loggers, in any case; `None` for other words.
    pub fn parse(text: &str) -> Option<Self> {
        const WORDS: [(&str, Severity); 19] = [
            ("trace", Severity::Debug),
            ("debug", Severity::Debug),
            ("finest", Severity::Debug),
            ("info", Severity::Info),
            ("information", Severity::Info),
            ("notice", Severity::Info),
            ("log", Severity::Info),
            ("normal", Severity::Info),
            ("warn", Severity::Warn),
            ("warning", Severity::Warn),
            ("error", Severity::Error),
            ("err", Severity::Error),
            ("severe", Severity::Error),
            ("fatal", Severity::Fatal),
            ("crit", Severity::Fatal),
            ("critical", Severity::Fatal),
            ("alert", Severity::Fatal),
            ("emerg", Severity::Fatal),
            ("panic", Severity::Fatal),
        ];
        let text = text.trim();
        WORDS
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, severity)| *severity)
    }

    /// From OTLP's severity number (1 to 24); `None` when unspecified or out of range.
    pub const fn from_otlp(number: i32) -> Option<Self> {
        match number {
            1..=8 => Some(Self::Debug),
            9..=12 => Some(Self::Info),
            13..=16 => Some(Self::Warn),
            17..=20 => Some(Self::Error),
            21..=24 => Some(Self::Fatal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_words_are_read_in_any_case() {
        assert_eq!(Severity::parse("WARNING"), Some(Severity::Warn));
        assert_eq!(Severity::parse(" emerg "), Some(Severity::Fatal));
        assert_eq!(Severity::parse("loud"), None);
    }

    #[test]
    fn otlp_numbers_out_of_range_say_nothing() {
        assert_eq!(Severity::from_otlp(17), Some(Severity::Error));
        assert_eq!(Severity::from_otlp(0), None);
        assert_eq!(Severity::from_otlp(-3), None);
    }
}
