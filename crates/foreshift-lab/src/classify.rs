//! `foreshift-lab classify`: what each line of a file says went wrong, by the classifier that serves.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_logs::LogLine;
use foreshift_logs::classify::{Classifier, Source, masked_text};

use crate::tsv::{self, Table};

/// Arguments of `foreshift-lab classify`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Tab-separated lines with a header: a column `message`, and a column `status` (HTTP) if there is one.
    #[arg(long, value_name = "FILE.tsv")]
    input: PathBuf,
    /// The same lines with the columns `class`, `confidence` and `template` behind. A line that the classifier
    /// declines has the class `unknown`.
    #[arg(long, value_name = "OUT.tsv")]
    output: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let bytes =
        std::fs::read(&args.input).with_context(|| format!("cannot read {}", args.input.display()))?;
    let text = classified(&bytes).with_context(|| format!("{}", args.input.display()))?;
    std::fs::write(&args.output, text).with_context(|| format!("cannot write {}", args.output.display()))
}

/// The file with its verdicts.
fn classified(bytes: &[u8]) -> anyhow::Result<String> {
    let table = Table::parse(bytes)?;
    let message = table.required("message")?;
    let status = table.column("status");
    let classifier = Classifier::shipped()?;
    let mut out = format!("{}\tclass\tconfidence\ttemplate\n", table.header.raw);
    for record in &table.records {
        let line = LogLine {
            message: record.field(message),
            http_status: match status {
                Some(status) => {
                    http_status(record.field(status)).with_context(|| format!("line {}", record.line))?
                }
                None => None,
            },
            ..LogLine::default()
        };
        let verdict = classifier.class(&line);
        let class = match verdict.by {
            Source::Rejected => "unknown",
            _ => verdict.class.as_str(),
        };
        let template = tsv::written(&template(line.message));
        out += &format!("{}\t{class}\t{:.4}\t{template}\n", record.raw, verdict.confidence);
    }
    Ok(out)
}

/// The text of a line's template.
fn template(message: &str) -> String {
    masked_text(message)
}

/// An HTTP status, also as spreadsheets write it (`503.0`); words for nothing are none.
pub(crate) fn http_status(text: &str) -> anyhow::Result<Option<u16>> {
    const NOTHING: [&str; 7] = ["", "-", "null", "none", "nan", "n/a", "nil"];
    let text = text.trim();
    if NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(text)) {
        return Ok(None);
    }
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let status = whole
        .parse()
        .with_context(|| format!("the status {text:?} is no HTTP status"))?;
    Ok(Some(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_comes_back_with_three_columns_more() {
        let input = b"id\tmessage\tstatus\n7\tdial tcp 10.0.0.1:80: connect: connection refused\t\n8\tslow down\t429.0\n";
        let text = classified(input).expect("it is classified");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "id\tmessage\tstatus\tclass\tconfidence\ttemplate");
        assert!(
            lines[1].starts_with("7\tdial tcp 10.0.0.1:80: connect: connection refused\t\tconn_fail\t0.9")
        );
        assert!(lines[1].ends_with("\tdial tcp <*>: connect: connection refused"));
        assert!(lines[2].starts_with("8\tslow down\t429.0\trate_limit\t"));
    }

    #[test]
    fn bad_input_is_refused_with_its_line() {
        let refused = |input: &[u8]| format!("{:#}", classified(input).expect_err("it is refused"));
        assert!(refused(b"id\ttext\n1\tx\n").contains("no column `message`"));
        assert!(refused(b"message\tstatus\nx\t200\ny\tfine\n").starts_with("line 3: the status \"fine\""));
        assert!(refused(b"message\tstatus\nx\n").starts_with("line 2: 1 fields"));
    }
}
