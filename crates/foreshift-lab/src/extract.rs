//! `foreshift-lab extract`: a recording through the engine that serves, as rows of features and labels.
//!
//! Nothing is computed twice: the engine hands out the feature vectors that its predictions are made from, and labels
//! are decided by the rule that it learns by.

mod hindsight;
mod labeller;
mod sources;
mod summary;
mod thinning;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args as ClapArgs;
use foreshift_domain::{Duration, Timestamp, rfc3339};
use foreshift_sim::FleetSpec;

use crate::format::Format;
use crate::rows::{About, RowWriter};
use labeller::{Labeller, Of, Span};
use sources::World;
pub(crate) use sources::prefix;
pub(crate) use summary::Summary;
pub(crate) use thinning::OneIn;
use thinning::Thinning;

/// Arguments of `foreshift-lab extract`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Where to write the rows.
    #[arg(short, long, value_name = "PARQUET")]
    out: PathBuf,
    /// A journal, a signal CSV (`.csv`, `.csv.gz`), or a folder with journals somewhere below.
    #[arg(long, value_name = "PATH", required_unless_present = "fleet_seed")]
    input: Option<PathBuf>,
    /// The fallback configuration: needed for a CSV; for journals the one they recorded, unless named.
    #[arg(long, value_name = "FILE", conflicts_with = "fleet_seed")]
    config: Option<PathBuf>,
    /// Simulate fleets instead of reading: the seed of the first one, further ones count up.
    #[arg(long, value_name = "SEED", conflicts_with = "input")]
    fleet_seed: Option<u64>,
    /// How many fleets to simulate.
    #[arg(long, default_value_t = 1, requires = "fleet_seed")]
    fleets: u64,
    /// Hours of each fleet.
    #[arg(long, default_value_t = 6, requires = "fleet_seed")]
    hours: u32,
    /// Targets of each fleet.
    #[arg(long, default_value_t = 24, requires = "fleet_seed")]
    targets: usize,
    /// Other kinds of faults befall the fleets as time goes on.
    #[arg(long, requires = "fleet_seed")]
    drift: bool,
    /// Write rows of prediction ticks from here on: a time, or a span back from the newest record such as 30d. What
    /// was before is still seen by the features.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Write rows of prediction ticks before this: a time, or a span back from the newest record.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Take only prediction ticks at multiples of this span; their rows weigh that much more.
    #[arg(long, value_name = "SPAN", value_parser = foreshift_config::parse_duration)]
    every: Option<Duration>,
    /// Of the rows that are not positive keep one in so many, drawn by hash; they weigh that much more.
    #[arg(long, value_name = "1:N", default_value = "1:1")]
    negatives: OneIn,
    /// How much later than a younger row a row may stand in a CSV and still count.
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = foreshift_config::parse_duration)]
    lateness: Duration,
    /// How many times as fast as life everything in the recording goes: horizons are written that much longer.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = pace)]
    pace: f64,
    /// How to print the summary.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    /// Rows of a journal as it was served, from prediction ticks since then.
    pub(crate) fn of_journal(
        journal: &Path,
        since: Timestamp,
        every: Duration,
        negatives: OneIn,
        out: &Path,
    ) -> Self {
        Self {
            out: out.to_owned(),
            input: Some(journal.to_owned()),
            config: None,
            fleet_seed: None,
            fleets: 1,
            hours: 0,
            targets: 0,
            since: Some(rfc3339::format(since)),
            until: None,
            every: Some(every),
            negatives,
            lateness: Duration::ZERO,
            pace: 1.0,
            format: Format::Text,
            drift: false,
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let summary = rows(args)?;
    match args.format {
        Format::Text => summary.print(),
        Format::Json => println!("{}", serde_json::to_string_pretty(&summary)?),
    }
    Ok(())
}

/// Writes the rows, and says what they are.
pub(crate) fn rows(args: &Args) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let worlds = worlds(args)?;
    let first = worlds.first().context("there is nothing to extract from")?;
    let of_first = first.fallback()?.clone();
    let timing = of_first.timing.clone();
    let mut digests = Vec::new();
    for world in &worlds {
        let fallback = world.fallback()?;
        ensure!(
            fallback.timing.horizons == timing.horizons
                && fallback.timing.tick == timing.tick
                && fallback.features == of_first.features,
            "{} looks ahead by other horizons than the first recording, or declares other features: extract it on its own",
            world.name()
        );
        let digest = fallback.digest.to_string();
        if !digests.contains(&digest) {
            digests.push(digest);
        }
    }
    let thinning = Thinning::new(timing.tick, args.every, args.negatives)?;
    let mut summary = Summary::new(&timing, args.pace);
    let mut writer = RowWriter::create(&args.out, &About::new(&of_first, args.pace, digests))?;
    for world in &worlds {
        let span = span(args, world)?;
        let hindsight = world.hindsight()?;
        let of = Of {
            timing: &timing,
            prefix: world.prefix(),
            pace: args.pace,
            span,
        };
        let mut labeller = Labeller::new(of, thinning, hindsight, &mut writer, &mut summary);
        world
            .play(&mut labeller, args.lateness)
            .with_context(|| format!("cannot extract from {}", world.name()))?;
        labeller.finish()?;
        summary.sources += 1;
    }
    writer.finish()?;
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

fn pace(text: &str) -> Result<f64, String> {
    let pace = text
        .parse()
        .ok()
        .filter(|pace: &f64| pace.is_finite() && *pace > 0.0);
    pace.ok_or_else(|| format!("expected a number above 0, found `{text}`"))
}

fn worlds(args: &Args) -> anyhow::Result<Vec<World>> {
    match (&args.input, args.fleet_seed) {
        (Some(input), _) => sources::recorded(input, args.config.as_deref()),
        (None, Some(seed)) => {
            let spec = |seed| FleetSpec {
                seed,
                hours: args.hours,
                targets: args.targets,
            };
            Ok((seed..seed.saturating_add(args.fleets))
                .map(|seed| World::fleet(spec(seed), args.drift))
                .collect())
        }
        (None, None) => Ok(Vec::new()),
    }
}

/// Which ticks are written of one world.
fn span(args: &Args, world: &World) -> anyhow::Result<Span> {
    let of = |text: &Option<String>, without: Timestamp| {
        text.as_ref()
            .map_or(Ok(without), |text| when(text, || world.newest()))
    };
    Ok(Span {
        since: of(&args.since, Timestamp::MIN)?,
        until: of(&args.until, Timestamp::MAX)?,
    })
}

/// A time, or a span back from the newest record.
pub(crate) fn when(
    text: &str,
    newest: impl FnOnce() -> anyhow::Result<Timestamp>,
) -> anyhow::Result<Timestamp> {
    if let Some(time) = foreshift_ingest::time_text::parse(text.as_bytes()) {
        return Ok(time);
    }
    let back = foreshift_config::parse_duration(text)
        .map_err(|_| anyhow::anyhow!("{text:?} is neither a time nor a span such as 30d"))?;
    Ok(newest()? - back)
}

#[cfg(test)]
pub(crate) mod tests;
