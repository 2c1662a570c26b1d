//! Plays a scenario through several lanes side by side, so that the machine's noise is the same for all.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::lane::{Lane, Place, Setup};
use crate::live;
use crate::load::{self, Seen, Tally};
use crate::outcome::{Outcome, judge};
use crate::scenario::Scenario;
use crate::{shifts, stages};

/// Between the start of all processes and the first request: connections and first weights settle.
const SETTLE: Duration = Duration::from_millis(500);

/// What people see meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Nothing,
    /// How far it is.
    Bar,
    /// What happens in each lane.
    Lines,
}

/// Plays it once; what each lane's clients saw is also written to the place's folder, one for each lane.
pub(crate) async fn play(
    scenario: &Arc<Scenario>,
    setups: &[Setup],
    seed: u64,
    place: &Place<'_>,
    show: Show,
) -> anyhow::Result<Vec<Outcome>> {
    std::fs::create_dir_all(place.dir)?;
    std::fs::write(
        place.dir.join("scenario.json"),
        serde_json::to_string_pretty(scenario.as_ref())?,
    )?;
    let mut lanes = Vec::new();
    for setup in setups {
        let dir = place.dir.join(setup.name());
        let lane = Lane::start(*setup, scenario, &Place { dir: &dir, ..*place }).await;
        lanes.push(lane.with_context(|| format!("the lane {}", setup.name()))?);
    }
    let start = Instant::now() + SETTLE;
    let (mut driving, mut tallies) = (Vec::new(), Vec::new());
    for lane in &mut lanes {
        lane.open(scenario, seed, start);
        let tally = Arc::new(Tally::default());
        tallies.push((lane.setup, Arc::clone(&tally)));
        driving.push(tokio::spawn(load::drive(
            Arc::clone(scenario),
            lane.ingress,
            seed,
            start,
            tally,
        )));
    }
    let began_at = std::time::SystemTime::now() + start.saturating_duration_since(Instant::now());
    let shown = match show {
        Show::Nothing => None,
        Show::Bar => Some(tokio::spawn(progress(Arc::clone(scenario), seed, start))),
        Show::Lines => Some(tokio::spawn(live::watch(Arc::clone(scenario), start, tallies))),
    };
    let mut outcomes = Vec::new();
    for (lane, driven) in lanes.into_iter().zip(driving) {
        let seen = driven.await?;
        let setup = lane.setup;
        lane.close().await?;
        let dir = place.dir.join(setup.name());
        write(&dir, &seen)?;
        let shifts = shifts::read(&dir, scenario, began_at)?;
        let mut outcome = judge(setup, scenario, seed, &seen, &shifts);
        if setup.has_foreshift() {
            let decided = |sequence| {
                let mut changes = shifts.windows(2);
                changes.find_map(|pair| match pair {
                    [before, shift] if shift.sequence == sequence => {
                        (before.weights_bp != shift.weights_bp).then_some(shift.decided)
                    }
                    _ => None,
                })
            };
            outcome.stages = stages::read(&dir.join("state/journal"), decided)?;
        }
        outcomes.push(outcome);
    }
    shown.inspect(tokio::task::JoinHandle::abort);
    Ok(outcomes)
}

async fn progress(scenario: Arc<Scenario>, seed: u64, start: Instant) {
    let bar = ProgressBar::new(scenario.length_s as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:28} {bar:40} {pos:>4} of {len} s of the story") {
        bar.set_style(style);
    }
    bar.set_message(format!("{}, seed {seed}", scenario.name));
    while bar.position() < bar.length().unwrap_or_default() {
        bar.set_position(scenario.story_s(start.elapsed()) as u64);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    bar.finish_and_clear();
}

fn write(dir: &Path, seen: &[Seen]) -> anyhow::Result<()> {
    use std::io::Write;
    let path = dir.join("requests.jsonl");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
    for one in seen {
        serde_json::to_writer(&mut file, one)?;
        file.write_all(b"\n")?;
    }
    file.flush()
        .with_context(|| format!("cannot write {}", path.display()))
}
