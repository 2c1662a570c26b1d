//! What the miner promises.

mod bounds;
mod fuzzing;
mod grouping;
mod identity;
mod masks;

use foreshift_logs::miner::{Miner, Settings};

fn miner() -> Miner {
    Miner::new(Settings::default())
}

/// Reads the lines and gives the final text of each.
fn texts(lines: &[&str]) -> Vec<String> {
    let mut miner = miner();
    let ids: Vec<u64> = lines
        .iter()
        .map(|line| miner.read(line.as_bytes()).template)
        .collect();
    ids.iter()
        .filter_map(|id| miner.template(*id))
        .map(|template| template.text().to_owned())
        .collect()
}

/// The text of a line on its own.
fn text(line: &str) -> String {
    texts(&[line]).remove(0)
}
