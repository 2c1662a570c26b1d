//! Paths, addresses, hosts and URLs.

use super::super::bytes::{ALPHA, DIGIT, DOT, HEX, LETTER, at, class, from, run, up_to};
use super::{Chunk, Kind, Value, times};

/// Whether the text is a path: it starts with a slash, or has two, or one and a dot.
pub(super) fn is_path(text: &[u8]) -> bool {
    let slashes = text.iter().filter(|byte| matches!(byte, b'/' | b'\\')).count();
    match at(text, 0) {
        b'/' => text.len() > 1,
        _ => slashes >= 2 || slashes == 1 && text.contains(&b'.'),
    }
}

/// Whether the text is `name@host`.
pub(super) fn is_email(text: &[u8]) -> bool {
    let mut parts = text.splitn(2, |byte| *byte == b'@');
    let name = parts.next().unwrap_or_default();
    let host = parts.next().unwrap_or_default();
    !name.is_empty() && host.len() > 1 && !host.contains(&b'@')
}

/// Whether the text is an IPv4 address.
pub(super) fn is_ipv4(text: &[u8]) -> bool {
    let mut groups = 0;
    for group in text.split(|byte| *byte == b'.') {
        groups += 1;
        if group.is_empty() || group.len() > 3 || !group.iter().all(u8::is_ascii_digit) {
            return false;
        }
    }
    groups == 4
}

/// Values that hold a colon: times, URLs, Windows paths, IPv6 and link-layer addresses, hosts with their port.
pub(super) fn with_colon(chunk: &Chunk<'_>) -> Option<Value> {
    let text = chunk.text();
    let after = chunk.after();
    if after.starts_with(b"://") && chunk.has(ALPHA | HEX) {
        return url(chunk);
    }
    if after.starts_with(b":\\") && text.len() == 1 {
        let length = after.iter().position(|byte| ends_windows_path(*byte));
        return Value::new(Kind::Path, chunk.end + length.unwrap_or(after.len()));
    }
    if let Some(value) = times::of_day(chunk) {
        return Some(value);
    }
    if text.len() <= 4 && text.iter().all(u8::is_ascii_hexdigit) {
        return colon_hex(chunk);
    }
    if chunk.has(DOT) && is_host(text) && is_port(from(after, 1)) {
        return Value::new(Kind::Host, chunk.end);
    }
    None
}

/// A URL; its scheme is kept as text.
fn url(chunk: &Chunk<'_>) -> Option<Value> {
    let after = chunk.after();
    let length = after
        .iter()
        .position(|byte| ends_url(*byte))
        .unwrap_or(after.len());
    let stops = up_to(after, length)
        .iter()
        .rev()
        .take_while(|byte| matches!(**byte, b'.' | b':' | b';'));
    let length = length - stops.count();
    (length > 3).then(|| Value {
        kind: Kind::Url,
        prefix: chunk.text().len() + 3,
        end: chunk.end + length,
    })
}

/// Whether the text is a host name: its last part is a short word in lower case.
fn is_host(text: &[u8]) -> bool {
    let last = text.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let is_name = |byte: &u8| class(*byte) & (LETTER | DIGIT | DOT) != 0 || *byte == b'-';
    (2..=6).contains(&last.len()) && last.iter().all(u8::is_ascii_lowercase) && text.iter().all(is_name)
}

/// Whether a port stands there: two to five digits, and no more of a word.
fn is_port(text: &[u8]) -> bool {
    let digits = run(text, DIGIT);
    (2..=5).contains(&digits) && class(at(text, digits)) & (LETTER | DIGIT) == 0
}

fn ends_url(byte: u8) -> bool {
    byte <= b' ' || b"\"'<>()[]`{}|,".contains(&byte)
}

fn ends_windows_path(byte: u8) -> bool {
    byte <= b' ' || b"\"'<>|,;)]".contains(&byte)
}

/// IPv6 and link-layer addresses: groups of hexadecimal digits between colons.
fn colon_hex(chunk: &Chunk<'_>) -> Option<Value> {
    let rest = from(chunk.line, chunk.start);
    let length = rest
        .iter()
        .position(|byte| !(byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'%')))
        .unwrap_or(rest.len());
    let text = up_to(rest, length);
    // The colon of a sentence is no part of the address.
    let text = text
        .strip_suffix(b":")
        .filter(|text| !text.ends_with(b":"))
        .unwrap_or(text);
    if class(at(rest, text.len())) & LETTER != 0 {
        return None;
    }
    let groups = text.split(|byte| *byte == b':').count();
    let pairs = text
        .split(|byte| *byte == b':')
        .all(|group| (1..=2).contains(&group.len()));
    let has_digit = text.iter().any(u8::is_ascii_digit);
    let is_short = text.windows(2).any(|pair| pair == b"::");
    let end = chunk.start + text.len();
    match (groups, pairs) {
        (6, true) => Value::new(Kind::Mac, end),
        (8, _) => Value::new(Kind::Ip, end),
        (3..=8, false) if is_short && has_digit => Value::new(Kind::Ip, end),
        _ => None,
    }
}

/// The length of a query behind a path, `?a=b&c=d`.
pub(super) fn query(after: &[u8]) -> usize {
    if at(after, 0) != b'?' || class(at(after, 1)) & LETTER == 0 {
        return 0;
    }
    after
        .iter()
        .position(|byte| ends_url(*byte))
        .unwrap_or(after.len())
}
