//! Runs of pieces that are one value together, or none at all.

use super::kind::Kind;
use super::scan::Piece;

/// Names with digits in a row from which on they are a list.
const MIN_NAMES: usize = 3;
/// Pieces within the quotes or braces of one value; behind more the text has a stray quote.
const MAX_GROUP: usize = 12;

fn text<'a>(line: &'a [u8], piece: &Piece) -> &'a [u8] {
    line.get(piece.start..piece.end).unwrap_or_default()
}

/// The byte of a piece of punctuation.
pub(super) fn punctuation(line: &[u8], piece: Option<&Piece>) -> Option<u8> {
    let piece = piece.filter(|piece| piece.kind == Kind::Punct)?;
    line.get(piece.start).copied()
}

/// `()`.
pub(super) fn is_empty_brackets(line: &[u8], rest: &[Piece]) -> bool {
    let byte = |index: usize| punctuation(line, rest.get(index));
    byte(0) == Some(b'(') && byte(1) == Some(b')')
}

/// `(1.2 KB)`.
pub(super) fn is_size_in_brackets(line: &[u8], rest: &[Piece]) -> bool {
    let byte = |index: usize| punctuation(line, rest.get(index));
    let is_size = rest.get(1).is_some_and(|piece| piece.kind == Kind::Size);
    is_size && byte(0) == Some(b'(') && byte(2) == Some(b')')
}

/// `"..."`, whatever stands in it: gives its pieces.
pub(super) fn quoted(line: &[u8], rest: &[Piece]) -> Option<usize> {
    let is_quote = |piece: &Piece| punctuation(line, Some(piece)) == Some(b'"');
    let close = rest.iter().skip(1).take(MAX_GROUP + 1).position(is_quote)?;
    rest.first().is_some_and(is_quote).then_some(close + 2)
}

/// What stands behind `=` and is one value: `Name{42}` without a blank inside. Gives its pieces.
pub(super) fn assigned(line: &[u8], rest: &[Piece]) -> Option<usize> {
    let is = |piece: &Piece, byte: u8| punctuation(line, Some(piece)) == Some(byte);
    let first = rest.first()?;
    let opens = rest.get(1).is_some_and(|piece| !piece.space && is(piece, b'{'));
    let inside = rest.get(2..)?;
    let close = inside.iter().position(|piece| is(piece, b'}'))?;
    let inside = inside.get(..close).unwrap_or_default();
    let is_value = inside.iter().any(|piece| piece.kind.is_mask())
        && inside.iter().all(|piece| !piece.space && !is(piece, b'='));
    (first.kind == Kind::Word && opens && is_value && close <= MAX_GROUP).then_some(close + 3)
}

/// A list of names with digits, `an14 an15 an16`: gives its pieces.
pub(super) fn names(line: &[u8], rest: &[Piece]) -> Option<usize> {
    let is_word =
        |piece: &Piece| piece.kind == Kind::Word && text(line, piece).last().is_some_and(u8::is_ascii_digit);
    let listed = rest
        .iter()
        .take_while(|piece| is_word(piece) || piece.kind == Kind::Id);
    let count = listed.clone().count();
    let is_list = listed.skip(1).all(|piece| piece.space) && rest.iter().take(count).any(is_word);
    (count >= MIN_NAMES && is_list).then_some(count)
}
