//! Pairs of scores from a CSV, through the same gate as the shadow's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, ensure};
use foreshift_domain::prediction::Comparison;
use foreshift_domain::{Duration, Timestamp, rfc3339};
use foreshift_predict::gate::{Gate, Pair, TargetAlarms};
use serde::Deserialize;

/// The most rows that are read: some gigabytes of them.
const MAX_ROWS: usize = 50_000_000;

/// One row of the file.
#[derive(Deserialize)]
struct Written {
    /// RFC 3339, or seconds since the Unix epoch.
    time: String,
    target: String,
    horizon_s: f64,
    /// 0 or 1; empty where nobody knows.
    label: Option<u8>,
    champion: f64,
    challenger: f64,
    #[serde(default)]
    row_weight: Option<f64>,
    #[serde(default)]
    incident_id: Option<String>,
}

struct Row {
    time: Timestamp,
    target: u32,
    horizon: Duration,
    label: Option<bool>,
    said: Pair,
    weight: f64,
    incident: String,
}

/// Compares two models by what they said of the same rows.
pub(super) fn compare(path: &Path) -> anyhow::Result<Comparison> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    read_and_compare(file).with_context(|| format!("in {}", path.display()))
}

fn read_and_compare(from: impl std::io::Read) -> anyhow::Result<Comparison> {
    let mut targets = BTreeMap::new();
    let mut rows = Vec::new();
    for written in csv::Reader::from_reader(from).into_deserialize::<Written>() {
        ensure!(
            rows.len() < MAX_ROWS,
            "more than {MAX_ROWS} rows: compare a part of them"
        );
        rows.push(row(written?, &mut targets)?);
    }
    rows.sort_by_key(|row| row.time);
    let longest = rows
        .iter()
        .map(|row| row.horizon)
        .max()
        .context("there is no row")?;
    Ok(play(&rows, longest, targets.len()).comparison())
}

fn row(written: Written, targets: &mut BTreeMap<String, u32>) -> anyhow::Result<Row> {
    let seconds = || written.time.parse().ok().map(Timestamp::from_secs);
    let time = rfc3339::parse(&written.time).or_else(seconds);
    let next = u32::try_from(targets.len()).context("too many targets")?;
    ensure!(
        written.horizon_s > 0.0,
        "a horizon must be above 0, not {}",
        written.horizon_s
    );
    Ok(Row {
        time: time.with_context(|| format!("{:?} is no time", written.time))?,
        target: *targets.entry(written.target).or_insert(next),
        horizon: Duration::from_secs_f64(written.horizon_s),
        label: written.label.map(|label| label != 0),
        said: Pair {
            champion: written.champion,
            challenger: written.challenger,
        },
        weight: written.row_weight.unwrap_or(1.0),
        incident: written.incident_id.unwrap_or_default(),
    })
}

/// Rows in order of time; an incident began right after the last row that is positive for it.
fn play(rows: &[Row], longest: Duration, targets: usize) -> Gate {
    let mut last_positive: BTreeMap<(u32, &str), Timestamp> = BTreeMap::new();
    let judged = |row: &&Row| row.horizon == longest && row.label == Some(true) && !row.incident.is_empty();
    for row in rows.iter().filter(judged) {
        last_positive.insert((row.target, &row.incident), row.time);
    }
    let mut onsets: BTreeSet<(Timestamp, u32)> = BTreeSet::new();
    onsets.extend(
        last_positive
            .into_iter()
            .map(|((target, _), at)| (at + Duration::from_micros(1), target)),
    );
    let mut gate = Gate::new(longest, Duration::ZERO);
    let mut alarms = vec![TargetAlarms::default(); targets];
    for row in rows {
        while let Some((at, target)) = onsets.first().copied().filter(|(at, _)| *at <= row.time) {
            onsets.remove(&(at, target));
            if let Some(alarms) = alarms.get(target as usize) {
                gate.incident(alarms, at);
            }
        }
        gate.advance(row.time);
        if row.horizon == longest
            && let Some(alarms) = alarms.get_mut(row.target as usize)
        {
            gate.look(alarms, row.time, row.said);
        }
        if let Some(positive) = row.label {
            gate.matured(row.target, row.said, positive, row.weight);
        }
    }
    gate
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Days of hourly rows of ten targets; each target fails once in four days, and its last hours show it.
    fn file(champion_sees: f64, challenger_sees: f64, days: u32) -> String {
        let mut text = "time,target,horizon_s,label,champion,challenger,row_weight,incident_id\n".to_owned();
        for hour in 0..24 * days {
            for target in 0..10 {
                let place = (hour + 9 * target) % 96;
                let ahead = place >= 92;
                let wobble = f64::from(hour * 7 % 13 + target) / 1_000.0;
                let says = |sees: f64| if ahead { sees } else { 0.05 } + wobble;
                let label = u8::from(ahead);
                let incident = if ahead {
                    ((hour + 9 * target) / 96).to_string()
                } else {
                    String::new()
                };
                let (champion, challenger) = (says(champion_sees), says(challenger_sees));
                let _ = writeln!(
                    text,
                    "{},t{target},14400,{label},{champion},{challenger},1,{incident}",
                    1_700_000_000 + 3_600 * hour
                );
            }
        }
        text
    }

    #[test]
    fn a_better_challenger_passes_and_its_mirror_image_does_not() {
        let better = read_and_compare(file(0.4, 0.8, 150).as_bytes()).unwrap();
        assert!(better.passed, "{better}");
        let worse = read_and_compare(file(0.8, 0.4, 150).as_bytes()).unwrap();
        assert!(!worse.passed && worse.loss_e_value <= 1.0, "{worse}");
    }

    #[test]
    fn broken_rows_are_errors_that_say_what_is_wrong() {
        let head = "time,target,horizon_s,label,champion,challenger\n";
        for (row, said) in [
            ("x,a,1,0,0.5,0.5", "no time"),
            ("1,a,0,0,0.5,0.5", "above 0"),
            ("", "no row"),
        ] {
            let error = read_and_compare(format!("{head}{row}\n").as_bytes()).unwrap_err();
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }
}
