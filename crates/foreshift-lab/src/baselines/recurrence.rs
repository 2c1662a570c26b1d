//! Who failed lately fails again: a rate from the target's own record, drawn to the fleet's.

use std::collections::BTreeMap;

use foreshift_domain::{Duration, Timestamp};

use super::by_target;
use crate::evaluate::panel::Panel;

pub(super) const ABOUT: &str = "recurrence: incidents of the target, of which half are forgotten each day, over the time they were \
     counted in, drawn to the fleet's rate by as much as one incident";

/// Half of the record is forgotten after this.
const HALF_LIFE: Duration = Duration::DAY;
/// Incidents a day of a fleet that nothing is known of, and target-days of belief in it.
const FLEET_RATE: f64 = 0.1;
const FLEET_DAYS: f64 = 1.0;

#[derive(Clone, Copy, Default)]
struct Record {
    at: Option<Timestamp>,
    incidents: f64,
    days: f64,
    /// How many of the target's onsets have been counted.
    next: usize,
}

/// The probability of an incident within the horizon at the target's rate.
pub(super) fn rank(panel: &Panel) -> Vec<f64> {
    let onsets = onsets(panel);
    let (mut fleet_incidents, mut fleet_days) = (FLEET_RATE * FLEET_DAYS, FLEET_DAYS);
    let horizon_days = days(panel.horizon);
    by_target(panel, |record: &mut Record, index| {
        let Some(row) = panel.rows.get(index) else {
            return f64::NAN;
        };
        let passed = record.at.map_or(Duration::ZERO, |at| row.at.since(at));
        let kept = (-days(passed) / days(HALF_LIFE)).exp2();
        record.incidents *= kept;
        record.days *= kept;
        if !record.at.is_some_and(|at| panel.breaks_between(at, row.at)) {
            record.days += days(passed);
            fleet_days += days(passed);
        }
        record.at = Some(row.at);
        let mine = onsets.get(&row.target).map(Vec::as_slice).unwrap_or_default();
        while mine.get(record.next).is_some_and(|onset| *onset <= row.at) {
            record.incidents += 1.0;
            record.next += 1;
            fleet_incidents += 1.0;
        }
        let fleet_rate = fleet_incidents / fleet_days;
        let rate = (record.incidents + 1.0) / (record.days + 1.0 / fleet_rate);
        -(-rate * horizon_days).exp_m1()
    })
}

/// Onsets by target, in order of time.
fn onsets(panel: &Panel) -> BTreeMap<u32, Vec<Timestamp>> {
    let mut by_target: BTreeMap<u32, Vec<Timestamp>> = BTreeMap::new();
    for incident in &panel.incidents {
        by_target.entry(incident.target).or_default().push(incident.onset);
    }
    by_target.values_mut().for_each(|onsets| onsets.sort_unstable());
    by_target
}

fn days(span: Duration) -> f64 {
    span.as_secs_f64() / Duration::DAY.as_secs_f64()
}
