//! `foreshift-lab explain`: why a model says what it says of a target at a moment of a recording.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::prediction::Explanation;
use foreshift_domain::{Duration, TargetName, Timestamp, rfc3339};
use foreshift_engine::Output;
use foreshift_registry::load_model;
use serde::Serialize;

use crate::format::Format;
use crate::replay::driver::{self, Nothing, Sink};
use crate::train::in_parts::{self, time};
use crate::train::passage::Passage;

/// Contributions that are shown; all are in the JSON.
const SHOWN: usize = 10;

/// Arguments of `foreshift-lab explain`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The target whose prediction is explained.
    target: TargetName,
    /// A signal CSV or a journal.
    #[arg(long, value_name = "PATH")]
    input: PathBuf,
    /// The fallback configuration of a signal CSV.
    #[arg(long, value_name = "FILE", requires = "model")]
    config: Option<PathBuf>,
    /// The model that serves instead of what a journal recorded: a version of models/.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Explain the first prediction from here on; without it, the one of highest probability.
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// Only this horizon. Without it all are explained, and the highest probability is that of the longest.
    #[arg(long, value_name = "SPAN", value_parser = foreshift_config::parse_duration)]
    horizon: Option<Duration>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// A prediction with its reasons.
#[derive(Serialize)]
struct Explained {
    target: TargetName,
    /// The prediction tick.
    time: String,
    model: String,
    /// Whether the target was in an incident then.
    in_incident: bool,
    /// By horizon.
    explanations: Vec<Explanation>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let fallback = match &args.config {
        Some(path) => Arc::new(foreshift_config::load_fallback(path)?.value),
        None => driver::recorded_fallback(&args.input)?,
    };
    let at = match args.at {
        Some(at) => at,
        None => {
            let mut highest = Highest::new(args, &fallback)?;
            passage(args, &fallback)?.0.until(Timestamp::MAX, &mut highest)?;
            let (at, _) = highest
                .found
                .with_context(|| format!("nothing is predicted of {}", args.target))?;
            at
        }
    };
    let explained = explained(args, &fallback, at)?;
    match args.output {
        Format::Json => println!("{}", serde_json::to_string_pretty(&explained)?),
        Format::Text => print!("{}", text(&explained)),
    }
    Ok(())
}

/// The recording, and whether the named model learned from simulation.
fn passage(args: &Args, fallback: &Arc<Fallback>) -> anyhow::Result<(Passage, Option<bool>)> {
    let Some(dir) = &args.model else {
        return Ok((Passage::served(&args.input, fallback)?, None));
    };
    let (manifest, model) = load_model(dir)?;
    let chosen = manifest.fitted(model, fallback)?;
    let passage = Passage::serving(&args.input, fallback, chosen.model, Timestamp::MAX, &[])?;
    Ok((passage, Some(chosen.simulated)))
}

/// Plays the recording up to the first prediction from a time on.
fn explained(args: &Args, fallback: &Arc<Fallback>, at: Timestamp) -> anyhow::Result<Explained> {
    let (first, end) = in_parts::span(&args.input, None)?;
    let (mut passage, simulated) = passage(args, fallback)?;
    passage.explain();
    let mut until = at.max(first);
    loop {
        passage.until(until, &mut Nothing)?;
        let published = passage.engine().publish();
        let state = published.targets.get(&args.target);
        let prediction = state.and_then(|state| state.prediction.as_ref());
        if let Some((state, prediction)) = state.zip(prediction).filter(|(_, of)| of.id.tick >= at) {
            let mut explanations = state.why.ask();
            explanations.retain(|one| args.horizon.is_none_or(|horizon| one.horizon == horizon));
            for explanation in &mut explanations {
                explanation.simulated = simulated.unwrap_or(explanation.simulated);
            }
            return Ok(Explained {
                target: args.target.clone(),
                time: rfc3339::format(prediction.id.tick),
                model: prediction.model.name.clone(),
                in_incident: prediction.in_incident,
                explanations,
            });
        }
        // The last ticks come when the recording ends.
        match until <= end {
            true => until = until + fallback.timing.tick,
            false => bail!(
                "nothing is predicted of {} from {} on",
                args.target,
                rfc3339::format(at)
            ),
        }
    }
}

/// Finds the prediction of highest probability, outside of incidents.
struct Highest<'a> {
    target: &'a TargetName,
    head: usize,
    down: bool,
    found: Option<(Timestamp, f64)>,
}

impl<'a> Highest<'a> {
    fn new(args: &'a Args, fallback: &Fallback) -> anyhow::Result<Self> {
        let horizons = &fallback.timing.horizons;
        let head = match args.horizon {
            Some(horizon) => horizons.iter().position(|one| *one == horizon),
            None => horizons.len().checked_sub(1),
        };
        let listed: Vec<String> = horizons.iter().map(ToString::to_string).collect();
        ensure!(head.is_some(), "horizons are {}", listed.join(", "));
        Ok(Self {
            target: &args.target,
            head: head.unwrap_or_default(),
            down: false,
            found: None,
        })
    }
}

impl Sink for Highest<'_> {
    fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        match output {
            Output::Incident(change) if change.target == *self.target => self.down = change.end.is_none(),
            Output::Predictions(tick) if !self.down => {
                let mut ours = tick.targets.iter().filter(|of| of.target == *self.target);
                let said = ours
                    .next()
                    .and_then(|of| of.probabilities?.get(self.head).copied());
                if let Some(said) = said.filter(|said| self.found.is_none_or(|(_, most)| *said > most)) {
                    self.found = Some((tick.time, said));
                }
            }
            other => Nothing.take(other)?,
        }
        Ok(())
    }
}

fn text(explained: &Explained) -> String {
    let Explained {
        target, time, model, ..
    } = explained;
    let mut text = format!("{target} at {time}, by {model}\n");
    for of in &explained.explanations {
        text += &format!(
            "\nan incident within {}: {:.1} %{}\n  {:+8.3}  to begin with\n",
            of.horizon,
            100.0 * of.probability,
            if of.simulated {
                ", by a model trained on simulation"
            } else {
                ""
            },
            of.base
        );
        for one in of.contributions.iter().take(SHOWN) {
            let value = one.value.map_or(String::new(), |value| match value.is_nan() {
                true => " is missing".to_owned(),
                false => format!(" = {value:.4}"),
            });
            text += &format!("  {:+8.3}  {}{value}\n", one.logit, one.feature);
        }
        if let Some(others) = of.contributions.get(SHOWN..).filter(|others| !others.is_empty()) {
            let sum: f64 = others.iter().map(|one| one.logit).sum();
            text += &format!("  {sum:+8.3}  {} others\n", others.len());
        }
        text += &format!("  {:+8.3}  log-odds\n", of.logit);
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use foreshift_domain::signal::Health;

    use super::*;
    use crate::extract::tests::world::{at_second, health, record, steady};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn what_is_explained_is_what_was_said_and_adds_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut inputs = steady(0, 200);
        inputs.push(health(200, "alpha", Health::Down));
        inputs.extend(steady(200, 220));
        inputs.push(health(220, "alpha", Health::Up));
        inputs.extend(steady(220, 400));
        record(dir.path(), &inputs);
        let journal = dir.path().join("journal");
        let cli = Cli::try_parse_from(["explain", "alpha", "--input", journal.to_str().unwrap()]).unwrap();
        let fallback = driver::recorded_fallback(&journal).unwrap();
        let explained = explained(&cli.args, &fallback, at_second(301)).unwrap();
        assert_eq!(explained.time, rfc3339::format(at_second(305)));
        assert_eq!(explained.explanations.len(), 2);
        for one in &explained.explanations {
            let sum: f64 = one.contributions.iter().map(|one| one.logit).sum();
            assert!((one.base + sum - one.logit).abs() < 1e-6);
        }
        assert!(text(&explained).contains("an incident within 2m"));
        run(&cli.args).unwrap();
        let none = super::explained(&cli.args, &fallback, at_second(10_000))
            .err()
            .unwrap();
        assert!(
            none.to_string().contains("nothing is predicted of alpha"),
            "{none}"
        );
    }
}
