//! `compare`: scenarios against setups, and the figures.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args as ClapArgs;

use crate::lane::{Binaries, Setup};
use crate::play;
use crate::scenario::Scenario;

/// Arguments of `compare`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Scenario files.
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    /// What to play them against; what is compared by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    setups: Vec<Setup>,
    /// Seeds, each a run.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    seeds: Vec<u64>,
    /// Strength of the signs before faults, against the scenario's own.
    #[arg(long, default_value_t = 1.0)]
    signs: f64,
    /// Where the files of each run go.
    #[arg(long, default_value = "target/testbed")]
    out: PathBuf,
}

pub(crate) async fn run(args: Args, binaries: &Binaries) -> anyhow::Result<()> {
    let setups = if args.setups.is_empty() {
        Setup::COMPARED.to_vec()
    } else {
        args.setups
    };
    for path in &args.scenarios {
        let scenario = Arc::new(Scenario::load(path)?.with_signs(args.signs));
        for seed in &args.seeds {
            let dir = args.out.join(format!("{}-{seed}", scenario.name));
            if dir.exists() {
                std::fs::remove_dir_all(&dir).with_context(|| format!("cannot clear {}", dir.display()))?;
            }
            for outcome in play::play(&scenario, &setups, *seed, binaries, &dir).await? {
                println!("{}", serde_json::to_string(&outcome)?);
            }
        }
    }
    Ok(())
}
