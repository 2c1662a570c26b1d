//! What the integration tests share: real components, started and stopped, and waiting for them.
//!
//! A broker or a process that does not do what it should fails the test at once, with where its log is.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod collector;
mod envoy;
mod foreshift;
mod kafka;
mod page;
mod places;
mod records;
mod relay;
mod secrets;
mod seed;
mod watcher;
mod weights;

pub use collector::Collector;
pub use envoy::{Envoy, ask, envoy_binary, silent_target, target};
pub use foreshift::{Foreshift, Settings};
pub use kafka::{DeadLetter, Kafka};
pub use page::{Page, Reader};
pub use places::{binary, free_ports, kept_logs, workspace};
pub use records::{RecordBatches, batch_bytes, signals_of_csv, success};
pub use relay::Relay;
pub use secrets::{Planted, planted};
pub use seed::Seed;
pub use watcher::Watcher;
pub use weights::WeightServer;

use std::time::{Duration, Instant};

/// Looks until something is there; fails when it is not there in time.
pub fn eventually<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
