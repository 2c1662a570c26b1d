//! `live`: one scenario, line by line, for people who watch.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args as ClapArgs;

use crate::lane::{Binaries, Place, Setup};
use crate::load::{Counts, Tally};
use crate::play::{self, Show};
use crate::scenario::Scenario;
use crate::table;

/// Seconds of the story between two lines.
const EVERY_S: f64 = 10.0;
const COLUMN: usize = 34;

/// Arguments of `live`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// A scenario file.
    #[arg(default_value = "crates/foreshift-testbed/scenarios/leak.yaml")]
    scenario: PathBuf,
    /// What to watch side by side.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "outlier-tuned,health-checks,predictive"
    )]
    setups: Vec<Setup>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) async fn run(args: Args, binaries: &Binaries) -> anyhow::Result<()> {
    let scenario = Arc::new(Scenario::load(&args.scenario)?);
    let setups = binaries.playable(&args.setups, &scenario);
    anyhow::ensure!(
        !setups.is_empty(),
        "{} is played on {:?}: name setups of it, and --litellm-python where it is LiteLLM",
        scenario.name,
        scenario.gateway
    );
    let dir = tempfile::Builder::new().prefix("foreshift-live-").tempdir()?;
    println!("{}: {}", scenario.name, scenario.about);
    println!(
        "{} requests a second through one real gateway for each column; {:.0} s of production in {:.0} s.\n",
        scenario.traffic.rate_rps,
        scenario.length_s,
        scenario.real(scenario.length_s).as_secs_f64()
    );
    let place = Place {
        binaries,
        kafka: None,
        dir: dir.path(),
    };
    let outcomes = play::play(&scenario, &setups, args.seed, &place, Show::Lines).await?;
    println!("\n{}", table::of_run(&scenario.name, args.seed, 1.0, &outcomes));
    Ok(())
}

/// Prints a line every few seconds of the story until it is aborted.
pub(crate) async fn watch(scenario: Arc<Scenario>, start: Instant, lanes: Vec<(Setup, Arc<Tally>)>) {
    let mut head = format!("{:>5}  {:26}", "", "");
    for (setup, _) in &lanes {
        head += &format!("{:COLUMN$}", setup.name());
    }
    println!("{head}");
    let mut before = vec![Counts::default(); lanes.len()];
    let mut at_s = EVERY_S;
    while at_s <= scenario.length_s {
        tokio::time::sleep_until((start + scenario.real(at_s)).into()).await;
        let mut line = format!("{at_s:>4.0}s  {:26}", happening(&scenario, at_s - EVERY_S / 2.0));
        for ((_, tally), before) in lanes.iter().zip(&mut before) {
            let now = tally.read();
            line += &format!("{:COLUMN$}", lane(&scenario, before, &now));
            *before = now;
        }
        println!("{}", line.trim_end());
        at_s += EVERY_S;
    }
}

/// What the script does.
fn happening(scenario: &Scenario, at_s: f64) -> String {
    let acting = scenario
        .faults
        .iter()
        .filter(|fault| (fault.signs_at_s..fault.ends_at_s).contains(&at_s));
    let words = acting.map(|fault| {
        let what = if at_s < fault.fails_at_s {
            "shows signs"
        } else {
            "FAILS"
        };
        format!("{} {what}", fault.target)
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Who answered since the line before, and how many failed.
fn lane(scenario: &Scenario, before: &Counts, now: &Counts) -> String {
    let of = |counts: &Counts, name: &str| counts.answered_by.get(name).copied().unwrap_or_default();
    let since: Vec<u64> = scenario
        .targets
        .iter()
        .map(|target| of(now, &target.name) - of(before, &target.name))
        .collect();
    let all = since.iter().sum::<u64>().max(1);
    let shares = scenario
        .targets
        .iter()
        .zip(&since)
        .map(|(target, count)| format!("{} {}%", target.name, (100 * count + all / 2) / all));
    let failed = now.failed - before.failed;
    let failed = if failed > 0 {
        format!("  {failed} failed")
    } else {
        String::new()
    };
    format!("{}{failed}", shares.collect::<Vec<_>>().join(" "))
}
