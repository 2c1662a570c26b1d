//! Fields of a line of `key=value` pairs.

use std::borrow::Cow;

use super::Fields;

/// The most pairs of one line.
const MAX_PAIRS: usize = 128;
/// Names longer than this are of nothing known.
const MAX_NAME_BYTES: usize = 64;

/// Whether the line begins with a pair, and so may consist of them.
pub(super) fn are_likely(text: &str) -> bool {
    text.split([' ', '=', '"']).next().is_some_and(is_name)
        && text
            .find('=')
            .is_some_and(|sign| text.get(..sign).is_some_and(is_name))
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@');
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && text.bytes().all(fits)
}

/// The fields; words without a name are passed over.
pub(super) fn read(text: &str) -> Fields<'_> {
    let mut fields = Fields::default();
    let mut rest = text;
    for _ in 0..MAX_PAIRS {
        rest = rest.trim_start();
        let Some(end) = rest.find(['=', ' ', '\t', '\n']) else {
            break;
        };
        let (name, behind) = rest.split_at(end);
        let Some(value) = behind.strip_prefix('=') else {
            rest = behind;
            continue;
        };
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = value.find([' ', '\t', '\n']).unwrap_or(value.len());
                let (value, after) = value.split_at(end);
                (Cow::Borrowed(value), after)
            }
        };
        rest = after;
        if is_name(name) {
            fields.take(&name.to_ascii_lowercase(), value);
        }
    }
    fields
}

/// The text up to the closing quote, and what is behind it.
fn unquoted(text: &str) -> (Cow<'_, str>, &str) {
    let mut escaped = false;
    let mut own: Option<String> = None;
    for (place, letter) in text.char_indices() {
        match letter {
            _ if escaped => {
                escaped = false;
                own.get_or_insert_default().push(match letter {
                    'n' => '\n',
                    't' => '\t',
                    letter => letter,
                });
            }
            '\\' => {
                escaped = true;
                own.get_or_insert_with(|| text.get(..place).unwrap_or_default().to_owned());
            }
            '"' => {
                let value = own.map_or_else(
                    || Cow::Borrowed(text.get(..place).unwrap_or_default()),
                    Cow::Owned,
                );
                return (value, text.get(place + 1..).unwrap_or_default());
            }
            letter => {
                if let Some(own) = &mut own {
                    own.push(letter);
                }
            }
        }
    }
    (own.map_or(Cow::Borrowed(text), Cow::Owned), "")
}
