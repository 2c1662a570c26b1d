//! One forward pass over the bytes of a line: it splits the line into pieces, tells values from words and folds
//! both into a fingerprint. Nothing is allocated and nothing is read twice but the chunk at hand.

mod bytes;
mod chunk;
mod spans;

use self::bytes::{BLANK, CHUNK, class};
use super::kind::Kind;

/// Longer lines are read up to here: stack traces and request bodies behind it say nothing new, and one line
/// must not take the time of a thousand.
pub const MAX_LINE_BYTES: usize = 2048;

/// Pieces read of a line; what follows is cut. Lines with more are dumps, and their beginning tells them apart.
pub(super) const MAX_PIECES: usize = 256;

/// A part of a line without a blank in it, but for a few values such as `4.2 KB`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    /// Whether a blank stands before it.
    pub(super) space: bool,
    /// Range of its bytes in the line.
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many of its first bytes are kept as text before the mask: `blk_` of `blk_-42`.
    pub(super) prefix: usize,
    /// Fingerprint of the text that is kept: of the word, the punctuation byte, or the prefix of a mask.
    pub(super) print: u64,
}

/// The start of every fingerprint.
pub(super) const SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// Folds one number into a fingerprint: both halves of a product, so that every bit counts. Fixed for ever, since ids
/// are stored.
pub(super) const fn fold(print: u64, value: u64) -> u64 {
    let product = (print ^ value) as u128 * 0x9e37_79b9_7f4a_7c15;
    product as u64 ^ (product >> 64) as u64
}

/// The fingerprint of a text.
pub(super) fn print_of(text: &[u8]) -> u64 {
    let (blocks, rest) = text.as_chunks::<8>();
    let print = fold(SEED, text.len() as u64);
    let print = blocks
        .iter()
        .fold(print, |print, block| fold(print, u64::from_le_bytes(*block)));
    let rest = rest.iter().fold(0, |rest, byte| rest << 8 | u64::from(*byte));
    fold(print, rest)
}

/// Reads a line, gives each piece to `found`, and returns the fingerprint of the line with its values masked;
/// 0 for a blank line only.
pub(super) fn scan(line: &[u8], masks: &[String], mut found: impl FnMut(Piece)) -> u64 {
    let line = line.get(..MAX_LINE_BYTES).unwrap_or(line);
    let mut print = SEED;
    let mut pieces = 0;
    let mut space = false;
    let mut after_chunk = false;
    let mut at = 0;
    while let Some(&first) = line.get(at) {
        let first_class = class(first);
        if first_class & BLANK != 0 {
            space = true;
            after_chunk = false;
            at += 1;
            continue;
        }
        if pieces == MAX_PIECES {
            break;
        }
        let users = if masks.is_empty() {
            None
        } else {
            masked(line, at, masks)
        };
        let mut piece = if let Some(piece) = users {
            piece
        } else if first_class & CHUNK != 0 {
            chunk::read(line, at, after_chunk)
        } else {
            spans::read(line, at)
        };
        piece.space = space && pieces > 0;
        print = fold(
            print,
            piece.print ^ (piece.kind as u64) << 1 ^ u64::from(piece.space),
        );
        after_chunk = piece.kind != Kind::Punct;
        // Every reader takes at least one byte; a pass that stood still would never end.
        at = piece.end.max(at + 1);
        space = false;
        pieces += 1;
        found(piece);
    }
    match (pieces, print) {
        (0, _) => 0,
        (_, 0) => 1,
        (_, print) => print,
    }
}

/// A word that starts with one of the user's masks.
fn masked(line: &[u8], at: usize, masks: &[String]) -> Option<Piece> {
    let rest = bytes::from(line, at);
    let mask = masks.iter().find(|mask| rest.starts_with(mask.as_bytes()))?;
    let length = mask.len() + bytes::run(bytes::from(rest, mask.len()), CHUNK);
    let mut piece = spans::mask(Kind::Masked, at, at + length);
    piece.prefix = mask.len();
    piece.print = print_of(mask.as_bytes());
    Some(piece)
}
