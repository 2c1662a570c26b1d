//! A few whole lines of each template, for people who ask for them: scrubbed once more, for a time only, in memory.

use foreshift_domain::{Duration, Timestamp};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use crate::redact::{Depth, Redactor};

/// Templates of which samples are kept; of further ones none are, until others expire.
const MAX_SAMPLED: usize = 1_024;
/// The longest sample, in bytes.
const MAX_SAMPLE_BYTES: usize = 1_024;

/// How many samples are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleSettings {
    /// Lines of each template.
    pub per_template: usize,
    /// How long a line is kept.
    pub ttl: Duration,
}

/// Samples by template.
#[derive(Debug)]
pub(crate) struct Samples {
    settings: SampleSettings,
    kept: IndexMap<u64, Vec<(Timestamp, String)>, FxBuildHasher>,
}

impl Samples {
    pub(crate) fn new(settings: SampleSettings) -> Self {
        Self {
            settings,
            kept: IndexMap::default(),
        }
    }

    /// Keeps a line if there is room for it.
    pub(crate) fn offer(&mut self, template: u64, text: &str, now: Timestamp, redactor: &Redactor) {
        let is_known = self.kept.contains_key(&template);
        if !is_known && self.kept.len() >= MAX_SAMPLED {
            return;
        }
        let kept = self.kept.entry(template).or_default();
        if kept.len() >= self.settings.per_template {
            return;
        }
        let clean = redactor.scrub(text, Depth::Everything);
        let clean = clean
            .get(..clean.floor_char_boundary(MAX_SAMPLE_BYTES))
            .unwrap_or_default();
        kept.push((now, clean.to_owned()));
    }

    pub(crate) fn of(&self, template: u64) -> impl Iterator<Item = &str> {
        let kept = self.kept.get(&template).map(Vec::as_slice).unwrap_or_default();
        kept.iter().map(|(_, text)| text.as_str())
    }

    /// Lets go what is older than its time.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let ttl = self.settings.ttl;
        self.kept.retain(|_, kept| {
            kept.retain(|(since, _)| now.since(*since) < ttl);
            !kept.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1_000);

    fn samples() -> (Samples, Redactor) {
        let settings = SampleSettings {
            per_template: 2,
            ttl: Duration::from_secs(60),
        };
        (
            Samples::new(settings),
            Redactor::new().expect("the table compiles"),
        )
    }

    #[test]
    fn samples_are_few_short_and_without_addresses() {
        let (mut samples, redactor) = samples();
        let long = "a ".repeat(MAX_SAMPLE_BYTES);
        for text in [
            "no answer from 10.0.0.1 for joe@example.com",
            &long,
            "one too many",
        ] {
            samples.offer(1, text, AT, &redactor);
        }
        let kept: Vec<&str> = samples.of(1).collect();
        assert_eq!(kept[0], "no answer from <ip> for <email>");
        assert_eq!((kept.len(), kept[1].len()), (2, MAX_SAMPLE_BYTES));
    }

    #[test]
    fn samples_expire_and_make_room() {
        let (mut samples, redactor) = samples();
        for template in 0..2 * MAX_SAMPLED as u64 {
            samples.offer(template, "x", AT, &redactor);
        }
        assert_eq!(samples.kept.len(), MAX_SAMPLED);
        samples.expire(AT + Duration::from_secs(59));
        assert_eq!(samples.kept.len(), MAX_SAMPLED);
        samples.expire(AT + Duration::from_secs(60));
        assert_eq!(samples.kept.len(), 0);
    }
}
