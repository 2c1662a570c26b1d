//! Chunks with a digit in them: numbers with their units, hashes, addresses, and names with numbers.

use super::super::bytes::{AT, DIGIT, DOT, HEX, JOIN, LETTER, SLASH, at, class, from, run, up_to};
use super::super::spans::is_time_unit;
use super::{Chunk, Kind, Value, ends_chunk, named, times};

/// Digits and letters from `a` to `f` are a hash from this length on.
const MIN_HEX: usize = 7;
/// `en0`, `jk2_init`: a name with at most this many digits is a word until it proves to vary.
const MAX_WORD_DIGITS: usize = 2;
/// Letters of such a word that goes on behind its digits; shorter ones are ids.
const MIN_WORD_LETTERS: usize = 5;
/// Longer beginnings are no names of kinds, but parts of keys and tokens.
const MAX_PREFIX: usize = 32;
/// `mesos-slave-07` is a host, `node-7` the seventh node.
const MIN_HOST_HYPHENS: usize = 2;

const SIZES: [&[u8]; 13] = [
    b"B", b"KB", b"MB", b"GB", b"TB", b"PB", b"KiB", b"MiB", b"GiB", b"TiB", b"kB", b"Kb", b"Mb",
];

fn is_size_unit(text: &[u8]) -> bool {
    SIZES.contains(&text)
}

/// The value that a chunk with a digit is; `None` for a word.
pub(super) fn value(chunk: &Chunk<'_>) -> Option<Value> {
    let text = chunk.text();
    if let Some(value) = number(chunk, text) {
        return Some(value);
    }
    if chunk.has(SLASH) {
        return slashed(chunk, text);
    }
    if chunk.has(AT) {
        return Some(at_sign(chunk, text));
    }
    let kind = match text.len() {
        36 if is_uuid(text) => Kind::Uuid,
        10 if times::is_day(text) => Kind::Date,
        _ if named::is_ipv4(text) => Kind::Ip,
        _ => return name(chunk, text),
    };
    Value::new(kind, chunk.end)
}

/// A number, with its sign, fraction, exponent and unit.
fn number(chunk: &Chunk<'_>, text: &[u8]) -> Option<Value> {
    let sign = usize::from(matches!(at(text, 0), b'-' | b'+'));
    let digits = run(from(text, sign), DIGIT);
    if digits == 0 {
        return None;
    }
    if at(text, sign) == b'0' && matches!(at(text, sign + 1), b'x' | b'X') {
        let hex = run(from(text, sign + 2), DIGIT | HEX);
        let is_hex = hex > 0 && sign + 2 + hex == text.len();
        return Value::new(Kind::Hex, chunk.end).filter(|_| is_hex);
    }
    let mut end = sign + digits;
    let mut kind = Kind::Num;
    let fraction = run(from(text, end + 1), DIGIT);
    if at(text, end) == b'.' && fraction > 0 {
        end += 1 + fraction;
        kind = Kind::Float;
    }
    end += exponent(from(text, end));
    let unit = from(text, end);
    if unit.is_empty() {
        return Some(with_apart_unit(chunk, kind));
    }
    let kind = match unit {
        b"%" => kind,
        _ if is_size_unit(unit) => Kind::Size,
        _ if is_time_unit(unit) => Kind::Duration,
        _ => return None,
    };
    Value::new(kind, chunk.end)
}

/// The length of `e-7` if it is all that is left.
fn exponent(text: &[u8]) -> usize {
    let sign = usize::from(matches!(at(text, 1), b'-' | b'+'));
    let digits = run(from(text, 1 + sign), DIGIT);
    let is_exponent = matches!(at(text, 0), b'e' | b'E') && digits > 0 && 1 + sign + digits == text.len();
    if is_exponent { text.len() } else { 0 }
}

/// A size's unit changes with its number, so `4.2 KB` is one value.
fn with_apart_unit(chunk: &Chunk<'_>, kind: Kind) -> Value {
    let after = chunk.after();
    let letters = run(from(after, 1), LETTER);
    let is_size = at(after, 0) == b' '
        && letters > 0
        && is_size_unit(up_to(from(after, 1), letters))
        && ends_chunk(from(after, 1 + letters));
    let (kind, end) = if is_size {
        (Kind::Size, chunk.end + 1 + letters)
    } else {
        (kind, chunk.end)
    };
    Value { kind, prefix: 0, end }
}

/// Chunks with a digit and a slash: paths, `host/address`, `1/2`.
fn slashed(chunk: &Chunk<'_>, text: &[u8]) -> Option<Value> {
    let last = text.iter().rposition(|byte| *byte == b'/');
    if let Some(last) = last
        && named::is_ipv4(from(text, last + 1))
    {
        // `/10.0.0.1` is an address; of `host/10.0.0.1` the host is read first.
        return match last {
            0 => Some(Value {
                kind: Kind::Ip,
                prefix: 1,
                end: chunk.end,
            }),
            _ => Value::new(Kind::Host, chunk.start + last),
        };
    }
    if named::is_path(text) && class(at(text, 0)) & DIGIT == 0 {
        return Value::new(Kind::Path, chunk.end + named::query(chunk.after()));
    }
    let first = text.iter().position(|byte| *byte == b'/');
    match first {
        Some(first) if run(text, DIGIT) == first && first > 0 => Value::new(Kind::Num, chunk.start + first),
        _ => Value::new(Kind::Id, chunk.end),
    }
}

/// `user@host7`, and `Name@55ede994`, which is an object and its hash.
fn at_sign(chunk: &Chunk<'_>, text: &[u8]) -> Value {
    let sign = text.iter().position(|byte| *byte == b'@').unwrap_or(0);
    let behind = from(text, sign + 1);
    let is_hash = run(behind, DIGIT | HEX) == behind.len();
    let keeps_name = is_hash && run(text, LETTER | DOT | JOIN) == sign;
    Value {
        kind: if is_hash { Kind::Hex } else { Kind::Email },
        prefix: if keeps_name { sign + 1 } else { 0 },
        end: chunk.end,
    }
}

fn is_uuid(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// A name with digits: what stands before the part with the digits is kept, `attempt_` of `attempt_14_m_3`.
fn name(chunk: &Chunk<'_>, text: &[u8]) -> Option<Value> {
    if text.len() >= MIN_HEX && chunk.classes & !(DIGIT | HEX) == 0 {
        return Value::new(Kind::Hex, chunk.end);
    }
    if is_numbered_word(text) {
        return None;
    }
    let prefix = kept_prefix(text);
    let hyphens = up_to(text, prefix).iter().filter(|byte| **byte == b'-');
    if hyphens.count() >= MIN_HOST_HYPHENS {
        return Value::new(Kind::Host, chunk.end);
    }
    if prefix > MAX_PREFIX {
        return Value::new(Kind::Id, chunk.end);
    }
    let value = from(text, prefix);
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let kind = match value.len() {
        length if run(value, DIGIT) == length => Kind::Num,
        length if length >= MIN_HEX && run(value, DIGIT | HEX) == length => Kind::Hex,
        _ => Kind::Id,
    };
    Some(Value {
        kind,
        prefix,
        end: chunk.end,
    })
}

/// Whether the text is a word with a short number in it, and not a number with a prefix.
fn is_numbered_word(text: &[u8]) -> bool {
    let first = run(text, LETTER);
    let digits = run(from(text, first), DIGIT);
    let last = run(from(text, first + digits), LETTER);
    let has_prefix = up_to(text, first).contains(&b'_');
    first + digits + last == text.len()
        && first >= 2
        && first + last >= if last > 0 { MIN_WORD_LETTERS } else { 2 }
        && digits <= MAX_WORD_DIGITS
        && !has_prefix
}

/// The length of what stands before the first part with a digit.
fn kept_prefix(text: &[u8]) -> usize {
    let joins = |byte: &u8| *byte == b'_' || class(*byte) & (JOIN | DOT) != 0;
    let first_digit = text.iter().position(u8::is_ascii_digit).unwrap_or(0);
    let prefix = up_to(text, first_digit)
        .iter()
        .rposition(joins)
        .map_or(0, |last| last + 1);
    // `blk_-42` and `blk_42` are of one kind.
    let is_sign = prefix >= 2 && at(text, prefix - 1) == b'-' && text.get(prefix - 2).is_some_and(joins);
    if is_sign { prefix - 1 } else { prefix }
}
