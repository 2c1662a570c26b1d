//! Secrets known by their beginning.

use std::ops::Range;

use super::marks::MARKS;
use super::scan::{at, before as behind, begins_word, looks_secret, run};

/// The longest token looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 8_192;
/// The longest user and password in a URL, in bytes.
const MAX_USER_INFO_BYTES: usize = 512;

/// What a token is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// Letters, digits, `-`, `_` and `.`; `*`, where its printer has masked a part of it.
    Word,
    /// These, and what base64 has besides.
    Base64,
}

impl Of {
    pub(super) const fn has(self, byte: u8) -> bool {
        let word = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'*');
        match self {
            Self::Word => word,
            Self::Base64 => word || matches!(byte, b'+' | b'/' | b'=' | b'~' | b'%' | b'\\'),
        }
    }
}

/// A key or token that begins with `mark`, in exactly the case that its issuer writes.
pub(super) fn token(bytes: &[u8], mark: Range<usize>, least: usize, of: Of) -> Option<Range<usize>> {
    let written = bytes.get(mark.clone())?;
    let is_exact = MARKS.iter().any(|(text, _)| text.as_bytes() == written);
    let end = run(bytes, mark.end, MAX_TOKEN_BYTES, |byte| of.has(byte));
    let token = bytes.get(mark.end..end)?;
    let is_one = is_exact && begins_word(bytes, mark.start) && token.len() >= least && looks_secret(token);
    is_one.then(|| mark.start..without_dots(bytes, mark.start, end))
}

/// Dots at the end belong to the sentence.
fn without_dots(bytes: &[u8], start: usize, mut end: usize) -> usize {
    while end > start && behind(bytes, end, 1) == b'.' {
        end -= 1;
    }
    end
}

/// The credentials behind the name of a scheme.
pub(super) fn credentials(bytes: &[u8], scheme: Range<usize>) -> Option<Range<usize>> {
    if !begins_word(bytes, scheme.start) {
        return None;
    }
    let gap = |byte| matches!(byte, b' ' | b'\t' | b'+' | b':' | b'=' | b'"' | b'\'');
    let mut start = run(bytes, scheme.end, 4, gap);
    if bytes.get(start..start + 3) == Some(b"%20") {
        start += 3;
    }
    let end = run(bytes, start, MAX_TOKEN_BYTES, |byte| Of::Base64.has(byte));
    let token = bytes.get(start..end)?;
    (start > scheme.end && looks_secret(token)).then(|| start..without_dots(bytes, start, end))
}

/// A PEM block, to its end or that of the text.
pub(super) fn block(bytes: &[u8], begin: Range<usize>) -> Range<usize> {
    const END: &[u8] = b"-----END";
    const DASHES: &[u8] = b"-----";
    let find = |from: usize, what: &[u8]| {
        let rest = bytes.get(from..).unwrap_or_default();
        let place = rest.windows(what.len()).position(|window| window == what);
        place.map(|place| from + place + what.len())
    };
    let end = find(begin.end, END).and_then(|end| find(end, DASHES));
    begin.start..end.unwrap_or(bytes.len())
}

/// User and password of a URL whose scheme ends there.
pub(super) fn user_info(bytes: &[u8], scheme: Range<usize>) -> Option<Range<usize>> {
    let end = run(bytes, scheme.end, MAX_USER_INFO_BYTES, |byte| {
        byte > b' '
            && !matches!(
                byte,
                b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`'
            )
    });
    let authority = bytes.get(scheme.end..end)?;
    let found = authority.iter().rposition(|byte| *byte == b'@');
    // A password may hold what ends an authority: then its `@` comes later, before the next blank.
    let far = || {
        let end = run(bytes, scheme.end, MAX_USER_INFO_BYTES, |byte| {
            byte > b' ' && byte != b'"'
        });
        let word = bytes.get(scheme.end..end)?;
        let place = word.iter().rposition(|byte| *byte == b'@')?;
        let colon = authority.contains(&b':') && !is_host(authority);
        colon.then_some(place)
    };
    found.or_else(far).map(|place| scheme.end..scheme.end + place)
}

/// Whether an authority is a host with a port.
fn is_host(authority: &[u8]) -> bool {
    let port = authority.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    !port.is_empty() && port.iter().all(u8::is_ascii_digit)
}

/// User and password before the mark, as MySQL's drivers for Go write them: `user:password@tcp(`.
pub(super) fn before(bytes: &[u8], mark: Range<usize>) -> Option<Range<usize>> {
    let mut start = mark.start;
    while start > 0
        && mark.start - start < MAX_USER_INFO_BYTES
        && !matches!(at(bytes, start - 1), 0..=b' ' | b'"' | b'\'' | b'=' | b'`')
    {
        start -= 1;
    }
    Some(start..mark.start)
}
