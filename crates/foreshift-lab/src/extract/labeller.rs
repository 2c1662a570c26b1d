//! Rows wait here until it is known what came of them, and leave in order of time.
//!
//! What decides a label is the engine's own rule; a row waits at most for the longest horizon.

use std::collections::{BTreeMap, VecDeque};

use anyhow::bail;
use foreshift_domain::command::Verdict;
use foreshift_domain::fallback::Timing;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, RouteName, TargetName, Timestamp};
use foreshift_engine::{Evidence, IncidentChange, Label, LabelFacts, MAX_HORIZONS, Onset, Output, Row};

use super::hindsight::Hindsight;
use super::summary::Summary;
use super::thinning::Thinning;
use crate::replay::driver::Sink;
use crate::rows::{LabelledRow, RowWriter};

/// The most rows that wait: together with their features they take about 1.5 GB. Thousands of targets with a tick a
/// second and a horizon of minutes come near; fewer ticks are the way out.
const MAX_WAITING: usize = 2_000_000;

/// Follows one engine, and writes what it gives as rows with labels.
pub(super) struct Labeller<'a> {
    of: Of<'a>,
    timing: &'a Timing,
    thinning: Thinning,
    hindsight: Hindsight,
    targets: Vec<Followed>,
    places: BTreeMap<TargetName, usize>,
    /// Ticks with rows that wait, oldest first, and whose they are.
    ticks: VecDeque<(Timestamp, Vec<usize>)>,
    waiting: usize,
    writer: &'a mut RowWriter,
    summary: &'a mut Summary,
}

/// What is followed, and how it is written.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) timing: &'a Timing,
    /// Goes before the names of targets and routes.
    pub(super) prefix: &'a str,
    /// How many times as fast as life it goes.
    pub(super) pace: f64,
    pub(super) span: Span,
}

/// Rows of these ticks are written: from the first to before the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

/// What is known of one target.
struct Followed {
    name: TargetName,
    route: RouteName,
    rows: VecDeque<Waiting>,
    evidence: Evidence,
    counted: bool,
    min_requests: u32,
    last_seen: Timestamp,
}

struct Waiting {
    row: Row,
    evidence: Evidence,
    /// The least share of its own baseline that the target was given since.
    least_share: f64,
    draw: Draw,
    outcomes: [Option<Outcome>; MAX_HORIZONS],
}

/// Whether an alarm since was held out from action, and the least probability with which one was treated as it was.
#[derive(Clone, Copy)]
struct Draw {
    held_out: bool,
    propensity: f64,
}

#[derive(Clone, Copy)]
struct Outcome {
    label: Label,
    known_at: Option<Timestamp>,
    /// The beginning of the incident that the row looks at.
    incident: Option<Timestamp>,
    /// Whether we had moved traffic away by then.
    treated: bool,
    draw: Draw,
}

impl Draw {
    const NONE: Self = Self {
        held_out: false,
        propensity: 1.0,
    };
}

impl Outcome {
    const UNKNOWN: Self = Self {
        label: Label::Unknown,
        known_at: None,
        incident: None,
        treated: false,
        draw: Draw::NONE,
    };
}

impl<'a> Labeller<'a> {
    pub(super) fn new(
        of: Of<'a>,
        thinning: Thinning,
        hindsight: Hindsight,
        writer: &'a mut RowWriter,
        summary: &'a mut Summary,
    ) -> Self {
        Self {
            timing: of.timing,
            of,
            thinning,
            hindsight,
            targets: Vec::new(),
            places: BTreeMap::new(),
            ticks: VecDeque::new(),
            waiting: 0,
            writer,
            summary,
        }
    }

    /// The record ended: what is not known by now never will be.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        while let Some((tick, places)) = self.ticks.pop_front() {
            self.release(tick, &places)?;
        }
        Ok(())
    }

    fn see(&mut self, row: Row) -> anyhow::Result<()> {
        let place = match self.places.get(&row.target) {
            Some(place) => *place,
            None => {
                self.places.insert(row.target.clone(), self.targets.len());
                self.targets.push(Followed::new(&row));
                self.targets.len() - 1
            }
        };
        let Some(target) = self.targets.get_mut(place) else {
            return Ok(());
        };
        target.see(&row);
        let tick = row.tick;
        let wanted =
            self.of.span.since <= tick && tick < self.of.span.until && self.thinning.keeps_tick(tick);
        let cooldown = self.timing.cooldown;
        let marks = self.hindsight.marks(&row.target);
        let marked = marks
            .iter()
            .any(|mark| mark.start <= tick && tick < mark.end + cooldown);
        self.summary.ticks(row.at_risk && !marked);
        if !row.at_risk || marked || !wanted {
            return Ok(());
        }
        if self.waiting >= MAX_WAITING {
            bail!("more than {MAX_WAITING} rows wait for their label: take fewer ticks with --every");
        }
        self.waiting += 1;
        target.rows.push_back(Waiting {
            evidence: target.evidence,
            least_share: row.weight_share.unwrap_or(1.0),
            // What is drawn on this tick's prediction the next tick tells.
            draw: Draw::NONE,
            outcomes: [None; MAX_HORIZONS],
            row,
        });
        match self.ticks.back_mut().filter(|(time, _)| *time == tick) {
            Some((_, places)) => places.push(place),
            None => self.ticks.push_back((tick, vec![place])),
        }
        Ok(())
    }

    fn incident(&mut self, change: &IncidentChange) {
        if change.end.is_some() {
            return;
        }
        self.summary.incidents += 1;
        let onset = Onset {
            at: change.start,
            planned: change.planned,
        };
        // Known when the bucket closes that shows it, or when somebody said so.
        let marks = self.hindsight.marks(&change.target);
        let said = marks.iter().find(|mark| mark.start == change.start);
        let closed = change.start.floor_to(self.timing.bucket) + self.timing.bucket;
        let known_at = said.map_or(closed, |mark| mark.said_at);
        if let Some(place) = self.places.get(&change.target)
            && let Some(target) = self.targets.get_mut(*place)
        {
            target.settle(self.timing, change.start, Some(onset), known_at);
        }
    }

    fn given(&mut self, weights: &RouteWeights) {
        for weight in &weights.targets {
            let Some(target) = self
                .places
                .get(&weight.target)
                .and_then(|place| self.targets.get_mut(*place))
            else {
                continue;
            };
            if target.route != weights.route || weight.baseline_bp == 0 {
                continue;
            }
            let share = f64::from(weight.weight_bp) / f64::from(weight.baseline_bp);
            if share < 1.0 {
                target
                    .rows
                    .iter_mut()
                    .for_each(|row| row.least_share = row.least_share.min(share));
            }
        }
    }

    /// A tick is complete: rows mature, and those whose longest horizon has passed leave.
    fn mature(&mut self, now: Timestamp) -> anyhow::Result<()> {
        for target in &mut self.targets {
            target.settle(self.timing, now, None, now);
        }
        let longest = self.timing.horizons.last().copied().unwrap_or_default();
        while self.ticks.front().is_some_and(|(tick, _)| *tick + longest <= now) {
            if let Some((tick, places)) = self.ticks.pop_front() {
                self.release(tick, &places)?;
            }
        }
        Ok(())
    }

    fn release(&mut self, tick: Timestamp, places: &[usize]) -> anyhow::Result<()> {
        for place in places {
            let Some(target) = self.targets.get_mut(*place) else {
                continue;
            };
            let Some(row) = target.rows.pop_front() else {
                continue;
            };
            debug_assert_eq!(row.row.tick, tick);
            self.waiting -= 1;
            self.write(&row)?;
        }
        Ok(())
    }

    fn write(&mut self, waiting: &Waiting) -> anyhow::Result<()> {
        let row = &waiting.row;
        let target = format!("{}{}", self.of.prefix, row.target);
        let route = format!("{}{}", self.of.prefix, row.route);
        for (head, horizon) in self.timing.horizons.iter().enumerate() {
            let unknown = Outcome {
                treated: waiting.least_share < 1.0,
                draw: waiting.draw,
                ..Outcome::UNKNOWN
            };
            let seen = waiting.outcomes.get(head).copied().flatten().unwrap_or(unknown);
            let Some(outcome) = self.judged(row, *horizon, seen) else {
                self.summary.expected += 1;
                continue;
            };
            let Outcome {
                label,
                known_at,
                incident,
                treated,
                draw,
            } = outcome;
            let incident = incident.map(|start| format!("{target}@{}", start.as_millis()));
            let Some(thinned) = self.thinning.weight(&target, row.tick, head, label) else {
                continue;
            };
            self.summary.row(head, label);
            self.writer.push(&LabelledRow {
                time: row.tick,
                route: &route,
                target: &target,
                horizon_s: horizon.as_secs_f64() * self.of.pace,
                label: match label {
                    Label::Positive => Some(true),
                    Label::Negative => Some(false),
                    Label::Unknown => None,
                },
                known_at: known_at.filter(|_| label != Label::Unknown),
                incident: incident.as_deref(),
                weight: share(self.timing.tick, *horizon) * thinned,
                treated,
                propensity: draw.propensity,
                held_out: draw.held_out,
                weight_bp: row.weight_bp,
                features: &row.features,
            })?;
        }
        Ok(())
    }

    /// What came of a row, by what was seen and by what people said; `None` when they had expected it.
    fn judged(&self, row: &Row, horizon: Duration, seen: Outcome) -> Option<Outcome> {
        let longest = self.timing.horizons.last().copied().unwrap_or_default();
        let expected = |start| self.hindsight.expected(&row.target, start, longest);
        if seen.incident.is_some_and(expected) {
            return None;
        }
        let said = self.hindsight.verdict(&row.target, row.tick);
        match said {
            Some((Verdict::Expected, _)) => return None,
            Some((Verdict::Missed, said_at)) if seen.label != Label::Positive => {
                // Nobody saw when it began: it is named after the prediction that missed it.
                return Some(Outcome {
                    label: Label::Positive,
                    known_at: Some(said_at),
                    incident: Some(row.tick),
                    ..seen
                });
            }
            _ => {}
        }
        let mut ahead = self.hindsight.marks(&row.target).iter();
        let mark = ahead.find(|mark| row.tick < mark.start && mark.start <= row.tick + horizon);
        let Some(mark) = mark.filter(|_| seen.label != Label::Positive) else {
            return Some(seen);
        };
        Some(Outcome {
            label: if mark.start > row.tick + self.timing.guard {
                Label::Positive
            } else {
                Label::Unknown
            },
            known_at: Some(mark.said_at),
            incident: Some(mark.start),
            ..seen
        })
    }
}

/// The weight of one row: as many as fit into the horizon make one, so that those of one incident do.
fn share(tick: Duration, horizon: Duration) -> f64 {
    (tick.as_secs_f64() / horizon.as_secs_f64()).min(1.0)
}

impl Followed {
    fn new(row: &Row) -> Self {
        Self {
            name: row.target.clone(),
            route: row.route.clone(),
            rows: VecDeque::new(),
            evidence: Evidence::default(),
            counted: false,
            min_requests: 0,
            last_seen: Timestamp::MIN,
        }
    }

    fn see(&mut self, row: &Row) {
        debug_assert_eq!(self.name, row.target);
        self.route.clone_from(&row.route);
        self.evidence = Evidence {
            requests: row.requests,
            health: row.health_signals,
        };
        self.counted = row.counted;
        self.min_requests = row.min_requests;
        self.last_seen = row.last_seen;
        for waiting in &mut self.rows {
            waiting.draw.held_out |= row.held_out;
            waiting.draw.propensity = waiting.draw.propensity.min(row.propensity);
        }
    }

    /// Labels what can be labelled now.
    fn settle(&mut self, timing: &Timing, now: Timestamp, onset: Option<Onset>, known_at: Timestamp) {
        let (counted, enough, last_seen) = (self.counted, u64::from(self.min_requests), self.last_seen);
        for waiting in &mut self.rows {
            for (horizon, outcome) in timing.horizons.iter().zip(&mut waiting.outcomes) {
                if outcome.is_some() {
                    continue;
                }
                let tick = waiting.row.tick;
                let facts = LabelFacts {
                    tick,
                    horizon: *horizon,
                    onset,
                    known_until: now,
                    ended: false,
                    least_share: waiting.least_share,
                    evidence: self.evidence.since(waiting.evidence),
                    counted,
                    enough,
                    last_seen,
                };
                let Some(label) = facts.label(timing) else {
                    continue;
                };
                let ahead = onset.filter(|onset| tick < onset.at && onset.at <= tick + *horizon);
                *outcome = Some(Outcome {
                    label,
                    known_at: Some(ahead.map_or(tick + *horizon, |_| known_at)),
                    incident: ahead.map(|onset| onset.at),
                    treated: facts.treated(),
                    draw: waiting.draw,
                });
            }
        }
    }
}

impl Sink for Labeller<'_> {
    fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        match output {
            Output::Row(row) => self.see(Row::clone(row))?,
            Output::Incident(change) => self.incident(change),
            Output::Weights(weights) => self.given(weights),
            Output::Predictions(tick) => self.mature(tick.time)?,
            Output::Decision(..)
            | Output::Command(..)
            | Output::Alert(_)
            | Output::Model(_)
            | Output::Served(_) => {}
        }
        Ok(())
    }
}
