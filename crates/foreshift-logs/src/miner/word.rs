//! What a word looks like: some words are values more readily than others.

use super::scan::{SEED, fold};

/// The form of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Ordinary language.
    Plain,
    /// `true`, `off`, `warn`: lines that differ in a switch say different things.
    Switch,
    /// `ASSIGNED`: the name of a state, an event or a code.
    Capitals,
    /// `com.example.App`, `a/b`: the name of a thing.
    Dotted,
    /// `node7`: a name with digits.
    Numbered,
}

const SWITCHES: [&str; 22] = [
    "true", "false", "yes", "no", "on", "off", "enabled", "disabled", "up", "down", "trace", "debug", "info",
    "notice", "warn", "warning", "error", "critical", "fatal", "ok", "failed", "success",
];

/// Words behind which a name stands: `for user root`.
const NOUNS: [&str; 18] = [
    "user", "username", "account", "host", "hostname", "name", "named", "domain", "group", "role", "queue",
    "topic", "table", "database", "file", "class", "owner", "client",
];

impl Form {
    /// The form of this word.
    pub(super) fn of(word: &str) -> Self {
        let bytes = word.as_bytes();
        if SWITCHES.iter().any(|switch| switch.eq_ignore_ascii_case(word)) {
            return Self::Switch;
        }
        if bytes
            .iter()
            .any(|byte| matches!(byte, b'.' | b'/' | b'\\' | b'@'))
        {
            return Self::Dotted;
        }
        if bytes.iter().any(u8::is_ascii_digit) {
            return Self::Numbered;
        }
        let capitals = bytes.iter().filter(|byte| byte.is_ascii_uppercase()).count();
        if capitals >= 2 && !bytes.iter().any(u8::is_ascii_lowercase) {
            return Self::Capitals;
        }
        Self::Plain
    }
}

/// Keys whose value says what happened: `msg="pool is empty"`.
const TELLING: [&str; 16] = [
    "msg",
    "message",
    "error",
    "err",
    "reason",
    "cause",
    "detail",
    "details",
    "event",
    "exception",
    "level",
    "lvl",
    "severity",
    "status",
    "state",
    "type",
];

/// Whether the value of this key says what happened.
pub(super) fn is_telling(key: &str) -> bool {
    TELLING.iter().any(|telling| telling.eq_ignore_ascii_case(key))
}

/// Whether the word announces a name.
pub(super) fn is_noun(word: &str) -> bool {
    NOUNS.iter().any(|noun| noun.eq_ignore_ascii_case(word))
}

/// Whether what follows the word is often a name.
pub(super) fn is_preposition(word: &str) -> bool {
    ["for", "from", "to", "by", "of", "at"].contains(&word)
}

/// Equal for words that differ in digits only.
pub(super) fn stem(word: &str) -> u64 {
    let letters = word.bytes().filter(|byte| !byte.is_ascii_digit());
    letters.fold(SEED, |print, byte| fold(print, u64::from(byte)))
}
