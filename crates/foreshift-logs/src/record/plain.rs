//! What plain text says of levels, statuses and codes.

use crate::line::Severity;
use crate::redact::scan::{at, quote, quoted_end, run};

use super::{MAX_TEXT_BYTES, is_code, names};

/// The words at the beginning of a line that a level is looked for in.
const LOOKED_AT: usize = 8;
/// How far before a status the word that makes it one may stand.
const NEAR_BYTES: usize = 20;
/// The most quoted words that are looked at.
const MAX_QUOTED: usize = 128;

/// The level among the first words, in capitals or in brackets, as loggers print it.
pub(super) fn severity(text: &str) -> Option<Severity> {
    text.split_ascii_whitespace().take(LOOKED_AT).find_map(|word| {
        let bare = word.trim_matches(['[', ']', '(', ')', '<', '>', ':', '|', ',', '-']);
        let is_marked = bare.bytes().all(|byte| byte.is_ascii_uppercase()) || word.starts_with('[');
        if is_marked { Severity::parse(bare) } else { None }
    })
}

/// The first HTTP status that is named as one, if it is a failure.
pub(super) fn http_status(text: &str) -> Option<u16> {
    let bytes = text.as_bytes();
    let mut place = 0;
    while place < bytes.len().min(MAX_TEXT_BYTES) {
        let end = run(bytes, place, bytes.len(), |byte| byte.is_ascii_digit());
        if end == place {
            place += 1;
            continue;
        }
        let alone = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b'_';
        let before = place.checked_sub(1).map_or(b' ', |before| at(bytes, before));
        let after = at(bytes, end);
        let is_part = before == b'.' || (after == b'.' && at(bytes, end + 1).is_ascii_digit());
        if end - place == 3 && alone(before) && alone(after) && !is_part && is_named(bytes, place) {
            let status = text.get(place..end).and_then(|digits| digits.parse().ok());
            if let Some(status @ 100..=599) = status {
                // What follows the status of a good answer is its length, or how long it took.
                return Some(status).filter(|status| *status >= 400);
            }
        }
        place = end;
    }
    None
}

fn is_named(bytes: &[u8], place: usize) -> bool {
    let near = bytes
        .get(place.saturating_sub(NEAR_BYTES)..place)
        .unwrap_or_default();
    let has = |word: &[u8]| {
        near.windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word))
    };
    has(b"status") || has(b"http") || has(b"code")
}

/// The status of `rpc error: code = Unavailable desc = …`.
pub(super) fn grpc_status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("code = ")?;
    let word = rest.split_once(" desc = ")?.0;
    names::grpc_status(word)
}

/// Type and code of an error that is quoted in the text, as providers, Node and AWS spell them.
pub(super) fn error_words(text: &str) -> (Option<&str>, Option<&str>) {
    let Some(open) = text.find('{') else {
        return (None, None);
    };
    let bytes = text.as_bytes();
    let (mut kind, mut code) = (None, None);
    let mut place = open;
    for _ in 0..MAX_QUOTED {
        place = run(bytes, place, bytes.len(), |byte| {
            !matches!(byte, b'"' | b'\'' | b'\\')
        });
        let Some(opening) = quote(bytes, place) else {
            if place >= bytes.len() {
                break;
            }
            place += 1;
            continue;
        };
        let end = quoted_end(bytes, opening);
        let word = text.get(opening.end..end).unwrap_or_default();
        let behind = run(bytes, end, 8, |byte| matches!(byte, b'\\' | b'"' | b'\'' | b' '));
        let name = match at(bytes, behind) {
            b':' => word,
            // `code: 'ECONNREFUSED'`: the name has no quotes.
            _ => {
                let before = text.get(..place).unwrap_or_default().trim_end();
                let name = before.strip_suffix(':').unwrap_or_default();
                assign(
                    name.rsplit([' ', '{', ',']).next().unwrap_or_default(),
                    word,
                    &mut kind,
                    &mut code,
                );
                ""
            }
        };
        place = end + opening.slashes + 1;
        if !name.is_empty() {
            let value = run(bytes, behind + 1, 4, |byte| byte == b' ');
            if let Some(opening) = quote(bytes, value) {
                let end = quoted_end(bytes, opening);
                assign(
                    name,
                    text.get(opening.end..end).unwrap_or_default(),
                    &mut kind,
                    &mut code,
                );
                place = end + opening.slashes + 1;
            }
        }
    }
    (kind, code)
}

fn assign<'a>(name: &str, word: &'a str, kind: &mut Option<&'a str>, code: &mut Option<&'a str>) {
    let is_word = is_code(word) && word.bytes().any(|byte| byte.is_ascii_alphabetic()) && word != "error";
    match name {
        "type" | "__type" | "status" if is_word && kind.is_none() => *kind = Some(word),
        "code" | "errorCode" | "error_code" if is_word && code.is_none() => *code = Some(word),
        _ => {}
    }
}
