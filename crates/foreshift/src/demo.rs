//! `foreshift demo`: a recorded incident, produced through Kafka at accelerated speed, with the engine and the
//! server of `foreshift run` on it. What is shown is read from that server by a client.

mod feed;
mod moments;
mod pace;
mod reasons;
mod render;
mod screen;
mod stage;
mod summary;
mod viewer;

use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::Args as ClapArgs;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use foreshift_sim::{Recording, Scenario};

use crate::cli::output::{OutputArgs, paint};
use feed::Progress;
use screen::Screen;
use stage::Stage;
use summary::{Summary, Watched};
use viewer::Viewer;

/// How long a demo lasts if nobody asks for another speed, in seconds: long enough to watch.
const USUAL_S: f64 = 36.0;
/// Slower would be waiting; faster is more than an engine handles, and the producer waits for it anyway.
const SPEEDS: std::ops::RangeInclusive<f64> = 1.0..=1_000.0;

/// Arguments of `foreshift demo`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// What happens: `leak` has signs before it, `crash` has none, `demo` has both and two false scents
    #[arg(long, value_name = "NAME", default_value = "demo", value_parser = scenarios())]
    scenario: Scenario,
    /// Another seed is another recording
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Times as fast as recorded; by default what takes about 36 seconds
    #[arg(long, value_name = "X", value_parser = speed)]
    speed: Option<f64>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let recording = args.scenario.recording(args.seed);
    let speed = args.speed.unwrap_or(recording.length.as_secs_f64() / USUAL_S);
    let mut screen = Screen::new(
        args.output.is_json(),
        recording.targets().count(),
        recording.length,
    )?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let watched = runtime.block_on(play(&recording, speed, &mut screen));
    screen.finish();
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let summary = Summary::of(&recording, watched?);
    args.output
        .print(&summary, |_| render::summary(&summary, paint()))
}

/// Plays the recording to a server of its own, and watches that.
async fn play(recording: &Recording, speed: f64, screen: &mut Screen) -> anyhow::Result<Watched> {
    let heading = render::heading(
        &recording.scenario,
        recording.seed,
        recording.length,
        speed,
        screen.paint(),
    );
    heading.iter().try_for_each(|line| screen.say(line))?;
    let Stage {
        running,
        fallback,
        kafka,
        storage,
    } = Stage::set(recording, speed).await?;
    let producer = kafka.producer()?;
    let progress = Arc::new(Progress::default());
    let (played, progressing) = (recording.clone(), Arc::clone(&progress));
    // A thread of its own: a simulated world computes, and waits for the consumer.
    let producing = tokio::task::spawn_blocking(move || {
        let produced = feed::produce(&played, speed, &producer, &progressing);
        // Also when it failed: nobody waits for more.
        progressing.finish();
        produced
    });
    let server = format!("http://{}", running.addresses().listen);
    let viewer = Viewer::new(recording, speed, fallback, screen, Arc::clone(&progress));
    let mut watched = None;
    let ended = running
        .until(async {
            watched = Some(tokio::select! {
                watched = viewer.watch(server) => watched,
                () = crate::run::signalled() => Err(anyhow!("interrupted")),
            });
        })
        .await;
    progress.stop();
    let produced = producing.await.context("the producer ended without a word")?;
    drop(kafka);
    drop(storage);
    ended?;
    produced?;
    match watched {
        Some(watched) => watched,
        None => bail!("the engine stopped before the recording was over"),
    }
}

fn scenarios() -> impl TypedValueParser<Value = Scenario> {
    PossibleValuesParser::new(Scenario::ALL.map(Scenario::as_str))
        .try_map(|name| Scenario::parse(&name).ok_or_else(|| format!("no scenario is named {name}")))
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text
        .parse::<f64>()
        .map_err(|_| format!("expected a number, found `{text}`"))?;
    if SPEEDS.contains(&speed) {
        return Ok(speed);
    }
    Err(format!(
        "expected a number from {} to {}, found {speed}",
        SPEEDS.start(),
        SPEEDS.end()
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn scenario_seed_and_speed_are_checked() {
        let parse = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.args);
        let usual = parse("demo").unwrap();
        assert_eq!((usual.scenario, usual.speed), (Scenario::Demo, None));
        let asked = parse("demo --scenario leak --seed 11 --speed 20 -o json").unwrap();
        assert_eq!(
            (asked.scenario, asked.seed, asked.speed),
            (Scenario::Leak, 11, Some(20.0))
        );
        for wrong in [
            "--scenario flood",
            "--seed -1",
            "--speed 0",
            "--speed NaN",
            "--speed inf",
            "--speed fast",
        ] {
            assert!(parse(&format!("demo {wrong}")).is_err(), "{wrong}");
        }
    }

    /// The whole of it, as fast as it goes: producer, Kafka, engine, server, client.
    #[test]
    fn nothing_that_is_produced_is_lost_on_its_way_and_the_crash_is_reacted_to() {
        let recording = Scenario::Crash.recording(7);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let watched = runtime
            .block_on(play(&recording, 1_000.0, &mut Screen::Nothing))
            .unwrap();
        assert!(watched.produced > 20_000);
        assert_eq!(watched.handled, watched.produced);
        let summary = Summary::of(&recording, watched);
        let shift = summary.faults[0].first_shift_s.unwrap();
        assert!(
            shift > summary.faults[0].onset_s && shift < summary.faults[0].onset_s + 10.0,
            "{summary:?}"
        );
        assert!(summary.saved_against_staying_put > 0, "{summary:?}");
    }
}
