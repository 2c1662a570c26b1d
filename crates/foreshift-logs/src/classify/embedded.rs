//! Structured evidence that stands inside a text: provider error types, Envoy's flags and HAProxy's termination states
//! in access logs, gRPC codes, HTTP statuses. The same tables as for fields decide what it means.

mod access;

use foreshift_domain::log::ErrorClass;

use crate::structured::{self, Finding};

/// Words before a number that make it an HTTP status.
const STATUS_WORDS: [&str; 15] = [
    "status",
    "statuscode",
    "status_code",
    "http_status",
    "httpstatus",
    "http_code",
    "httpcode",
    "response_code",
    "responsecode",
    "code",
    "http",
    "returned",
    "responded",
    "response",
    "error",
];
/// Words that may stand between such a word and the number: "returned an error status of 503".
const FILLERS: [&str; 15] = [
    "with", "was", "is", "a", "an", "of", "the", "status", "code", "error", "http", "response", "from", "1",
    "2",
];
/// Words that make the number before them a count.
const COUNTED: [&str; 14] = [
    "rows", "row", "items", "bytes", "ms", "records", "results", "entries", "messages", "requests",
    "seconds", "s", "tokens", "mb",
];
/// How each status begins when it is spelt out.
const REASONS: [(u16, &str); 17] = [
    (400, "bad"),
    (401, "unauthorized"),
    (402, "payment"),
    (403, "forbidden"),
    (404, "not"),
    (405, "method"),
    (408, "request"),
    (413, "payload"),
    (413, "request"),
    (422, "unprocessable"),
    (429, "too"),
    (500, "internal"),
    (502, "bad"),
    (503, "service"),
    (504, "gateway"),
    (507, "insufficient"),
    (529, "overloaded"),
];
/// gRPC codes as Go writes them after `code =`, and as all others spell them.
const GRPC_CODES: [(&str, &str, u16); 15] = [
    ("Canceled", "CANCELLED", 1),
    ("Unknown", "UNKNOWN", 2),
    ("InvalidArgument", "INVALID_ARGUMENT", 3),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED", 4),
    ("NotFound", "NOT_FOUND", 5),
    ("PermissionDenied", "PERMISSION_DENIED", 7),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED", 8),
    ("FailedPrecondition", "FAILED_PRECONDITION", 9),
    ("Aborted", "ABORTED", 10),
    ("OutOfRange", "OUT_OF_RANGE", 11),
    ("Unimplemented", "UNIMPLEMENTED", 12),
    ("Internal", "INTERNAL", 13),
    ("Unavailable", "UNAVAILABLE", 14),
    ("DataLoss", "DATA_LOSS", 15),
    ("Unauthenticated", "UNAUTHENTICATED", 16),
];

/// What the text gives away, from the most to the least exact.
pub(crate) fn find(text: &str) -> Option<Finding> {
    let words = split(text);
    let provider = || words.iter().filter_map(|word| provider_word(word.text));
    let status = || access::status(text).or_else(|| http(&words).and_then(structured::http_status));
    let rough = |finding: Finding| match finding.blames_request() {
        true => status().unwrap_or(finding),
        false => finding,
    };
    provider()
        .find(|finding| !finding.refinable)
        .or_else(|| access::ended(text))
        .or_else(|| grpc(&words))
        .or_else(|| provider().next().map(rough))
        .or_else(status)
}

/// A run of letters, digits and underscores, and the bytes around it that are no blanks or quotes.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    text: &'a str,
    before: u8,
    after: u8,
}

fn split(text: &str) -> Vec<Word<'_>> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let telling = |byte: &u8| !matches!(byte, b' ' | b'"' | b'\'' | b'\\' | b'\t');
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(start) = text
        .get(at..)
        .and_then(|rest| rest.find(is_part))
        .map(|found| at + found)
    {
        let rest = text.get(start..).unwrap_or_default();
        let end = start + rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let bytes = text.as_bytes();
        let before = bytes.get(..start).unwrap_or_default();
        let after = bytes.get(end..).unwrap_or_default();
        words.push(Word {
            text: text.get(start..end).unwrap_or_default(),
            before: before
                .iter()
                .rev()
                .copied()
                .find(|byte| telling(byte))
                .unwrap_or(0),
            after: after.iter().copied().find(|byte| telling(byte)).unwrap_or(0),
        });
        at = end;
    }
    words
}

/// Error types that no sentence would hold: compound names only. Names of the operating system's errors are phrases,
/// since what failed with them is often said beside them.
fn provider_word(word: &str) -> Option<Finding> {
    let inner_capital = word.as_bytes().windows(2).any(|pair| {
        pair.first().is_some_and(u8::is_ascii_lowercase) && pair.last().is_some_and(u8::is_ascii_uppercase)
    });
    let compound = inner_capital || word.contains('_');
    let finding = compound.then(|| structured::provider_error(word))??;
    (!GRPC_CODES.iter().any(|(_, name, _)| *name == word)).then_some(finding)
}

fn grpc(words: &[Word<'_>]) -> Option<Finding> {
    let named = words.iter().enumerate().find_map(|(at, word)| {
        let previous = before(words, at, 1);
        let code = GRPC_CODES.iter().find(|(go, name, _)| {
            let after_code = ["code", "Code", "StatusCode", "status", "Status"].contains(&previous);
            *go == word.text && after_code || *name == word.text && is_code(previous, word)
        });
        code.map(|(_, _, code)| *code)
    });
    let numbered = || {
        words.iter().enumerate().find_map(|(at, word)| {
            let previous = before(words, at, 1).to_ascii_lowercase();
            let is_status = previous == "grpc_status"
                || previous == "status" && before(words, at, 2).eq_ignore_ascii_case("grpc");
            is_status.then(|| word.text.parse().ok())?
        })
    };
    match named.or_else(numbered)? {
        // Cancelled by who asked.
        1 => structured::exact(ErrorClass::None),
        // Google's HTTP APIs say UNAVAILABLE with a 503 when a model is overloaded.
        14 if http(words) == Some(503) => structured::http_status(503),
        12 => structured::exact(ErrorClass::NotFound),
        code => structured::grpc_status(code),
    }
}

/// Whether a capitalised word is a code, and no shouting.
fn is_code(previous: &str, word: &Word<'_>) -> bool {
    word.text.contains('_')
        || word.after == b':'
        || [
            "StatusCode",
            "code",
            "status",
            "Code",
            "Status",
            "StatusRuntimeException",
            "StatusException",
        ]
        .contains(&previous)
        || previous.parse::<u16>().is_ok()
}

/// The word so many places before.
fn before<'a>(words: &[Word<'a>], at: usize, places: usize) -> &'a str {
    at.checked_sub(places)
        .and_then(|at| words.get(at))
        .map_or("", |word| word.text)
}

/// The HTTP status in a frame of its own, else the first of 400 and above that the words around it call one.
fn http(words: &[Word<'_>]) -> Option<u16> {
    let number = |word: &Word<'_>| -> Option<u16> { (word.text.len() == 3).then(|| word.text.parse().ok())? };
    let framed = words
        .iter()
        .filter(|word| word.before == b'|' && word.after == b'|')
        .find_map(number);
    framed.or_else(|| said(words, number))
}

fn said(words: &[Word<'_>], number: impl Fn(&Word<'_>) -> Option<u16>) -> Option<u16> {
    words.iter().enumerate().find_map(|(at, word)| {
        let status = number(word)?;
        let next = words
            .get(at + 1)
            .map_or("", |word| word.text)
            .to_ascii_lowercase();
        let spelt = REASONS.contains(&(status, next.as_str()));
        let said = !COUNTED.contains(&next.as_str()) && said_before(words, at);
        ((400..600).contains(&status) && (spelt || said)).then_some(status)
    })
}

/// Whether the words before a number call it a status.
fn said_before(words: &[Word<'_>], at: usize) -> bool {
    for places in 1..=4 {
        let word = before(words, at, places).to_ascii_lowercase();
        let filler = FILLERS.contains(&word.as_str());
        if STATUS_WORDS.contains(&word.as_str()) {
            let further = before(words, at, places + 1).to_ascii_lowercase();
            return !further.starts_with("exit") && !further.starts_with("errno");
        }
        if !filler {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<ErrorClass> {
        find(text).map(|finding| finding.class)
    }

    #[test]
    fn statuses_are_read_where_the_words_around_them_say_so() {
        for (text, expected) in [
            (
                "openai.RateLimitError: Error code: 429 - {...}",
                Some(ErrorClass::RateLimit),
            ),
            (
                "upstream returned an error status of 503",
                Some(ErrorClass::Overload),
            ),
            (
                "unexpected response: 502 Bad Gateway",
                Some(ErrorClass::Upstream5xx),
            ),
            (
                "[GIN] 2024/05/01 - 10:00:00 | 500 | 1.2ms | ::1 | POST /x",
                Some(ErrorClass::Upstream5xx),
            ),
            ("{\"level\":\"error\",\"status\":504}", Some(ErrorClass::Timeout)),
            ("HTTP/1.1 404 Not Found", Some(ErrorClass::NotFound)),
            ("query returned 500 rows", None),
            ("process exited with exit code 500", None),
            ("took 503 ms", None),
            ("listening on 443", None),
        ] {
            assert_eq!(class(text), expected, "{text}");
        }
    }

    #[test]
    fn codes_of_grpc_are_read_as_each_language_writes_them() {
        for (text, expected) in [
            (
                "rpc error: code = Unavailable desc = transport is closing",
                ErrorClass::ConnFail,
            ),
            ("rpc error: code = DeadlineExceeded desc = x", ErrorClass::Timeout),
            (
                "io.grpc.StatusRuntimeException: UNAVAILABLE: io exception",
                ErrorClass::ConnFail,
            ),
            ("status = StatusCode.RESOURCE_EXHAUSTED", ErrorClass::RateLimit),
            ("14 UNAVAILABLE: No connection established", ErrorClass::ConnFail),
            ("trailers grpc-status: 16", ErrorClass::Auth),
            ("{\"grpc_status\":\"4\"}", ErrorClass::Timeout),
            (
                "rpc error: code = Canceled desc = context canceled",
                ErrorClass::None,
            ),
            (
                "{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}",
                ErrorClass::Overload,
            ),
        ] {
            assert_eq!(class(text), Some(expected), "{text}");
        }
        assert_eq!(class("the INTERNAL network is UNKNOWN to me"), None);
    }

    #[test]
    fn types_of_providers_are_known_inside_a_body() {
        for (text, expected) in [
            (
                r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#,
                ErrorClass::QuotaBilling,
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                ErrorClass::Overload,
            ),
            (
                "An error occurred (ThrottlingException) when calling",
                ErrorClass::RateLimit,
            ),
        ] {
            assert_eq!(class(text), Some(expected), "{text}");
        }
    }
}
