//! `record`: scenarios or made-up stories with Foreshift in shadow. Its journals are recorded incidents and training data.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::task::JoinSet;

use crate::lane::{Binaries, Place, Setup};
use crate::play::{self, Show};
use crate::scenario::{self, Gateway, Scenario};
use crate::stories::story;

/// Arguments of `record`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Scenario files, or folders of them, of which those with Envoys are played once each; without any, stories are
    /// made up by chance.
    scenarios: Vec<PathBuf>,
    /// How many stories.
    #[arg(long, default_value_t = 12)]
    stories: u64,
    /// How many times as fast as in production stories go.
    #[arg(long, default_value_t = 10.0)]
    pace: f64,
    /// Seed of the first story, further ones count up; the seed of every scenario.
    #[arg(long, default_value_t = 1_000)]
    seed: u64,
    /// How many are played at once.
    #[arg(long, default_value_t = 6)]
    at_once: usize,
    /// Where they go: the journal of each in `STORY/shadow/state/journal`.
    #[arg(long, default_value = "target/recordings")]
    out: PathBuf,
}

pub(crate) async fn run(args: Args, binaries: &Binaries) -> anyhow::Result<()> {
    let mut playing = JoinSet::new();
    for (scenario, seed) in to_play(&args)? {
        if playing.len() >= args.at_once.max(1)
            && let Some(played) = playing.join_next().await
        {
            report(played??);
        }
        let (binaries, dir) = (binaries.clone(), args.out.join(&scenario.name));
        playing.spawn(async move {
            let place = Place {
                binaries: &binaries,
                kafka: None,
                dir: &dir,
            };
            play::play(&Arc::new(scenario), &[Setup::Shadow], seed, &place, Show::Nothing).await
        });
    }
    while let Some(played) = playing.join_next().await {
        report(played??);
    }
    Ok(())
}

/// What is played, with its seeds.
fn to_play(args: &Args) -> anyhow::Result<Vec<(Scenario, u64)>> {
    if args.scenarios.is_empty() {
        let seeds = args.seed..args.seed + args.stories;
        let stories = seeds.map(|seed| {
            let story = story(seed, args.pace);
            story.check()?;
            Ok((story, seed))
        });
        return stories.collect();
    }
    let mut scenarios = Vec::new();
    for path in scenario::files(&args.scenarios)? {
        let scenario = Scenario::load(&path)?;
        if scenario.gateway == Gateway::Envoy {
            scenarios.push((scenario, args.seed));
        }
    }
    Ok(scenarios)
}

fn report(outcomes: Vec<crate::outcome::Outcome>) {
    for outcome in outcomes {
        println!(
            "{}: {} of {} requests failed",
            outcome.scenario, outcome.failed, outcome.requests
        );
    }
}
