//! What plain text says of levels. Statuses and codes inside texts are the classifier's.

use crate::line::Severity;

/// The words at the beginning of a line that a level is looked for in.
const LOOKED_AT: usize = 8;

/// The level among the first words, in capitals or in brackets, as loggers print it.
pub(super) fn severity(text: &str) -> Option<Severity> {
    text.split_ascii_whitespace().take(LOOKED_AT).find_map(|word| {
        let bare = word.trim_matches(['[', ']', '(', ')', '<', '>', ':', '|', ',', '-']);
        let is_marked = bare.bytes().all(|byte| byte.is_ascii_uppercase()) || word.starts_with('[');
        if is_marked { Severity::parse(bare) } else { None }
    })
}
