//! `foreshift-lab train-logs`: learns the linear model of log classes, and says how the whole classifier does on systems
//! that the model has not seen.

mod baseline;
mod corpus;
mod figures;
mod learner;
mod release;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args as ClapArgs;
use foreshift_domain::log::ErrorClass;
use foreshift_logs::classify::{Buckets, Classifier, Model, Source, Verdict, buckets};

use crate::tsv;
use corpus::Labelled;
use figures::Confusion;
use release::{HeldOut, Report, Stage};

/// Below this probability the model declines: of the lines below it, one in six would be right with `none`, and
/// they are one in forty.
const REJECT_BELOW: f32 = 0.25;

/// Arguments of `foreshift-lab train-logs`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The folder with `corpus/`, and `held-out.tsv` if there is one.
    #[arg(long, value_name = "DIR", default_value = "datasets/log-lines")]
    corpus: PathBuf,
    /// Seed of the order in which lines are learned.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write `model.bin`, `manifest.json`, `metrics.json` and `CARD.md`; the version is the directory's name.
    #[arg(long, value_name = "DIR", default_value = "models/logs/1")]
    out: PathBuf,
    /// Write the lines that went wrong with their system left out, with what they were taken for.
    #[arg(long, value_name = "FILE.tsv")]
    mistakes: Option<PathBuf>,
    /// `table` or `json`.
    #[arg(short, long, default_value = "table", value_parser = ["table", "json"])]
    output: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let lines = corpus::load_folder(&args.corpus.join("corpus"))?;
    let version = args.out.file_name().and_then(|name| name.to_str()).unwrap_or("1");
    let name = format!("logs@{version}");
    let found = left_out(&lines, args.seed)?;
    if let Some(path) = &args.mistakes {
        std::fs::write(path, mistakes(&lines, &found))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let read: Vec<Buckets> = lines.iter().map(|line| buckets(&line.message)).collect();
    let all: Vec<_> = read.iter().zip(lines.iter().map(|line| line.class)).collect();
    let model = learner::learn(&all, args.seed, &name, REJECT_BELOW);
    let report = report(args, &lines, &found, &model)?;
    release::write(&args.out, &model, &report)?;
    match args.output.as_str() {
        "json" => println!("{}", serde_json::to_string_pretty(&report)?),
        _ => print!("{}", report.markdown()),
    }
    Ok(())
}

/// What each way of telling classes apart says of a line whose system it has not seen.
#[derive(Clone, Copy)]
struct Found {
    whole: Verdict,
    rules: ErrorClass,
    model: ErrorClass,
    naive_bayes: ErrorClass,
}

/// One verdict for each line, with its system left out.
fn left_out(lines: &[Labelled], seed: u64) -> anyhow::Result<Vec<Found>> {
    let systems: BTreeSet<&str> = lines.iter().map(|line| line.system.as_str()).collect();
    let read: Vec<Buckets> = lines.iter().map(|line| buckets(&line.message)).collect();
    let mut found: Vec<Option<Found>> = vec![None; lines.len()];
    for system in &systems {
        let (test, train): (Vec<_>, Vec<_>) = lines
            .iter()
            .zip(&read)
            .enumerate()
            .partition(|(_, (line, _))| line.system == *system);
        let learned: Vec<_> = train
            .iter()
            .map(|(_, (line, read))| (*read, line.class))
            .collect();
        let classifier = Classifier::new(&learner::learn(&learned, seed, "left-out", REJECT_BELOW))?;
        let of = |rows: &[(usize, (&'_ Labelled, &Buckets))]| -> Vec<usize> {
            rows.iter().map(|(at, _)| *at).collect()
        };
        let (test, train) = (of(&test), of(&train));
        let pick =
            |rows: &[usize]| -> Vec<&Labelled> { rows.iter().filter_map(|at| lines.get(*at)).collect() };
        let bayes = baseline::naive_bayes(&pick(&train), &pick(&test))?;
        for ((at, line), naive_bayes) in test.iter().zip(pick(&test)).zip(bayes) {
            let rules = classifier.by_rule(&line.line());
            if let Some(slot) = found.get_mut(*at) {
                *slot = Some(Found {
                    whole: classifier.class(&line.line()),
                    rules: rules.map_or(ErrorClass::None, |verdict| verdict.class),
                    model: classifier.model().best(&line.message, None).0,
                    naive_bayes,
                });
            }
        }
    }
    Ok(found.into_iter().flatten().collect())
}

fn answer(verdict: &Verdict) -> Option<ErrorClass> {
    (verdict.by != Source::Rejected).then_some(verdict.class)
}

fn confusion(lines: &[Labelled], found: &[Found], of: impl Fn(&Found) -> Option<ErrorClass>) -> Confusion {
    let mut confusion = Confusion::default();
    for (line, found) in lines.iter().zip(found) {
        confusion.count(line.class, of(found));
    }
    confusion
}

fn report(args: &Args, lines: &[Labelled], found: &[Found], model: &Model) -> anyhow::Result<Report> {
    let systems: BTreeSet<&str> = lines.iter().map(|line| line.system.as_str()).collect();
    let whole = confusion(lines, found, |found| answer(&found.whole));
    let stages = [
        Source::Structured,
        Source::Phrase,
        Source::Model,
        Source::Rejected,
    ]
    .map(|source| {
        let of: Vec<_> = lines
            .iter()
            .zip(found)
            .filter(|(_, found)| found.whole.by == source)
            .collect();
        let right = of
            .iter()
            .filter(|(line, found)| line.class == found.whole.class)
            .count();
        Stage {
            decided_by: format!("{source:?}").to_lowercase(),
            lines: of.len(),
            right,
        }
    });
    let path = args.corpus.join("held-out.tsv");
    let held_out = match path.exists() {
        true => Some(held_out(&corpus::load(&path)?, model)?),
        false => None,
    };
    Ok(Report {
        name: model.name.clone(),
        seed: args.seed,
        lines: lines.len(),
        systems: systems.len(),
        left_out: whole.figures(),
        rules_alone: confusion(lines, found, |found| Some(found.rules)).figures(),
        model_alone: confusion(lines, found, |found| Some(found.model)).figures(),
        naive_bayes: confusion(lines, found, |found| Some(found.naive_bayes)).figures(),
        stages: stages.into(),
        held_out,
        classes: whole.table(),
        matrix: whole.matrix(),
    })
}

/// The shipped classifier on systems that neither its rules nor its model were made with.
fn held_out(lines: &[Labelled], model: &Model) -> anyhow::Result<HeldOut> {
    let classifier = Classifier::new(model)?;
    let mut confusion = Confusion::default();
    for line in lines {
        confusion.count(line.class, answer(&classifier.class(&line.line())));
    }
    let systems: BTreeSet<&str> = lines.iter().map(|line| line.system.as_str()).collect();
    Ok(HeldOut {
        systems: systems.len(),
        figures: confusion.figures(),
        classes: confusion.table(),
    })
}

fn mistakes(lines: &[Labelled], found: &[Found]) -> String {
    let mut text = "system\tclass\tfound\tby\tconfidence\tmessage\n".to_owned();
    for (line, Found { whole, .. }) in lines.iter().zip(found) {
        if line.class != whole.class || whole.by == Source::Rejected {
            text += &format!(
                "{}\t{}\t{}\t{:?}\t{:.2}\t{}\n",
                line.system,
                line.class.as_str(),
                whole.class.as_str(),
                whole.by,
                whole.confidence,
                tsv::written(&line.message)
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn the_shipped_model_is_the_one_its_manifest_names() {
        let bytes = std::fs::read(root().join("models/logs/1/model.bin")).expect("the model is there");
        let manifest =
            std::fs::read_to_string(root().join("models/logs/1/manifest.json")).expect("it has a manifest");
        assert!(
            manifest.contains(&foreshift_domain::Digest::of(&bytes).to_string()),
            "the digest is another one"
        );
        let shipped = Classifier::shipped().expect("the built-in model is read");
        assert_eq!(*shipped.model(), Model::from_bytes(&bytes).expect("it is read"));
    }

    #[test]
    fn the_shipped_classifier_does_on_the_held_out_systems_what_its_metrics_say() {
        let text =
            std::fs::read_to_string(root().join("models/logs/1/metrics.json")).expect("it has metrics");
        let metrics: serde_json::Value = serde_json::from_str(&text).expect("they are JSON");
        let lines =
            corpus::load(&root().join("datasets/log-lines/held-out.tsv")).expect("the lines are read");
        let shipped = Classifier::shipped().expect("the built-in model is read");
        let again = held_out(&lines, shipped.model()).expect("it classifies");
        let said = metrics["held_out"]["figures"]["macro_f1"]
            .as_f64()
            .expect("a figure");
        assert!(
            (again.figures.macro_f1 - said).abs() < 0.005,
            "{} is said to be {said}",
            again.figures.macro_f1
        );
    }
}
