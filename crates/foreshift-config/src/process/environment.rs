//! Overrides from the environment: `FORESHIFT__` and the path in capitals, steps parted by two underscores.
//! A value is read as the type that the schema wants: lists of words are parted by commas, sections and lists
//! of sections are YAML. Under `kafka.properties` one underscore stands for a dot.

use serde_json::{Number, Value};

use crate::check::{all_types, branches, resolve};
use crate::error::{ConfigError, Place};
use crate::suggest;
use crate::tree::{Kind, Tree};

/// What the names of the variables begin with.
pub(super) const PREFIX: &str = "FORESHIFT__";

/// Lays the variables over the tree, in the order of their names so that the result does not depend on the
/// environment's; returns what is wrong with them.
pub(super) fn overlay(
    tree: &mut Tree,
    schema: &Value,
    env: impl Iterator<Item = (String, String)>,
) -> Vec<ConfigError> {
    let mut variables: Vec<_> = env.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    variables.sort();
    let mut errors = Vec::new();
    for (name, text) in variables {
        match override_of(schema, &name, &text) {
            Ok((keys, value)) => tree.set(&keys, value),
            Err(error) => errors.push(error),
        }
    }
    errors
}

fn override_of(schema: &Value, name: &str, text: &str) -> Result<(Vec<String>, Tree), ConfigError> {
    let place = Place::Environment(name.to_owned());
    let mut keys = Vec::new();
    let mut at = schema;
    for step in name.trim_start_matches(PREFIX).split("__") {
        let (key, inner) = inner(schema, at, step).map_err(|known| {
            let path = keys.join(".");
            let message = format!("unknown key `{}`", step.to_lowercase());
            let hint = suggest::hint(&step.to_lowercase(), known.iter().map(String::as_str));
            ConfigError::new("", place.clone(), path, message, hint)
        })?;
        keys.push(key);
        at = inner;
    }
    let kind = typed(schema, at, text)
        .map_err(|(message, hint)| ConfigError::new("", place.clone(), keys.join("."), message, hint))?;
    let mut value = Tree {
        place: place.clone(),
        kind,
    };
    value.relocate(&place);
    Ok((keys, value))
}

/// The key that a step names and its schema, or the keys that are known.
fn inner<'a>(root: &'a Value, schema: &'a Value, step: &str) -> Result<(String, &'a Value), Vec<String>> {
    let schema = resolve(root, schema);
    let candidates: Vec<_> = std::iter::once(schema).chain(branches(root, schema)).collect();
    let mut known = Vec::new();
    for candidate in candidates {
        if let Some(properties) = candidate.get("properties").and_then(Value::as_object) {
            let key = step.to_ascii_lowercase();
            if let Some(inner) = properties.get(&key) {
                return Ok((key, inner));
            }
            known.extend(properties.keys().cloned());
        }
        if let Some(inner @ Value::Object(_)) = candidate.get("additionalProperties") {
            return Ok((step.to_ascii_lowercase().replace('_', "."), inner));
        }
    }
    Err(known)
}

/// The text as the type that the schema wants; else a message and a hint.
fn typed(root: &Value, schema: &Value, text: &str) -> Result<Kind, (String, String)> {
    let types = all_types(root, schema);
    let has = |name| types.contains(&name);
    if has("null") && (text.is_empty() || text == "null") {
        return Ok(Kind::Null);
    }
    // First of all, so that a password of digits stays as it is.
    if has("string") {
        return Ok(Kind::Text(text.to_owned()));
    }
    if has("boolean")
        && let Ok(value) = text.parse::<bool>()
    {
        return Ok(Kind::Bool(value));
    }
    if has("integer")
        && let Ok(value) = text.parse::<i64>()
    {
        return Ok(Kind::Number(value.into()));
    }
    if has("number")
        && let Some(value) = text.parse::<f64>().ok().and_then(Number::from_f64)
    {
        return Ok(Kind::Number(value));
    }
    if has("array") && !items_are_sections(root, schema) {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        // The caller gives every value the place of the variable.
        return Ok(Kind::List(
            parts
                .map(|part| Tree {
                    place: Place::START,
                    kind: Kind::Text(part.to_owned()),
                })
                .collect(),
        ));
    }
    if has("array") || has("object") {
        let example = "write YAML on one line, such as [{name: otlp_metrics, format: otlp_proto}]";
        return match Tree::parse(text, "") {
            Ok(tree) => Ok(tree.kind),
            Err(error) => Err((error.message, example.to_owned())),
        };
    }
    let wanted = types
        .iter()
        .filter(|kind| **kind != "null")
        .copied()
        .collect::<Vec<_>>()
        .join(" or ");
    Err((
        format!("expected a value of type {wanted}, found `{text}`"),
        String::new(),
    ))
}

fn items_are_sections(root: &Value, schema: &Value) -> bool {
    let schema = resolve(root, schema);
    schema
        .get("items")
        .is_some_and(|items| all_types(root, items).contains(&"object"))
}
