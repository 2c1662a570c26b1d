//! Fields of a JSON object, read as they come: nothing is built of what is not asked for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Fields;
use super::names::{Container, container, known};

/// Objects within objects that are looked into.
const MAX_DEPTH: usize = 4;
/// Names longer than this are of nothing known.
const MAX_NAME_BYTES: usize = 64;

/// The fields up to where the object ends or is broken: a line that was cut off has said something too.
pub(super) fn read(text: &str) -> Fields<'_> {
    let mut fields = Fields::default();
    let mut path = String::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let value = Value {
        fields: &mut fields,
        path: &mut path,
        depth: MAX_DEPTH,
    };
    // What broke it is not asked: the fields before it are kept.
    let _ = value.deserialize(&mut json);
    fields
}

/// A value at a path.
struct Value<'f, 'a> {
    fields: &'f mut Fields<'a>,
    path: &'f mut String,
    depth: usize,
}

impl<'a> DeserializeSeed<'a> for Value<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a> Value<'_, 'a> {
    fn number(self, number: impl fmt::Display) {
        self.fields.take(self.path, Cow::Owned(number.to_string()));
    }
}

impl<'a> Visitor<'a> for Value<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<(), E> {
        self.fields.take(self.path, Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.fields.take(self.path, Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.number(number);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.number(number);
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.number(number);
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut values: A) -> Result<(), A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<(), A::Error> {
        let inside = match container(self.path) {
            None if self.path.is_empty() => Some(0),
            None => None,
            Some(Container::Transparent) => Some(0),
            Some(Container::Named) => Some(self.path.len()),
        };
        let Some(kept) = inside.filter(|_| self.depth > 0) else {
            while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        let outer = self.path.clone();
        while let Some(name) = object.next_key::<Cow<'a, str>>()? {
            self.path.truncate(0);
            self.path.push_str(outer.get(..kept).unwrap_or_default());
            if kept > 0 {
                self.path.push('.');
            }
            if name.len() <= MAX_NAME_BYTES {
                self.path
                    .extend(name.chars().map(|letter| letter.to_ascii_lowercase()));
            }
            if name.len() <= MAX_NAME_BYTES && (known(self.path).is_some() || container(self.path).is_some())
            {
                object.next_value_seed(Value {
                    fields: &mut *self.fields,
                    path: &mut *self.path,
                    depth: self.depth - 1,
                })?;
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
