//! `foreshift-lab anomaly`: how anomalous each point of a series is, by the detector that serves.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::Timestamp;
use foreshift_features::anomaly::{Detector, Params};
use foreshift_ingest::time_text;

/// Unix times from here on are milliseconds: as seconds they would lie past the year 5000.
const MIN_MILLIS: i64 = 100_000_000_000;
/// Directories are read this deep: a link that leads back up must not be followed for ever.
const MAX_DEPTH: usize = 16;

/// Arguments of `foreshift-lab anomaly`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// A CSV with the columns `timestamp` and `value`, `-` for standard input, or a directory of such files.
    /// Times are RFC 3339, `YYYY-MM-DD HH:MM:SS` (read as UTC) or Unix seconds or milliseconds; an empty value
    /// is missing.
    #[arg(long, value_name = "FILE.csv")]
    input: PathBuf,
    /// `timestamp,value,anomaly_score`, the first two as they came, the score from 0 to 1; `-` for standard
    /// output. For a directory: the directory that gets a file of the same name for each.
    #[arg(long, value_name = "SCORES.csv")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if !args.input.is_dir() {
        return file(&args.input, &args.output);
    }
    let mut names = Vec::new();
    list(&args.input, Path::new(""), &mut names, 0)?;
    ensure!(!names.is_empty(), "no .csv under {}", args.input.display());
    names.sort();
    for name in names {
        let to = args.output.join(&name);
        let parent = to.parent().unwrap_or(&args.output);
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        file(&args.input.join(&name), &to)?;
    }
    Ok(())
}

/// The CSV files under `root/below`, as paths relative to `root`.
fn list(root: &Path, below: &Path, names: &mut Vec<PathBuf>, depth: usize) -> anyhow::Result<()> {
    let dir = root.join(below);
    ensure!(
        depth <= MAX_DEPTH,
        "{} is more than {MAX_DEPTH} directories deep",
        dir.display()
    );
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
        let name = below.join(entry.file_name());
        if entry.path().is_dir() {
            list(root, &name, names, depth + 1)?;
        } else if name.extension().is_some_and(|extension| extension == "csv") {
            names.push(name);
        }
    }
    Ok(())
}

fn file(from: &Path, to: &Path) -> anyhow::Result<()> {
    let standard = |path: &Path| path == Path::new("-");
    let mut bytes = Vec::new();
    if standard(from) {
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("standard input")?;
    } else {
        bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    }
    let rows = rated(&bytes).with_context(|| from.display().to_string())?;
    if standard(to) {
        std::io::stdout().write_all(&rows).context("standard output")
    } else {
        fs::write(to, rows).with_context(|| format!("cannot write {}", to.display()))
    }
}

/// The rows of one series with their scores behind.
fn rated(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers()?.clone();
    let column = |name: &str| {
        let mut names = header.iter().map(|field| field.trim_start_matches('\u{feff}'));
        let at = names.position(|field| field.eq_ignore_ascii_case(name));
        at.with_context(|| format!("line 1: no column `{name}`"))
    };
    let (time, value) = (column("timestamp")?, column("value")?);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["timestamp", "value", "anomaly_score"])?;
    let mut detector = Detector::new(Params::default());
    for row in reader.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let field = |at: usize| row.get(at).unwrap_or_default();
        let at = instant(field(time)).with_context(|| format!("line {line}"))?;
        let number = number(field(value)).with_context(|| format!("line {line}"))?;
        let reading = detector.observe(at, number);
        writer.write_record([field(time), field(value), &format!("{:.6}", reading.strength)])?;
    }
    Ok(writer.into_inner()?)
}

fn instant(text: &str) -> anyhow::Result<Timestamp> {
    if let Ok(whole) = text.parse::<i64>()
        && whole.abs() >= MIN_MILLIS
    {
        return Ok(Timestamp::from_millis(whole));
    }
    time_text::parse(text.as_bytes())
        .or_else(|| time_text::parse(format!("{text}Z").as_bytes()))
        .with_context(|| format!("`{text}` is no time: RFC 3339, `YYYY-MM-DD HH:MM:SS` or a Unix time"))
}

/// A value; NaN where it is missing.
fn number(text: &str) -> anyhow::Result<f64> {
    const MISSING: [&str; 6] = ["", "-", "null", "none", "n/a", "nil"];
    if MISSING.contains(&text.to_ascii_lowercase().as_str()) {
        return Ok(f64::NAN);
    }
    match text.parse() {
        Ok(value) => Ok(value),
        Err(_) => bail!("`{text}` is no number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(text: &str) -> anyhow::Result<String> {
        Ok(String::from_utf8(rated(text.as_bytes())?)?)
    }

    #[test]
    fn times_and_values_come_back_as_they_came() {
        let text = "value,timestamp,host\n 1.50,2014-04-01 00:00:00,a\n,2014-04-01T00:05:00+02:00,b\n2e3,1396310400,c\n-7,1396310400000,d\n";
        let rows = scored(text).expect("rows");
        let kept: Vec<String> = rows
            .lines()
            .map(|row| row.rsplit_once(',').expect("three columns").0.to_owned())
            .collect();
        assert_eq!(
            kept,
            [
                "timestamp,value",
                "2014-04-01 00:00:00,1.50",
                "2014-04-01T00:05:00+02:00,",
                "1396310400,2e3",
                "1396310400000,-7"
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        for (text, said) in [
            (
                "timestamp,value\n2014-04-01 00:00:00,1\nnoon,2\n",
                "line 3: `noon` is no time",
            ),
            (
                "timestamp,value\n2014-04-01 00:00:00,high\n",
                "line 2: `high` is no number",
            ),
            ("timestamp,amount\n", "line 1: no column `value`"),
            ("timestamp,value\n1,2\n3\n", "line: 3"),
        ] {
            let error = format!("{:#}", scored(text).expect_err(text));
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn unix_milliseconds_and_seconds_are_the_same_instant() {
        assert_eq!(
            instant("1396310400").expect("s"),
            instant("1396310400000").expect("ms")
        );
        assert_eq!(
            instant("2014-04-01 00:00:00").expect("nab"),
            instant("1396310400").expect("s")
        );
    }

    #[test]
    fn a_jump_has_the_highest_score_and_the_scores_stay_within_0_and_1() {
        let mut text = String::from("timestamp,value\n");
        for minute in 0..2000 {
            let value = if minute == 1500 { 500 } else { (minute * 7919) % 13 };
            text += &format!("{},{value}\n", 60 * minute);
        }
        let rows = scored(&text).expect("rows");
        let scores: Vec<f64> = rows
            .lines()
            .skip(1)
            .map(|row| row.rsplit(',').next().expect("score").parse().expect("a number"))
            .collect();
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
        let highest = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert_eq!(highest, Some(1500));
    }

    #[test]
    fn a_directory_is_mirrored() {
        let dir = tempfile::tempdir().expect("a directory");
        let (from, to) = (dir.path().join("in"), dir.path().join("out"));
        fs::create_dir_all(from.join("a/b")).expect("made");
        for name in ["top.csv", "a/b/deep.csv", "a/note.txt"] {
            fs::write(from.join(name), "timestamp,value\n1,2\n").expect("written");
        }
        run(&Args {
            input: from,
            output: to.clone(),
        })
        .expect("scored");
        assert!(to.join("top.csv").is_file() && to.join("a/b/deep.csv").is_file());
        assert!(!to.join("a/note.txt").exists());
    }
}
