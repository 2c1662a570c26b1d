//! `record`: made-up stories with Foreshift in shadow. Its journals are training data.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args as ClapArgs;
use tokio::task::JoinSet;

use crate::lane::{Binaries, Place, Setup};
use crate::play::{self, Show};
use crate::stories::story;

/// Arguments of `record`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// How many stories.
    #[arg(long, default_value_t = 12)]
    stories: u64,
    /// Seed of the first; further ones count up.
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
    for seed in args.seed..args.seed + args.stories {
        if playing.len() >= args.at_once.max(1)
            && let Some(played) = playing.join_next().await
        {
            report(played??);
        }
        let (binaries, dir) = (binaries.clone(), args.out.join(format!("story-{seed}")));
        playing.spawn(async move {
            let place = Place {
                binaries: &binaries,
                kafka: None,
                dir: &dir,
            };
            play::play(
                &Arc::new(story(seed)),
                &[Setup::Shadow],
                seed,
                &place,
                Show::Nothing,
            )
            .await
        });
    }
    while let Some(played) = playing.join_next().await {
        report(played??);
    }
    Ok(())
}

fn report(outcomes: Vec<crate::outcome::Outcome>) {
    for outcome in outcomes {
        println!(
            "{}: {} of {} requests failed",
            outcome.scenario, outcome.failed, outcome.requests
        );
    }
}
