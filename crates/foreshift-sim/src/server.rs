//! A queue in front of workers, first come, first served.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use foreshift_domain::{Duration, Timestamp};

/// Fixed workers and a bounded queue. When a request will end is known when it comes, since none overtakes.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// When each worker is free.
    free: BinaryHeap<Reverse<Timestamp>>,
    /// When waiting requests begin to be served, ascending.
    starts: VecDeque<Timestamp>,
    queue_bound: usize,
}

impl Server {
    pub(crate) fn new(workers: usize, queue_bound: u32) -> Self {
        Self {
            free: vec![Reverse(Timestamp::MIN); workers.max(1)].into(),
            starts: VecDeque::new(),
            queue_bound: queue_bound as usize,
        }
    }

    /// Takes a request that needs `service`; gives when it will be done, or `None` when the queue is full.
    pub(crate) fn admit(&mut self, now: Timestamp, service: Duration) -> Option<Timestamp> {
        if self.waiting(now) >= self.queue_bound {
            return None;
        }
        let Reverse(free) = self.free.pop()?;
        let start = free.max(now);
        let done = start + service;
        self.free.push(Reverse(done));
        if start > now {
            self.starts.push_back(start);
        }
        Some(done)
    }

    /// How many requests wait for a worker.
    pub(crate) fn waiting(&mut self, now: Timestamp) -> usize {
        while self.starts.front().is_some_and(|start| *start <= now) {
            self.starts.pop_front();
        }
        self.starts.len()
    }

    /// No worker begins anything new for a while.
    pub(crate) fn stall(&mut self, now: Timestamp, length: Duration) {
        let resumed = now + length;
        self.free = self
            .free
            .drain()
            .map(|Reverse(free)| Reverse(free.max(resumed)))
            .collect();
    }

    /// Forgets all work: the process died.
    pub(crate) fn clear(&mut self) {
        self.free = self.free.drain().map(|_| Reverse(Timestamp::MIN)).collect();
        self.starts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Duration = Duration::from_millis;

    #[test]
    fn requests_wait_for_a_worker_and_are_refused_when_the_queue_is_full() {
        let now = Timestamp::from_secs(1);
        let mut server = Server::new(2, 1);
        assert_eq!(server.admit(now, MS(100)), Some(now + MS(100)));
        assert_eq!(server.admit(now, MS(100)), Some(now + MS(100)));
        assert_eq!(
            server.admit(now, MS(100)),
            Some(now + MS(200)),
            "waits for the first to end"
        );
        assert_eq!(server.waiting(now), 1);
        assert_eq!(
            server.admit(now, MS(100)),
            None,
            "the bound is one waiting request"
        );
        assert_eq!(server.waiting(now + MS(100)), 0);
    }

    #[test]
    fn a_standstill_delays_what_comes_next() {
        let now = Timestamp::from_secs(1);
        let mut server = Server::new(1, 10);
        server.stall(now, MS(300));
        assert_eq!(server.admit(now, MS(10)), Some(now + MS(310)));
        server.clear();
        assert_eq!(server.admit(now, MS(10)), Some(now + MS(10)));
    }
}
