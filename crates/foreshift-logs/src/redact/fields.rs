//! Secrets and prompts known by the name of their field: in JSON, also in JSON within JSON; as `name=value`; in
//! headers, in flags of commands, in XML, in what languages print of their own maps and tuples.

use std::ops::Range;

use super::scan::{Quote, at, before, begins_word, bracket_end, looks_secret, quote, quoted_end, run};

/// How far a name goes on behind the part that is known: `password_of_user`.
const MAX_TAIL_BYTES: usize = 32;
/// The longest value without quotes, in bytes.
const MAX_VALUE_BYTES: usize = 8_192;
/// Blanks between a name and its value.
const MAX_BLANKS: usize = 8;

/// How much the name of a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Its value is a secret.
    Strong,
    /// The same, and the value goes on to the end of the line.
    Line,
    /// In prose its value is a word like others; it is a secret where it is assigned, or looks like one.
    Weak,
}

/// What stands between a name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// `=`.
    Assigned,
    /// `:`.
    Colon,
    /// `,`, between quoted name and quoted value.
    Comma,
    /// A blank: `--password x`, `password "x"`.
    Blank,
    /// `>`, in XML.
    Tag,
}

/// A name as it stands in the text.
struct Name {
    start: usize,
    end: usize,
    quote: Option<Quote>,
}

/// The secret of a field, if this is the name of one.
pub(super) fn secret(bytes: &[u8], mark: Range<usize>, field: Field) -> Option<Range<usize>> {
    let name = name_around(bytes, &mark, field)?;
    let place = value(bytes, &name, field)?;
    (!is_mask(bytes.get(place.clone())?)).then_some(place)
}

/// Whether a value is only the mask of one, as templates have them: `<num>`.
fn is_mask(value: &[u8]) -> bool {
    const LONGEST: usize = 16;
    let inner = value.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">"));
    inner.is_some_and(|name| {
        name.len() < LONGEST && name.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'*')
    })
}

fn value(bytes: &[u8], name: &Name, field: Field) -> Option<Range<usize>> {
    let (link, start) = link(bytes, name, field)?;
    if link == Link::Comma {
        return pair(bytes, start);
    }
    // What languages write before the quotes of a string.
    let prefixed = matches!(at(bytes, start), b'b' | b'u' | b'r' | b'f') && quote(bytes, start + 1).is_some();
    let start = start + usize::from(prefixed);
    if let Some(open) = quote(bytes, start) {
        return Some(open.end..quoted_end(bytes, open));
    }
    if matches!(at(bytes, start), b'{' | b'[') && field != Field::Line {
        return (field == Field::Strong).then(|| start..bracket_end(bytes, start));
    }
    let end = match (link, field) {
        (Link::Tag, _) => run(bytes, start, MAX_VALUE_BYTES, |byte| byte != b'<'),
        (_, Field::Line) => run(bytes, start, MAX_VALUE_BYTES, |byte| {
            !matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'}')
        }),
        _ => bare_end(bytes, start),
    };
    let value = bytes.get(start..end)?;
    let says_nothing = matches!(
        value,
        b"true" | b"false" | b"null" | b"None" | b"nil" | b"undefined"
    );
    let is_one = match link {
        Link::Assigned | Link::Tag => true,
        _ => field != Field::Weak || looks_secret(value),
    };
    (is_one && !says_nothing).then_some(start..end)
}

/// The whole name that the mark is a part of; `None` when the mark means something else there.
fn name_around(bytes: &[u8], mark: &Range<usize>, field: Field) -> Option<Name> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let end = run(bytes, mark.end, MAX_TAIL_BYTES, is_name);
    let next = at(bytes, mark.end);
    // `tokens`, `passed`, `signatures`, `sidecar`: other words. `token_id` and `tokenValue` are not.
    if field == Field::Weak && next.is_ascii_lowercase() {
        return None;
    }
    let mut start = mark.start;
    while mark.start - start < MAX_TAIL_BYTES && is_name(before(bytes, start, 1)) {
        start -= 1;
    }
    let inside_word = start < mark.start && before(bytes, mark.start, 1).is_ascii_alphabetic();
    let hump = at(bytes, mark.start).is_ascii_uppercase();
    let short = mark.len() <= 4;
    if field == Field::Weak && short && inside_word && !hump && !begins_word(bytes, mark.start) {
        return None;
    }
    let quote = match before(bytes, start, 1) {
        byte @ (b'"' | b'\'' | b'`') => Some(Quote {
            end: start,
            byte,
            slashes: 0,
        }),
        _ => None,
    };
    Some(Name { start, end, quote })
}

/// How a value is tied to the name, and where it begins.
fn link(bytes: &[u8], name: &Name, field: Field) -> Option<(Link, usize)> {
    let closing = quote(bytes, name.end);
    let behind = closing.map_or(name.end, |quote| quote.end);
    // `headers['x-api-key'] = …`
    let behind = behind + usize::from(closing.is_some() && at(bytes, behind) == b']');
    let blanks = |from| run(bytes, from, MAX_BLANKS, |byte| matches!(byte, b' ' | b'\t'));
    let place = blanks(behind);
    let word = |range: Range<usize>| bytes.get(range).unwrap_or_default();
    let (link, start) = match at(bytes, place) {
        b'=' | b':' => {
            let link = if at(bytes, place) == b'=' {
                Link::Assigned
            } else {
                Link::Colon
            };
            let start = run(bytes, place, 2, |byte| matches!(byte, b'=' | b':' | b'>'));
            (link, start)
        }
        b'%' if word(place..place + 3).eq_ignore_ascii_case(b"%3d") => (Link::Assigned, place + 3),
        b'%' if word(place..place + 3).eq_ignore_ascii_case(b"%3a") => (Link::Colon, place + 3),
        b'\\' if word(place..place + 6).eq_ignore_ascii_case(b"\\u003d") => (Link::Assigned, place + 6),
        b',' if closing.is_some() && name.quote.is_some() => (Link::Comma, place + 1),
        b'>' if matches!(before(bytes, name.start, 1), b'<' | b':') => (Link::Tag, place + 1),
        _ if place == behind || closing.is_some() => return None,
        _ if before(bytes, name.start, 1) == b'-' || at(bytes, name.start) == b'-' => (Link::Blank, place),
        _ if field == Field::Strong && quote(bytes, place).is_some() => (Link::Blank, place),
        _ => return None,
    };
    Some((link, blanks(start)))
}

/// The second of a pair, `("authorization", "…")`; of an object, `{"name": "authorization", "value": "…"}`, all that
/// follows in it.
fn pair(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    let place = start + usize::from(at(bytes, start) == b'b');
    let open = quote(bytes, place)?;
    let end = quoted_end(bytes, open);
    let behind = run(bytes, end, MAX_BLANKS, |byte| {
        matches!(byte, b'\\' | b'"' | b'\'' | b' ')
    });
    if at(bytes, behind) != b':' {
        return Some(open.end..end);
    }
    let value = run(bytes, behind + 1, MAX_BLANKS, |byte| matches!(byte, b' ' | b'{'));
    match quote(bytes, value) {
        Some(open) => {
            let rest = run(bytes, open.end, MAX_VALUE_BYTES, |byte| {
                !matches!(byte, b'}' | b')' | b']')
            });
            Some(open.end..rest)
        }
        None => Some(value..bare_end(bytes, value)),
    }
}

/// Where a value without quotes ends.
fn bare_end(bytes: &[u8], start: usize) -> usize {
    let mut place = start;
    if at(bytes, place) == b'<' {
        place = run(bytes, place, MAX_VALUE_BYTES, |byte| {
            !matches!(byte, 0..=b' ' | b'>')
        }) + 1;
        return place.min(bytes.len());
    }
    while place < bytes.len() && place - start < MAX_VALUE_BYTES {
        match at(bytes, place) {
            0..=b' ' | b'&' | b';' | b'"' | b'\'' | b'`' | b'<' | b'|' => break,
            b')' | b'}' | b']' | b',' if ends_there(bytes, place + 1) => break,
            _ => place += 1,
        }
    }
    place
}

/// Whether what follows a comma or a closing bracket is something new.
fn ends_there(bytes: &[u8], next: usize) -> bool {
    let byte = at(bytes, next);
    if byte <= b' '
        || matches!(
            byte,
            b',' | b')' | b'}' | b']' | b';' | b'"' | b'\'' | b'.' | b':'
        )
    {
        return true;
    }
    let end = run(bytes, next, MAX_TAIL_BYTES, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
    });
    end > next && matches!(at(bytes, end), b'=' | b':')
}

/// What a field named like this holds, if it is the field of a request to a model or of its answer. In prose these are
/// words like others: only what is quoted, bracketed or assigned is taken; of `prompt:` the rest of its line.
pub(super) fn prompt(bytes: &[u8], mark: Range<usize>) -> Option<Range<usize>> {
    let place = said(bytes, mark)?;
    (!is_mask(bytes.get(place.clone())?)).then_some(place)
}

fn said(bytes: &[u8], mark: Range<usize>) -> Option<Range<usize>> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if is_name(at(bytes, mark.end))
        || (is_name(before(bytes, mark.start, 1)) && !begins_word(bytes, mark.start))
    {
        return None;
    }
    let name = Name {
        start: mark.start,
        end: mark.end,
        quote: None,
    };
    let quoted = quote(bytes, mark.end).is_some();
    let (link, start) = link(bytes, &name, Field::Weak).filter(|(link, _)| *link != Link::Tag)?;
    if let Some(open) = quote(bytes, start) {
        return Some(open.end..quoted_end(bytes, open));
    }
    if matches!(at(bytes, start), b'{' | b'[') {
        return Some(start..bracket_end(bytes, start));
    }
    let is_prompt = bytes
        .get(mark.clone())
        .is_some_and(|name| name.eq_ignore_ascii_case(b"prompt"));
    match link {
        _ if quoted => Some(start..bare_end(bytes, start)),
        Link::Assigned | Link::Colon if is_prompt => {
            Some(start..run(bytes, start, MAX_VALUE_BYTES, |byte| byte != b'\n'))
        }
        Link::Assigned => Some(start..bare_end(bytes, start)),
        _ => None,
    }
}
