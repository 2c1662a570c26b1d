//! `foreshift-testbed`: real Envoys, upstreams of our own with scripted faults, open-loop load, and what clients see.

mod lane;
mod load;
mod outcome;
mod play;
mod process;
mod scenario;
mod shifts;
mod upstream;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;

use crate::lane::{Binaries, Setup};
use crate::scenario::Scenario;

/// Plays scenarios against real Envoys, with and without Foreshift.
#[derive(Parser)]
#[command(name = "foreshift-testbed")]
struct Args {
    /// Scenario files.
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    /// What to play them against; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    setups: Vec<Setup>,
    /// Seeds, each a run.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    seeds: Vec<u64>,
    /// Strength of the signs before faults, against the scenario's own.
    #[arg(long, default_value_t = 1.0)]
    signs: f64,
    /// The Envoy binary.
    #[arg(long, env = "FORESHIFT_ENVOY")]
    envoy: PathBuf,
    /// The foreshift binary.
    #[arg(long, env = "FORESHIFT_BINARY")]
    foreshift: PathBuf,
    /// Where the files of each run go.
    #[arg(long, default_value = "target/testbed")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let binaries = Binaries {
        envoy: args.envoy,
        foreshift: args.foreshift,
    };
    let setups = if args.setups.is_empty() {
        Setup::ALL.to_vec()
    } else {
        args.setups
    };
    let mut all = Vec::new();
    for path in &args.scenarios {
        let scenario = Arc::new(Scenario::load(path)?.with_signs(args.signs));
        for seed in &args.seeds {
            let dir = args.out.join(format!("{}-{seed}", scenario.name));
            if dir.exists() {
                std::fs::remove_dir_all(&dir).with_context(|| format!("cannot clear {}", dir.display()))?;
            }
            let outcomes = play::play(&scenario, &setups, *seed, &binaries, &dir).await?;
            for outcome in &outcomes {
                println!("{}", serde_json::to_string(outcome)?);
            }
            all.extend(outcomes);
        }
    }
    Ok(())
}
