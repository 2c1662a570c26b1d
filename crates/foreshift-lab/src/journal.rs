//! `foreshift-lab journal`: what a journal holds. Read with Polars, as anybody else would.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use polars::prelude::*;
use serde::Serialize;

/// How many targets are shown; the table is sorted by their inputs.
const TARGETS_SHOWN: u32 = 20;

/// Arguments of `foreshift-lab journal`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// A segment (`.parquet`) or the directory of a journal.
    #[arg(long, value_name = "PATH")]
    input: PathBuf,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = crate::replay::Format::Text)]
    output: crate::replay::Format,
}

/// Inputs of one kind, or about one target.
#[derive(Debug, PartialEq, Serialize)]
struct Group {
    name: String,
    inputs: u64,
    first_us: Option<i64>,
    last_us: Option<i64>,
}

#[derive(Serialize)]
struct Contents {
    kinds: Vec<Group>,
    targets: Vec<Group>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let contents = contents(&args.input)?;
    if args.output == crate::replay::Format::Json {
        println!("{}", serde_json::to_string_pretty(&contents)?);
        return Ok(());
    }
    for (title, groups) in [("inputs by kind", &contents.kinds), ("targets with most inputs", &contents.targets)] {
        println!("{title}");
        for group in groups {
            let seconds = group.first_us.zip(group.last_us).map(|(first, last)| (last - first) as f64 / 1e6);
            let over = seconds.map(|seconds| format!("  over {seconds:.0} s")).unwrap_or_default();
            println!("  {:<32} {:>12}{over}", group.name, group.inputs);
        }
    }
    Ok(())
}

fn contents(path: &Path) -> anyhow::Result<Contents> {
    let rows = scan(path)?;
    let kinds = groups(rows.clone(), "kind", u32::MAX)?;
    let targets = groups(rows.filter(col("target").is_not_null()), "target", TARGETS_SHOWN)?;
    Ok(Contents { kinds, targets })
}

/// The sealed segments of a journal; the one that is being written is left out.
fn scan(path: &Path) -> anyhow::Result<LazyFrame> {
    let mut segments = vec![path.to_owned()];
    if path.is_dir() {
        let found = foreshift_ingest::journal::segments(path)?;
        segments = found.into_iter().map(|segment| segment.path).collect();
    }
    if segments.is_empty() {
        bail!("{} holds no sealed segment yet", path.display());
    }
    let scan = |path: &PathBuf| -> anyhow::Result<LazyFrame> {
        let name = path.to_str().with_context(|| format!("{} is no UTF-8 path", path.display()))?;
        Ok(LazyFrame::scan_parquet(name.into(), ScanArgsParquet::default())?)
    };
    let frames = segments.iter().map(scan).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(concat(frames, UnionArgs::default())?)
}

fn groups(rows: LazyFrame, by: &str, most: u32) -> anyhow::Result<Vec<Group>> {
    let counted = rows
        .group_by([col(by)])
        .agg([len().alias("inputs"), col("time_us").min().alias("first"), col("time_us").max().alias("last")])
        .sort_by_exprs([col("inputs"), col(by)], SortMultipleOptions::default().with_order_descending_multi([true, false]))
        .limit(most)
        .collect()?;
    let (names, inputs) = (counted.column(by)?.str()?, counted.column("inputs")?.cast(&DataType::UInt64)?);
    let (inputs, first) = (inputs.u64()?, counted.column("first")?.i64()?);
    let last = counted.column("last")?.i64()?;
    let rows = 0..counted.height();
    let group = |row: usize| Group {
        name: names.get(row).unwrap_or_default().to_owned(),
        inputs: inputs.get(row).unwrap_or_default(),
        first_us: first.get(row),
        last_us: last.get(row),
    };
    Ok(rows.map(group).collect())
}

#[cfg(test)]
mod tests {
    use foreshift_domain::signal::{Health, Observation, Signal};
    use foreshift_domain::{Input, Timestamp};
    use foreshift_ingest::journal::{Recorder, Retention};

    use super::*;

    #[test]
    fn polars_reads_what_the_recorder_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::open(dir.path(), 1, Retention::default()).unwrap();
        for second in 0..10 {
            let signal = Signal {
                time: Timestamp::from_secs(second),
                target: if second < 7 { "a".into() } else { "b".into() },
                route: None,
                gateway: None,
                endpoint: None,
                observation: Observation::Health(Health::Up),
            };
            recorder.record(&Input::Signal(signal), None).unwrap();
            recorder.record(&Input::Clock(Timestamp::from_secs(second)), None).unwrap();
        }
        recorder.seal().unwrap();
        let contents = contents(dir.path()).unwrap();
        let seen: Vec<_> = contents.targets.iter().map(|group| (group.name.as_str(), group.inputs)).collect();
        assert_eq!(seen, [("a", 7), ("b", 3)]);
        assert_eq!(contents.kinds.iter().map(|group| group.inputs).sum::<u64>(), 20);
        assert_eq!(contents.targets[0].last_us, Some(6_000_000));
    }
}
