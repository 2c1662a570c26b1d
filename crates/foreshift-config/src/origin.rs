//! Where each effective value came from: `config show --origin`.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::error::Place;
use crate::tree::{At, Tree};

/// An effective value and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Origin {
    /// Its path, such as `timing.bucket` or `routes[chat].slo.error_ratio`.
    pub path: String,
    /// The value in effect; secrets are replaced by [`HIDDEN`].
    pub value: Value,
    /// Where it came from.
    pub from: From,
}

/// Where an effective value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Nobody wrote it.
    Default,
    /// The file, at this line.
    File {
        /// The file as it was named by the caller.
        file: String,
        /// The line, from 1.
        line: u64,
    },
    /// The environment variable of this name.
    Environment(String),
}

/// What is shown in the place of a secret.
pub const HIDDEN: &str = "(hidden)";

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
        }
    }
}

impl Serialize for From {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The origins of all leaves of `effective`, looked up in the tree that was read.
pub(crate) fn origins(effective: &Value, tree: &Tree, file: &str) -> Vec<Origin> {
    let mut walk = Walk {
        tree,
        file,
        origins: Vec::new(),
    };
    walk.value(effective, &At::default());
    walk.origins
}

struct Walk<'a> {
    tree: &'a Tree,
    file: &'a str,
    origins: Vec<Origin>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value, at: &At) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (key, inner) in fields {
                    self.value(inner, &at.key(key));
                }
            }
            // A list of plain values is one setting; a list of sections is many.
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                for (i, element) in elements.iter().enumerate() {
                    self.value(element, &at.index(i));
                }
            }
            leaf => {
                let from = match self.tree.place_of(at) {
                    Some(Place::File { line, .. }) => From::File {
                        file: self.file.to_owned(),
                        line: *line,
                    },
                    Some(Place::Environment(variable)) => From::Environment(variable.clone()),
                    None => From::Default,
                };
                let path = self.tree.show(at);
                self.origins.push(Origin {
                    path,
                    value: leaf.clone(),
                    from,
                });
            }
        }
    }
}
