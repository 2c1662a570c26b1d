//! Looking at bytes beside a place.

/// The byte there; 0 outside.
pub(super) fn at(bytes: &[u8], place: usize) -> u8 {
    bytes.get(place).copied().unwrap_or_default()
}

/// The byte `back` before a place; 0 outside.
pub(super) fn before(bytes: &[u8], place: usize, back: usize) -> u8 {
    place.checked_sub(back).map_or(0, |place| at(bytes, place))
}

/// Where the bytes from `from` on cease to be of that kind, at most `most` further.
pub(super) fn run(bytes: &[u8], from: usize, most: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let length = rest.iter().take(most).position(|byte| !is(*byte));
    from + length.unwrap_or_else(|| rest.len().min(most))
}

/// Whether a word may begin there: behind anything but a letter or digit, and behind what stands for another byte
/// (`\n`, `%3D`, `\u003d`).
pub(super) fn begins_word(bytes: &[u8], place: usize) -> bool {
    let last = before(bytes, place, 1);
    if !last.is_ascii_alphanumeric() {
        return true;
    }
    let hex = |back| before(bytes, place, back).is_ascii_hexdigit();
    (before(bytes, place, 2) == b'\\' && matches!(last, b'n' | b'r' | b't'))
        || (before(bytes, place, 3) == b'%' && hex(1) && hex(2))
        || (before(bytes, place, 6) == b'\\' && before(bytes, place, 5) == b'u' && (1..=4).all(hex))
}

/// Whether a token looks like chance rather than like a word.
pub(super) fn looks_secret(token: &[u8]) -> bool {
    const LEAST: usize = 8;
    const LONG: usize = 24;
    let humps = token
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    let odd = humps || token.iter().any(|byte| byte.is_ascii_digit() || *byte == b'*');
    token.len() >= LONG || (token.len() >= LEAST && odd)
}

/// The quote at a place and the backslashes before it: where it ends, which it is, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) end: usize,
    pub(super) byte: u8,
    pub(super) slashes: usize,
}

/// The most backslashes before one quote: each level of JSON in JSON doubles them.
const MAX_SLASHES: usize = 16;

/// The quote that begins at a place, with its backslashes.
pub(super) fn quote(bytes: &[u8], place: usize) -> Option<Quote> {
    let end = run(bytes, place, MAX_SLASHES, |byte| byte == b'\\');
    let byte = at(bytes, end);
    matches!(byte, b'"' | b'\'' | b'`').then_some(Quote {
        end: end + 1,
        byte,
        slashes: end - place,
    })
}

/// Where the text in a quote ends: at the same quote with no more backslashes, or with the text.
pub(super) fn quoted_end(bytes: &[u8], open: Quote) -> usize {
    let mut slashes = 0;
    for (place, byte) in bytes.iter().enumerate().skip(open.end) {
        match *byte {
            b'\\' => slashes += 1,
            byte if byte == open.byte && slashes <= open.slashes => return place - slashes,
            _ => slashes = 0,
        }
    }
    bytes.len()
}

/// Where the bracket that opens at a place is closed, or the end of the text; strings inside are passed over.
pub(super) fn bracket_end(bytes: &[u8], open: usize) -> usize {
    let (mut depth, mut place) = (0_usize, open);
    while place < bytes.len() {
        match at(bytes, place) {
            b'[' | b'{' | b'(' => depth += 1,
            b']' | b'}' | b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return place + 1;
                }
            }
            b'"' | b'\'' | b'\\' => {
                // An apostrophe within a word opens nothing.
                let in_word = at(bytes, place) == b'\'' && before(bytes, place, 1).is_ascii_alphanumeric();
                if let Some(open) = quote(bytes, place).filter(|_| !in_word) {
                    let inner = quoted_end(bytes, open);
                    place = inner.saturating_add(open.slashes + 1);
                    continue;
                }
            }
            _ => {}
        }
        place += 1;
    }
    bytes.len()
}
