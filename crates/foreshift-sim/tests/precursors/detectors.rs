//! Thresholds over rows, judged under a budget of false alarms.

use std::collections::BTreeMap;
use std::fmt;

use foreshift_domain::{Duration, TargetName, Timestamp};
use foreshift_sim::Recording;

use crate::rows::{self, Row, SIGNALS, TICK_S};

/// Alarms closer than this are one.
const MERGE: Duration = Duration::from_secs(120);
/// After a fault, for so long, alarms say nothing.
const AFTER: Duration = Duration::from_secs(420);
/// Nothing is judged in the first minutes: averages have to settle.
const SETTLE: Duration = Duration::from_secs(300);

/// What a row may be counted as.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Place {
    /// An alarm here is false.
    Quiet,
    /// An alarm here catches this fault, so many seconds ahead.
    Ahead { fault: usize, lead_s: i64 },
    /// An alarm here is neither.
    Masked,
}

pub(crate) struct World {
    rows: Vec<Row>,
    pub(crate) places: Vec<Place>,
    /// First row of each target.
    starts: Vec<usize>,
    faults: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Caught {
    pub(crate) faults: usize,
    pub(crate) of: usize,
    pub(crate) false_alarms: usize,
    pub(crate) threshold: f64,
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>2} of {} with {} false alarms",
            self.faults, self.of, self.false_alarms
        )
    }
}

impl World {
    pub(crate) fn of(recording: &Recording) -> Self {
        let by_target = rows::rows(recording);
        let mut world = Self {
            rows: Vec::new(),
            places: Vec::new(),
            starts: Vec::new(),
            faults: 0,
        };
        world.faults = recording
            .faults
            .iter()
            .filter(|fault| fault.precursor_start.is_some())
            .count();
        let routes: BTreeMap<TargetName, _> = recording
            .targets()
            .map(|(route, spec)| (spec.name.clone(), route.name.clone()))
            .collect();
        for (target, rows) in by_target {
            world.starts.push(world.rows.len());
            for row in rows {
                let beside = |other: &TargetName| routes.get(other) == routes.get(&target);
                world.places.push(place(recording, &target, row.time, beside));
                world.rows.push(row);
            }
        }
        world
    }

    pub(crate) fn faults(&self) -> usize {
        self.faults
    }

    /// Hours in which an alarm would be false.
    pub(crate) fn hours(&self) -> f64 {
        let quiet = self.places.iter().filter(|place| **place == Place::Quiet).count();
        quiet as f64 * TICK_S as f64 / 3_600.0
    }

    /// Share of the quiet rows in which a target breaks an SLO of 5 % errors and the route's latency: true
    /// incidents that no truth tells of.
    pub(crate) fn untold(&self) -> f64 {
        let quiet = self
            .rows
            .iter()
            .zip(&self.places)
            .filter(|(_, place)| **place == Place::Quiet);
        let broken = quiet
            .clone()
            .filter(|(row, _)| row.levels[0] >= 0.05 || row.levels[4] > 1.0);
        broken.count() as f64 / quiet.count().max(1) as f64
    }

    /// One false alarm for each target and day.
    pub(crate) fn budget(&self) -> usize {
        (self.hours() / 24.0).ceil() as usize
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Where each target's rows begin.
    pub(crate) fn starts_at(&self, index: usize) -> bool {
        self.starts.binary_search(&index).is_ok()
    }

    /// One column for each number that `read` gives for a row.
    pub(crate) fn columns(&self, read: impl Fn(&Row) -> Vec<f64>) -> Vec<Vec<f64>> {
        let all: Vec<Vec<f64>> = self.rows.iter().map(read).collect();
        let width = all.first().map_or(0, Vec::len);
        (0..width)
            .map(|column| all.iter().map(|row| row[column]).collect())
            .collect()
    }

    /// How far each signal is from its own moving average, in moving standard deviations.
    pub(crate) fn ewma(&self, half_life_s: f64) -> Vec<Vec<f64>> {
        let keep = libm::exp2(-(TICK_S as f64) / half_life_s);
        let levels = self.columns(|row| row.levels.to_vec());
        levels.iter().map(|column| self.z_scores(column, keep)).collect()
    }

    /// The same with a factor by which the past counts less each row. Incidents are left out of the averages, as
    /// an operator would: after one of them a signal would otherwise count as usual for hours.
    pub(crate) fn z_scores(&self, column: &[f64], keep: f64) -> Vec<f64> {
        let spread = self.quiet_deviation(column);
        let (mut mean, mut variance, mut weight) = (0.0, 0.0, 0.0);
        let mut scores = Vec::with_capacity(column.len());
        for (index, level) in column.iter().enumerate() {
            if self.starts_at(index) {
                (mean, variance, weight) = (*level, spread * spread, 0.0);
            }
            // Without a floor a signal that never moved would give infinite scores.
            scores.push((level - mean) / f64::max(libm::sqrt(variance), 0.3 * spread).max(1e-12));
            if self.places[index] == Place::Masked && weight > 120.0 {
                continue;
            }
            // The first rows count as a plain mean, so that it settles soon.
            weight += 1.0;
            let keep = keep.min(1.0 - 1.0 / (weight + 1.0));
            let step = level - mean;
            mean += (1.0 - keep) * step;
            variance = keep * (variance + (1.0 - keep) * step * step);
        }
        scores
    }

    /// Mean standard deviation of a signal at one target while nothing is wrong.
    fn quiet_deviation(&self, column: &[f64]) -> f64 {
        let bounds = self
            .starts
            .iter()
            .copied()
            .zip(self.starts.iter().copied().skip(1).chain([column.len()]));
        let variances: Vec<f64> = bounds
            .map(|(from, to)| {
                let quiet = (from..to).filter(|index| self.places[*index] == Place::Quiet);
                let (n, sum, squares) = quiet
                    .map(|index| column[index])
                    .fold((0.0, 0.0, 0.0), |(n, sum, squares), x| {
                        (n + 1.0, sum + x, squares + x * x)
                    });
                f64::max(
                    squares / f64::max(n, 1.0) - (sum / f64::max(n, 1.0)) * (sum / f64::max(n, 1.0)),
                    0.0,
                )
            })
            .collect();
        libm::sqrt(variances.iter().sum::<f64>() / variances.len().max(1) as f64)
    }
}

fn place(
    recording: &Recording,
    target: &TargetName,
    time: Timestamp,
    beside: impl Fn(&TargetName) -> bool,
) -> Place {
    let mut place = if time < recording.start + SETTLE {
        Place::Masked
    } else {
        Place::Quiet
    };
    let mut number = 0;
    for fault in &recording.faults {
        let start = fault.precursor_start.unwrap_or(fault.onset);
        if &fault.target == target {
            if fault.precursor_start.is_some() && time >= start && time < fault.onset {
                let lead_s = fault.onset.since(time).as_micros() / 1_000_000;
                return Place::Ahead {
                    fault: number,
                    lead_s,
                };
            }
            if time >= start && time < fault.end + AFTER {
                place = Place::Masked;
            }
        } else if beside(&fault.target) && time >= fault.onset && time < fault.end + AFTER {
            // Retries of a failing neighbour are load here.
            place = Place::Masked;
        }
        number += usize::from(fault.precursor_start.is_some());
    }
    place
}

/// What alarms catch, and how many of them are false.
fn judge(world: &World, alarm: impl Fn(usize) -> bool, lead_s: i64, threshold: f64) -> Caught {
    let mut caught = vec![false; world.faults];
    let (mut false_alarms, mut last) = (0, Timestamp::MIN);
    for (index, place) in world.places.iter().enumerate() {
        if world.starts_at(index) {
            last = Timestamp::MIN;
        }
        if !alarm(index) {
            continue;
        }
        let time = world.rows[index].time;
        match place {
            Place::Quiet => {
                false_alarms += usize::from(time.since(last) > MERGE);
                last = time;
            }
            Place::Ahead { fault, lead_s: lead } if *lead >= lead_s => caught[*fault] = true,
            _ => {}
        }
    }
    let faults = caught.iter().filter(|caught| **caught).count();
    Caught {
        faults,
        of: world.faults,
        false_alarms,
        threshold,
    }
}

/// Thresholds worth trying: the levels at the top of the quiet rows, and just above them all.
fn grid(world: &World, column: &[f64]) -> Vec<f64> {
    let quiet = column
        .iter()
        .zip(&world.places)
        .filter(|(_, place)| **place == Place::Quiet);
    let mut levels: Vec<f64> = quiet.map(|(level, _)| *level).collect();
    levels.sort_by(f64::total_cmp);
    let top = levels.len().saturating_sub(1);
    let mut grid: Vec<f64> = (0..120)
        .filter_map(|i| levels.get(top.saturating_sub(i * i / 4)).copied())
        .collect();
    grid.dedup();
    grid
}

/// The threshold that catches most within the budget.
pub(crate) fn best(world: &World, column: &[f64], lead_s: i64) -> Caught {
    within(world, column, lead_s, world.budget())
}

fn within(world: &World, column: &[f64], lead_s: i64, budget: usize) -> Caught {
    let tried = grid(world, column)
        .into_iter()
        .map(|threshold| judge(world, |row| column[row] > threshold, lead_s, threshold));
    let mut best = Caught {
        faults: 0,
        of: world.faults,
        false_alarms: 0,
        threshold: f64::INFINITY,
    };
    for caught in tried.take_while(|caught| caught.false_alarms <= 3 * budget + 3) {
        if caught.false_alarms <= budget && caught.faults > best.faults {
            best = caught;
        }
    }
    best
}

/// A threshold on every signal at once: each may raise so many false alarms that together they hold the budget.
pub(crate) fn best_union(world: &World, columns: &[Vec<f64>], lead_s: i64) -> Caught {
    let mut best = Caught {
        faults: 0,
        of: world.faults,
        false_alarms: 0,
        threshold: f64::INFINITY,
    };
    for each in 0..=world.budget() {
        let thresholds: Vec<f64> = columns
            .iter()
            .map(|column| within(world, column, lead_s, each).threshold)
            .collect();
        let alarm = |row: usize| (0..SIGNALS).any(|signal| columns[signal][row] > thresholds[signal]);
        let caught = judge(world, alarm, lead_s, 0.0);
        if caught.false_alarms <= world.budget() && caught.faults > best.faults {
            best = caught;
        }
    }
    best
}
