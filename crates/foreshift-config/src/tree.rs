//! A configuration file as a tree in which every key and value knows where it was written.
//! The YAML reader refuses duplicate keys, more than one document, and inputs that grow beyond its budget.

use std::fmt;
use std::rc::Rc;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::{Number, Value};
use serde_saphyr::{Location, Spanned};

use crate::error::{ConfigError, Place};

/// The largest file that is read, in bytes: 100,000 targets of 300 bytes fit.
pub(crate) const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;
/// The most scalars, lists and mappings of a file: 100,000 targets of 20 of them fit.
const MAX_VALUES: usize = 2_000_000;
/// How deep lists and mappings may nest: the deepest path of the two files is 6.
const MAX_DEPTH: usize = 24;
/// The most events that aliases may replay: a few templates for many routes, not a bomb.
const MAX_REPLAYED: usize = 500_000;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<Entry>),
}

/// A key of a mapping with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_place: Place,
    pub(crate) value: Tree,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// The way from the root to a value. Steps are shared: a large file has a million paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct At(Option<Rc<Link>>);

#[derive(Debug, PartialEq, Eq)]
struct Link {
    above: At,
    step: Step,
}

impl At {
    pub(crate) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        Self(Some(Rc::new(Link {
            above: self.clone(),
            step,
        })))
    }

    /// The steps from the root on.
    fn steps(&self) -> Vec<&Step> {
        let mut steps: Vec<_> = std::iter::successors(self.0.as_ref(), |link| link.above.0.as_ref())
            .map(|link| &link.step)
            .collect();
        steps.reverse();
        steps
    }
}

impl Tree {
    /// Parses one YAML document.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        Self::parse_within(MAX_VALUES, text, file)
    }

    fn parse_within(max_values: usize, text: &str, file: &str) -> Result<Self, ConfigError> {
        if text.len() > MAX_FILE_BYTES {
            let message = format!(
                "the file has {} bytes, more than the {MAX_FILE_BYTES} that are read",
                text.len()
            );
            return Err(ConfigError::new(
                file,
                Place::START,
                "",
                message,
                "split the fleet over several processes",
            ));
        }
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        {
            return Ok(Self {
                place: Place::START,
                kind: Kind::Map(Vec::new()),
            });
        }
        serde_saphyr::from_str_with_options::<Self>(text, options(max_values)).map_err(|error| {
            let place = error.location().map_or(Place::START, Place::from);
            let rendered = error.without_snippet().to_string();
            ConfigError::new(file, place, "", plain(&rendered), hint_of_syntax(&rendered))
        })
    }

    /// The value under a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The value under a key of a mapping, to change it.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match &mut self.kind {
            Kind::Map(entries) => entries
                .iter_mut()
                .find(|entry| entry.key == key)
                .map(|entry| &mut entry.value),
            _ => None,
        }
    }

    /// The elements of a list, to change them; of anything else none.
    pub(crate) fn elements_mut(&mut self) -> &mut [Self] {
        match &mut self.kind {
            Kind::List(elements) => elements,
            _ => &mut [],
        }
    }

    /// The text, where it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Takes a key out of a mapping.
    pub(crate) fn remove(&mut self, key: &str) -> Option<Self> {
        match &mut self.kind {
            Kind::Map(entries) => {
                let found = entries.iter().position(|entry| entry.key == key)?;
                Some(entries.remove(found).value)
            }
            _ => None,
        }
    }

    /// Sets the value at a path of keys, making mappings on the way.
    pub(crate) fn set(&mut self, keys: &[String], value: Self) {
        let Some((key, rest)) = keys.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self.kind, Kind::Map(_)) {
            self.kind = Kind::Map(Vec::new());
        }
        let Kind::Map(entries) = &mut self.kind else {
            return;
        };
        if let Some(entry) = entries.iter_mut().find(|entry| &entry.key == key) {
            entry.value.set(rest, value);
            return;
        }
        let place = value.place.clone();
        let mut inner = Self {
            place: place.clone(),
            kind: Kind::Null,
        };
        inner.set(rest, value);
        entries.push(Entry {
            key: key.clone(),
            key_place: place,
            value: inner,
        });
    }

    /// Fills in what `defaults` has and this tree has not, mapping by mapping.
    pub(crate) fn fill_from(&mut self, defaults: &Self) {
        let (Kind::Map(mine), Kind::Map(theirs)) = (&mut self.kind, &defaults.kind) else {
            return;
        };
        for entry in theirs {
            match mine.iter_mut().find(|one| one.key == entry.key) {
                Some(one) => one.value.fill_from(&entry.value),
                None => mine.push(entry.clone()),
            }
        }
    }

    /// Puts every place to where the whole came from.
    pub(crate) fn relocate(&mut self, place: &Place) {
        self.place = place.clone();
        match &mut self.kind {
            Kind::List(elements) => elements.iter_mut().for_each(|element| element.relocate(place)),
            Kind::Map(entries) => {
                for entry in entries {
                    entry.key_place = place.clone();
                    entry.value.relocate(place);
                }
            }
            _ => {}
        }
    }

    /// Where the value at a path is written, or `None` if it is not.
    pub(crate) fn place_of(&self, at: &At) -> Option<&Place> {
        let mut tree = self;
        for step in at.steps() {
            tree = tree.step(step)?;
        }
        Some(&tree.place)
    }

    /// The value at a path, to change it.
    pub(crate) fn at_mut(&mut self, at: &At) -> Option<&mut Self> {
        let mut tree = self;
        for step in at.steps() {
            tree = match step {
                Step::Key(key) => tree.get_mut(key)?,
                Step::Index(index) => tree.elements_mut().get_mut(*index)?,
            };
        }
        Some(tree)
    }

    /// Where the value at a path is written, or else the nearest thing above it.
    pub(crate) fn nearest_place(&self, at: &At) -> Place {
        let mut tree = self;
        for step in at.steps() {
            match tree.step(step) {
                Some(next) => tree = next,
                None => break,
            }
        }
        tree.place.clone()
    }

    /// The path for people: elements of lists go by their name where they have one.
    pub(crate) fn show(&self, at: &At) -> String {
        let mut tree = Some(self);
        let mut shown = String::new();
        for step in at.steps() {
            tree = tree.and_then(|tree| tree.step(step));
            match step {
                Step::Key(key) if shown.is_empty() => shown.push_str(key),
                Step::Key(key) => shown.push_str(&format!(".{key}")),
                Step::Index(index) => match tree.and_then(Self::name) {
                    Some(name) => shown.push_str(&format!("[{name}]")),
                    None => shown.push_str(&format!("[{index}]")),
                },
            }
        }
        shown
    }

    fn name(&self) -> Option<&str> {
        ["name", "pattern"]
            .into_iter()
            .find_map(|key| self.get(key)?.text())
    }

    fn step(&self, step: &Step) -> Option<&Self> {
        match (step, &self.kind) {
            (Step::Key(key), Kind::Map(_)) => self.get(key),
            (Step::Index(index), Kind::List(elements)) => elements.get(*index),
            _ => None,
        }
    }

    /// The same value without places.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(elements) => elements.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

fn options(max_values: usize) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_nodes: max_values,
            // A list or mapping has a beginning and an end; the document has four of its own.
            max_events: 2 * max_values + 4,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_aliases: 10_000,
            max_recorded_anchor_events: MAX_REPLAYED,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED,
        },
        // `off` is a mode and `no` may be a name; only `true` and `false` are booleans.
        strict_booleans: true,
        // `007` is a password or a name, not seven.
        leading_zero_numbers_as_strings: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The parser's message without what is said elsewhere: the place, and how a programmer would allow it.
fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.split(" at line ").next().unwrap_or_default();
    line.split(", set DuplicateKeyPolicy")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn hint_of_syntax(message: &str) -> &'static str {
    if message.contains("duplicate") {
        "remove one of the two: a key may stand once in a mapping"
    } else {
        "the file must be one YAML document; check indentation, quotes and colons near this place"
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self::File {
            line: location.line().max(1),
            column: location.column().max(1),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(from)?;
        Ok(Self {
            place: spanned.referenced.into(),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Kind, D::Error> {
        Kind::deserialize(from)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        Ok(Number::from_f64(value).map_or_else(|| Kind::Text(value.to_string()), Kind::Number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Kind::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Tree>()? {
            entries.push(Entry {
                key_place: key.referenced.into(),
                key: key.value,
                value,
            });
        }
        Ok(Kind::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Tree {
        Tree::parse(text, "f.yaml").expect("valid YAML")
    }

    #[test]
    fn every_key_and_value_knows_its_line_and_column() {
        let tree = parsed("a:\n  b: [1, two]\n  c:\n    - name: x\n");
        let at = At::default().key("a").key("b").index(1);
        assert_eq!(tree.place_of(&at), Some(&Place::File { line: 2, column: 10 }));
        let Kind::Map(entries) = &tree.get("a").expect("a").kind else {
            panic!("not a map")
        };
        assert_eq!(entries[1].key_place, Place::File { line: 3, column: 3 });
        assert_eq!(tree.show(&At::default().key("a").key("c").index(0)), "a.c[x]");
    }

    #[test]
    fn off_and_no_are_words_and_true_is_a_boolean() {
        let tree = parsed("a: off\nb: no\nc: true\nd: 1_0\ne: 1.5\nf:\n");
        assert_eq!(tree.get("a").and_then(Tree::text), Some("off"));
        assert_eq!(tree.get("b").and_then(Tree::text), Some("no"));
        assert_eq!(tree.to_json()["c"], Value::Bool(true));
        assert_eq!(tree.to_json()["e"], serde_json::json!(1.5));
        assert_eq!(tree.to_json()["f"], Value::Null);
    }

    #[test]
    fn duplicate_keys_are_refused_with_their_place() {
        let error = Tree::parse("a: 1\nb: 2\na: 3\n", "f.yaml").expect_err("duplicate");
        assert_eq!(error.place, Place::File { line: 3, column: 1 });
        assert_eq!(error.message, "duplicate mapping key: a");
    }

    #[test]
    fn broken_yaml_is_refused_with_its_place() {
        let error = Tree::parse("a: 1\nb: [1, 2\nc: 3\n", "f.yaml").expect_err("broken");
        assert!(matches!(error.place, Place::File { line: 2.., .. }), "{error:?}");
    }

    #[test]
    fn two_documents_are_refused() {
        assert!(Tree::parse("a: 1\n---\nb: 2\n", "f.yaml").is_err());
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let many = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{many}]\n"));
        }
        assert!(Tree::parse(&text, "f.yaml").is_err());
    }

    #[test]
    fn nesting_beyond_the_bound_is_refused() {
        let deep = format!("a: {}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(Tree::parse(&deep, "f.yaml").is_err());
    }

    #[test]
    fn values_beyond_the_bound_are_refused() {
        assert!(Tree::parse_within(10, "[1, 2, 3, 4, 5, 6, 7, 8, 9]", "f.yaml").is_ok());
        assert!(Tree::parse_within(10, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]", "f.yaml").is_err());
    }

    #[test]
    fn a_file_beyond_the_bound_is_refused_before_it_is_parsed() {
        let long = format!("a: {}", "x".repeat(MAX_FILE_BYTES));
        let error = Tree::parse(&long, "f.yaml").expect_err("too long");
        assert!(error.message.contains("bytes"), "{error}");
    }

    #[test]
    fn defaults_fill_in_and_never_replace() {
        let mut tree = parsed("a: {x: 1}\nb: off\n");
        tree.fill_from(&parsed("a: {x: 2, y: 3}\nb: {z: 1}\nc: 4\n"));
        assert_eq!(
            tree.to_json(),
            serde_json::json!({"a": {"x": 1, "y": 3}, "b": "off", "c": 4})
        );
    }
}
