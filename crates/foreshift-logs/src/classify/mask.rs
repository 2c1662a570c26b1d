//! A line's text without what varies: numbers, ids, hosts, addresses, paths.

/// What stands for a varying part.
pub(crate) const MASK: &str = "<*>";

/// Endings that make a dotted word of two parts a host's name.
const HOST_ENDINGS: [&str; 14] = [
    "com",
    "net",
    "org",
    "io",
    "dev",
    "ai",
    "local",
    "internal",
    "svc",
    "cluster",
    "lan",
    "corp",
    "consul",
    "localdomain",
];

/// The text with varying parts masked and blanks folded. Quoted parts stay: they hold messages as often as names.
pub fn masked_text(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for word in message.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        mask_word(word, &mut text);
    }
    text
}

/// Masks one blank-delimited word: first what its shape as a whole gives away, then its parts, one separator after the
/// other.
fn mask_word(word: &str, text: &mut String) {
    let (mut rest, mut end) = (word, "");
    loop {
        let inner = rest.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
        let Some((before, after)) = rest.split_once(inner).filter(|_| !inner.is_empty()) else {
            text.push_str(rest);
            break;
        };
        text.push_str(before);
        // Only the whole word has signs behind it: what follows a separator ends where they begin.
        if !after.is_empty() {
            end = after;
        }
        // `key=value` and `key:"value"`: the key stays. A URL may hold most of these itself.
        let mut at = inner.find(['=', '"', '(', '[', '{', ',', ';', '|', '<', '>']);
        if at.is_some_and(|at| inner.split_at(at).0.contains("://")) {
            at = inner.find(['"', '<', '>']);
        }
        let (head, tail) = inner.split_at(at.unwrap_or(inner.len()));
        if is_place(head) {
            push_mask(text);
        } else {
            mask_parts(head, text);
        }
        let mut behind = tail.chars();
        let Some(separator) = behind.next() else { break };
        text.push(separator);
        rest = behind.as_str();
    }
    text.push_str(end);
}

/// Whether a word is a URL, a path or a host's name.
fn is_place(word: &str) -> bool {
    if word.contains("://") {
        return true;
    }
    let slashes = word.bytes().filter(|byte| *byte == b'/').count();
    if word.starts_with('/') && word.len() > 1 || slashes >= 2 {
        return true;
    }
    let name = word.split([':', '/']).next().unwrap_or(word);
    let dots = name.bytes().filter(|byte| *byte == b'.').count();
    let last = name.rsplit('.').next().unwrap_or_default();
    let lower = !name.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let plain = name.split('.').all(|part| !part.is_empty());
    lower && plain && dots >= 1 && (HOST_ENDINGS.contains(&last) || (dots >= 2 && name.contains('-')))
}

/// Masks runs of letters and digits that hold a digit, or are long runs of hexadecimal letters.
fn mask_parts(word: &str, text: &mut String) {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c| is_part(c) != is_part(first)).unwrap_or(rest.len());
        let (part, tail) = rest.split_at(length);
        let varies = part.bytes().any(|byte| byte.is_ascii_digit())
            || part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_part(first) && varies {
            push_mask(text);
        } else {
            text.push_str(part);
        }
        rest = tail;
    }
}

/// Parts joined by one separator are one varying part: `10.0.0.1:80`, `12:30:01`.
fn push_mask(text: &mut String) {
    let joins = |c: char| matches!(c, '.' | ':' | '-' | '/');
    let joined = text.strip_suffix(joins).is_some_and(|text| text.ends_with(MASK));
    if joined {
        text.pop();
    } else if !text.ends_with(MASK) {
        text.push_str(MASK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_masked_and_what_is_said_stays() {
        for (text, masked) in [
            ("connect to 10.0.0.1:5432 failed", "connect to <*> failed"),
            (
                "dial tcp [::1]:80: connection refused",
                "dial tcp [::<*>]:<*>: connection refused",
            ),
            ("GET https://a.b/c?d=1 took 3ms", "GET <*> took <*>"),
            ("open /var/lib/x/y.db: no space", "open <*>: no space"),
            ("host db-1.prod.internal:3306 is down", "host <*> is down"),
            (
                "java.net.ConnectException: refused",
                "java.net.ConnectException: refused",
            ),
            ("status=503 upstream=\"web\"", "status=<*> upstream=\"web\""),
            ("id deadbeefcafe  done", "id <*> done"),
            ("", ""),
        ] {
            assert_eq!(masked_text(text), masked, "{text}");
        }
    }

    #[test]
    fn a_word_of_nothing_but_separators_is_masked_to_its_end() {
        assert_eq!(masked_text(&"a=".repeat(2_000)), "a=".repeat(2_000));
    }

    proptest::proptest! {
        #[test]
        fn numbers_never_matter(a in 0u64.., b in 0u64..) {
            proptest::prop_assert_eq!(
                masked_text(&format!("pid {a}: retry in {a}ms, host-{a} port={a}")),
                masked_text(&format!("pid {b}: retry in {b}ms, host-{b} port={b}"))
            );
        }

        #[test]
        fn any_text_is_masked(text in "\\PC{0,200}") {
            let _ = masked_text(&text);
        }
    }
}
