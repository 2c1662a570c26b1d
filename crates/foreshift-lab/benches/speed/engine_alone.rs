//! Signals a second through the engine on one core: features, incidents, predictions, labels, plans.

use std::time::{Duration as Wait, Instant};

use foreshift_domain::{Duration, Input, Watermark};
use foreshift_engine::Engine;

use crate::fleet::{self, SIGNALS_A_SECOND, Traffic};
use crate::{median, rate, row};

const SECONDS: u64 = 150;
const CLOCKS_A_SECOND: u64 = 10;
/// What came last is still open: the watermark follows the clock by this.
const LATENESS: Duration = Duration::from_secs(2);
const REPEATS: usize = 3;
const ASKED: f64 = 1e6;

pub(crate) fn measure() -> anyhow::Result<()> {
    let mut rates = Vec::new();
    let mut counters = None;
    for _ in 0..REPEATS {
        let fallback = fleet::fallback()?;
        let mut engine = Engine::new(1, fallback.clone(), fleet::model(&fallback)?);
        rates.push(rate(SECONDS * SIGNALS_A_SECOND, run(&mut engine)));
        counters = Some(engine.counters());
    }
    let counters = counters.unwrap_or_default();
    println!("\n(a) The engine alone, one core, median of {REPEATS}");
    println!(
        "  {} signals in {} ticks with {} predictions, {} incidents, {} decisions",
        counters.signals, counters.ticks, counters.predictions, counters.incidents, counters.decisions
    );
    let seen = median(rates);
    row(
        "signals a second",
        &format!("{:.2} M", seen / 1e6),
        "at least 1 M",
        Some(seen >= ASKED),
    );
    Ok(())
}

/// Time within the engine; making the signals is not counted.
fn run(engine: &mut Engine) -> Wait {
    let mut traffic = Traffic::new();
    let mut took = Wait::ZERO;
    for _ in 0..SECONDS {
        let inputs = a_second(&mut traffic);
        let began = Instant::now();
        for input in &inputs {
            engine.handle(input);
            while let Some(output) = engine.poll_output() {
                std::hint::black_box(&output);
            }
        }
        took += began.elapsed();
    }
    took
}

/// As the sequencer gives them with the wall clock: signals, the clock now and then, a watermark at each bucket.
fn a_second(traffic: &mut Traffic) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut newest = None;
    for _ in 0..CLOCKS_A_SECOND {
        for _ in 0..SIGNALS_A_SECOND / CLOCKS_A_SECOND {
            let Some(signal) = traffic.next() else { break };
            newest = Some(signal.time);
            inputs.push(Input::Signal(signal));
        }
        inputs.extend(newest.map(Input::Clock));
    }
    let time = newest.map(|newest| newest.floor_to(Duration::from_secs(1)) - LATENESS);
    inputs.extend(time.map(|time| {
        Input::Watermark(Watermark {
            time,
            idle_partitions: 0,
        })
    }));
    inputs
}
