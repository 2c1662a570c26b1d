//! The columns of a line or template: words, punctuation, and masks with neighbouring values drawn together.

use serde::{Deserialize, Serialize};

use super::kind::{Kind, split_mask};
use super::scan::{Piece, SEED, fold, print_of};
use super::values;
use super::word::{Form, is_noun, is_preposition, is_telling, stem};

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    Word,
    Punct,
    /// One value, or several with only separators between them.
    Mask,
    /// Anything, also words.
    Any,
}

/// What stands before a column, as far as it tells that a value may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    Open,
    /// Behind `=`.
    Assigned,
    /// Behind an opening quote.
    Quoted,
    /// Behind a word that announces a name.
    Named,
    /// Behind a preposition.
    Preposition,
    /// The value of a key such as `msg` or `state`.
    Telling,
}

/// One column. Its text is `len` bytes of the pattern's text, behind a blank if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) part: Part,
    pub(super) space: bool,
    pub(super) len: u16,
    /// Fingerprint of its text.
    pub(super) print: u64,
    /// Of words only.
    pub(super) form: Form,
    pub(super) stem: u64,
    pub(super) context: Context,
}

impl Column {
    /// Whether words may stand in it, or values.
    pub(super) const fn is_slot(&self) -> bool {
        !matches!(self.part, Part::Punct)
    }

    fn is_one_of(&self, punctuation: &[u8]) -> bool {
        let is_print = |byte: &u8| print_of(&[*byte]) == self.print;
        self.part == Part::Punct && punctuation.iter().any(is_print)
    }

    /// Whether it is punctuation that ends a part of a sentence.
    pub(super) fn ends_sentence(&self) -> bool {
        self.is_one_of(b",;:.!?")
    }

    pub(super) fn is_assignment(&self) -> bool {
        self.is_one_of(b"=")
    }

    pub(super) fn is_quote(&self) -> bool {
        self.is_one_of(b"\"")
    }

    /// Whether a template with this column covers a line with the other there.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self.part, other.part) {
            (Part::Mask | Part::Any, Part::Mask) | (Part::Any, Part::Word | Part::Any) => true,
            (left, right) => left == right && self.print == other.print,
        }
    }
}

/// A line or template as columns, with its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) columns: Vec<Column>,
    pub(super) text: String,
}

/// Punctuation that stands between the parts of one value or of a list of values.
const SEPARATORS: &[u8] = b",:./-|#;\\";

impl Pattern {
    /// The columns of a line that was scanned into these pieces.
    pub(super) fn read(line: &[u8], pieces: &[Piece]) -> Self {
        let mut pattern = Self::default();
        let mut at = 0;
        while let Some(piece) = pieces.get(at) {
            let rest = pieces.get(at..).unwrap_or_default();
            at += pattern
                .push_special(line, rest)
                .unwrap_or_else(|| match piece.kind {
                    Kind::Word | Kind::Punct => pattern.push_text(line, piece),
                    _ => pattern.push_values(line, rest),
                });
        }
        pattern
    }

    /// Parts that are one value although they look like several, or none; gives how many pieces were taken.
    fn push_special(&mut self, line: &[u8], rest: &[Piece]) -> Option<usize> {
        let space = rest.first()?.space;
        if values::is_empty_brackets(line, rest) && space && !self.columns.is_empty() {
            // The value in brackets is missing.
            self.push(Part::Punct, space, "(");
            self.push(Part::Mask, false, "");
            self.push(Part::Punct, false, ")");
            return Some(2);
        }
        if values::is_size_in_brackets(line, rest) && self.before(0).is_some_and(|(_, text)| text == "bytes")
        {
            // The same size again, in greater units.
            return Some(3);
        }
        if self.context() == Context::Assigned
            && let Some(taken) = values::quoted(line, rest)
        {
            self.push(Part::Punct, space, "\"");
            self.push(Part::Mask, false, Kind::Quoted.name());
            self.push(Part::Punct, false, "\"");
            return Some(taken);
        }
        let assigned = || (self.context() == Context::Assigned).then(|| values::assigned(line, rest))?;
        let taken = assigned().or_else(|| values::names(line, rest))?;
        self.push(Part::Mask, space, Kind::Any.name());
        Some(taken)
    }

    fn push_text(&mut self, line: &[u8], piece: &Piece) -> usize {
        let text = String::from_utf8_lossy(line.get(piece.start..piece.end).unwrap_or_default());
        let part = if piece.kind == Kind::Word {
            Part::Word
        } else {
            Part::Punct
        };
        self.push(part, piece.space, &text);
        1
    }

    /// One mask for the value at the start and for those that follow with only separators between; gives how many
    /// pieces it took.
    fn push_values(&mut self, line: &[u8], pieces: &[Piece]) -> usize {
        let mut text = String::new();
        let mut taken = 0;
        while let Some(piece) = pieces.get(taken).filter(|piece| piece.kind.is_mask()) {
            for between in pieces.get(taken_before(taken, pieces)..taken).unwrap_or_default() {
                write_piece(&mut text, line, between, true);
            }
            write_piece(&mut text, line, piece, taken > 0);
            taken += 1;
            let is_joined = |piece: &Piece| is_separator(line, piece);
            let next = usize::from(pieces.get(taken).is_some_and(is_joined));
            match pieces.get(taken + next) {
                Some(piece) if piece.kind.is_mask() => taken += next,
                _ => break,
            }
        }
        let space = pieces.first().is_some_and(|piece| piece.space);
        self.push(Part::Mask, space, &text);
        taken
    }

    /// Adds a column. Text behind the bound of a column's length is cut.
    pub(super) fn push(&mut self, part: Part, space: bool, text: &str) {
        let mut end = text.len().min(usize::from(u16::MAX));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let context = self.context();
        if space && !self.columns.is_empty() {
            self.text.push(' ');
        }
        self.columns.push(Column {
            part,
            space: space && !self.columns.is_empty(),
            len: u16::try_from(end).unwrap_or(u16::MAX),
            // Punctuation counts by its byte: the length of leaders and underlines varies.
            print: match part {
                Part::Punct => print_of(text.as_bytes().get(..1).unwrap_or_default()),
                _ => print_of(text.as_bytes()),
            },
            form: Form::of(text),
            stem: stem(text),
            context,
        });
        self.text.push_str(text);
    }

    /// The context of a column that is added now.
    fn context(&self) -> Context {
        let before = |back: usize| self.before(back);
        let Some((last, text)) = before(0) else {
            return Context::Open;
        };
        let is_quote = |found: Option<(&Column, &str)>| {
            found.is_some_and(|(column, text)| column.part == Part::Punct && matches!(text, "\"" | "'" | "`"))
        };
        let quote = usize::from(is_quote(Some((last, text))));
        let assigns = before(quote)
            .is_some_and(|(column, text)| column.part == Part::Punct && matches!(text, "=" | ":"));
        if assigns {
            let key = before(quote + 1 + usize::from(is_quote(before(quote + 1))));
            if key.is_some_and(|(column, key)| column.part == Part::Word && is_telling(key)) {
                return Context::Telling;
            }
        }
        match (last.part, text) {
            (Part::Punct, "=") => Context::Assigned,
            _ if quote == 1 => Context::Quoted,
            (Part::Word, word) if is_noun(word) => Context::Named,
            (Part::Word, word) if is_preposition(word) => Context::Preposition,
            _ => Context::Open,
        }
    }

    /// The column so many before the last, and its text.
    fn before(&self, back: usize) -> Option<(&Column, &str)> {
        let mut end = self.text.len();
        let mut columns = self.columns.iter().rev();
        for column in columns.by_ref().take(back) {
            end = end.checked_sub(usize::from(column.len) + usize::from(column.space))?;
        }
        let column = columns.next()?;
        let start = end.checked_sub(usize::from(column.len))?;
        Some((column, self.text.get(start..end)?))
    }

    /// The columns with their texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&Column, &str)> {
        let mut at = 0;
        self.columns.iter().map(move |column| {
            let start = at + usize::from(column.space);
            at = start + usize::from(column.len);
            (column, self.text.get(start..at).unwrap_or_default())
        })
    }

    /// Equal for patterns that differ at most in the words and values that stand in their columns.
    pub(super) fn skeleton(&self) -> u64 {
        self.columns.iter().fold(SEED, |print, column| {
            let code = if column.is_slot() { 1 } else { column.print };
            fold(fold(print, code), u64::from(column.space))
        })
    }

    /// The pattern that covers both; they have one skeleton.
    pub(super) fn join(&self, other: &Self) -> Self {
        let mut joined = Self::default();
        for (left, right) in self.texts().zip(other.texts()) {
            joined.push_joined(left, right);
        }
        joined
    }

    /// Adds a column that covers two.
    pub(super) fn push_joined(&mut self, left: (&Column, &str), right: (&Column, &str)) {
        let ((left, left_text), (right, right_text)) = (left, right);
        let is_same = left.part == right.part && left.print == right.print;
        if !left.is_slot() || is_same {
            return self.push(left.part, left.space, left_text);
        }
        match (left.part, right.part) {
            (Part::Mask, Part::Mask) => {
                self.push(Part::Mask, left.space, &join_values(left_text, right_text))
            }
            _ => self.push(Part::Any, left.space, Kind::Any.name()),
        }
    }
}

/// Where the separators before the piece at `taken` start, within one mask.
fn taken_before(taken: usize, pieces: &[Piece]) -> usize {
    let is_text = |index: &usize| pieces.get(*index).is_some_and(|piece| piece.kind == Kind::Punct);
    taken.checked_sub(1).filter(is_text).unwrap_or(taken)
}

fn is_separator(line: &[u8], piece: &Piece) -> bool {
    values::punctuation(line, Some(piece)).is_some_and(|byte| SEPARATORS.contains(&byte))
}

fn write_piece(text: &mut String, line: &[u8], piece: &Piece, inside: bool) {
    if inside && piece.space {
        text.push(' ');
    }
    let kept = if piece.kind.is_mask() {
        piece.start + piece.prefix
    } else {
        piece.end
    };
    text.push_str(&String::from_utf8_lossy(
        line.get(piece.start..kept).unwrap_or_default(),
    ));
    text.push_str(piece.kind.name());
}

/// What covers two runs of values: the same separators with more general masks, or `<*>` behind a shared prefix.
fn join_values(left: &str, right: &str) -> String {
    let mut joined = String::new();
    let (mut left_rest, mut right_rest) = (left, right);
    loop {
        let (left_between, left_mask, left_tail) = split_mask(left_rest);
        let (right_between, right_mask, right_tail) = split_mask(right_rest);
        if left_between != right_between || left_mask.is_some() != right_mask.is_some() {
            let prefix = joined.find('<').unwrap_or(0);
            joined.truncate(prefix);
            joined.push_str(Kind::Any.name());
            return joined;
        }
        joined.push_str(left_between);
        let (Some(left_mask), Some(right_mask)) = (left_mask, right_mask) else {
            return joined;
        };
        let mask = if left_mask == right_mask {
            left_mask
        } else {
            Kind::Any
        };
        joined.push_str(mask.name());
        (left_rest, right_rest) = (left_tail, right_tail);
    }
}
