//! What a check found: one line each, and how to mend it below.

use serde::Serialize;

use super::paint::{Ink, Paint};
use super::words::clean;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Works, and is probably not meant.
    Warn,
    /// Does not work.
    Fail,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What it is about: `kafka`, `topic otlp_logs`.
    pub(crate) about: String,
    pub(crate) message: String,
    /// How to mend it; empty where there is nothing to mend.
    pub(crate) hint: String,
}

impl Finding {
    pub(crate) fn ok(about: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            about: about.into(),
            message: message.into(),
            hint: String::new(),
        }
    }

    pub(crate) fn warn(
        about: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Warn,
            about: about.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }

    pub(crate) fn fail(
        about: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Fail,
            about: about.into(),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// All findings, and their sum in one line.
pub(crate) fn findings(all: &[Finding], paint: Paint) -> String {
    let mut text = String::new();
    for finding in all {
        let (word, ink) = match finding.level {
            Level::Ok => ("OK  ", Ink::Good),
            Level::Warn => ("WARN", Ink::Warn),
            Level::Fail => ("FAIL", Ink::Bad),
        };
        let mut lines = finding.message.lines();
        let first = clean(lines.next().unwrap_or_default());
        text.push_str(&format!(
            "{}  {}: {first}\n",
            paint.ink(ink, word),
            clean(&finding.about)
        ));
        for line in lines {
            text.push_str(&format!("      {}\n", clean(line.trim_start())));
        }
        if !finding.hint.is_empty() {
            text.push_str(&format!("      → {}\n", clean(&finding.hint)));
        }
    }
    let count = |level: Level| all.iter().filter(|finding| finding.level == level).count();
    let (fails, warns) = (count(Level::Fail), count(Level::Warn));
    let sum = match (fails, warns) {
        (0, 0) => paint.ink(Ink::Good, "all is well"),
        (0, warns) => paint.ink(Ink::Warn, &format!("it works; {warns} to look at")),
        (fails, warns) => paint.ink(Ink::Bad, &format!("{fails} to mend, {warns} to look at")),
    };
    text.push_str(&format!("\n{sum}\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_is_wrong_and_how_to_mend_it() {
        let all = [
            Finding::ok("kafka", "2 brokers answer"),
            Finding::fail("topic a", "does not exist\n  hint: it does not", "create it"),
        ];
        assert_eq!(
            findings(&all, Paint::new(false)),
            "OK    kafka: 2 brokers answer\nFAIL  topic a: does not exist\n      hint: it does not\n      \
             → create it\n\n1 to mend, 0 to look at\n"
        );
    }
}
