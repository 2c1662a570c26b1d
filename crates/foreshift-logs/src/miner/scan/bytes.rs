//! Classes of bytes.

/// A letter that no hexadecimal number has, `_`, or a byte of a letter outside ASCII.
pub(super) const ALPHA: u8 = 1;
/// `a` to `f`, in both cases.
pub(super) const HEX: u8 = 2;
/// `0` to `9`.
pub(super) const DIGIT: u8 = 4;
/// Bytes that join parts of one name: `-`, `+`, `%`, `#`, `$`, `&`, `~`.
pub(super) const JOIN: u8 = 8;
/// `/` and `\`.
pub(super) const SLASH: u8 = 16;
/// `@`.
pub(super) const AT: u8 = 32;
/// `.`.
pub(super) const DOT: u8 = 64;
/// Blanks and control bytes.
pub(super) const BLANK: u8 = 128;

pub(super) const LETTER: u8 = ALPHA | HEX;
/// All that a chunk is made of.
pub(super) const CHUNK: u8 = LETTER | DIGIT | JOIN | SLASH | AT | DOT;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = class_of(byte as u8);
        byte += 1;
    }
    table
}

const fn class_of(byte: u8) -> u8 {
    match byte {
        b'a'..=b'f' | b'A'..=b'F' => HEX,
        b'0'..=b'9' => DIGIT,
        b'g'..=b'z' | b'G'..=b'Z' | b'_' | 0x80.. => ALPHA,
        b'-' | b'+' | b'%' | b'#' | b'$' | b'&' | b'~' => JOIN,
        b'/' | b'\\' => SLASH,
        b'@' => AT,
        b'.' => DOT,
        0..=b' ' | 0x7f => BLANK,
        _ => 0,
    }
}

/// The class of a byte; 0 is punctuation.
pub(super) const fn class(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// How many bytes of these classes the text starts with.
pub(super) fn run(text: &[u8], classes: u8) -> usize {
    text.iter()
        .position(|byte| class(*byte) & classes == 0)
        .unwrap_or(text.len())
}

/// The byte there, 0 behind the end.
pub(super) fn at(text: &[u8], index: usize) -> u8 {
    text.get(index).copied().unwrap_or(0)
}

/// The text from there on, empty behind the end.
pub(super) fn from(text: &[u8], index: usize) -> &[u8] {
    text.get(index..).unwrap_or_default()
}

/// The text up to there.
pub(super) fn up_to(text: &[u8], index: usize) -> &[u8] {
    text.get(..index).unwrap_or(text)
}
