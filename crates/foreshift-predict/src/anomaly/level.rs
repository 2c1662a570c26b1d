//! Where the series is, over a while, against where it was before.

use serde::{Deserialize, Serialize};

use super::tail::Tail;

/// The slow mean follows this much slower than the fast one.
const SLOWER: f64 = 16.0;

/// One time scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    points: f64,
    seen: f64,
    fast: f64,
    slow: f64,
    up: Tail,
    down: Tail,
}

impl Level {
    /// A mean over about so many points.
    pub(super) fn new(points: f64) -> Self {
        Self {
            points,
            seen: 0.0,
            fast: 0.0,
            slow: 0.0,
            up: Tail::new(),
            down: Tail::new(),
        }
    }

    /// The tail of the next value, which is finite.
    pub(super) fn observe(&mut self, value: f64, memory: f64) -> f64 {
        self.seen += 1.0;
        self.fast += (value - self.fast) / self.points.min(self.seen);
        let away = self.fast - self.slow;
        self.slow += (value - self.slow) / (SLOWER * self.points).min(self.seen);
        if self.seen <= SLOWER * self.points {
            return 1.0;
        }
        let tail = self.up.beyond(away).min(self.down.beyond(-away));
        self.up.learn(away, memory);
        self.down.learn(-away, memory);
        tail
    }
}
