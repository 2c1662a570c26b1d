//! What floor traffic shows of what is predicted.
//!
//! A target that was relieved and did not fail was spared, or would not have failed. What tells the two apart is how
//! much of what is predicted shows on relieved targets at all: nearly everything where a fault is the target's own,
//! nothing where load brings it about. Trees learn that share by what a row looks like, beginning at what was predicted
//! of it. They are grown twice, on the even targets and on the odd, and each half is asked of the other's rows: rows
//! that were seen to be quiet would otherwise speak for themselves.

use foreshift_boost::Params;
use foreshift_engine::{FloorRecord, Label};
use foreshift_predict::probability_of;
use foreshift_predict::trees::Trees;

use super::learn::{Averted, Table};
use super::play::{Event, Outcome, Played, Seen};

/// What comes of alarms is not what was said: of all that is said by chance too high, alarms are what passes a threshold,
/// and of a row before an alarm too little was said, as the alarm is news. Alarms that were held out tell by how much;
/// so many incidents' worth of them stand for no difference.
#[derive(Clone, Copy, Debug)]
struct Excess {
    said: f64,
    came: f64,
}

impl Excess {
    const INCIDENTS: f64 = 4.0;

    /// Of rows under alarms, and of rows ahead of them.
    fn of(fleets: &[&Played]) -> [Self; 2] {
        let none = Self {
            said: Self::INCIDENTS,
            came: Self::INCIDENTS,
        };
        let mut excess = [none; 2];
        let [under, ahead] = &mut excess;
        for fleet in fleets {
            for (_, outcome) in outcomes(fleet).filter(|(_, outcome)| outcome.held_out && !outcome.treated) {
                if outcome.label != Label::Unknown && outcome.predicted.is_finite() {
                    let excess = if outcome.ahead { &mut *ahead } else { &mut *under };
                    excess.said += fleet.row_weight * outcome.predicted;
                    excess.came += fleet.row_weight * f64::from(u8::from(outcome.label == Label::Positive));
                }
            }
        }
        excess
    }

    /// What comes of what was said.
    fn without(self, said: f64) -> f64 {
        (said * self.came / self.said).clamp(0.0, 1.0)
    }
}

/// Fewer rows of relieved targets tell nothing by their looks.
const ENOUGH: usize = 1_000;

/// What relieved targets showed of what was predicted of them.
pub(super) struct Floor {
    record: FloorRecord,
    /// Of rows under alarms, and of rows ahead of them.
    excess: [Excess; 2],
    /// By half of the targets: grown on the other half.
    halves: [Option<Trees>; 2],
}

impl Floor {
    pub(super) fn of(fleets: &[&Played], inputs: usize, unread: &[usize], seed: u64) -> anyhow::Result<Self> {
        let mut record = FloorRecord::default();
        let mut tables = [Table::default(), Table::default()];
        for (fleet, row, outcome) in fleets.iter().flat_map(|fleet| watched(fleet)) {
            let seen = outcome.label == Label::Positive;
            record.note(outcome.predicted, seen, fleet.row_weight);
            let [even, odd] = &mut tables;
            let teaches = if row.target % 2 == 0 { odd } else { even };
            let logit = logit(outcome.predicted);
            teaches.add_from(logit, &row.features, f64::from(u8::from(seen)), unread);
        }
        let params = || Params {
            trees: 40,
            leaves: 8,
            seed,
            ..Params::default()
        };
        let grow = |table: &Table| match table.len() {
            ..ENOUGH => Ok(None),
            _ => table.trees(inputs, params()).map(Some),
        };
        let [even, odd] = &tables;
        Ok(Self {
            record,
            excess: Excess::of(fleets),
            halves: [grow(even)?, grow(odd)?],
        })
    }

    /// The share of predicted incidents that floor traffic showed.
    pub(super) fn shown(fleet: &Played) -> f64 {
        let mut record = FloorRecord::default();
        for (fleet, _, outcome) in watched(fleet) {
            record.note(
                outcome.predicted,
                outcome.label == Label::Positive,
                fleet.row_weight,
            );
        }
        record.shown()
    }

    /// Probability that an incident of this row was averted, after none was seen.
    pub(super) fn averted(&self, row: &Seen, outcome: &Outcome) -> Averted {
        let by_all = self.record.averted(outcome.predicted, outcome.silent);
        let trees = self.halves.get(row.target % 2).and_then(Option::as_ref);
        let by_likes = match trees {
            Some(trees) if !outcome.silent => {
                let features: Vec<f64> = row.features.iter().map(|value| f64::from(*value)).collect();
                let [under, ahead] = self.excess;
                let excess = if outcome.ahead { ahead } else { under };
                let shows = probability_of(logit(outcome.predicted) + trees.logit(&features));
                ((excess.without(outcome.predicted) - shows) / (1.0 - shows)).clamp(0.0, 1.0)
            }
            _ => by_all,
        };
        Averted { by_likes, by_all }
    }
}

/// Rows of relieved targets of which something was seen.
fn watched(fleet: &Played) -> impl Iterator<Item = (&Played, &Seen, &Outcome)> {
    outcomes(fleet).filter_map(move |(row, outcome)| {
        let told = outcome.label != Label::Unknown || outcome.hidden;
        let watched = outcome.treated && !outcome.silent && told && outcome.predicted.is_finite();
        watched.then_some((fleet, row, outcome))
    })
}

fn outcomes(fleet: &Played) -> impl Iterator<Item = (&Seen, &Outcome)> {
    fleet.events.iter().filter_map(|event| match event {
        Event::Row(row) => Some((row, row.outcome.as_ref()?)),
        Event::Began { .. } => None,
    })
}

fn logit(probability: f64) -> f64 {
    const LEAST: f64 = 1e-6;
    let held = probability.clamp(LEAST, 1.0 - LEAST);
    (held / (1.0 - held)).ln()
}
