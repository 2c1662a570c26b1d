//! What is wrong with a configuration: every mistake at once, each with its place and how to mend it.

use std::fmt;

use serde::{Serialize, Serializer};

/// The most errors that are printed; a wrong generator makes the same mistake thousands of times.
pub const MAX_ERRORS_SHOWN: usize = 50;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file; line and column count from 1, the column in characters.
    File {
        /// The line.
        line: u64,
        /// The column.
        column: u64,
    },
    /// In an environment variable of this name.
    Environment(String),
}

impl Place {
    /// The beginning of the file.
    pub const START: Self = Self::File { line: 1, column: 1 };
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file as it was named by the caller.
    pub file: String,
    /// Where.
    #[serde(serialize_with = "place_as_text")]
    pub place: Place,
    /// The path of the value, such as `routes[chat].targets[openai].capacity`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub hint: String,
}

impl ConfigError {
    pub(crate) fn new(
        file: &str,
        place: Place,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            place,
            path: path.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The line in the file, or `None` for a mistake in the environment.
    pub fn line(&self) -> Option<u64> {
        match self.place {
            Place::File { line, .. } => Some(line),
            Place::Environment(_) => None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File { line, column } => write!(f, "{}:{line}:{column}: ", self.file)?,
            Place::Environment(variable) => write!(f, "environment variable {variable}: ")?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

fn place_as_text<S: Serializer>(place: &Place, to: S) -> Result<S::Ok, S::Error> {
    match place {
        Place::File { line, column } => to.collect_str(&format_args!("{line}:{column}")),
        Place::Environment(variable) => to.collect_str(&format_args!("environment {variable}")),
    }
}

/// All mistakes of a configuration, at least one, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(transparent)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Sorts by place, and keeps one of those that say the same about the same place: a mistake
    /// in `defaults` would otherwise be told once for every route.
    pub(crate) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|a, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
        errors.dedup_by(|a, b| (&a.place, &a.message) == (&b.place, &b.message));
        Self(errors)
    }

    /// The mistakes.
    pub fn errors(&self) -> &[ConfigError] {
        &self.0
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().take(MAX_ERRORS_SHOWN).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        match self.0.len().checked_sub(MAX_ERRORS_SHOWN) {
            Some(more) if more > 0 => write!(f, "\nand {more} more"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(line: u64, message: &str) -> ConfigError {
        ConfigError::new(
            "f.yaml",
            Place::File { line, column: 3 },
            "a.b",
            message,
            "do this",
        )
    }

    #[test]
    fn an_error_prints_its_place_its_path_and_a_hint_line() {
        assert_eq!(
            error(7, "is wrong").to_string(),
            "f.yaml:7:3: a.b: is wrong\n  hint: do this"
        );
    }

    #[test]
    fn the_same_mistake_at_the_same_place_is_told_once() {
        let errors = ConfigErrors::new(vec![error(9, "x"), error(2, "y"), error(9, "x")]);
        assert_eq!(errors.errors().len(), 2);
        assert_eq!(errors.errors()[0].line(), Some(2));
    }

    #[test]
    fn beyond_the_bound_errors_are_counted_not_printed() {
        let many = (0..MAX_ERRORS_SHOWN as u64 + 3)
            .map(|line| error(line + 1, "x"))
            .collect();
        let text = ConfigErrors::new(many).to_string();
        assert!(text.ends_with("and 3 more"), "{text}");
        assert_eq!(text.matches("hint").count(), MAX_ERRORS_SHOWN);
    }
}
