//! How fast weights reach those who follow them: `cargo bench -p foreshift-serve` prints one table.
//!
//! Three questions: how long a change takes to ten thousand watch streams, and what they cost in memory; how
//! `GetRouteWeights` compares with a call that does nothing; how long a real Envoy takes to apply a change. Clients are
//! a process of their own, so that the memory told is the server's. Sizes are constants and printed with the results.

mod envoy;
mod peer;
mod unary;
mod watches;
mod world;

use std::time::Duration;

/// A line of the table: what was measured, the figure, what is asked of it, and whether it is met.
fn row(what: &str, figure: &str, asked: &str, met: Option<bool>) {
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    println!("  {what:<66} {figure:>22}   {asked:<18} {verdict}");
}

/// The value below which this share of them lies, zero of none.
fn quantile(sorted: &[u64], share: f64) -> u64 {
    let last = sorted.len().saturating_sub(1);
    let at = (share * last as f64).ceil() as usize;
    sorted.get(at.min(last)).copied().unwrap_or_default()
}

fn ms(us: u64) -> String {
    format!("{:.1}", us as f64 / 1e3)
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [watches::CLIENT, address] => runtime.block_on(watches::client(address)),
        [unary::CLIENT, weights, nothing] => runtime.block_on(unary::client(weights, nothing)),
        _ => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            println!("\nServing, {cores} cores, clients on the same");
            // The watches first: their memory is that of a process that did nothing before.
            runtime.block_on(watches::measure())?;
            runtime.block_on(unary::measure())?;
            runtime.block_on(envoy::measure())?;
            runtime.shutdown_timeout(Duration::from_secs(1));
            Ok(())
        }
    }
}
