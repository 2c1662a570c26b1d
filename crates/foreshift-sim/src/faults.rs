//! What can go wrong, and what only looks like it.
//!
//! A fault with precursors shows several weak signs at once, each no stronger than what decoys show one at a
//! time. That is what makes it predictable, and not by one threshold.

use foreshift_domain::{RouteName, TargetName, Timestamp};
use serde::Serialize;

use crate::effects::{Shape, Signs};
use crate::logs::Topic;
use crate::rng::Draws;

/// One thing that truly went wrong. Its times are the same under every policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where.
    pub target: TargetName,
    /// What.
    pub kind: FaultKind,
    /// When its first signs can be seen; `None` has none.
    pub precursor_start: Option<Timestamp>,
    /// When requests begin to fail.
    pub onset: Timestamp,
    /// When they cease to.
    pub end: Timestamp,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Memory grows, collections get longer, then most requests hang in them.
    MemoryLeak,
    /// Connections are not given back, requests wait for one, then none is left.
    PoolExhaustion,
    /// Work gets slower until the queue no longer drains.
    QueueBuildup,
    /// Something the target calls gets slow, then hangs.
    DependencySlowdown,
    /// A provider's quota is used up before its window ends.
    QuotaExhaustion,
    /// Rare errors and worried log lines, then failures (a disk, a replica, a certificate).
    AnnouncedErrors,
    /// The process is gone at once. No precursor.
    Crash,
    /// A bad change: most requests fail at once. No precursor.
    BadChange,
    /// The network is cut: requests hang. No precursor.
    Partition,
}

impl FaultKind {
    /// Kinds that show signs before they begin.
    pub const WITH_PRECURSOR: [Self; 6] = [
        Self::MemoryLeak,
        Self::PoolExhaustion,
        Self::QueueBuildup,
        Self::DependencySlowdown,
        Self::QuotaExhaustion,
        Self::AnnouncedErrors,
    ];

    /// Kinds that come out of nothing.
    pub const ABRUPT: [Self; 3] = [Self::Crash, Self::BadChange, Self::Partition];

    /// Whether it shows signs before it begins.
    pub fn has_precursor(self) -> bool {
        Self::WITH_PRECURSOR.contains(&self)
    }

    /// The name used in files and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemoryLeak => "memory_leak",
            Self::PoolExhaustion => "pool_exhaustion",
            Self::QueueBuildup => "queue_buildup",
            Self::DependencySlowdown => "dependency_slowdown",
            Self::QuotaExhaustion => "quota_exhaustion",
            Self::AnnouncedErrors => "announced_errors",
            Self::Crash => "crash",
            Self::BadChange => "bad_change",
            Self::Partition => "partition",
        }
    }

    /// What its log lines are about.
    pub(crate) const fn topic(self) -> Topic {
        match self {
            Self::MemoryLeak => Topic::Memory,
            Self::PoolExhaustion => Topic::Pool,
            Self::QueueBuildup | Self::DependencySlowdown => Topic::Slow,
            Self::QuotaExhaustion => Topic::Quota,
            Self::AnnouncedErrors => Topic::Storage,
            Self::Crash | Self::BadChange | Self::Partition => Topic::Gone,
        }
    }

    /// Its signs just before the onset at strength 1, before they are varied.
    pub(crate) fn signs(self) -> Signs {
        let none = Signs::default();
        match self {
            Self::MemoryLeak => Signs {
                memory: 0.22,
                slow: 0.016,
                service: 0.16,
                stall_per_s: 0.10,
                hang: 0.0006,
                log_per_s: 0.035,
                ..none
            },
            Self::PoolExhaustion => Signs {
                pool: 0.26,
                slow: 0.014,
                service: 0.14,
                error: 0.003,
                hang: 0.0006,
                log_per_s: 0.04,
                ..none
            },
            Self::QueueBuildup => Signs {
                service: 0.30,
                slow: 0.014,
                hang: 0.0006,
                memory: 0.06,
                pool: 0.10,
                log_per_s: 0.03,
                ..none
            },
            Self::DependencySlowdown => Signs {
                service: 0.22,
                slow: 0.022,
                hang: 0.001,
                error: 0.002,
                pool: 0.12,
                log_per_s: 0.035,
                ..none
            },
            Self::QuotaExhaustion => Signs {
                quota: 0.62,
                rate_limited: 0.006,
                slow: 0.012,
                service: 0.10,
                log_per_s: 0.05,
                ..none
            },
            Self::AnnouncedErrors => Signs {
                error: 0.006,
                reset: 0.003,
                slow: 0.018,
                service: 0.15,
                truncated: 0.001,
                log_per_s: 0.06,
                ..none
            },
            Self::Crash | Self::BadChange | Self::Partition => none,
        }
    }

    /// What happens from the onset on.
    pub(crate) fn failure(self) -> Signs {
        let none = Signs {
            log_per_s: 1.5,
            ..Signs::default()
        };
        match self {
            Self::MemoryLeak => Signs {
                hang: 0.85,
                service: 2.0,
                memory: 0.4,
                ..none
            },
            Self::PoolExhaustion => Signs {
                service: 5.0,
                error: 0.30,
                pool: 0.6,
                ..none
            },
            Self::QueueBuildup => Signs {
                service: 4.5,
                hang: 0.05,
                ..none
            },
            Self::DependencySlowdown => Signs {
                service: 1.5,
                hang: 0.35,
                error: 0.2,
                ..none
            },
            Self::QuotaExhaustion => Signs {
                rate_limited: 0.85,
                quota: 1.0,
                ..none
            },
            Self::AnnouncedErrors => Signs {
                error: 0.45,
                reset: 0.15,
                truncated: 0.04,
                ..none
            },
            Self::Crash => Signs {
                connect_failure: 0.985,
                ..none
            },
            Self::BadChange => Signs { error: 0.85, ..none },
            Self::Partition => Signs {
                lost: 0.95,
                log_per_s: 0.0,
                ..none
            },
        }
    }
}

/// Something that looks odd and is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decoy {
    /// On which route.
    pub route: RouteName,
    /// At which target; `None` is the traffic of the route.
    pub target: Option<TargetName>,
    /// What.
    pub kind: DecoyKind,
    /// When it begins.
    pub start: Timestamp,
    /// When it is over.
    pub end: Timestamp,
}

/// Kinds of decoys. Each shows one kind of sign, strongly; only a deploy shows several, and is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoyKind {
    /// Everything is slower for a while.
    LatencyBlip,
    /// A few requests are much slower for a while.
    TailBlip,
    /// A new version, announced by an event, warms up.
    DeployBump,
    /// More requests for a while.
    TrafficSpike,
    /// Worried log lines about nothing.
    LogNoise,
    /// The process stands still for a moment, several times.
    GcPause,
    /// Memory rises and is given back.
    MemoryHump,
    /// Connections are borrowed for a batch and given back.
    PoolHump,
    /// A few errors for a few seconds.
    ErrorBlip,
    /// Quota is used fast for a while, and lasts.
    QuotaDip,
}

impl DecoyKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::LatencyBlip,
        Self::TailBlip,
        Self::DeployBump,
        Self::TrafficSpike,
        Self::LogNoise,
        Self::GcPause,
        Self::MemoryHump,
        Self::PoolHump,
        Self::ErrorBlip,
        Self::QuotaDip,
    ];

    /// Its signs at full strength.
    pub(crate) fn signs(self) -> Signs {
        let none = Signs::default();
        match self {
            Self::LatencyBlip => Signs { service: 0.6, ..none },
            Self::TailBlip => Signs { slow: 0.10, ..none },
            Self::DeployBump => Signs {
                service: 0.24,
                error: 0.003,
                log_per_s: 0.05,
                ..none
            },
            Self::LogNoise => Signs {
                log_per_s: 0.22,
                ..none
            },
            Self::GcPause => Signs {
                stall_per_s: 0.12,
                ..none
            },
            Self::MemoryHump => Signs { memory: 0.36, ..none },
            Self::PoolHump => Signs { pool: 0.42, ..none },
            Self::ErrorBlip => Signs {
                error: 0.018,
                reset: 0.004,
                hang: 0.005,
                rate_limited: 0.007,
                ..none
            },
            Self::QuotaDip => Signs { quota: 0.75, ..none },
            Self::TrafficSpike => none,
        }
    }

    /// How its signs go over time.
    pub(crate) const fn shape(self) -> Shape {
        match self {
            Self::MemoryHump | Self::PoolHump | Self::QuotaDip | Self::DeployBump => Shape::Hump,
            _ => Shape::Plateau,
        }
    }

    /// Shortest and longest, in seconds.
    pub(crate) const fn length_s(self) -> (f64, f64) {
        match self {
            Self::ErrorBlip => (15.0, 60.0),
            Self::GcPause => (10.0, 60.0),
            Self::LatencyBlip | Self::TailBlip | Self::DeployBump => (30.0, 150.0),
            Self::LogNoise => (60.0, 300.0),
            Self::TrafficSpike => (60.0, 240.0),
            Self::MemoryHump | Self::PoolHump | Self::QuotaDip => (150.0, 480.0),
        }
    }

    /// What its log lines are about.
    pub(crate) fn topic(self, draws: &mut Draws) -> Topic {
        const NOISE: [Topic; 5] = [
            Topic::Memory,
            Topic::Pool,
            Topic::Slow,
            Topic::Quota,
            Topic::Storage,
        ];
        match self {
            Self::DeployBump => Topic::Deploy,
            _ => draws.pick(&NOISE).copied().unwrap_or(Topic::Slow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precursors_show_at_least_three_signs_and_abrupt_faults_none() {
        for kind in FaultKind::WITH_PRECURSOR {
            assert!(kind.signs().shown() >= 3, "{kind:?}");
        }
        for kind in FaultKind::ABRUPT {
            assert_eq!(kind.signs(), Signs::default());
        }
    }

    #[test]
    fn every_sign_of_a_precursor_is_shown_stronger_by_some_decoy() {
        for fault in FaultKind::WITH_PRECURSOR {
            for (index, sign) in fault.signs().to_array().into_iter().enumerate() {
                let decoy = DecoyKind::ALL
                    .iter()
                    .filter_map(|kind| kind.signs().to_array().get(index).copied())
                    .fold(0.0, f64::max);
                assert!(
                    sign <= decoy || sign <= 0.001,
                    "{fault:?} sign {index}: {sign} > {decoy}"
                );
            }
        }
    }
}
