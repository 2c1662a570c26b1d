//! Secrets out of text: credentials, keys, tokens, card numbers, addresses of people and machines, and prompts that
//! providers quote in their errors. What is found is replaced by what it was: `<redacted>` (a secret), `<omitted>` (a prompt), `<card>`,
//! `<email>`, `<ip>`.
//!
//! Known shapes are found by their beginnings or by the name of their field, in one automaton over the bytes; what has
//! no known shape, by looking like chance. Rather too much is taken than too little: the text serves to tell
//! templates apart, not to be read in full.

mod fields;
mod found;
mod marks;
mod people;
mod scan;
mod tokens;

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use found::{Found, What};
use marks::{MARKS, Mark};

/// Taking something out may bare something else at its edge. So often the text is looked through again; one look
/// more than was ever needed.
const MAX_LOOKS: usize = 4;

/// How much to take out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Secrets, card numbers and prompts. For what is mined: addresses are masked there, with their type.
    Secrets,
    /// E-mail and IP addresses and long hexadecimal numbers too. For what people may see.
    Everything,
}

/// The beginnings of secrets could not be compiled.
#[derive(Debug, thiserror::Error)]
#[error("the table of secrets cannot be compiled")]
pub struct SecretTableInvalid(#[from] aho_corasick::BuildError);

/// Takes secrets out of text. Without state, cheap to clone.
#[derive(Clone, Debug)]
pub struct Redactor {
    marks: AhoCorasick,
}

impl Redactor {
    /// Compiles the table of secrets.
    ///
    /// # Errors
    /// When the table is too large to compile, which a test excludes.
    pub fn new() -> Result<Self, SecretTableInvalid> {
        let marks = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::DFA))
            .build(MARKS.iter().map(|(text, _)| *text))?;
        Ok(Self { marks })
    }

    /// The text without what must not be seen; borrowed when there was nothing.
    pub fn scrub<'t>(&self, text: &'t str, depth: Depth) -> Cow<'t, str> {
        let mut clean = Cow::Borrowed(text);
        for _ in 0..MAX_LOOKS {
            let found = self.find(&clean, depth);
            let Some(next) = found.replaced_in(&clean) else {
                break;
            };
            clean = Cow::Owned(next);
        }
        clean
    }

    /// Whether there is nothing to take out, of any kind.
    pub fn is_clean(&self, text: &str) -> bool {
        self.find(text, Depth::Everything).replaced_in(text).is_none()
    }

    fn find(&self, text: &str, depth: Depth) -> Found {
        let bytes = text.as_bytes();
        let mut found = Found::default();
        for hit in self.marks.find_iter(bytes) {
            let Some((_, mark)) = MARKS.get(hit.pattern().as_usize()) else {
                continue;
            };
            let span = hit.start()..hit.end();
            match mark {
                Mark::Token { least, of } => found.add(What::Secret, tokens::token(bytes, span, *least, *of)),
                Mark::Scheme => found.add(What::Secret, tokens::credentials(bytes, span)),
                Mark::Block => found.add(What::Secret, Some(tokens::block(bytes, span))),
                Mark::Url => found.add(What::Secret, tokens::user_info(bytes, span)),
                Mark::Dsn => found.add(What::Secret, tokens::before(bytes, span)),
                Mark::Field(field) => found.add(What::Secret, fields::secret(bytes, span, *field)),
                Mark::Prompt => found.add(What::Prompt, fields::prompt(bytes, span)),
            }
        }
        people::find(bytes, depth, &mut found);
        found
    }
}

#[cfg(test)]
mod tests;
