//! What starts with punctuation: runs of one byte, and short durations such as `<1 sec`.

use super::bytes::{DIGIT, LETTER, at, from, run, up_to};
use super::{Kind, Piece, SEED, fold};

const TIME_UNITS: [&[u8]; 14] = [
    b"ns", b"us", b"ms", b"s", b"sec", b"secs", b"second", b"seconds", b"m", b"min", b"mins", b"minutes",
    b"h", b"hours",
];

/// Whether the text is a unit of time.
pub(super) fn is_time_unit(text: &[u8]) -> bool {
    TIME_UNITS.iter().any(|unit| unit.eq_ignore_ascii_case(text))
}

/// Reads what starts at a byte of punctuation.
pub(super) fn read(line: &[u8], start: usize) -> Piece {
    let rest = from(line, start);
    let first = at(rest, 0);
    if first == b'<'
        && let Some(taken) = less_than_duration(rest)
    {
        return mask(Kind::Duration, start, start + taken);
    }
    let length = rest.iter().position(|byte| *byte != first).unwrap_or(rest.len());
    punct(first, start, start + length)
}

/// A run of one byte of punctuation; its length does not matter.
pub(super) fn punct(byte: u8, start: usize, end: usize) -> Piece {
    Piece {
        kind: Kind::Punct,
        space: false,
        start,
        end,
        prefix: 0,
        print: fold(SEED, u64::from(byte)),
    }
}

/// A masked value without a prefix.
pub(super) const fn mask(kind: Kind, start: usize, end: usize) -> Piece {
    Piece {
        kind,
        space: false,
        start,
        end,
        prefix: 0,
        print: 0,
    }
}

/// `<1 sec`, `<5ms`: less than a duration is a duration. Gives its length.
fn less_than_duration(rest: &[u8]) -> Option<usize> {
    let digits = run(from(rest, 1), DIGIT);
    let after = from(rest, 1 + digits);
    let blank = usize::from(at(after, 0) == b' ');
    let unit = run(from(after, blank), LETTER);
    let is_duration = digits > 0 && is_time_unit(up_to(from(after, blank), unit));
    is_duration.then_some(1 + digits + blank + unit)
}
