//! `foreshift-lab parse`: a log file to templates, with the miner that serves.

pub(crate) mod memory;

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
    let ids = mine(args, &mut miner)?;
    let seconds = started.elapsed().as_secs_f64();
    write(args, &miner, &ids).with_context(|| args.output.display().to_string())?;
    let lines = ids.len();
    let rate = lines as f64 / seconds.max(f64::MIN_POSITIVE);
    let templates = miner.templates().count();
    println!("{lines} lines in {seconds:.3} s ({rate:.0} lines/s), {templates} templates");
    Ok(())
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
    for (index, id) in ids.iter().enumerate() {
        let template = miner.template(*id);
        let text = match (&template, args.typed) {
            (Some(template), true) => template.text().to_owned(),
            (Some(template), false) => template.starred(),
            (None, _) => String::new(),
        };
        let id = miner.current(*id);
        out.write_record([(index + 1).to_string(), format!("{id:016x}"), text])?;
    }
    out.flush()?;
    Ok(())
}
