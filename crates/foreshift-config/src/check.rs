//! Checks a tree against the JSON schema of its file: unknown keys, missing keys, types, words, ranges and
//! grammars. All mistakes are collected. The schema is the one that `config schema` prints, so an editor
//! and Foreshift agree on what is valid.

use serde_json::Value;

use crate::error::{ConfigError, Place};
use crate::suggest;
use crate::text::{self, GRAMMAR};
use crate::tree::{At, Entry, Kind, Tree};

/// All ways in which the tree is not of the schema. Sections with nothing in them become empty mappings.
pub(crate) fn against_schema(schema: &Value, tree: &mut Tree, file: &str) -> Vec<ConfigError> {
    let mut check = Check {
        root: schema,
        tree,
        file,
        errors: Vec::new(),
        empty: Vec::new(),
    };
    check.value(schema, tree, &At::default());
    let Check { errors, empty, .. } = check;
    for at in empty {
        if let Some(section) = tree.at_mut(&at) {
            section.kind = Kind::Map(Vec::new());
        }
    }
    errors
}

struct Check<'a> {
    root: &'a Value,
    tree: &'a Tree,
    file: &'a str,
    errors: Vec<ConfigError>,
    /// Sections that are written with nothing in them.
    empty: Vec<At>,
}

impl<'a> Check<'a> {
    fn value(&mut self, schema: &'a Value, tree: &'a Tree, at: &At) {
        let outer = schema;
        let schema = choose(self.root, schema, tree);
        // What is said about the key says more than what is said about its type.
        let about = [outer, schema]
            .into_iter()
            .map(|schema| describe(Some(schema)))
            .find(|text| !text.is_empty());
        let about = about.unwrap_or_default();
        if words(schema).is_some() {
            return self.word(schema, tree, at);
        }
        if !accepts(self.root, schema, tree) {
            let message = format!("expected {}, found {}", expected(self.root, schema), found(tree));
            return self.error(&tree.place, at, message, hint_of_type(schema, tree, about));
        }
        match &tree.kind {
            Kind::Map(entries) => self.map(schema, tree, entries, at),
            Kind::Null if types(schema).contains(&"object") => {
                self.empty.push(at.clone());
                self.map(schema, tree, &[], at);
            }
            Kind::List(elements) => self.list(schema, tree, elements, at),
            Kind::Number(number) => {
                if let Some(range) = out_of_range(schema, number.as_f64().unwrap_or(f64::NAN)) {
                    self.error(&tree.place, at, format!("must be {range}, found {number}"), about);
                }
            }
            Kind::Text(written) => self.text(schema, tree, written, at, about),
            Kind::Null | Kind::Bool(_) => {}
        }
    }

    fn map(&mut self, schema: &'a Value, tree: &'a Tree, entries: &'a [Entry], at: &At) {
        let known = schema.get("properties").and_then(Value::as_object);
        for entry in entries {
            let at = at.key(&entry.key);
            match (
                known.and_then(|known| known.get(&entry.key)),
                schema.get("additionalProperties"),
            ) {
                (Some(inner), _) => self.value(inner, &entry.value, &at),
                (None, Some(inner @ Value::Object(_))) => self.value(inner, &entry.value, &at),
                _ => {
                    let names = known
                        .into_iter()
                        .flat_map(|known| known.keys().map(String::as_str));
                    let hint = suggest::hint(&entry.key, names);
                    self.error(&entry.key_place, &at, "unknown key", hint);
                }
            }
        }
        for required in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some(required) = required.as_str() else {
                continue;
            };
            if !entries.iter().any(|entry| entry.key == required) {
                let message = format!("`{required}` is missing");
                self.error(
                    &tree.place,
                    at,
                    message,
                    describe(known.and_then(|known| known.get(required))),
                );
            }
        }
    }

    fn list(&mut self, schema: &'a Value, tree: &'a Tree, elements: &'a [Tree], at: &At) {
        let bound = |key| schema.get(key).and_then(Value::as_u64);
        let count = elements.len() as u64;
        if bound("minItems").is_some_and(|least| count < least)
            || bound("maxItems").is_some_and(|most| count > most)
        {
            let message = match (bound("minItems"), bound("maxItems")) {
                (Some(least), Some(most)) if least == most => {
                    format!("expected exactly {least} of them, found {count}")
                }
                (least, Some(most)) => {
                    format!("expected {} to {most} of them, found {count}", least.unwrap_or(0))
                }
                (least, None) => format!("expected at least {} of them, found {count}", least.unwrap_or(0)),
            };
            self.error(&tree.place, at, message, describe(Some(schema)));
        }
        if let Some(inner) = schema.get("items") {
            for (i, element) in elements.iter().enumerate() {
                self.value(inner, element, &at.index(i));
            }
        }
    }

    fn text(&mut self, schema: &Value, tree: &Tree, written: &str, at: &At, about: String) {
        if let Some(grammar) = schema.get(GRAMMAR).and_then(Value::as_str)
            && let Err(message) = text::check(grammar, written)
        {
            self.error(&tree.place, at, message, about);
        }
    }

    fn word(&mut self, schema: &'a Value, tree: &Tree, at: &At) {
        let known = words(schema).unwrap_or_default();
        let (message, hint) = match tree.text() {
            Some(written) if known.contains(&written) => return,
            Some(written) => (
                format!("`{written}` is not known here"),
                suggest::hint(written, known.into_iter()),
            ),
            None => (
                format!("expected a word, found {}", found(tree)),
                suggest::hint("", known.into_iter()),
            ),
        };
        self.error(&tree.place, at, message, hint);
    }

    fn error(&mut self, place: &Place, at: &At, message: impl Into<String>, hint: impl Into<String>) {
        let path = self.tree.show(at);
        self.errors
            .push(ConfigError::new(self.file, place.clone(), path, message, hint));
    }
}

/// The schema behind a reference.
pub(crate) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| root.pointer(reference.strip_prefix('#')?))
        .unwrap_or(schema)
}

/// The alternatives of a schema that is either of several; empty for others.
pub(crate) fn branches<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    ["anyOf", "oneOf"]
        .into_iter()
        .filter_map(|key| schema.get(key)?.as_array())
        .flatten()
        .map(|branch| resolve(root, branch))
        .collect()
}

/// The alternative that the value is meant to be.
fn choose<'a>(root: &'a Value, schema: &'a Value, tree: &Tree) -> &'a Value {
    let schema = resolve(root, schema);
    if words(schema).is_some() {
        return schema;
    }
    let fitting: Vec<_> = branches(root, schema)
        .into_iter()
        .filter(|branch| accepts(root, branch, tree))
        .collect();
    let exact = fitting.iter().find(|branch| {
        words(branch).is_some_and(|words| tree.text().is_some_and(|written| words.contains(&written)))
    });
    let null = fitting
        .iter()
        .find(|branch| matches!(tree.kind, Kind::Null) && types(branch).contains(&"null"));
    // Where `off` or a text with a grammar is possible and `off` is not written, it is the other.
    let chosen = exact
        .or(null)
        .or_else(|| fitting.iter().find(|branch| words(branch).is_none()))
        .or(fitting.first());
    match chosen {
        Some(branch) => choose(root, branch, tree),
        None => schema,
    }
}

/// The words a schema allows, if it allows nothing else.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(word) = schema.get("const") {
        return word.as_str().map(|word| vec![word]);
    }
    let listed = schema.get("enum").and_then(Value::as_array);
    if let Some(listed) = listed {
        return listed.iter().map(Value::as_str).collect();
    }
    let branches = schema.get("oneOf").and_then(Value::as_array)?;
    branches
        .iter()
        .map(|branch| branch.get("const").and_then(Value::as_str))
        .collect()
}

/// The JSON types a schema allows by itself.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ if words(schema).is_some() => vec!["string"],
        _ => Vec::new(),
    }
}

/// All JSON types a schema allows, its alternatives included.
pub(crate) fn all_types<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a str> {
    let schema = resolve(root, schema);
    let mut all = types(schema);
    if words(schema).is_none() {
        all.extend(
            branches(root, schema)
                .into_iter()
                .flat_map(|branch| all_types(root, branch)),
        );
    }
    all.dedup();
    all
}

fn accepts(root: &Value, schema: &Value, tree: &Tree) -> bool {
    let allowed = all_types(root, schema);
    let any = |names: &[&str]| names.iter().any(|name| allowed.contains(name));
    match &tree.kind {
        // An empty section is a section with nothing in it.
        Kind::Null => any(&["null", "object"]),
        Kind::Bool(_) => any(&["boolean"]),
        Kind::Number(number) if number.is_f64() => any(&["number"]),
        Kind::Number(_) => any(&["number", "integer"]),
        Kind::Text(_) => any(&["string"]),
        Kind::List(_) => any(&["array"]),
        Kind::Map(_) => any(&["object"]),
    }
}

/// The schema and all its alternatives, theirs included.
fn leaves<'a>(root: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let mut all = vec![schema];
    if words(schema).is_none() {
        all.extend(
            branches(root, schema)
                .into_iter()
                .flat_map(|branch| leaves(root, branch)),
        );
    }
    all
}

/// What may stand here, in words.
fn expected(root: &Value, schema: &Value) -> String {
    let mut names: Vec<String> = Vec::new();
    for leaf in leaves(root, schema) {
        if let Some(words) = words(leaf) {
            names.extend(words.into_iter().map(|word| format!("`{word}`")));
            continue;
        }
        let grammar = leaf.get(GRAMMAR).and_then(Value::as_str);
        names.extend(
            types(leaf)
                .into_iter()
                .filter_map(|kind| name_of_type(kind, grammar))
                .map(str::to_owned),
        );
    }
    names.dedup();
    names.join(" or ")
}

fn name_of_type(kind: &str, grammar: Option<&str>) -> Option<&'static str> {
    match (kind, grammar) {
        ("string", Some("duration")) => Some("a span of time such as `30s`"),
        ("string", Some("share")) => Some("a percentage such as `70%`"),
        ("string", Some("capacity")) => Some("a capacity such as `500 rps`"),
        ("string", _) => Some("text"),
        ("boolean", _) => Some("true or false"),
        ("integer", _) => Some("a whole number"),
        ("number", _) => Some("a number"),
        ("array", _) => Some("a list"),
        ("object", _) => Some("a section with keys"),
        _ => None,
    }
}

fn found(tree: &Tree) -> String {
    match &tree.kind {
        Kind::Null => "nothing".to_owned(),
        Kind::Bool(value) => format!("{value}"),
        Kind::Number(number) => format!("the number {number}"),
        Kind::Text(text) => format!("the text `{}`", text.chars().take(60).collect::<String>()),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a section with keys".to_owned(),
    }
}

fn hint_of_type(schema: &Value, tree: &Tree, about: String) -> String {
    match (&tree.kind, schema.get(GRAMMAR).and_then(Value::as_str)) {
        (Kind::Number(number), Some("duration")) => format!("write the unit: {number}s"),
        (Kind::Number(_) | Kind::Bool(_), None) if types(schema).contains(&"string") => {
            "put it in quotes".to_owned()
        }
        _ => about,
    }
}

fn describe(schema: Option<&Value>) -> String {
    let text = schema
        .and_then(|schema| schema.get("description"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The range of the schema in words, when the number is outside of it.
fn out_of_range(schema: &Value, number: f64) -> Option<String> {
    let bound = |key| schema.get(key).and_then(Value::as_f64);
    let widest = match schema.get("format").and_then(Value::as_str) {
        Some("uint16") => Some(f64::from(u16::MAX)),
        Some("uint32") => Some(f64::from(u32::MAX)),
        // Beyond it neighbouring whole numbers are no longer told apart.
        Some("uint64" | "uint" | "int64") => Some(9e15),
        _ => None,
    };
    let most = bound("maximum").or(widest);
    let inside = bound("minimum").is_none_or(|least| number >= least)
        && bound("exclusiveMinimum").is_none_or(|least| number > least)
        && most.is_none_or(|most| number <= most);
    if inside {
        return None;
    }
    let least = match (bound("exclusiveMinimum"), bound("minimum")) {
        (Some(least), _) => Some(format!("above {least}")),
        (None, Some(least)) => Some(format!("at least {least}")),
        (None, None) => None,
    };
    let most = most.map(|most| format!("at most {most}"));
    Some(
        [least, most]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" and "),
    )
}
