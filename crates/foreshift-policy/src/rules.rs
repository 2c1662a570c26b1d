//! The rules of the envelope by number, name and text, so that docs, metrics and the command line agree.

use foreshift_domain::weights::Version;

/// A rule of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number in the safety model, from 1.
    pub number: u8,
    /// Its name: lower case, for metrics and clauses.
    pub name: &'static str,
    /// What it promises.
    pub text: &'static str,
}

/// All rules, in the order of their numbers.
pub const RULES: [Rule; 17] = [
    Rule {
        number: 1,
        name: "sum",
        text: "The weights of a route are whole basis points, none negative, and sum to exactly 10,000.",
    },
    Rule {
        number: 2,
        name: "capacity",
        text: "No target is given more than its headroom allows; if a shift does not fit, only what fits moves. \
               Without counts in the signals the rule is off, and the plan says so.",
    },
    Rule {
        number: 3,
        name: "predictive_bound",
        text: "On a prediction alone, the share moved away from baseline and the number of routes that begin to \
               move are bounded, and the floor stays. Only a confirmed hard-down may go to zero.",
    },
    Rule {
        number: 4,
        name: "rate",
        text: "A weight changes at most so fast per second; a separate, faster bound holds while a hard-down drains.",
    },
    Rule {
        number: 5,
        name: "hysteresis",
        text: "An alarm ends lower than it begins, a change of direction waits for the dwell, and past the cap on \
               changes of direction in an hour the route freezes. A hard-down waits for neither.",
    },
    Rule {
        number: 6,
        name: "expiry",
        text: "A prediction that is not renewed walks back to baseline in bounded time, and a restart revives \
               nothing that expired.",
    },
    Rule {
        number: 7,
        name: "version",
        text: "Versions on the wire strictly increase for each route.",
    },
    Rule {
        number: 8,
        name: "override",
        text: "A person's pin or freeze wins at once over every other rule but the sum.",
    },
    Rule {
        number: 9,
        name: "stale",
        text: "Stale telemetry holds, then decays to baseline, never towards a target last seen down. Silence is \
               never read as failure.",
    },
    Rule {
        number: 10,
        name: "model_failure",
        text: "A failed model, or a risk that is not a probability, leaves the reactive rules alone to propose.",
    },
    Rule {
        number: 11,
        name: "correlated_alarms",
        text: "When too large a share of all targets, or most of a route's few, alarm together, predictive shifts freeze and \
               reactive ones go on.",
    },
    Rule {
        number: 12,
        name: "determinism",
        text: "The same inputs give the same outputs, on every replica and after every restart.",
    },
    Rule {
        number: 13,
        name: "validity",
        text: "Every plan says until when it is valid and is renewed before; from then on a gateway uses its baseline.",
    },
    Rule {
        number: 14,
        name: "reasons",
        text: "Every change has a reason and names the rules that bound it.",
    },
    Rule {
        number: 15,
        name: "errors_first",
        text: "Fast errors are not good latency: latency is looked at only where errors are fine.",
    },
    Rule {
        number: 16,
        name: "sync",
        text: "A target that is out of sync, or whose lag is unknown, receives no shifted traffic.",
    },
    Rule {
        number: 17,
        name: "held_out",
        text: "An alarm that was drawn to be held out moves nothing, so that what comes of it is seen; the reactive rules \
               act as ever. Never on a critical route, and only while others could take the target's share over.",
    },
];

/// The rule of that number, 1 to 17.
pub fn rule(number: u8) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.number == number)
}

/// The version after `latest` for a process in `epoch`: strictly larger, whatever both are (rule 7).
///
/// An epoch that is behind (a restored disk, a clock set back) does not take the version back: the newer
/// epoch is kept and its sequence counts on. At the end of a sequence the epoch counts on.
pub fn next_version(latest: Version, epoch: u64) -> Version {
    if epoch > latest.epoch {
        return Version { epoch, sequence: 1 };
    }
    match latest.sequence.checked_add(1) {
        Some(sequence) => Version {
            epoch: latest.epoch,
            sequence,
        },
        None => Version {
            epoch: latest.epoch.saturating_add(1),
            sequence: 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_numbered_in_order_and_their_names_differ() {
        for (at, one) in RULES.iter().enumerate() {
            assert_eq!(usize::from(one.number), at + 1);
            assert_eq!(rule(one.number), Some(one));
            assert_eq!(RULES.iter().filter(|other| other.name == one.name).count(), 1);
        }
        assert_eq!((rule(0), rule(18)), (None, None));
    }
}
