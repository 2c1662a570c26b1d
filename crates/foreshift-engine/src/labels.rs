//! What came of a prediction: the three states of a label, decided in this one place, online and from a record alike.
//!
//! A label is positive when an incident began in (tick + guard, tick + horizon], negative when none did, and unknown
//! when nobody can say. What hides an outcome is mostly our own doing: a target from which we moved the traffic did not
//! fail, perhaps because we moved it. Three rules follow.
//!
//! * An incident that was seen is positive, whatever we did: floor traffic, probes and health signals show most
//!   failures of a drained target.
//! * Of a treated target without an incident, silence proves nothing: a negative needs evidence since the tick. A
//!   signal of health is evidence by itself, requests are when the SLO could be judged by them.
//! * Evidence from a target that was relieved of much of its load says that it serves little, not that it would have
//!   served its own: failures which load brings about cannot show on floor traffic. Such a row is unknown too. A target
//!   that is known by its health alone has a load which our weights say nothing about, so for it this rule is off.
//!
//! An unknown is never a negative: what is made of it is the learner's choice.

use foreshift_domain::fallback::Timing;
use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

/// A target that kept less than this share of its own baseline was relieved. A quarter less load is within what traffic
/// does by itself in an hour, so a failure that needs the load of before would still have come at three quarters.
pub const RELIEVED_BELOW: f64 = 0.75;

/// Whether an incident began within the horizon of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// One began.
    Positive,
    /// None did, and it would have been seen.
    Negative,
    /// Nobody can say: it was hidden by our own action, by silence, or by the end of the record.
    Unknown,
}

/// The beginning of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Onset {
    /// When.
    pub at: Timestamp,
    /// Whether it was announced: nothing could have shown it.
    pub planned: bool,
}

/// What was seen of a target, in all; the difference of two is what was seen between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Requests that say something about the target.
    pub requests: u64,
    /// Signals of health: probes and reports, which need no traffic.
    pub health: u64,
}

impl Evidence {
    /// What was seen since an earlier count.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            health: self.health.saturating_sub(earlier.health),
        }
    }
}

/// What is known of the outcome of one row: a target, a tick and a horizon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelFacts {
    /// The prediction tick.
    pub tick: Timestamp,
    /// How far it looked ahead.
    pub horizon: Duration,
    /// The first incident after the tick, as far as one is known.
    pub onset: Option<Onset>,
    /// Event time up to which everything is known.
    pub known_until: Timestamp,
    /// Whether nothing will ever be known beyond that: the record ended, or the target was forgotten.
    pub ended: bool,
    /// The least share of its own baseline that the target was given from the tick on, 0 to 1 or more; below 1 the row
    /// is treated.
    pub least_share: f64,
    /// What was seen since the tick.
    pub evidence: Evidence,
    /// Whether the target ever served a counted request, so that its load follows our weights.
    pub counted: bool,
    /// Requests needed before the SLO could be judged by them, at least one.
    pub enough: u64,
    /// Newest telemetry of the target.
    pub last_seen: Timestamp,
}

impl LabelFacts {
    /// Whether we moved traffic away from the target between the tick and the end of the horizon.
    #[must_use]
    pub fn treated(&self) -> bool {
        self.least_share < 1.0
    }

    /// The label; `None` when it is not yet known.
    #[must_use]
    pub fn label(&self, timing: &Timing) -> Option<Label> {
        let end = self.tick + self.horizon;
        if let Some(onset) = self.onset_ahead() {
            // What begins within the guard is seen, not predicted.
            let predictable = onset.at > self.tick + timing.guard && !onset.planned;
            return Some(if predictable {
                Label::Positive
            } else {
                Label::Unknown
            });
        }
        if self.known_until < end {
            return self.ended.then_some(Label::Unknown);
        }
        if self.known_until.since(self.last_seen) > timing.staleness || self.hidden() {
            return Some(Label::Unknown);
        }
        Some(Label::Negative)
    }

    fn onset_ahead(&self) -> Option<Onset> {
        let end = self.tick + self.horizon;
        self.onset.filter(|onset| self.tick < onset.at && onset.at <= end)
    }

    /// Whether no incident was seen, and one that we may have averted could not be told from none.
    #[must_use]
    pub fn hidden(&self) -> bool {
        self.onset_ahead().is_none() && self.treated() && (self.silent() || self.relieved())
    }

    /// Whether too little was seen since the tick for anything to show.
    #[must_use]
    pub fn silent(&self) -> bool {
        self.evidence.health == 0 && self.evidence.requests < self.enough.max(1)
    }

    /// Whether it served so much less that failures which load brings about could not come.
    fn relieved(&self) -> bool {
        self.counted && self.least_share < RELIEVED_BELOW
    }
}

/// What targets that were relieved of their load showed all the same, against what was predicted of them: how much of
/// what is predicted floor traffic shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloorRecord {
    expected: f64,
    seen: f64,
}

impl Default for FloorRecord {
    /// Half, until as much is known as some incidents tell.
    fn default() -> Self {
        const INCIDENTS: f64 = 4.0;
        Self {
            expected: INCIDENTS,
            seen: INCIDENTS / 2.0,
        }
    }
}

impl FloorRecord {
    /// A row of a relieved target that was not silent: `probability` was predicted, `positive` says what was seen.
    pub fn note(&mut self, probability: f64, positive: bool, weight: f64) {
        if !probability.is_finite() || !weight.is_finite() {
            return;
        }
        self.expected += weight * probability;
        self.seen += weight * f64::from(u8::from(positive));
    }

    /// The share of predicted incidents that floor traffic shows, 0 to 1.
    #[must_use]
    pub fn shown(&self) -> f64 {
        (self.seen / self.expected).clamp(0.0, 1.0)
    }

    /// Probability that an incident was averted, after none was seen where `probability` was predicted: what Bayes'
    /// rule leaves of it. Silence leaves all.
    #[must_use]
    pub fn averted(&self, probability: f64, silent: bool) -> f64 {
        let shown = if silent { 0.0 } else { self.shown() };
        probability * (1.0 - shown) / (1.0 - probability * shown).max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Timestamp = Timestamp::from_secs(1_000);

    fn timing() -> Timing {
        let secs = Duration::from_secs;
        Timing {
            bucket: secs(1),
            tick: secs(1),
            horizons: vec![secs(100)],
            guard: secs(5),
            windows: [secs(5), secs(30), secs(300), secs(3_600)],
            cooldown: secs(60),
            staleness: secs(30),
            forget_after: secs(3_600),
        }
    }

    /// A row whose horizon has passed without an incident, on a target that serves as ever.
    fn quiet() -> LabelFacts {
        LabelFacts {
            tick: TICK,
            horizon: Duration::from_secs(100),
            onset: None,
            known_until: TICK + Duration::from_secs(100),
            ended: false,
            least_share: 1.0,
            evidence: Evidence {
                requests: 500,
                health: 20,
            },
            counted: true,
            enough: 10,
            last_seen: TICK + Duration::from_secs(99),
        }
    }

    fn onset(after_s: i64) -> Option<Onset> {
        Some(Onset {
            at: TICK + Duration::from_secs(after_s),
            planned: false,
        })
    }

    fn label(facts: LabelFacts) -> Option<Label> {
        facts.label(&timing())
    }

    #[test]
    fn a_label_is_positive_from_after_the_guard_to_the_end_of_the_horizon() {
        let of = |after_s| {
            label(LabelFacts {
                onset: onset(after_s),
                ..quiet()
            })
        };
        assert_eq!(
            of(0),
            Some(Label::Negative),
            "it began before the row looked ahead"
        );
        assert_eq!(of(5), Some(Label::Unknown), "within the guard");
        assert_eq!(of(6), Some(Label::Positive));
        assert_eq!(of(100), Some(Label::Positive));
        assert_eq!(of(101), Some(Label::Negative));
        let planned = onset(50).map(|onset| Onset {
            planned: true,
            ..onset
        });
        let announced = LabelFacts {
            onset: planned,
            ..quiet()
        };
        assert_eq!(label(announced), Some(Label::Unknown));
    }

    #[test]
    fn a_label_is_not_known_before_its_time_and_never_when_the_record_ends_before() {
        let early = LabelFacts {
            known_until: TICK + Duration::from_secs(99),
            ..quiet()
        };
        assert_eq!(label(early), None);
        assert_eq!(label(LabelFacts { ended: true, ..early }), Some(Label::Unknown));
        let seen = LabelFacts {
            onset: onset(50),
            ..early
        };
        assert_eq!(
            label(seen),
            Some(Label::Positive),
            "a positive is known at its onset"
        );
    }

    #[test]
    fn an_incident_that_was_seen_is_positive_whatever_we_did() {
        let drained = LabelFacts {
            least_share: 0.01,
            evidence: Evidence::default(),
            onset: onset(50),
            ..quiet()
        };
        assert_eq!(label(drained), Some(Label::Positive));
    }

    #[test]
    fn silence_of_a_treated_target_is_unknown_and_one_signal_of_health_is_evidence() {
        let drained = |requests, health| {
            label(LabelFacts {
                least_share: 0.9,
                evidence: Evidence { requests, health },
                ..quiet()
            })
        };
        assert_eq!(drained(9, 0), Some(Label::Unknown));
        assert_eq!(drained(10, 0), Some(Label::Negative));
        assert_eq!(drained(0, 1), Some(Label::Negative));
        let untreated = LabelFacts {
            evidence: Evidence::default(),
            ..quiet()
        };
        assert_eq!(
            label(untreated),
            Some(Label::Negative),
            "little traffic is no treatment"
        );
    }

    #[test]
    fn a_target_relieved_of_its_load_is_unknown_unless_its_load_was_never_ours() {
        let relieved = LabelFacts {
            least_share: RELIEVED_BELOW - 0.01,
            ..quiet()
        };
        assert_eq!(label(relieved), Some(Label::Unknown));
        let probed = LabelFacts {
            counted: false,
            ..relieved
        };
        assert_eq!(label(probed), Some(Label::Negative));
        let hardly = LabelFacts {
            least_share: RELIEVED_BELOW,
            ..quiet()
        };
        assert_eq!(label(hardly), Some(Label::Negative));
    }

    #[test]
    fn of_what_was_predicted_that_is_averted_which_floor_traffic_would_not_have_shown() {
        let mut floor = FloorRecord::default();
        assert_eq!(floor.shown(), 0.5);
        for row in 0..10_000 {
            floor.note(0.4, row % 10 == 0, 1.0);
        }
        assert!((floor.shown() - 0.25).abs() < 1e-3);
        // Of 100 with a chance of 0.4, 10 were seen; of the 90 others 30 were averted.
        assert!((floor.averted(0.4, false) - 30.0 / 90.0).abs() < 1e-3);
        assert_eq!(floor.averted(0.4, true), 0.4, "silence says nothing");
    }

    #[test]
    fn stale_telemetry_says_nothing() {
        let silent = LabelFacts {
            last_seen: TICK + Duration::from_secs(69),
            ..quiet()
        };
        assert_eq!(label(silent), Some(Label::Unknown));
    }
}
