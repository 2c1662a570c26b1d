//! `foreshift-lab parse`: a log file to templates, with the miner that serves.

pub(crate) mod memory;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_logs::miner::{Miner, Settings};
use indicatif::{ProgressBar, ProgressStyle};

/// Lines between two updates of the progress bar.
const LINES_PER_UPDATE: usize = 65_536;
/// Smaller inputs are parsed before a bar could be read.
const LONG_INPUT_BYTES: u64 = 16 << 20;

/// The system counts processor time in steps of some milliseconds; below this it says nothing.
const MIN_BUSY_S: f64 = 0.05;

/// Arguments of `foreshift-lab parse`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// One line of log content a line, in any encoding.
    #[arg(long, value_name = "LOG")]
    input: PathBuf,
    /// Write `line,template_id,template`, one row a line of the input, as the templates are after the last line.
    #[arg(long, value_name = "CSV")]
    output: PathBuf,
    /// Keep the types of masks, `<ip>:<num>`, instead of `<*>` for each part that varies.
    #[arg(long)]
    typed: bool,
}

/// Parses the whole input, then writes the final template of each line.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut miner = Miner::new(Settings::unbounded());
    let started = Instant::now();
    let busy_before = processor_seconds();
    let ids = mine(args, &mut miner)?;
    let seconds = started.elapsed().as_secs_f64();
    let busy = processor_seconds().zip(busy_before);
    let busy = busy
        .map(|(after, before)| after - before)
        .filter(|busy| *busy >= MIN_BUSY_S);
    write(args, &miner, &ids).with_context(|| args.output.display().to_string())?;
    let lines = ids.len();
    let rate = lines as f64 / busy.unwrap_or(seconds).max(f64::MIN_POSITIVE);
    let templates = miner.templates().count();
    let of = if busy.is_some() { " of processor time" } else { "" };
    println!("{lines} lines in {seconds:.3} s ({rate:.0} a second{of}), {templates} templates");
    Ok(())
}

/// Processor time that this thread has had, so that other work on the machine does not count; on Linux only.
fn processor_seconds() -> Option<f64> {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = spent.split_whitespace().next()?.parse().ok()?;
    Some(nanoseconds / 1e9)
}

fn mine(args: &Args, miner: &mut Miner) -> anyhow::Result<Vec<u64>> {
    let context = || args.input.display().to_string();
    let file = File::open(&args.input).with_context(context)?;
    let bytes = file.metadata().with_context(context)?.len();
    let bar = if bytes >= LONG_INPUT_BYTES {
        ProgressBar::new(bytes)
    } else {
        ProgressBar::hidden()
    };
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} % of {total_bytes}, {eta} left")?;
    bar.set_style(style);
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut ids = Vec::new();
    let mut line = Vec::new();
    let mut read_bytes = 0;
    loop {
        line.clear();
        let taken = reader.read_until(b'\n', &mut line).with_context(context)?;
        if taken == 0 {
            break;
        }
        read_bytes += taken as u64;
        ids.push(miner.read(&line).template);
        if ids.len().is_multiple_of(LINES_PER_UPDATE) {
            bar.set_position(read_bytes);
        }
    }
    bar.finish_and_clear();
    Ok(ids)
}

fn write(args: &Args, miner: &Miner, ids: &[u64]) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_path(&args.output)?;
    out.write_record(["line", "template_id", "template"])?;
    let mut finals: BTreeMap<u64, (String, String)> = BTreeMap::new();
    for (index, id) in ids.iter().enumerate() {
        let (id, text) = finals.entry(*id).or_insert_with(|| {
            let template = miner.template(*id);
            let text = template.map(|template| {
                if args.typed {
                    template.text().to_owned()
                } else {
                    template.starred()
                }
            });
            (format!("{:016x}", miner.current(*id)), text.unwrap_or_default())
        });
        out.write_record([(index + 1).to_string().as_str(), id, text])?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(content: &[u8], typed: bool) -> String {
        let work = tempfile::tempdir().expect("a directory");
        let args = Args {
            input: work.path().join("in.log"),
            output: work.path().join("out.csv"),
            typed,
        };
        std::fs::write(&args.input, content).expect("written");
        run(&args).expect("parsed");
        std::fs::read_to_string(&args.output).expect("read")
    }

    #[test]
    fn every_line_gets_its_final_template() {
        let content =
            b"open for user ann, uid 1\nopen for user bob, uid 2\n\nopen for user cyd, uid 3\r\nlast \xff";
        let rows = parsed(content, false);
        let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.splitn(3, ',').collect()).collect();
        assert_eq!(rows[0], ["line", "template_id", "template"]);
        assert_eq!(rows.len(), 6);
        assert_eq!(rows[1][2], "\"open for user <*>, uid <*>\"");
        assert_eq!(rows[1][1..], rows[2][1..]);
        assert_eq!(rows[1][1..], rows[4][1..]);
        assert_eq!(rows[3], ["3", "0000000000000000", ""]);
        assert_eq!(rows[5][..1], ["5"]);
    }

    #[test]
    fn types_are_kept_when_asked_for() {
        assert!(parsed(b"at 10.0.0.1:80", true).ends_with(",at <ip>:<num>\n"));
        assert!(parsed(b"at 10.0.0.1:80", false).ends_with(",at <*>:<*>\n"));
    }
}
