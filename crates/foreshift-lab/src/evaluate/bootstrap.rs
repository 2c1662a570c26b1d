//! Intervals by incident: what happens on a target in a day is drawn together, or not at all.
//!
//! Rows of one incident say the same thing many times over, so rows cannot be drawn one by one. Blocks are
//! target-days; where fewer than [`ENOUGH_BLOCKS`] of them hold an incident, they are cut further, so that each
//! incident has a block of its own. All methods are measured on the same draws, so their differences are paired.

use std::collections::{BTreeMap, BTreeSet};

use foreshift_domain::Duration;
use serde::Serialize;

use super::panel::{Panel, Row};

/// With so many target-days that hold an incident, target-days are drawn.
const ENOUGH_BLOCKS: usize = 50;
/// Half of what lies outside of an interval.
const TAIL: f64 = 0.025;

/// To which block each row belongs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blocks {
    pub(crate) of_row: Vec<u32>,
    pub(crate) count: usize,
    /// How they were cut.
    pub(crate) kind: BlockKind,
}

/// How rows are cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlockKind {
    /// A day of a target.
    TargetDays,
    /// The time of a target, within a day, up to an incident.
    Incidents,
}

impl Blocks {
    pub(crate) fn of(panel: &Panel) -> Self {
        let day = |row: &Row| row.at.floor_to(Duration::DAY);
        let positive_days: BTreeSet<_> = panel
            .rows
            .iter()
            .filter(|row| row.label == Some(true))
            .map(|row| (row.target, day(row)))
            .collect();
        let kind = match positive_days.len() >= ENOUGH_BLOCKS {
            true => BlockKind::TargetDays,
            false => BlockKind::Incidents,
        };
        let mut passed: BTreeMap<u32, (Option<u32>, u32)> = BTreeMap::new();
        let mut numbers = BTreeMap::new();
        let mut number = |row: &Row| {
            let (last, incidents) = passed.entry(row.target).or_default();
            // A new stretch begins behind the last row of an incident.
            if row.incident != *last {
                *incidents += u32::from(last.is_some());
                *last = row.incident;
            }
            let stretch = if kind == BlockKind::Incidents {
                *incidents
            } else {
                0
            };
            // An incident around midnight belongs to the day of its onset.
            let onset = row
                .incident
                .and_then(|incident| panel.incidents.get(incident as usize));
            let day = onset.map_or(day(row), |incident| incident.onset.floor_to(Duration::DAY));
            let next = numbers.len() as u32;
            *numbers.entry((row.target, day, stretch)).or_insert(next)
        };
        let of_row = panel.rows.iter().map(&mut number).collect();
        Self {
            of_row,
            count: numbers.len(),
            kind,
        }
    }
}

/// How often each block was drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts(Vec<f64>);

impl Counts {
    /// How often this block was drawn.
    pub(crate) fn of(&self, block: u32) -> f64 {
        self.0.get(block as usize).copied().unwrap_or_default()
    }

    /// Draws of `blocks` blocks with replacement: the same seed, the same draws.
    pub(crate) fn draw(blocks: usize, resamples: usize, seed: u64) -> Vec<Self> {
        let mut draws = fastrand::Rng::with_seed(seed);
        let mut one = || {
            let mut counts = vec![0.0; blocks];
            for _ in 0..blocks {
                if let Some(slot) = counts.get_mut(draws.usize(..blocks)) {
                    *slot += 1.0;
                }
            }
            Self(counts)
        };
        (0..resamples).map(|_| one()).collect()
    }
}

/// A figure with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Estimate {
    /// Of all rows.
    pub(crate) value: f64,
    /// Bounds of the 95 % interval; NaN where no resample has the figure.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// From its value and those of resamples; those that are no number are left out.
    pub(crate) fn new(value: f64, resampled: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = resampled.into_iter().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        Self {
            value,
            low: quantile(&sorted, TAIL),
            high: quantile(&sorted, 1.0 - TAIL),
        }
    }
}

/// Of ascending values, between neighbours in proportion; NaN of none.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let (below, rest) = (at.floor() as usize, at.fract());
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + rest * (high - low),
        (Some(only), None) => *only,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::super::panel::tests::Made;
    use super::*;

    #[test]
    fn an_interval_covers_the_truth_about_as_often_as_it_says() {
        let mut draws = fastrand::Rng::with_seed(3);
        let (mut covered, truth, incidents) = (0, 0.6, 80);
        for round in 0..300 {
            let hits: Vec<f64> = (0..incidents)
                .map(|_| f64::from(u8::from(draws.f64() < truth)))
                .collect();
            let recall = |counts: &Counts| {
                let drawn = hits.iter().zip(0..).map(|(hit, block)| hit * counts.of(block));
                drawn.sum::<f64>() / incidents as f64
            };
            let resamples = Counts::draw(incidents, 200, round);
            let value = hits.iter().sum::<f64>() / incidents as f64;
            let interval = Estimate::new(value, resamples.iter().map(recall));
            covered += u32::from(interval.low <= truth && truth <= interval.high);
        }
        assert!((270..=295).contains(&covered), "{covered} of 300");
    }

    #[test]
    fn rows_of_an_incident_are_drawn_together_also_over_midnight() {
        let made = Made {
            ticks: 3 * 1_440,
            tick_s: 60,
            horizon_ticks: 60,
            cooldown: 10,
            onsets: vec![vec![700, 1_445, 2_000, 2_500], vec![], vec![2_890]],
        };
        let panel = made.panel();
        let blocks = Blocks::of(&panel);
        assert_eq!(blocks.kind, BlockKind::Incidents);
        let mut by_incident: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (row, block) in panel.rows.iter().zip(&blocks.of_row) {
            if let Some(incident) = row.incident {
                by_incident.entry(incident).or_default().insert(*block);
            }
        }
        assert_eq!(by_incident.len(), 5);
        assert!(
            by_incident.values().all(|blocks| blocks.len() == 1),
            "{by_incident:?}"
        );
        let distinct: BTreeSet<_> = by_incident.into_values().flatten().collect();
        assert_eq!(distinct.len(), 5, "each has a block of its own");
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_one_does_not() {
        assert_eq!(Counts::draw(50, 3, 1), Counts::draw(50, 3, 1));
        assert_ne!(Counts::draw(50, 3, 1), Counts::draw(50, 3, 2));
        let drawn = Counts::draw(50, 1, 1);
        assert_eq!((0..50).map(|block| drawn[0].of(block)).sum::<f64>(), 50.0);
    }
}
