//! The class of each template, found once and kept; what people say of a template goes before.

use foreshift_domain::log::ErrorClass;
use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHasher};
use std::hash::{Hash, Hasher};

use crate::classify::Classifier;
use crate::line::{LogLine, Severity};
use crate::miner::Template;

/// Classes kept; past that all are found anew, which costs some microseconds each.
const MAX_CLASSES: usize = 65_536;
/// The longest word in quotes that may be the name of an error.
const MAX_WORD_BYTES: usize = 48;

type Map<K, V> = IndexMap<K, V, FxBuildHasher>;

/// Classes that people gave to templates, by id as it is shown (16 hexadecimal digits) or by text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    by_id: Map<u64, ErrorClass>,
    by_text: Map<String, ErrorClass>,
}

impl FromIterator<(String, ErrorClass)> for Overrides {
    fn from_iter<T: IntoIterator<Item = (String, ErrorClass)>>(given: T) -> Self {
        let mut overrides = Self::default();
        for (name, class) in given {
            let is_id = name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            match u64::from_str_radix(&name, 16) {
                Ok(id) if is_id => overrides.by_id.insert(id, class),
                _ => overrides.by_text.insert(name, class),
            };
        }
        overrides
    }
}

impl Overrides {
    /// The class that someone gave to a template; its text may be written with typed masks or with stars.
    fn class(&self, id: u64, template: Option<Template<'_>>) -> Option<ErrorClass> {
        let by_text = || {
            let template = template.filter(|_| !self.by_text.is_empty())?;
            let typed = self.by_text.get(template.text());
            typed
                .or_else(|| self.by_text.get(template.starred().as_str()))
                .copied()
        };
        self.by_id.get(&id).copied().or_else(by_text)
    }
}

/// Classes by template and by what came with its lines.
#[derive(Debug)]
pub(crate) struct Classes {
    classifier: Classifier,
    overrides: Overrides,
    known: Map<(u64, u64), ErrorClass>,
}

impl Classes {
    pub(crate) fn new(classifier: Classifier, overrides: Overrides) -> Self {
        Self {
            classifier,
            overrides,
            known: Map::default(),
        }
    }

    /// The class of a line. A template that generalises has a new id, and so is looked at again.
    pub(crate) fn of<'t>(
        &mut self,
        line: &LogLine<'_>,
        id: u64,
        template: impl FnOnce() -> Option<Template<'t>>,
    ) -> ErrorClass {
        let key = (id, evidence(line));
        if let Some(class) = self.known.get(&key) {
            return *class;
        }
        let given = self.overrides.class(id, template());
        let class = given.unwrap_or_else(|| self.classifier.class(line).class);
        if self.known.len() >= MAX_CLASSES {
            self.known.clear();
        }
        self.known.insert(key, class);
        class
    }
}

/// What decides over a class and is masked in the template: fields, failing statuses, names of errors in quotes.
fn evidence(line: &LogLine<'_>) -> u64 {
    let mut hash = FxHasher::default();
    line.http_status.hash(&mut hash);
    line.grpc_status.hash(&mut hash);
    line.response_flags.hash(&mut hash);
    line.provider_error.hash(&mut hash);
    line.provider_code.hash(&mut hash);
    (line.severity == Some(Severity::Debug)).hash(&mut hash);
    let bytes = line.message.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut place = 0;
    while place < bytes.len() {
        let rest = bytes.get(place..).unwrap_or_default();
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let before = place.checked_sub(1).and_then(|before| bytes.get(before));
        if is_status(word) || (matches!(before, Some(b'"' | b'\'' | b'`')) && is_name(word)) {
            word.hash(&mut hash);
        }
        place += length.max(1);
    }
    hash.finish()
}

fn is_status(word: &[u8]) -> bool {
    matches!(word, [b'4' | b'5', a, b] if a.is_ascii_digit() && b.is_ascii_digit())
}

/// `rate_limit_error`, `RateLimitError`, `ECONNREFUSED`: what no sentence and no person is called.
fn is_name(word: &[u8]) -> bool {
    let fits = (6..=MAX_WORD_BYTES).contains(&word.len()) && !word.iter().any(u8::is_ascii_digit);
    let hump = || {
        let mut pairs = word.windows(2);
        pairs.any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
    };
    fits && (word.contains(&b'_') || word.iter().all(u8::is_ascii_uppercase) || hump())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> u64 {
        evidence(&LogLine {
            message,
            ..LogLine::default()
        })
    }

    #[test]
    fn what_decides_over_a_class_keeps_lines_of_one_template_apart() {
        assert_ne!(of("upstream said HTTP 429"), of("upstream said HTTP 500"));
        assert_ne!(of("type: \"overloaded_error\""), of("type: \"api_error\""));
        assert_ne!(of("code: 'ECONNRESET'"), of("code: 'ECONNREFUSED'"));
    }

    #[test]
    fn what_varies_otherwise_does_not() {
        assert_eq!(of("user \"alice\" took 12 ms"), of("user \"bob\" took 7311 ms"));
        assert_eq!(of("order 77123 of 10.0.0.1"), of("order 1 of 10.0.0.2"));
    }

    #[test]
    fn classes_kept_are_bounded() {
        let classifier = Classifier::shipped().expect("the model is whole");
        let mut classes = Classes::new(classifier, Overrides::default());
        let line = LogLine::default();
        for id in 0..MAX_CLASSES as u64 + 2 {
            classes.of(&line, id, || None);
        }
        assert!(classes.known.len() <= MAX_CLASSES);
    }
}
