//! Named scenarios, small enough to watch.

use foreshift_domain::Duration;
use foreshift_domain::fallback::{Criticality, Role};
use serde::{Deserialize, Serialize};

use crate::faults::{DecoyKind, FaultKind};
use crate::plan::{FaultAt, Plan};
use crate::recording::{Recording, RouteSpec, TargetSpec};

/// Named scenarios. Each gives another recording for each seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Memory leaks on the only primary; an idle secondary can take over. 7 minutes.
    Leak,
    /// One of three primaries dies at once. 4 minutes.
    Crash,
    /// Both of these on two routes, and decoys. 8 minutes.
    Demo,
}

impl Scenario {
    /// All scenarios.
    pub const ALL: [Self; 3] = [Self::Leak, Self::Crash, Self::Demo];

    /// Its name: `leak`, `crash` or `demo`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::Crash => "crash",
            Self::Demo => "demo",
        }
    }

    /// The scenario of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.as_str() == text)
    }

    /// The recording of a seed.
    pub fn recording(self, seed: u64) -> Recording {
        match self {
            Self::Leak => leak(seed),
            Self::Crash => crash(seed),
            Self::Demo => demo(seed),
        }
    }
}

fn leak(seed: u64) -> Recording {
    let mut plan = Plan::new(
        "leak".to_owned(),
        seed,
        Duration::from_secs(420),
        vec![checkout()],
    );
    plan.fault(leak_at(120.0, 300.0, 390.0), 1.2, 1.6, 0.0);
    plan.finish()
}

fn crash(seed: u64) -> Recording {
    let mut plan = Plan::new("crash".to_owned(), seed, Duration::from_secs(240), vec![search()]);
    plan.fault(crash_at(0, 120.0, 200.0), 1.0, 1.0, 0.0);
    plan.finish()
}

fn demo(seed: u64) -> Recording {
    let mut plan = Plan::new(
        "demo".to_owned(),
        seed,
        Duration::from_secs(480),
        vec![checkout(), search()],
    );
    plan.fault(leak_at(110.0, 290.0, 400.0), 1.2, 1.6, 0.0);
    plan.fault(crash_at(2, 350.0, 430.0), 1.0, 1.0, 0.0);
    plan.decoy(3, DecoyKind::LatencyBlip, 75.0, 125.0);
    plan.decoy(4, DecoyKind::MemoryHump, 140.0, 330.0);
    plan.finish()
}

const fn leak_at(precursor_s: f64, onset_s: f64, end_s: f64) -> FaultAt {
    FaultAt {
        target: 0,
        kind: FaultKind::MemoryLeak,
        precursor_s,
        onset_s,
        end_s,
    }
}

const fn crash_at(target: usize, onset_s: f64, end_s: f64) -> FaultAt {
    FaultAt {
        target,
        kind: FaultKind::Crash,
        precursor_s: onset_s,
        onset_s,
        end_s,
    }
}

/// One primary and an idle secondary that can carry everything.
fn checkout() -> RouteSpec {
    RouteSpec {
        name: "checkout".into(),
        criticality: Criticality::Critical,
        rate_rps: 80.0,
        timeout: Duration::from_secs(2),
        retries: 1,
        slo_error_ratio: 0.05,
        slo_latency_p99: Duration::from_millis(800),
        targets: vec![
            target("checkout-eu-west", Role::Primary, 10_000, "eu-west", 160.0),
            target("checkout-eu-central", Role::Secondary, 0, "eu-central", 130.0),
        ],
    }
}

/// Three primaries, two of which can carry everything.
fn search() -> RouteSpec {
    RouteSpec {
        name: "search".into(),
        criticality: Criticality::Normal,
        rate_rps: 105.0,
        timeout: Duration::from_secs(2),
        retries: 1,
        slo_error_ratio: 0.05,
        slo_latency_p99: Duration::from_millis(800),
        targets: vec![
            target("search-a", Role::Primary, 3_400, "zone-a", 80.0),
            target("search-b", Role::Primary, 3_300, "zone-b", 80.0),
            target("search-c", Role::Primary, 3_300, "zone-c", 80.0),
        ],
    }
}

fn target(name: &str, role: Role, baseline_bp: u32, domain: &str, capacity_rps: f64) -> TargetSpec {
    let service_ms = 70.0;
    TargetSpec {
        name: name.into(),
        role,
        baseline_bp,
        failure_domain: domain.into(),
        capacity_rps,
        service_ms,
        // What can be served within a second: who waits longer would not be helped.
        queue_bound: capacity_rps.ceil() as u32,
        error_ratio: 0.001,
        slow_ratio: 0.01,
        memory_limit_mib: 4_096.0,
        memory_level: 0.52,
        pool_limit: 60.0,
        quota: None,
    }
}
