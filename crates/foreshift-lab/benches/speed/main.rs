//! How fast Foreshift is: `cargo bench -p foreshift-lab` prints one table.
//!
//! Four questions, each with what it is measured against: how many signals the engine folds on one core; how much
//! slower the way from Kafka's bytes to recorded inputs and probabilities is than reading and decoding alone; how
//! long one probability with its contributions takes; what the parts of the hot path cost. Sizes are constants here
//! and printed with the results. Machines are noisy: everything is measured several times, the compared loops in
//! turns, and medians are told.

mod broker;
mod engine_alone;
mod fleet;
mod from_kafka;
mod hot_path;
mod probability;

use std::time::Duration;

/// The middle one of several measurements.
fn median(mut seen: Vec<f64>) -> f64 {
    seen.sort_by(f64::total_cmp);
    seen.get(seen.len() / 2).copied().unwrap_or(f64::NAN)
}

/// So many a second.
fn rate(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// A line of the table: what was measured, the figure, what is asked of it, and whether it is met.
fn row(what: &str, figure: &str, asked: &str, met: Option<bool>) {
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    println!("  {what:<62} {figure:>16}   {asked:<18} {verdict}");
}

fn main() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\nSpeed, release build, {cores} cores");
    println!(
        "  fleet: {} targets on {} routes, mode auto; bucket 1 s, tick 1 s, horizons 30 s, 2 m, 10 m; model live/3, online",
        fleet::TARGETS,
        fleet::ROUTES
    );
    println!(
        "  load: {} signals for each tick, one request each, {}% fail; one target breaks for {} s in each {} s",
        fleet::SIGNALS_A_SECOND,
        fleet::FAILING_SHARE * 100.0,
        fleet::BREAK_S,
        fleet::BREAK_EVERY_S
    );
    engine_alone::measure()?;
    from_kafka::measure()?;
    probability::measure()?;
    hot_path::measure()?;
    Ok(())
}
