//! What Foreshift decided in a lane, read from its record of decisions.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use foreshift_domain::Timestamp;
use serde::Deserialize;

use crate::scenario::Scenario;

/// A decision, as far as it is looked at here.
#[derive(Deserialize)]
struct Line {
    sequence: u64,
    /// Microseconds since 1970.
    time: i64,
    targets: Vec<LineTarget>,
}

#[derive(Deserialize)]
struct LineTarget {
    target: String,
    weight_bp: u32,
}

/// The weights that were in force from a moment on.
#[derive(Clone, Debug)]
pub(crate) struct Shift {
    /// Number of the decision.
    pub(crate) sequence: u64,
    pub(crate) decided: Timestamp,
    /// In seconds of the story; negative before it began.
    pub(crate) at_s: f64,
    /// In the order of the scenario's targets.
    pub(crate) weights_bp: Vec<u32>,
}

/// All of a lane, in order; none where there is no Foreshift.
pub(crate) fn read(dir: &Path, scenario: &Scenario, began_at: SystemTime) -> anyhow::Result<Vec<Shift>> {
    let folder = dir.join("state/decisions");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut paths: Vec<_> = std::fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let began_us = began_at.duration_since(UNIX_EPOCH)?.as_micros() as f64;
    let mut shifts = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)?;
        for line in text.lines() {
            let line: Line = serde_json::from_str(line)
                .with_context(|| format!("{} is no record of decisions", path.display()))?;
            shifts.push(shift(&line, scenario, began_us));
        }
    }
    Ok(shifts)
}

fn shift(line: &Line, scenario: &Scenario, began_us: f64) -> Shift {
    let weight = |name: &str| {
        let found = line.targets.iter().find(|target| target.target == name);
        found.map_or(0, |target| target.weight_bp)
    };
    Shift {
        sequence: line.sequence,
        decided: Timestamp::from_micros(line.time),
        at_s: (line.time as f64 - began_us) / 1e6 * scenario.pace,
        weights_bp: scenario
            .targets
            .iter()
            .map(|target| weight(&target.name))
            .collect(),
    }
}
