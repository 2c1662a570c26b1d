//! An upstream of our own: an HTTP server whose faults follow a script.
//!
//! Workers, queue, pool and quota are real: requests wait for a permit, and are refused when too many wait. So a
//! target that is given less traffic recovers as a real one does, and one that is given too much goes down.

mod answer;
mod listen;
mod log_lines;
mod telemetry;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;

use crate::scenario::{Effects, Scenario, Target};

pub(crate) use answer::TARGET_HEADER;
pub(crate) use listen::serve;
pub(crate) use telemetry::report;

/// Connections in the pool to what is behind the upstream, over what its workers need: some spare, as people set it.
const POOL_SPARE: f64 = 2.0;
/// How many requests may wait for a worker, in seconds of work at capacity.
const QUEUE_S: f64 = 0.4;

/// One upstream of one lane.
pub(crate) struct Upstream {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) index: usize,
    pub(crate) port: u16,
    seed: u64,
    started: Instant,
    workers: Semaphore,
    waiting: AtomicUsize,
    queue_bound: usize,
    pool: Semaphore,
    pool_size: usize,
    pool_used: AtomicUsize,
    in_flight: AtomicUsize,
    served: AtomicUsize,
}

impl Upstream {
    pub(crate) fn new(scenario: Arc<Scenario>, index: usize, port: u16, seed: u64, started: Instant) -> Self {
        let spec = &scenario.targets[index];
        let workers = spec.workers(scenario.traffic.tokens);
        let pool_size = (workers as f64 * POOL_SPARE).ceil() as usize;
        Self {
            workers: Semaphore::new(workers),
            waiting: AtomicUsize::new(0),
            queue_bound: (spec.capacity_rps * QUEUE_S).ceil() as usize,
            pool: Semaphore::new(pool_size),
            pool_size,
            pool_used: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            scenario,
            index,
            port,
            seed,
            started,
        }
    }

    pub(crate) fn spec(&self) -> &Target {
        &self.scenario.targets[self.index]
    }

    fn story_s(&self) -> f64 {
        self.scenario.story_s(self.started.elapsed())
    }

    /// What the script does to it now.
    fn effects(&self) -> Effects {
        let now = self.story_s();
        let mine = self
            .scenario
            .faults
            .iter()
            .filter(|fault| fault.target == self.spec().name);
        let acting = mine.map(|fault| fault.effects(now, self.seed + self.index as u64));
        acting.fold(Effects::default(), |all, one| {
            if one == Effects::default() { all } else { one }
        })
    }

    /// Share of the quota that is left: others use it, and so do we.
    fn quota_left(&self, effects: &Effects) -> Option<f64> {
        let quota = self.spec().quota?;
        let ours = self.served.load(Ordering::Relaxed) as f64 / quota;
        Some((1.0 - ours - effects.quota * (1.0 - ours)).max(0.0))
    }
}
