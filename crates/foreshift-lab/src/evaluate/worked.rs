//! Time that this thread had a processor: what else runs on the machine hardly matters.

use std::fs;
use std::time::Instant;

/// A span that began when this was made.
pub(crate) struct Worked {
    started: Instant,
    on_processor_us: Option<f64>,
}

/// By the system's books of this thread, where it keeps them.
fn on_processor_us() -> Option<f64> {
    let books = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = books.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e3)
}

impl Default for Worked {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            on_processor_us: on_processor_us(),
        }
    }
}

impl Worked {
    /// Microseconds of the thread's work since the beginning; of the clock where the system does not say.
    pub(crate) fn us(&self) -> f64 {
        let worked = on_processor_us().zip(self.on_processor_us);
        let clock = || self.started.elapsed().as_secs_f64() * 1e6;
        worked.map_or_else(clock, |(now, then)| now - then)
    }
}
