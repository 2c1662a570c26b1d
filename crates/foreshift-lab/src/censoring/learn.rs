//! Training on what was seen, in several ways.

use foreshift_engine::{FloorRecord, Label, inverse_propensity};
use foreshift_predict::{Lesson, Model, TargetModel};
use serde::Serialize;

use super::play::{Event, Outcome, Played};

/// What is made of rows that we treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// A treated row without an incident is a negative.
    Naive,
    /// Hidden outcomes are learned as both, with what floor traffic would have shown; alarms are held out.
    Ours,
    /// The same without a hold-out.
    OursActingOnAll,
    /// Hidden outcomes are learned as both, as if floor traffic showed nothing; alarms are held out.
    Both,
    /// Hidden outcomes are left out; alarms are held out.
    Leave,
    /// All treated rows are left out, and what was held out counts for them.
    HeldOutAlone,
    /// Nobody ever acts: what a simulation alone can show.
    Bound,
}

impl Way {
    pub(super) const MAIN: [Self; 3] = [Self::Naive, Self::Ours, Self::Bound];
    pub(super) const ALL: [Self; 7] = [
        Self::Naive,
        Self::Ours,
        Self::OursActingOnAll,
        Self::Both,
        Self::Leave,
        Self::HeldOutAlone,
        Self::Bound,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Ours => "ours",
            Self::OursActingOnAll => "ours, nothing held out",
            Self::Both => "both",
            Self::Leave => "left out",
            Self::HeldOutAlone => "held-out alone",
            Self::Bound => "bound",
        }
    }

    pub(super) fn holds_out(self) -> bool {
        !matches!(self, Self::Naive | Self::OursActingOnAll | Self::Bound)
    }

    /// What a row teaches; `None` is left out.
    fn lesson(self, outcome: &Outcome, predicted: f64, floor: &FloorRecord) -> Option<Lesson> {
        let certain = |positive: bool, weight: f64| Lesson {
            positive: f64::from(u8::from(positive)),
            weight,
            calibration: if outcome.treated { 0.0 } else { weight },
        };
        if self == Self::Naive {
            let positive = match outcome.label {
                Label::Positive => true,
                Label::Negative => false,
                Label::Unknown if outcome.hidden => false,
                Label::Unknown => return None,
            };
            return Some(Lesson {
                calibration: 1.0,
                ..certain(positive, 1.0)
            });
        }
        if self == Self::HeldOutAlone {
            let stands_for = inverse_propensity(outcome.propensity);
            let known = outcome.label != Label::Unknown && !outcome.treated;
            return known.then(|| certain(outcome.label == Label::Positive, stands_for));
        }
        match outcome.label {
            Label::Positive => Some(certain(true, 1.0)),
            Label::Negative => Some(certain(false, 1.0)),
            Label::Unknown if !outcome.hidden || self == Self::Leave => None,
            Label::Unknown => Some(Lesson {
                positive: match self {
                    Self::Both => predicted,
                    _ => floor.averted(predicted, outcome.silent),
                },
                weight: 1.0,
                calibration: 0.0,
            }),
        }
        .map(|lesson| Lesson {
            calibration: lesson.calibration * inverse_propensity(outcome.propensity),
            ..lesson
        })
    }
}

/// A model trained on these fleets, from `fresh`.
pub(super) fn train(fresh: &Model, fleets: &[&Played], way: Way, epochs: u32) -> Model {
    let floor = floor_record(fleets);
    let mut model = fresh.clone();
    for _ in 0..epochs.max(1) {
        for fleet in fleets {
            let mut targets = vec![TargetModel::default(); fleet.targets];
            for event in &fleet.events {
                learn(&mut model, &mut targets, event, way, &floor);
            }
        }
    }
    model.released("cycle@1")
}

fn learn(model: &mut Model, targets: &mut [TargetModel], event: &Event, way: Way, floor: &FloorRecord) {
    /// Rows of half a minute in a horizon of ten: those of one incident weigh as much as one.
    const ROW_WEIGHT: f64 = 0.05;
    match event {
        Event::Began { target, at } => {
            if let Some(target) = targets.get_mut(*target) {
                model.incident_began(target, *at);
            }
        }
        Event::Row(row) => {
            let Some(target) = targets.get_mut(row.target) else {
                return;
            };
            model.observe(target, row.tick, row.at_risk);
            let lesson = row
                .outcome
                .as_ref()
                .and_then(|outcome| way.lesson(outcome, row.predicted, floor));
            let Some(lesson) = lesson else { return };
            let features: Vec<f64> = row.features.iter().map(|value| f64::from(*value)).collect();
            let example = model.encode(target, row.tick, &features);
            let lesson = Lesson {
                weight: lesson.weight * ROW_WEIGHT,
                calibration: lesson.calibration * ROW_WEIGHT,
                ..lesson
            };
            model.teach(0, target, &example, lesson);
        }
    }
}

/// What relieved targets showed of what was predicted of them.
fn floor_record(fleets: &[&Played]) -> FloorRecord {
    const ROW_WEIGHT: f64 = 0.05;
    let mut floor = FloorRecord::default();
    for event in fleets.iter().flat_map(|fleet| &fleet.events) {
        let Event::Row(row) = event else { continue };
        let Some(outcome) = row.outcome else { continue };
        let known = outcome.label != Label::Unknown;
        if outcome.treated && !outcome.silent && (known || outcome.hidden) {
            floor.note(row.predicted, outcome.label == Label::Positive, ROW_WEIGHT);
        }
    }
    floor
}
