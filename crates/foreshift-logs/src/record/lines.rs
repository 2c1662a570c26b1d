//! Records of several lines: the first line and the innermost cause, as Java, Python, Go, Node, Rust and .NET print
//! them.

use std::borrow::Cow;

use super::{MAX_RECORD_BYTES, MAX_TEXT_BYTES, cut};

/// The first line and the innermost cause; the text itself when it is one line.
pub(super) fn essence(text: &str) -> Cow<'_, str> {
    let Some(end) = text.find('\n') else {
        return Cow::Borrowed(cut(text, MAX_TEXT_BYTES));
    };
    let first = text.get(..end).unwrap_or(text).trim();
    let rest = ends_of(text.get(end + 1..).unwrap_or_default());
    let lines = || rest.iter().flat_map(|part| part.lines());
    let cause = cause(first, &lines);
    let first = if says_nothing(first) { "" } else { first };
    let text = match cause.filter(|cause| !cause.is_empty() && !first.contains(cause)) {
        None if first.is_empty() => Cow::Borrowed(text.trim().lines().next().unwrap_or_default()),
        None => Cow::Borrowed(first),
        Some(cause) if first.is_empty() => Cow::Borrowed(cause),
        Some(cause) => Cow::Owned(format!("{first}: {cause}")),
    };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text, MAX_TEXT_BYTES)),
        Cow::Owned(text) => Cow::Owned(cut(&text, MAX_TEXT_BYTES).to_owned()),
    }
}

/// Beginning and end of a text, which may be all of it.
fn ends_of(text: &str) -> [&str; 2] {
    const HALF: usize = MAX_RECORD_BYTES / 2;
    if text.len() <= MAX_RECORD_BYTES {
        return [text, ""];
    }
    let tail = text.floor_char_boundary(text.len() - HALF);
    [cut(text, HALF), text.get(tail..).unwrap_or_default()]
}

/// The first line of a traceback, or a place in a file: what went wrong stands elsewhere.
fn says_nothing(first: &str) -> bool {
    let is_place = |text: &str| {
        let mut parts = text.rsplit(':');
        let is_line = parts
            .next()
            .is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        is_line && (text.starts_with('/') || text.starts_with("node:") || text.starts_with("file:"))
    };
    first.starts_with("Traceback (most recent call last)")
        || first.starts_with("goroutine ")
        || (is_place(first) && !first.contains(' '))
}

/// The innermost cause that the further lines name.
fn cause<'a, L: Iterator<Item = &'a str>>(first: &str, lines: &dyn Fn() -> L) -> Option<&'a str> {
    caused_by(lines())
        .or_else(|| traceback(first, lines))
        .or_else(|| panic(first, lines))
        .or_else(|| thrown(first, lines()))
}

/// `Caused by: …` (Java), `[cause]: …` (Node), `---> …` (.NET), `Caused by:` and a list (Rust): the last is innermost.
fn caused_by<'a>(lines: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (mut innermost, mut in_list) = (None, false);
    for line in lines {
        let line = line.trim();
        let named = line
            .strip_prefix("Caused by:")
            .or_else(|| line.strip_prefix("[cause]:"))
            .or_else(|| line.strip_prefix("---> "));
        match named.map(str::trim) {
            Some("") => in_list = true,
            Some(cause) => innermost = Some(cause.trim_end_matches([' ', '{'])),
            None if in_list && !line.is_empty() => match numbered(line) {
                Some(cause) => innermost = Some(cause),
                None if innermost.is_none() => innermost = Some(line),
                None => in_list = false,
            },
            None => {}
        }
    }
    innermost
}

/// The text of `2: text`.
fn numbered(line: &str) -> Option<&str> {
    let (number, text) = line.split_once(": ")?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// The exception at the end of a Python traceback; of several the one that was the direct cause of the others.
fn traceback<'a, L: Iterator<Item = &'a str>>(first: &str, lines: &dyn Fn() -> L) -> Option<&'a str> {
    const BEGIN: &str = "Traceback (most recent call last)";
    if !first.starts_with(BEGIN) && !lines().any(|line| line.trim_start().starts_with(BEGIN)) {
        return None;
    }
    let mut newest = None;
    for line in lines() {
        if line.starts_with("The above exception was the direct cause") {
            return newest;
        }
        let is_exception = line
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && !line.starts_with("During handling")
            && !line.starts_with(BEGIN);
        if is_exception {
            newest = Some(line.trim());
        }
    }
    newest
}

/// What a Go or Rust program says as it panics.
fn panic<'a, L: Iterator<Item = &'a str>>(first: &str, lines: &dyn Fn() -> L) -> Option<&'a str> {
    if first.starts_with("thread '") && first.contains(" panicked at ") {
        return lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with("note:"));
    }
    if first.starts_with("panic:") || first.starts_with("fatal error:") {
        return None;
    }
    lines().find(|line| line.starts_with("panic:") || line.starts_with("fatal error:"))
}

/// What was thrown, where the first line is only the place: `Error: …`, `java.io.IOException: …`.
fn thrown<'a>(first: &str, mut lines: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let is_thrown = |line: &str| {
        let word = line.split([':', ' ', '(']).next().unwrap_or_default();
        (word.ends_with("Error") || word.ends_with("Exception")) && !line.starts_with(' ')
    };
    if is_thrown(first) {
        return None;
    }
    lines.find(|line| is_thrown(line)).map(str::trim)
}
