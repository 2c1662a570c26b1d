//! Days and times.

use super::super::bytes::{DIGIT, LETTER, at, class, from, run, up_to};
use super::{Chunk, Kind, Value, ends_chunk};

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const WEEKDAYS: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];

fn is_in(names: &[&[u8]], text: &[u8]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(text))
}

/// The length of `12:30`, `12:30:01` at the start; nothing of a word may follow but a fraction.
fn clock(text: &[u8]) -> Option<usize> {
    let hours = run(text, DIGIT);
    let two = |text: &[u8]| at(text, 0) == b':' && run(from(text, 1), DIGIT) == 2;
    if !(1..=2).contains(&hours) || !two(from(text, hours)) {
        return None;
    }
    let minutes = hours + 3;
    let end = if two(from(text, minutes)) {
        minutes + 3
    } else {
        minutes
    };
    let next = at(text, end);
    let goes_on = class(next) & (LETTER | DIGIT) != 0
        || next == b':' && class(at(text, end + 1)) & (LETTER | DIGIT) != 0;
    let is_utc = matches!(next, b'Z' | b'z') && ends_chunk(from(text, end + 1));
    (!goes_on || is_utc).then_some(end)
}

/// A time of day that starts with this chunk, also behind a day and a `T`.
pub(super) fn of_day(chunk: &Chunk<'_>) -> Option<Value> {
    let text = chunk.text();
    if run(text, DIGIT) == text.len() {
        let length = clock(from(chunk.line, chunk.start))?;
        return Value::new(Kind::Time, chunk.start + length);
    }
    if is_log_day(text) {
        // `18/Oct/2015:12:30:01 +0200`, as web servers write it.
        let mut end = chunk.end + 1 + clock(from(chunk.line, chunk.end + 1))?;
        let offset = from(chunk.line, end);
        let zone = if at(offset, 0) == b' ' {
            zone(from(offset, 1))
        } else {
            0
        };
        end += if zone > 1 { zone + 1 } else { 0 };
        return Value::new(Kind::Timestamp, end);
    }
    if !is_day(up_to(text, 10)) || !matches!(at(text, 10), b'T' | b't') {
        return None;
    }
    let behind_t = chunk.start + 11;
    let mut end = behind_t + clock(from(chunk.line, behind_t))?;
    let fraction = run(from(chunk.line, end + 1), DIGIT);
    if matches!(at(chunk.line, end), b'.' | b',') && fraction > 0 {
        end += 1 + fraction;
    }
    end += zone(from(chunk.line, end));
    Value::new(Kind::Timestamp, end)
}

/// The length of `Z`, `+02:00` or `+0200`.
fn zone(text: &[u8]) -> usize {
    match at(text, 0) {
        b'Z' | b'z' => 1,
        b'+' | b'-' => match (run(from(text, 1), DIGIT), at(text, 3)) {
            (4, _) => 5,
            (2, b':') if run(from(text, 4), DIGIT) == 2 => 6,
            _ => 0,
        },
        _ => 0,
    }
}

/// Whether the text is `2015-10-18`.
pub(super) fn is_day(text: &[u8]) -> bool {
    let fits = |(index, byte): (usize, &u8)| match index {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 10 && text.iter().enumerate().all(fits)
}

/// Whether the text is `18/Oct/2015`.
fn is_log_day(text: &[u8]) -> bool {
    let month = text.get(3..6).unwrap_or_default();
    text.len() == 11
        && run(text, DIGIT) == 2
        && at(text, 2) == b'/'
        && at(text, 6) == b'/'
        && is_in(&MONTHS, month)
        && run(from(text, 7), DIGIT) == 4
}

/// `Jun 18 02:08:10`, `Sat Jun 18 02:08:10 2005`, from the name of the month or day on.
pub(super) fn named_day(chunk: &Chunk<'_>) -> Option<Value> {
    let text = chunk.text();
    if text.len() != 3 || at(chunk.after(), 0) != b' ' {
        return None;
    }
    let mut end = chunk.end;
    if is_in(&WEEKDAYS, text) {
        let next = from(chunk.line, end + 1);
        if !is_in(&MONTHS, up_to(next, 3)) || at(next, 3) != b' ' {
            return None;
        }
        end += 4;
    } else if !is_in(&MONTHS, text) {
        return None;
    }
    end += blanks(from(chunk.line, end));
    let day = run(from(chunk.line, end), DIGIT);
    if !(1..=2).contains(&day) {
        return None;
    }
    end += day;
    end += blanks(from(chunk.line, end));
    end += clock(from(chunk.line, end))?;
    let year = from(chunk.line, end);
    if at(year, 0) == b' ' && run(from(year, 1), DIGIT) == 4 && ends_chunk(from(year, 5)) {
        end += 5;
    }
    Value::new(Kind::Timestamp, end)
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b' ').count()
}
