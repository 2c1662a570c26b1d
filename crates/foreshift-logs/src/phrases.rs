//! Phrases as real systems print them: texts of errnos, names of exceptions, SQLSTATE messages, Kubernetes reasons.
//!
//! The more specific stand first: when a line holds several, the one highest in the ranking decides ("probe failed ...
//! connection refused" is an instance that is down). Phrases are matched in any case, anywhere in the line; a `|` at
//! an end asks for the end of a word there.

mod answer;
mod harmless;
mod limits;
mod network;
mod service;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use foreshift_domain::log::ErrorClass;

/// The ranking.
const RANKED: &[(ErrorClass, &[&str])] = &[
    // Lines that say that nothing is wrong, with the words of what was or might be.
    (ErrorClass::None, harmless::PHRASES),
    (ErrorClass::RateLimit, limits::QUOTA_OF_A_MINUTE),
    // Billing looks like rate limiting, and is not over in a minute.
    (ErrorClass::QuotaBilling, limits::QUOTA),
    // What is wrong with the request stays the request's fault, whatever else the line says.
    (ErrorClass::BadRequest, answer::REQUEST_AT_FAULT),
    (ErrorClass::Oom, limits::KILLED_FOR_MEMORY),
    // A probe or a restart names what it saw: the instance is down, whatever that was.
    (ErrorClass::InstanceDown, service::PROBES),
    (ErrorClass::Oom, limits::MEMORY),
    (ErrorClass::DiskFd, limits::DISK),
    (ErrorClass::InstanceDown, service::INSTANCE),
    (ErrorClass::PoolExhausted, limits::POOL),
    (ErrorClass::StoreRole, service::STORE),
    (ErrorClass::Config, service::CONFIG),
    (ErrorClass::Dns, network::NAMES),
    (ErrorClass::Timeout, network::HANDSHAKE_IN_TIME),
    (ErrorClass::Tls, network::HANDSHAKES),
    (ErrorClass::Overload, limits::LOAD),
    (ErrorClass::RateLimit, limits::RATE),
    // What a proxy prints for every failure comes with its reason.
    (ErrorClass::ConnReset, network::PROXY_RESET),
    (ErrorClass::ConnFail, network::REFUSED),
    (ErrorClass::Timeout, network::NO_ANSWER),
    (ErrorClass::ConnReset, network::BROKEN),
    (ErrorClass::Auth, answer::CREDENTIALS),
    (ErrorClass::NotFound, answer::MISSING),
    (ErrorClass::ConnFail, network::NOT_MADE),
    (ErrorClass::ConnReset, network::ENDED),
    (ErrorClass::InstanceDown, service::ENDED),
    // A proxy prints these beside the cause.
    (ErrorClass::Upstream5xx, answer::SERVER_AT_FAULT),
    (ErrorClass::BadRequest, answer::REQUEST_REFUSED),
    (ErrorClass::None, harmless::WEAK),
];

/// Groups from the top of the ranking whose phrases mean one thing only; those below are evidence among other.
const COMPELLING_GROUPS: usize = 8;

/// What ends a phrase that asks for the end of a word.
const EDGE: char = '|';

/// The phrases, compiled. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Phrases {
    automaton: AhoCorasick,
    ranks: Vec<Rank>,
}

/// What a phrase says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) class: ErrorClass,
    /// Whether nothing else in the line can change it.
    pub(crate) compelling: bool,
}

/// What the phrase of a rank says and asks for.
#[derive(Clone, Copy, Debug)]
struct Rank {
    said: Said,
    begins_word: bool,
    ends_word: bool,
}

fn all() -> impl Iterator<Item = (Said, &'static str)> {
    RANKED.iter().enumerate().flat_map(|(group, (class, phrases))| {
        let said = Said {
            class: *class,
            compelling: group < COMPELLING_GROUPS,
        };
        phrases.iter().map(move |phrase| (said, *phrase))
    })
}

impl Phrases {
    pub(crate) fn compile() -> Result<Self, BuildError> {
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(all().map(|(_, phrase)| phrase.trim_matches(EDGE)))?;
        let ranks = all()
            .map(|(said, phrase)| Rank {
                said,
                begins_word: phrase.starts_with(EDGE),
                ends_word: phrase.ends_with(EDGE),
            })
            .collect();
        Ok(Self { automaton, ranks })
    }

    /// Whether a phrase says that nothing is wrong, whatever else the line says.
    pub(crate) fn harmless(&self, text: &str) -> bool {
        self.highest(text, |_| true)
            .is_some_and(|rank| rank < harmless::PHRASES.len())
    }

    /// What the phrase highest in the ranking says, among those in the text whose class `fits` accepts.
    pub(crate) fn find(&self, text: &str, fits: impl Fn(ErrorClass) -> bool) -> Option<Said> {
        let rank = self.highest(text, fits)?;
        self.ranks.get(rank).map(|rank| rank.said)
    }

    fn highest(&self, text: &str, fits: impl Fn(ErrorClass) -> bool) -> Option<usize> {
        let bytes = text.as_bytes();
        let within = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
        self.automaton
            .find_overlapping_iter(bytes)
            .filter(|found| {
                self.ranks.get(found.pattern().as_usize()).is_some_and(|asked| {
                    let begun = found.start().checked_sub(1).and_then(|at| bytes.get(at));
                    let inside = asked.begins_word && within(begun)
                        || asked.ends_word && within(bytes.get(found.end()));
                    !inside && fits(asked.said.class)
                })
            })
            .map(|found| found.pattern().as_usize())
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_phrase_stands_twice() {
        let mut seen = BTreeSet::new();
        for (_, phrase) in all() {
            assert!(seen.insert(phrase), "{phrase:?} stands twice");
        }
    }

    #[test]
    fn phrases_are_lower_case_and_short_ones_are_whole_words() {
        for (_, phrase) in all() {
            assert_eq!(phrase, phrase.to_ascii_lowercase());
            let bare = phrase.trim_matches(EDGE);
            assert!(
                bare.len() >= 5 || phrase.len() == bare.len() + 2,
                "{phrase:?} is too short"
            );
        }
    }

    #[test]
    fn every_class_has_a_phrase() {
        for class in ErrorClass::ALL {
            assert!(
                all().any(|(theirs, _)| theirs.class == class),
                "no phrase for {class:?}"
            );
        }
    }

    #[test]
    fn whole_words_are_not_found_inside_others() {
        let phrases = Phrases::compile().expect("the ranking compiles");
        let any = |text: &str| phrases.find(text, |_| true).map(|said| said.class);
        assert_eq!(any("signal: OOM killer"), Some(ErrorClass::Oom));
        assert_eq!(any("zoom killed the meeting"), None);
    }

    #[test]
    fn the_highest_in_the_ranking_decides_wherever_it_stands() {
        let phrases = Phrases::compile().expect("the ranking compiles");
        let text = "connection refused: Readiness probe failed";
        let found = |fits: fn(ErrorClass) -> bool| phrases.find(text, fits).expect("it holds phrases");
        let probe = found(|_| true);
        assert_eq!((probe.class, probe.compelling), (ErrorClass::InstanceDown, true));
        let refused = found(|class| class != ErrorClass::InstanceDown);
        assert_eq!((refused.class, refused.compelling), (ErrorClass::ConnFail, false));
    }
}
