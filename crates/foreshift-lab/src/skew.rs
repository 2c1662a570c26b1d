//! `foreshift-lab skew-check`: whether what was served comes out again.
//!
//! `foreshift run` records for a sample of its predictions what they were made from. The same journal through the engine
//! of today must give the same features and probabilities, bit for bit: else a model is trained on other numbers than
//! it is asked with.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{bail, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::prediction::{PredictionId, Served};
use foreshift_domain::{Duration, TargetName, Timestamp};
use foreshift_engine::{Engine, Output};
use foreshift_features::FEATURES;
use foreshift_ingest::journal::JournalReader;
use foreshift_ingest::source::{JournalSource, Source};
use serde::Serialize;

use crate::format::Format;
use crate::replay::driver::{self, Given, Replay, Sink};

/// Arguments of `foreshift-lab skew-check`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// A journal of `foreshift run`.
    #[arg(long, value_name = "DIR")]
    journal: PathBuf,
    /// Leave out what was served within this span of the journal's beginning: needed for a journal of which old
    /// segments were let go, since what features had seen in them is lost.
    #[arg(long, value_name = "SPAN", value_parser = foreshift_config::parse_duration)]
    after: Option<Duration>,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What came of the check.
#[derive(Debug, Default, Serialize)]
struct Checked {
    /// Samples compared.
    samples: u64,
    /// Samples of predictions that are not made again.
    missing: u64,
    /// The first of them.
    first_missing: Option<String>,
    /// By name of the feature, or `probability` with its horizon.
    skewed: BTreeMap<String, Skewed>,
}

/// A number that does not come out again.
#[derive(Debug, Serialize)]
struct Skewed {
    samples: u64,
    /// The first place, by `target@unix_ms`.
    first: String,
    served: Option<f64>,
    recomputed: Option<f64>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let checked = check(&args.journal, args.after)?;
    match args.output {
        Format::Json => println!("{}", serde_json::to_string_pretty(&checked)?),
        Format::Text => checked.print(),
    }
    ensure!(
        checked.samples + checked.missing > 0,
        "no sample of what was served is recorded in {}",
        args.journal.display()
    );
    if checked.missing > 0 || !checked.skewed.is_empty() {
        bail!("what was served does not come out again");
    }
    Ok(())
}

fn check(journal: &Path, after: Option<Duration>) -> anyhow::Result<Checked> {
    let first_seq = first_seq(journal)?;
    if first_seq > 1 && after.is_none() {
        bail!(
            "the journal begins with input {first_seq}: what features had seen before is lost; leave out what was \
             served soon after with --after"
        );
    }
    let fallback = driver::recorded_fallback(journal)?;
    let model = foreshift_engine::fresh_model(&fallback);
    let mut engine = Engine::new(1, Arc::clone(&fallback), model);
    engine.give_samples(true);
    let recorded = Given {
        fallback: false,
        model: false,
    };
    let mut replay = Replay::new(engine, &fallback, Duration::ZERO, Duration::DAY, recorded);
    let mut checker = Checker {
        served: JournalReader::open(journal, 0)?,
        waiting: VecDeque::new(),
        recomputed: BTreeMap::new(),
        after: after.unwrap_or_default(),
        begin: None,
        checked: Checked::default(),
    };
    replay.run(&mut JournalSource::open(journal)?, &mut checker)?;
    checker.compare(Timestamp::MAX)?;
    Ok(checker.checked)
}

fn first_seq(journal: &Path) -> anyhow::Result<i64> {
    let batch = JournalSource::open(journal)?.poll(1, std::time::Duration::ZERO)?;
    let mut items = batch.runs.iter().flat_map(|run| &run.items);
    Ok(items.next().map_or(1, |item| item.offset))
}

/// Compares tick by tick: both sides have their samples in order of time.
struct Checker {
    served: JournalReader,
    waiting: VecDeque<Served>,
    /// What is recorded of the tick under way: of the sample, and of alarms.
    recomputed: BTreeMap<TargetName, Vec<Served>>,
    after: Duration,
    /// The first tick.
    begin: Option<Timestamp>,
    checked: Checked,
}

impl Checker {
    fn next(&mut self, until: Timestamp) -> anyhow::Result<Option<Served>> {
        if self.waiting.is_empty() {
            self.waiting
                .extend(self.served.next_served()?.unwrap_or_default());
        }
        let due = self.waiting.front().is_some_and(|served| served.id.tick <= until);
        Ok(if due { self.waiting.pop_front() } else { None })
    }

    /// The tick is complete.
    fn compare(&mut self, tick: Timestamp) -> anyhow::Result<()> {
        while let Some(served) = self.next(tick)? {
            if self
                .begin
                .is_some_and(|begin| served.id.tick < begin + self.after)
            {
                continue;
            }
            let recomputed = self.recomputed.get(&served.id.target);
            let same = |one: &&Served| one.id == served.id && one.alarms == served.alarms;
            match recomputed.and_then(|all| all.iter().find(same)) {
                Some(recomputed) => self.checked.sample(&served, recomputed)?,
                None => self.checked.missing(&served.id),
            }
        }
        self.recomputed.clear();
        Ok(())
    }
}

impl Sink for Checker {
    fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        match output {
            Output::Served(served) => {
                let of_target = self.recomputed.entry(served.id.target.clone()).or_default();
                of_target.push(Served::clone(served));
            }
            Output::Predictions(tick) => {
                self.begin.get_or_insert(tick.time);
                self.compare(tick.time)?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Checked {
    fn missing(&mut self, id: &PredictionId) {
        self.missing += 1;
        self.first_missing.get_or_insert_with(|| id.to_string());
    }

    fn sample(&mut self, served: &Served, recomputed: &Served) -> anyhow::Result<()> {
        ensure!(
            served.features.len() <= FEATURES.len(),
            "{} was served by a build with {} features, this one has {}",
            served.id,
            served.features.len(),
            FEATURES.len()
        );
        self.samples += 1;
        let features = served.features.iter().zip(&recomputed.features);
        for (spec, (served_value, value)) in FEATURES.iter().zip(features) {
            self.number(&served.id, spec.name, *served_value, *value);
        }
        for (at, explanation) in served.explanations.iter().enumerate() {
            let name = format!("probability {} s", explanation.horizon.as_secs_f64());
            let value = recomputed
                .explanations
                .get(at)
                .map(|explanation| explanation.probability);
            self.number(&served.id, &name, Some(explanation.probability), value);
        }
        Ok(())
    }

    fn number(&mut self, id: &PredictionId, name: &str, served: Option<f64>, recomputed: Option<f64>) {
        if served.map(f64::to_bits) == recomputed.map(f64::to_bits) {
            return;
        }
        let skewed = self.skewed.entry(name.to_owned()).or_insert_with(|| Skewed {
            samples: 0,
            first: id.to_string(),
            served,
            recomputed,
        });
        skewed.samples += 1;
    }

    fn print(&self) {
        println!("{} samples of what was served compared", self.samples);
        if let Some(first) = &self.first_missing {
            println!(
                "{} predictions are not made again, the first is {first}",
                self.missing
            );
        }
        if self.skewed.is_empty() {
            return;
        }
        let number =
            |value: Option<f64>| value.map_or_else(|| "missing".to_owned(), |value| value.to_string());
        println!("{:<28} {:>8}  first", "skewed", "samples");
        for (name, skewed) in &self.skewed {
            println!(
                "{name:<28} {:>8}  {}: served {}, now {}",
                skewed.samples,
                skewed.first,
                number(skewed.served),
                number(skewed.recomputed)
            );
        }
    }
}

#[cfg(test)]
mod tests;
