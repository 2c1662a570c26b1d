//! Predictions that something else made: `time,target,horizon_s,probability` as CSV or Parquet.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use foreshift_domain::Timestamp;
use foreshift_ingest::time_text;
use polars::prelude::{ParquetReader, SerReader};
use serde::Deserialize;

use super::panel::Panel;

/// One prediction: microseconds of its time and horizon, and what was said.
struct Foreign {
    time_us: i64,
    target: String,
    horizon_us: i64,
    probability: f64,
}

/// Reads predictions for every row of the panels that is to be judged.
///
/// # Errors
/// When the file cannot be read, says something twice or outside of 0 to 1, or leaves one of those rows out.
pub(crate) fn read(path: &Path, panels: &[Panel], judged: &[&[usize]]) -> anyhow::Result<Vec<Vec<f64>>> {
    let said = if path.extension().is_some_and(|extension| extension == "parquet") {
        from_parquet(path)
    } else {
        from_csv(path)
    }
    .with_context(|| format!("cannot read predictions from {}", path.display()))?;
    matched(said, panels, judged).with_context(|| format!("{}", path.display()))
}

fn matched(said: Vec<Foreign>, panels: &[Panel], judged: &[&[usize]]) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut by_row: HashMap<(i64, i64), HashMap<String, f64>> = HashMap::new();
    for row in said {
        ensure!(
            (0.0..=1.0).contains(&row.probability),
            "{} of {:?} at {:?} is no probability",
            row.probability,
            row.target,
            Timestamp::from_micros(row.time_us)
        );
        let moment = by_row.entry((row.time_us, row.horizon_us)).or_default();
        if moment.insert(row.target.clone(), row.probability).is_some() {
            bail!(
                "two predictions of {:?} at {:?}",
                row.target,
                Timestamp::from_micros(row.time_us)
            );
        }
    }
    let mut all = Vec::new();
    for (panel, judged) in panels.iter().zip(judged) {
        let horizon_us = panel.horizon.as_micros();
        let of = |row: &super::panel::Row| {
            let moment = by_row.get(&(row.at.as_micros(), horizon_us))?;
            moment.get(panel.target(row.target)).copied()
        };
        let probabilities: Vec<f64> = panel.rows.iter().map(|row| of(row).unwrap_or(f64::NAN)).collect();
        let is_missing = |at: &&usize| probabilities.get(**at).is_none_or(|value| value.is_nan());
        let mut missing = judged.iter().filter(is_missing);
        if let Some(first) = missing.next().and_then(|at| panel.rows.get(*at)) {
            bail!(
                "{} of {} judged rows at horizon {} have no prediction; the first is {:?} at {:?}: all methods are \
                 measured on the same rows",
                missing.count() + 1,
                judged.len(),
                panel.horizon,
                panel.target(first.target),
                first.at
            );
        }
        all.push(probabilities);
    }
    Ok(all)
}

#[derive(Deserialize)]
struct Line {
    time: String,
    target: String,
    horizon_s: f64,
    probability: f64,
}

fn from_csv(path: &Path) -> anyhow::Result<Vec<Foreign>> {
    let mut reader = csv::Reader::from_path(path)?;
    let mut said = Vec::new();
    for line in reader.deserialize() {
        let line: Line = line?;
        let time =
            time_text::parse(line.time.as_bytes()).with_context(|| format!("{:?} is no time", line.time))?;
        said.push(Foreign {
            time_us: time.as_micros(),
            target: line.target,
            horizon_us: micros(line.horizon_s),
            probability: line.probability,
        });
    }
    Ok(said)
}

fn from_parquet(path: &Path) -> anyhow::Result<Vec<Foreign>> {
    let columns = ["time", "target", "horizon_s", "probability"];
    let frame = ParquetReader::new(std::fs::File::open(path)?)
        .with_columns(Some(columns.map(str::to_owned).to_vec()))
        .finish()?;
    let times = frame.column("time")?.cast(&polars::prelude::DataType::Datetime(
        polars::prelude::TimeUnit::Microseconds,
        None,
    ))?;
    let times = times.datetime()?.physical().iter();
    let targets = frame.column("target")?.str()?.iter();
    let horizons = frame.column("horizon_s")?.f64()?.iter();
    let probabilities = frame.column("probability")?.f64()?.iter();
    let rows = times.zip(targets).zip(horizons.zip(probabilities));
    rows.map(|((time, target), (horizon, probability))| {
        Ok(Foreign {
            time_us: time.context("a row without time")?,
            target: target.context("a row without target")?.to_owned(),
            horizon_us: micros(horizon.context("a row without horizon_s")?),
            probability: probability.context("a row without probability")?,
        })
    })
    .collect()
}

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::super::panel::tests::Made;
    use super::*;

    fn made() -> Panel {
        Made {
            ticks: 50,
            tick_s: 60,
            horizon_ticks: 5,
            cooldown: 3,
            onsets: vec![vec![20], vec![]],
        }
        .panel()
    }

    fn written(panel: &Panel, keep: impl Fn(usize) -> bool) -> tempfile::NamedTempFile {
        let mut text = "time,target,horizon_s,probability\n".to_owned();
        for (at, row) in panel.rows.iter().enumerate().filter(|(at, _)| keep(*at)) {
            text += &format!(
                "{},{},300,{}\n",
                row.at.as_secs_f64(),
                panel.target(row.target),
                at as f64 / 1e3
            );
        }
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn predictions_find_their_rows_whatever_their_order() {
        let panels = [made()];
        let judged: Vec<usize> = (0..panels[0].rows.len()).collect();
        let file = written(&panels[0], |_| true);
        let said = read(file.path(), &panels, &[&judged]).unwrap();
        assert!(
            said[0]
                .iter()
                .enumerate()
                .all(|(at, said)| *said == at as f64 / 1e3)
        );
    }

    #[test]
    fn a_missing_row_is_named_and_refused_unless_it_is_not_judged() {
        let panels = [made()];
        let judged: Vec<usize> = (10..panels[0].rows.len()).collect();
        let file = written(&panels[0], |at| at != 5 && at != 40 && at != 41);
        let error = read(file.path(), &panels, &[&judged]).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("2 of 86 judged rows at horizon 5m have no prediction"),
            "{text}"
        );
        assert!(text.contains("the first is \"t1\" at 1200"), "{text}");
        let file = written(&panels[0], |at| at != 5);
        assert!(read(file.path(), &panels, &[&judged]).is_ok());
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        let panels = [made()];
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(file.path(), "time,target,horizon_s,probability\n0,t0,300,1.5\n").unwrap();
        let text = format!("{:#}", read(file.path(), &panels, &[&[0]]).unwrap_err());
        assert!(text.contains("1.5 of \"t0\" at 0 is no probability"), "{text}");
        std::fs::write(file.path(), "time,target,probability\n0,t0,0.5\n").unwrap();
        let text = format!("{:#}", read(file.path(), &panels, &[&[0]]).unwrap_err());
        assert!(text.contains("missing field `horizon_s`"), "{text}");
    }
}
