//! What goes wrong with a target, and which signs it shows before.
//!
//! Signs work on the mechanism, not on what is measured: memory that is not given back makes collections longer,
//! connections that are not given back make requests wait for one. What clients and Foreshift see follows from it.

use serde::{Deserialize, Serialize};

/// Signs come in blocks of this many seconds of the story, stronger and weaker: nothing goes wrong smoothly.
const FLICKER_S: f64 = 8.0;

/// A fault of a target.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) target: String,
    pub(crate) kind: FaultKind,
    /// When its first signs can be seen, in seconds of the story.
    pub(crate) signs_at_s: f64,
    /// When requests begin to fail.
    pub(crate) fails_at_s: f64,
    pub(crate) ends_at_s: f64,
    /// How strong its signs are; 0 is none.
    #[serde(default = "one")]
    pub(crate) strength: f64,
}

const fn one() -> f64 {
    1.0
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FaultKind {
    /// Memory is not given back, collections get longer, then most requests hang in them.
    Leak,
    /// Connections are not given back until none is left.
    PoolExhaustion,
    /// Work gets slower until the queue no longer drains.
    QueueBuildup,
    /// What the target calls gets slow, then hangs.
    DependencySlowdown,
    /// Rare errors and worried log lines, then failures.
    AnnouncedErrors,
    /// Somebody else uses up the quota, then 429.
    QuotaExhaustion,
    /// Tokens come slower, streams are cut, then most are.
    StreamDecay,
    /// Up and down by turns.
    Flapping,
    /// The process is gone at once.
    Crash,
    /// Slower and failing, without being down.
    Brownout,
    /// Slower for a while, and harmless.
    LatencyBlip,
    /// Memory rises and is given back, harmless.
    MemoryHump,
}

/// What log lines are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    Memory,
    Pool,
    Slow,
    Storage,
    Quota,
}

/// What faults do to a target at a moment. Shares are of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Effects {
    /// Times the usual time of work.
    pub(crate) service: f64,
    /// Times the usual gap between tokens.
    pub(crate) gap: f64,
    /// Share that takes four times as long.
    pub(crate) slow: f64,
    pub(crate) error: f64,
    pub(crate) hang: f64,
    pub(crate) reset: f64,
    pub(crate) truncated: f64,
    pub(crate) limited: f64,
    /// Share of the memory limit beyond what is usual.
    pub(crate) memory: f64,
    /// Share of the pool that is not given back.
    pub(crate) pool: f64,
    /// Share of the quota that others have used.
    pub(crate) quota: f64,
    /// Share of time in which nothing new is worked on.
    pub(crate) stalled: f64,
    /// Worried log lines a second of the story.
    pub(crate) worried_per_s: f64,
    pub(crate) topic: Option<Topic>,
    /// Nobody listens.
    pub(crate) gone: bool,
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            service: 1.0,
            gap: 1.0,
            slow: 0.0,
            error: 0.0,
            hang: 0.0,
            reset: 0.0,
            truncated: 0.0,
            limited: 0.0,
            memory: 0.0,
            pool: 0.0,
            quota: 0.0,
            stalled: 0.0,
            worried_per_s: 0.0,
            topic: None,
            gone: false,
        }
    }
}

impl Fault {
    /// What it does at a moment of the story. `seed` names its flicker.
    pub(crate) fn effects(&self, story_s: f64, seed: u64) -> Effects {
        if story_s < self.signs_at_s || story_s >= self.ends_at_s {
            return Effects::default();
        }
        if story_s >= self.fails_at_s {
            return self.kind.failure(story_s - self.fails_at_s);
        }
        let part = (story_s - self.signs_at_s) / (self.fails_at_s - self.signs_at_s).max(1e-9);
        let level = self.strength * self.kind.shape(part);
        let block = (story_s / FLICKER_S) as u64;
        let flicker = 0.4 + 1.2 * fastrand::Rng::with_seed(seed ^ block.wrapping_mul(0x9e37_79b9)).f64();
        self.kind.signs(level, level * flicker)
    }
}

impl FaultKind {
    /// Whether requests fail of it.
    pub(crate) const fn fails(self) -> bool {
        !matches!(self, Self::LatencyBlip | Self::MemoryHump)
    }

    /// How signs rise between the first and the failure.
    fn shape(self, part: f64) -> f64 {
        match self {
            Self::LatencyBlip => 1.0,
            Self::MemoryHump => (3.0 * part).min(3.0 * (1.0 - part)).min(1.0),
            _ => part.powf(1.3),
        }
    }

    /// Signs: what adds up follows `level`, the rest `flickering`.
    fn signs(self, level: f64, flickering: f64) -> Effects {
        let usual = Effects::default();
        let worried = |topic, per_s: f64| Effects {
            topic: Some(topic),
            worried_per_s: per_s * flickering,
            ..usual
        };
        match self {
            Self::Leak => Effects {
                memory: 0.40 * level,
                stalled: 0.10 * flickering,
                ..worried(Topic::Memory, 0.06)
            },
            Self::PoolExhaustion => Effects {
                pool: 0.75 * level,
                ..worried(Topic::Pool, 0.08)
            },
            Self::QueueBuildup => Effects {
                service: 1.0 + 1.1 * level,
                ..worried(Topic::Slow, 0.05)
            },
            Self::DependencySlowdown => Effects {
                service: 1.0 + 0.8 * flickering,
                slow: 0.04 * flickering,
                hang: 0.001 * flickering,
                ..worried(Topic::Slow, 0.06)
            },
            Self::AnnouncedErrors => Effects {
                error: 0.006 * flickering,
                reset: 0.002 * flickering,
                slow: 0.02 * flickering,
                ..worried(Topic::Storage, 0.10)
            },
            Self::QuotaExhaustion => Effects {
                quota: level,
                limited: 0.006 * flickering,
                ..worried(Topic::Quota, 0.06)
            },
            Self::StreamDecay => Effects {
                gap: 1.0 + 0.7 * flickering,
                truncated: 0.008 * flickering,
                ..worried(Topic::Slow, 0.05)
            },
            Self::Brownout => Effects {
                service: 1.0 + 0.4 * flickering,
                error: 0.003 * flickering,
                ..worried(Topic::Slow, 0.05)
            },
            Self::LatencyBlip => Effects {
                service: 1.5,
                ..usual
            },
            Self::MemoryHump => Effects {
                memory: 0.3 * level,
                ..usual
            },
            Self::Flapping | Self::Crash => usual,
        }
    }

    /// What happens `for_s` seconds of the story into the failure.
    fn failure(self, for_s: f64) -> Effects {
        /// Flapping: so long down, then so long up.
        const TURN_S: f64 = 20.0;
        let worried = |topic| Effects {
            topic: Some(topic),
            worried_per_s: 1.5,
            ..Effects::default()
        };
        match self {
            Self::Leak => Effects {
                memory: 0.44,
                hang: 0.85,
                service: 2.0,
                ..worried(Topic::Memory)
            },
            Self::PoolExhaustion => Effects {
                pool: 1.0,
                ..worried(Topic::Pool)
            },
            Self::QueueBuildup => Effects {
                service: 8.0,
                ..worried(Topic::Slow)
            },
            Self::DependencySlowdown => Effects {
                service: 2.0,
                hang: 0.4,
                error: 0.2,
                ..worried(Topic::Slow)
            },
            Self::AnnouncedErrors => Effects {
                error: 0.5,
                reset: 0.15,
                ..worried(Topic::Storage)
            },
            Self::QuotaExhaustion => Effects {
                quota: 1.0,
                limited: 0.9,
                ..worried(Topic::Quota)
            },
            Self::StreamDecay => Effects {
                gap: 4.0,
                truncated: 0.5,
                ..worried(Topic::Slow)
            },
            Self::Brownout => Effects {
                service: 1.8,
                error: 0.25,
                ..worried(Topic::Slow)
            },
            Self::Crash => Effects {
                gone: true,
                ..Effects::default()
            },
            Self::Flapping if ((for_s / TURN_S) as u64).is_multiple_of(2) => Effects {
                error: 1.0,
                ..worried(Topic::Storage)
            },
            Self::Flapping | Self::LatencyBlip | Self::MemoryHump => Effects::default(),
        }
    }
}
