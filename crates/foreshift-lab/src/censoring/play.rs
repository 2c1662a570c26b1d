//! A fleet under an engine: the rows that were seen of it, with what is known of their outcome.

use std::sync::Arc;

use foreshift_domain::fallback::{Fallback, Mode, Timing};
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, Input, TargetName, Timestamp, Watermark};
use foreshift_engine::{Engine, Evidence, Label, LabelFacts, Onset, Output, Row};
use foreshift_predict::Model;
use foreshift_sim::{ReactingFleet, ReactingRun, ReactingSpec, WeightChange};
use indexmap::IndexSet;

use crate::train::simulated::OWN_DOING;

/// One tick in so many is kept as a row: neighbours say the same.
const KEEP_EVERY: i64 = 6;

/// What was seen of a fleet, in the order in which it happened.
pub(super) struct Played {
    pub(super) events: Vec<Event>,
    pub(super) targets: usize,
    pub(super) horizon: Duration,
    /// Of a row: those of one incident weigh as much as one.
    pub(super) row_weight: f64,
    pub(super) guard: Duration,
    /// Length of the fleet times its targets, in days.
    pub(super) target_days: f64,
}

pub(super) enum Event {
    /// A row; those without a label had none when the fleet ended.
    Row(Seen),
    /// An incident of this target began.
    Began { target: usize, at: Timestamp },
}

/// A row with what is known of it.
pub(super) struct Seen {
    pub(super) target: usize,
    pub(super) tick: Timestamp,
    pub(super) features: Box<[f32]>,
    pub(super) at_risk: bool,
    /// What the acting model predicted at the tick.
    pub(super) predicted: f64,
    pub(super) outcome: Option<Outcome>,
}

/// What became known of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) label: Label,
    pub(super) treated: bool,
    pub(super) hidden: bool,
    pub(super) silent: bool,
    pub(super) held_out: bool,
    pub(super) propensity: f64,
    /// It was there before we moved traffic away, or held that back.
    pub(super) ahead: bool,
    /// What was predicted at its tick.
    pub(super) predicted: f64,
}

/// A fresh model for such fleets, of the kind that ships: it does not read what we did, and has no plain regression.
pub(super) fn fresh_model(spec: &ReactingSpec) -> anyhow::Result<Model> {
    let (_, fallback) = world(spec, 0, Mode::Off)?;
    let fresh = foreshift_engine::fresh_model(&fallback).without_plain();
    Ok(fresh.reading(|feature| !OWN_DOING.contains(&feature)))
}

/// The fleet when nobody acts.
pub(super) fn untouched(spec: &ReactingSpec, model: &Model) -> anyhow::Result<Played> {
    let (fleet, fallback) = world(spec, 0, Mode::Off)?;
    Ok(Player::new(spec, &fallback, model).play(&fleet))
}

/// The fleet when this model acts, and so many of 10,000 alarm episodes are held out.
pub(super) fn acted_on(spec: &ReactingSpec, model: &Model, held_out_bp: u32) -> anyhow::Result<Played> {
    let (fleet, fallback) = world(spec, held_out_bp, Mode::Auto)?;
    Ok(Player::new(spec, &fallback, model).play(&fleet))
}

fn world(
    spec: &ReactingSpec,
    held_out_bp: u32,
    mode: Mode,
) -> anyhow::Result<(ReactingFleet, Arc<Fallback>)> {
    let fleet = spec.fleet();
    let yaml = fleet.fallback_yaml(&[("held_out_bp", held_out_bp)]);
    let mut fallback = foreshift_config::parse_fallback(&yaml, "fleet.yaml")?.value;
    // A model is trained between fleets, and held still on them.
    fallback.learning.online = false;
    for route in &mut fallback.routes {
        route.settings.mode = mode;
    }
    Ok((fleet, Arc::new(fallback)))
}

/// An engine in front of a fleet.
struct Player {
    engine: Engine,
    fallback: Arc<Fallback>,
    horizon: Duration,
    names: IndexSet<TargetName>,
    played: Played,
    /// By target: rows whose outcome is to come.
    waiting: Vec<Vec<Waiting>>,
    onsets: Vec<Option<Onset>>,
}

/// A row that waits.
struct Waiting {
    /// Where it is among the events.
    event: usize,
    tick: Timestamp,
    evidence: Evidence,
    least_share: f64,
    held_out: bool,
    propensity: f64,
    /// We moved traffic away after the tick, or held that back.
    ahead: bool,
}

impl Waiting {
    /// Notes what came of the row, once that is known. `seen` is what is known of its target.
    fn settled(&self, seen: LabelFacts, timing: &Timing, events: &mut [Event]) -> bool {
        let facts = LabelFacts {
            tick: self.tick,
            least_share: self.least_share,
            evidence: seen.evidence.since(self.evidence),
            ..seen
        };
        let Some(label) = facts.label(timing) else {
            return false;
        };
        if let Some(Event::Row(row)) = events.get_mut(self.event) {
            row.outcome = Some(Outcome {
                label,
                treated: facts.treated(),
                hidden: facts.hidden(),
                silent: facts.silent(),
                held_out: self.held_out,
                propensity: self.propensity,
                ahead: self.ahead,
                predicted: row.predicted,
            });
        }
        true
    }

    fn ahead_of(&self, seen: LabelFacts) -> bool {
        seen.onset
            .is_some_and(|onset| onset.at <= self.tick + seen.horizon)
    }
}

impl Player {
    fn new(spec: &ReactingSpec, fallback: &Arc<Fallback>, model: &Model) -> Self {
        let mut engine = Engine::new(1, Arc::clone(fallback), model.clone());
        engine.give_rows(true);
        let targets = fallback.targets.len();
        let horizon = fallback.timing.horizons.first().copied().unwrap_or_default();
        Self {
            engine,
            horizon,
            names: fallback
                .targets
                .iter()
                .map(|target| target.name.clone())
                .collect(),
            played: Played {
                events: Vec::new(),
                targets,
                horizon,
                row_weight: (fallback.timing.tick * KEEP_EVERY).as_secs_f64() / horizon.as_secs_f64(),
                guard: fallback.timing.guard,
                target_days: targets as f64 * f64::from(spec.hours) / 24.0,
            },
            waiting: (0..targets).map(|_| Vec::new()).collect(),
            onsets: vec![None; targets],
            fallback: Arc::clone(fallback),
        }
    }

    fn play(mut self, fleet: &ReactingFleet) -> Played {
        let mut run = fleet.begin();
        while let Some(signals) = run.step() {
            let now = run.now();
            for signal in signals {
                self.engine.handle(&Input::Signal(signal));
            }
            self.engine.handle(&Input::Watermark(Watermark {
                time: now,
                idle_partitions: 0,
            }));
            self.engine.handle(&Input::Clock(now));
            while let Some(output) = self.engine.poll_output() {
                self.take(output, &mut run);
            }
        }
        self.played
    }

    fn take(&mut self, output: Output, run: &mut ReactingRun<'_>) {
        match output {
            Output::Row(row) => self.row(*row),
            Output::Predictions(tick) => {
                let newest = self.played.events.iter_mut().rev().take(self.played.targets * 2);
                for event in newest {
                    let Event::Row(seen) = event else { continue };
                    if seen.tick != tick.time || !seen.predicted.is_nan() {
                        continue;
                    }
                    let known = tick.targets.get(seen.target).and_then(|one| one.probabilities);
                    seen.predicted = known.map_or(f64::NAN, |all| all[0]);
                }
            }
            Output::Incident(change) if change.end.is_none() => {
                let Some(target) = self.names.get_index_of(&change.target) else {
                    return;
                };
                let (at, planned) = (change.start, change.planned);
                let onset = Some(Onset { at, planned });
                if let Some(newest) = self.onsets.get_mut(target) {
                    *newest = onset;
                }
                self.failed(target, onset, run.now());
                self.played.events.push(Event::Began { target, at });
            }
            Output::Weights(weights) => run.set_weights(&change(&weights)),
            _ => {}
        }
    }

    /// An onset settles the rows that it was ahead of, before what it makes us do is their treatment.
    fn failed(&mut self, target: usize, onset: Option<Onset>, now: Timestamp) {
        let seen = LabelFacts {
            tick: now,
            horizon: self.horizon,
            onset,
            known_until: now,
            ended: false,
            least_share: 1.0,
            // A failure that was seen is no silence.
            evidence: Evidence {
                requests: u64::MAX,
                health: u64::MAX,
            },
            counted: true,
            enough: 1,
            last_seen: now,
        };
        if let Some(waiting) = self.waiting.get_mut(target) {
            let (timing, events) = (&self.fallback.timing, &mut self.played.events);
            waiting.retain(|waits| !waits.ahead_of(seen) || !waits.settled(seen, timing, events));
        }
    }

    /// What a row says of those before it is noted; then it waits itself.
    fn row(&mut self, row: Row) {
        let Some(target) = self.names.get_index_of(&row.target) else {
            return;
        };
        let evidence = Evidence {
            requests: row.requests,
            health: row.health_signals,
        };
        let share = row.weight_share.unwrap_or(1.0);
        let (timing, horizon) = (&self.fallback.timing, self.horizon);
        let onset = self.onsets.get(target).copied().flatten();
        let Some(waiting) = self.waiting.get_mut(target) else {
            return;
        };
        for waits in &mut *waiting {
            let moved = share < 1.0 && waits.least_share >= 1.0;
            waits.ahead |= moved || (row.held_out && !waits.held_out);
            waits.least_share = waits.least_share.min(share);
            waits.held_out |= row.held_out;
            waits.propensity = waits.propensity.min(row.propensity);
        }
        let seen = LabelFacts {
            tick: row.tick,
            horizon,
            onset,
            known_until: row.tick,
            ended: false,
            least_share: share,
            evidence,
            counted: row.counted,
            enough: u64::from(row.min_requests),
            last_seen: row.last_seen,
        };
        let events = &mut self.played.events;
        waiting.retain(|waits| !waits.settled(seen, timing, events));
        if (row.tick.as_micros() / timing.tick.as_micros().max(1)) % KEEP_EVERY != 0 {
            return;
        }
        if row.at_risk {
            waiting.push(Waiting {
                event: events.len(),
                tick: row.tick,
                evidence,
                least_share: share,
                held_out: row.held_out,
                propensity: row.propensity,
                ahead: false,
            });
        }
        events.push(Event::Row(Seen {
            target,
            tick: row.tick,
            features: row.features.iter().map(|value| *value as f32).collect(),
            at_risk: row.at_risk,
            predicted: f64::NAN,
            outcome: None,
        }));
    }
}

fn change(weights: &RouteWeights) -> WeightChange {
    let targets = weights.targets.iter();
    WeightChange {
        time: weights.decided_at,
        route: weights.route.clone(),
        weights: targets
            .map(|target| (target.target.clone(), target.weight_bp))
            .collect(),
    }
}
