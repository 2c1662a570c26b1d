//! `compare`: scenarios against setups, and the figures.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args as ClapArgs;

use crate::kafka::Kafka;
use crate::lane::{Binaries, Place, Setup};
use crate::outcome::Outcome;
use crate::play::{self, Show};
use crate::scenario::{self, Gateway, Scenario};
use crate::table;

/// Arguments of `compare`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Scenario files, or folders of them.
    #[arg(default_value = "crates/foreshift-testbed/scenarios")]
    scenarios: Vec<PathBuf>,
    /// What to play them against; what is compared by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    setups: Vec<Setup>,
    /// Seeds, each a run.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    seeds: Vec<u64>,
    /// Strengths of the signs before faults, against the scenario's own, each a run.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    signs: Vec<f64>,
    /// Starts the Kafka that telemetry goes over; without it, telemetry goes straight to Foreshift.
    #[arg(long, value_name = "SCRIPT")]
    kafka: Option<PathBuf>,
    /// Where the files of each run go, and all figures as `outcomes.jsonl`.
    #[arg(long, default_value = "target/testbed")]
    out: PathBuf,
}

pub(crate) async fn run(args: Args, binaries: &Binaries) -> anyhow::Result<()> {
    let setups = if args.setups.is_empty() {
        Setup::COMPARED.to_vec()
    } else {
        args.setups.clone()
    };
    let kafka = match &args.kafka {
        Some(script) => Some(Kafka::start(script).await?),
        None => None,
    };
    std::fs::create_dir_all(&args.out)?;
    let path = args.out.join("outcomes.jsonl");
    let mut file =
        std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut all = Vec::new();
    for path in scenario::files(&args.scenarios)? {
        for signs in &args.signs {
            let scenario = Arc::new(Scenario::load(&path)?.with_signs(*signs));
            let setups = binaries.playable(&setups, &scenario);
            if setups.is_empty() {
                println!(
                    "{}: left out; its gateway is {:?}, and {}",
                    scenario.name,
                    scenario.gateway,
                    if binaries.litellm_python.is_none() && scenario.gateway == Gateway::Litellm {
                        "--litellm-python is not given"
                    } else {
                        "none of the setups is of it"
                    }
                );
                continue;
            }
            for seed in &args.seeds {
                let dir = args.out.join(format!("{}-{signs}-{seed}", scenario.name));
                let place = Place {
                    binaries,
                    kafka: kafka.as_ref(),
                    dir: &cleared(&dir)?,
                };
                let outcomes = play::play(&scenario, &setups, *seed, &place, Show::Bar).await?;
                for outcome in &outcomes {
                    writeln!(
                        file,
                        "{}",
                        serde_json::to_string(&Line {
                            signs: *signs,
                            outcome
                        })?
                    )?;
                }
                println!("{}", table::of_run(&scenario.name, *seed, *signs, &outcomes));
                all.extend(outcomes);
            }
        }
    }
    println!("{}", table::summary(&all));
    Ok(())
}

#[derive(serde::Serialize)]
struct Line<'a> {
    signs: f64,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

fn cleared(dir: &Path) -> anyhow::Result<PathBuf> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("cannot clear {}", dir.display()))?;
    }
    Ok(dir.to_owned())
}
