//! How well a model says what comes where nobody acts.

use std::collections::BTreeMap;

use foreshift_domain::Timestamp;
use foreshift_engine::Label;
use foreshift_predict::metrics::{Quality, rank};
use foreshift_predict::{Model, TargetModel};
use serde::Serialize;

use super::play::{Event, Played};

/// False alarms that are borne, of a target in a day.
const BUDGET: f64 = 1.0;

/// Figures of a model on an untouched fleet.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Figures {
    pub(super) average_precision: f64,
    /// Mean, in nats.
    pub(super) log_loss: f64,
    pub(super) expected_over_observed: f64,
    /// Share of the incidents that are alarmed of in time at one false alarm a target and day.
    pub(super) recall: f64,
}

/// A prediction of a target.
#[derive(Clone, Copy)]
struct Said {
    target: usize,
    tick: Timestamp,
    probability: f64,
}

pub(super) fn judge(model: &Model, fleet: &Played) -> Figures {
    let mut model = model.clone();
    let mut targets = vec![TargetModel::default(); fleet.targets];
    let mut onsets: BTreeMap<usize, Vec<Timestamp>> = BTreeMap::new();
    let (mut rows, mut said, mut quality) = (Vec::new(), Vec::new(), Quality::default());
    for event in &fleet.events {
        match event {
            Event::Began { target, at } => {
                onsets.entry(*target).or_default().push(*at);
                if let Some(target) = targets.get_mut(*target) {
                    model.incident_began(target, *at);
                }
            }
            Event::Row(row) => {
                let Some(target) = targets.get_mut(row.target) else {
                    continue;
                };
                model.observe(target, row.tick, row.at_risk);
                let features: Vec<f64> = row.features.iter().map(|value| f64::from(*value)).collect();
                let mut out = [0.0];
                let label = row.outcome.map(|outcome| outcome.label);
                let known = matches!(label, Some(Label::Positive | Label::Negative));
                if known && model.predict(target, row.tick, &features, &mut out).is_ok() {
                    let positive = label == Some(Label::Positive);
                    rows.push((out[0], positive));
                    quality.add(out[0], positive, 1.0);
                    said.push(Said {
                        target: row.target,
                        tick: row.tick,
                        probability: out[0],
                    });
                }
            }
        }
    }
    Figures {
        average_precision: rank(&mut rows).map_or(f64::NAN, |ranking| ranking.average_precision),
        log_loss: quality.log_loss().unwrap_or(f64::NAN),
        expected_over_observed: quality.expected_over_observed().unwrap_or(f64::NAN),
        recall: recall(&said, &onsets, fleet),
    }
}

/// Recall of incidents at the lowest threshold that keeps the budget.
fn recall(said: &[Said], onsets: &BTreeMap<usize, Vec<Timestamp>>, fleet: &Played) -> f64 {
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..20 {
        let middle = (low + high) / 2.0;
        let (_, false_alarms) = alarms(said, onsets, fleet, middle);
        if false_alarms as f64 > BUDGET * fleet.target_days {
            low = middle;
        } else {
            high = middle;
        }
    }
    let incidents: usize = onsets.values().map(Vec::len).sum();
    let (caught, _) = alarms(said, onsets, fleet, high);
    caught as f64 / incidents.max(1) as f64
}

/// Incidents alarmed of, and false alarms, at a threshold. Alarms less than a horizon apart are one.
fn alarms(
    said: &[Said],
    onsets: &BTreeMap<usize, Vec<Timestamp>>,
    fleet: &Played,
    threshold: f64,
) -> (usize, usize) {
    let mut caught = std::collections::BTreeSet::new();
    // By target: when it last alarmed, and whether that episode has come true.
    let mut open: Vec<Option<(Timestamp, bool)>> = vec![None; fleet.targets];
    let mut false_alarms = 0;
    for one in said.iter().filter(|one| one.probability >= threshold) {
        let begins = onsets.get(&one.target).map(Vec::as_slice).unwrap_or_default();
        let place = begins.partition_point(|onset| *onset <= one.tick + fleet.guard);
        let ahead = begins
            .get(place)
            .is_some_and(|onset| *onset <= one.tick + fleet.horizon);
        if ahead {
            caught.insert((one.target, place));
        }
        let Some(episode) = open.get_mut(one.target) else {
            continue;
        };
        match episode {
            Some((newest, came)) if one.tick.since(*newest) <= fleet.horizon => {
                *newest = one.tick;
                *came |= ahead;
            }
            _ => {
                false_alarms += usize::from(matches!(episode, Some((_, false))));
                *episode = Some((one.tick, ahead));
            }
        }
    }
    false_alarms += open.iter().filter(|one| matches!(one, Some((_, false)))).count();
    (caught.len(), false_alarms)
}
