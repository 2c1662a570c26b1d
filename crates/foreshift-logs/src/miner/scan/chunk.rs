//! A chunk: a run of letters, digits and what joins them. Most are plain words and leave here at once.

mod digits;
mod named;
mod times;

use super::bytes::{ALPHA, AT, BLANK, CHUNK, DIGIT, DOT, HEX, LETTER, SLASH, at, class, from, run, up_to};
use super::spans::{mask, punct};
use super::{Kind, Piece, print_of};

/// Letters that are all hexadecimal are an id from this length on: no English word of it is.
const MIN_HEX_LETTERS: usize = 8;

/// Reads the chunk that starts there. `after_chunk`: no blank or punctuation stands before it.
pub(super) fn read(line: &[u8], start: usize, after_chunk: bool) -> Piece {
    let (mut end, classes) = extent(line, start);
    if classes & !LETTER == 0 && end - start > 3 && at(line, end) != b':' && classes & ALPHA != 0 {
        return word(line, start, end);
    }
    let chunk = line.get(start..end).unwrap_or_default();
    let kept = chunk.len() - trailing_joins(chunk);
    end = start + kept;
    let chunk = up_to(chunk, kept);
    if chunk.is_empty() || starts_apart(chunk, after_chunk) {
        let rest = from(line, start);
        let first = at(rest, 0);
        let length = rest.iter().position(|byte| *byte != first).unwrap_or(rest.len());
        return punct(first, start, start + length);
    }
    let before = Chunk {
        line,
        start,
        end,
        classes,
    };
    match before.value() {
        Some(Value { kind, prefix, end }) => {
            let mut piece = mask(kind, start, end);
            piece.prefix = prefix;
            if prefix > 0 {
                piece.print = print_of(up_to(chunk, prefix));
            }
            piece
        }
        None => word(line, start, end),
    }
}

fn word(line: &[u8], start: usize, end: usize) -> Piece {
    Piece {
        kind: Kind::Word,
        space: false,
        start,
        end,
        prefix: 0,
        print: print_of(line.get(start..end).unwrap_or_default()),
    }
}

/// End and classes of the chunk. Two dots in a row end it: they are leaders, `exception......0`.
fn extent(line: &[u8], start: usize) -> (usize, u8) {
    let mut classes = 0;
    let mut end = start;
    for &byte in from(line, start) {
        let found = class(byte);
        if found & CHUNK == 0 || (found == DOT && at(line, end + 1) == b'.') {
            break;
        }
        classes |= found;
        end += 1;
    }
    (end, classes)
}

/// How many bytes at the end belong to the sentence, not to the chunk.
fn trailing_joins(chunk: &[u8]) -> usize {
    let ends = |byte: &&u8| matches!(**byte, b'.' | b'-' | b'+' | b'&' | b'~' | b'@');
    chunk.iter().rev().take_while(ends).count()
}

/// Whether the first byte stands for itself and is no part of what follows.
fn starts_apart(chunk: &[u8], after_chunk: bool) -> bool {
    let second = class(at(chunk, 1));
    match at(chunk, 0) {
        b'/' => {
            after_chunk && class(at(chunk, 1)) & DIGIT != 0
                || chunk.len() == 1
                || run(from(chunk, 1), DIGIT) == chunk.len() - 1
        }
        b'\\' => chunk.iter().filter(|byte| **byte == b'\\').count() < 2,
        b'-' | b'+' => second & DIGIT == 0 || after_chunk,
        b'.' | b'%' | b'#' | b'$' | b'&' | b'~' | b'@' => true,
        _ => false,
    }
}

/// A value found in a chunk; it may reach behind it.
#[derive(Clone, Copy, Debug)]
struct Value {
    kind: Kind,
    /// Bytes kept as text before the mask.
    prefix: usize,
    /// End in the line.
    end: usize,
}

impl Value {
    const fn new(kind: Kind, end: usize) -> Option<Self> {
        Some(Self { kind, prefix: 0, end })
    }
}

/// A chunk without the punctuation at its ends.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    line: &'a [u8],
    start: usize,
    end: usize,
    classes: u8,
}

impl<'a> Chunk<'a> {
    fn text(&self) -> &'a [u8] {
        self.line.get(self.start..self.end).unwrap_or_default()
    }

    /// What follows the chunk.
    fn after(&self) -> &'a [u8] {
        from(self.line, self.end)
    }

    const fn has(&self, classes: u8) -> bool {
        self.classes & classes != 0
    }

    /// The value that the chunk is, or starts; `None` for a word.
    fn value(&self) -> Option<Value> {
        if at(self.after(), 0) == b':'
            && let Some(value) = named::with_colon(self)
        {
            return Some(value);
        }
        if let Some(value) = times::named_day(self) {
            return Some(value);
        }
        if self.has(DIGIT) {
            return digits::value(self);
        }
        let text = self.text();
        if self.has(SLASH) && named::is_path(text) {
            return Value::new(Kind::Path, self.end + named::query(self.after()));
        }
        if self.has(AT) && named::is_email(text) {
            return Value::new(Kind::Email, self.end);
        }
        let is_hex = self.classes & !HEX == 0 && text.len() >= MIN_HEX_LETTERS;
        if is_hex {
            return Value::new(Kind::Hex, self.end);
        }
        None
    }
}

/// Whether nothing of a chunk follows there.
fn ends_chunk(text: &[u8]) -> bool {
    text.first()
        .is_none_or(|byte| class(*byte) & CHUNK == 0 || class(*byte) & BLANK != 0)
}
