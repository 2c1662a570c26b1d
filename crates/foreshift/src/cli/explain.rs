//! `foreshift explain`: why a target is at risk, why a route has its weights, what led to a decision.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use foreshift_domain::Duration;
use foreshift_domain::decision::Decision;
use foreshift_domain::prediction::Explanation;
use foreshift_serve::client::Explained;
use serde_json::json;

use super::connect::{ConnectArgs, runtime};
use super::output::OutputArgs;
use super::{render, values};

/// The longest line of a decision file that is read, in bytes: a decision on a thousand targets fits.
const MAX_LINE_BYTES: usize = 4 << 20;

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["target", "route", "decision"])))]
pub(crate) struct Args {
    /// The target whose prediction is explained
    target: Option<String>,
    /// Explain the newest state of this route
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// Explain the decision of this sequence number, from the files of --storage
    #[arg(long, value_name = "SEQUENCE", requires = "storage")]
    decision: Option<u64>,
    /// The storage directory of `foreshift run`
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// Only this horizon, such as 2m
    #[arg(long, value_name = "SPAN", value_parser = values::span, requires = "target")]
    horizon: Option<Duration>,
    /// Every contribution
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match (&args.target, &args.route, args.decision, &args.storage) {
        (Some(target), ..) => explain_target(args, target)?,
        (_, Some(route), ..) => explain_route(args, route)?,
        (_, _, Some(sequence), Some(storage)) => {
            let decision = find_decision(&storage.join("decisions"), sequence)?;
            args.output
                .print(&decision, |paint| render::decision(&decision, paint))?;
        }
        _ => bail!("name a target, --route ROUTE, or --decision SEQUENCE --storage DIR"),
    }
    Ok(ExitCode::SUCCESS)
}

fn explain_target(args: &Args, target: &str) -> anyhow::Result<()> {
    let ask = async { anyhow::Ok(args.connect.connect().await?.prediction(&target.into()).await?) };
    let Explained {
        prediction,
        explanations,
        logs,
    } = runtime()?.block_on(ask)?;
    let meant = |one: &&Explanation| args.horizon.is_none_or(|horizon| one.horizon == horizon);
    let shown: Vec<&Explanation> = explanations.iter().filter(meant).collect();
    if let Some(horizon) = args
        .horizon
        .filter(|_| shown.is_empty() && !explanations.is_empty())
    {
        let known: Vec<String> = explanations.iter().map(|one| one.horizon.to_string()).collect();
        bail!(
            "nothing is predicted for {horizon}; horizons are {}",
            known.join(", ")
        );
    }
    let answer = json!({ "prediction": prediction, "explanations": shown, "logs": logs });
    let flags = args.connect.flags();
    args.output.print(&answer, |paint| {
        let logs = logs.as_ref().map(|logs| render::logs(logs, paint));
        let why = render::explanation(&prediction, &shown, args.all, &flags, paint);
        [logs.unwrap_or_default(), why].join("\n")
    })
}

fn explain_route(args: &Args, route: &str) -> anyhow::Result<()> {
    let published =
        runtime()?.block_on(async { anyhow::Ok(args.connect.connect().await?.status().await?) })?;
    let weights = published
        .routes
        .get(route)
        .with_context(|| format!("no route {route:?} is known"))?;
    let flags = args.connect.flags();
    args.output.print(weights.as_ref(), |paint| {
        render::route_in_words(&published, weights, &flags, paint)
    })
}

/// The decision of that number: the newest file that has it counts.
fn find_decision(dir: &Path, sequence: u64) -> anyhow::Result<Decision> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension() == Some(OsStr::new("jsonl")));
    files.sort_unstable();
    for path in files.iter().rev() {
        if let Some(decision) = find_in(path, sequence).with_context(|| format!("in {}", path.display()))? {
            return Ok(decision);
        }
    }
    bail!(
        "no decision {sequence} in the {} files of {}; older ones are let go",
        files.len(),
        dir.display()
    )
}

/// Only the wanted line is read as a decision: a file has hundreds of thousands.
fn find_in(path: &Path, sequence: u64) -> anyhow::Result<Option<Decision>> {
    let begins = format!("{{\"sequence\":{sequence},");
    let mut reader = BufReader::new(File::open(path).context("cannot be opened")?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = bounded_line(&mut reader, &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if line.starts_with(begins.as_bytes()) {
            return serde_json::from_slice(&line)
                .map(Some)
                .context("the decision's line is damaged");
        }
    }
}

/// Reads a line of bounded length.
fn bounded_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> anyhow::Result<usize> {
    let mut bounded = std::io::Read::take(reader, MAX_LINE_BYTES as u64);
    let read = bounded.read_until(b'\n', line).context("cannot be read")?;
    if read == MAX_LINE_BYTES {
        bail!("holds a line of more than {MAX_LINE_BYTES} bytes");
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_line_longer_than_the_bound_is_an_error_and_not_read_whole() {
        let mut endless = BufReader::new(std::io::repeat(b'x'));
        assert!(bounded_line(&mut endless, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_decision_that_was_let_go_is_told_as_such() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(
            dir.path().join("decisions-000001-000000000001.jsonl"),
            "{\"sequence\":1,\n",
        )
        .unwrap();
        let error = find_decision(dir.path(), 12).unwrap_err().to_string();
        assert!(error.contains("no decision 12"), "{error}");
        assert!(format!("{:#}", find_decision(dir.path(), 1).unwrap_err()).contains("damaged"));
    }
}
