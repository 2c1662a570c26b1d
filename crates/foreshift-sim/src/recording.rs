//! A recording: everything that fixes a run but the weights.

use foreshift_domain::fallback::{Criticality, Role};
use foreshift_domain::{Duration, FailureDomain, RouteName, TargetName, Timestamp};
use serde::Serialize;

use crate::effects::{Episode, Spike};
use crate::faults::{Decoy, Fault};
use crate::policy::Policy;
use crate::run::Run;

/// Workers over what the declared capacity needs at the mean service time of usual requests.
pub(crate) const WORKER_MARGIN: f64 = 1.06;

/// A seeded piece of a simulated world. Small: its signals are made while they are read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recording {
    /// The name of the scenario.
    pub scenario: String,
    /// Its seed.
    pub seed: u64,
    /// When it begins, in event time.
    pub start: Timestamp,
    /// How long clients send requests.
    pub length: Duration,
    /// The routes and their targets.
    pub routes: Vec<RouteSpec>,
    /// What truly went wrong, by onset.
    pub faults: Vec<Fault>,
    /// What looked odd and was harmless, by start.
    pub decoys: Vec<Decoy>,
    #[serde(skip)]
    pub(crate) episodes: Vec<Episode>,
    #[serde(skip)]
    pub(crate) spikes: Vec<Spike>,
}

/// A route: its traffic, its targets and what its clients expect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouteSpec {
    /// Its name.
    pub name: RouteName,
    /// How much its failure matters.
    pub criticality: Criticality,
    /// Mean requests a second; a wave of about ±25 % goes over it.
    pub rate_rps: f64,
    /// The gateway gives up on an attempt after this.
    pub timeout: Duration,
    /// How often the gateway tries again after a failure that may be retried.
    pub retries: u32,
    /// An incident: at least this share of requests fails.
    pub slo_error_ratio: f64,
    /// An incident: the 99th percentile of latency is above this; a request above it counts as slow.
    pub slo_latency_p99: Duration,
    /// Its targets, primaries first.
    pub targets: Vec<TargetSpec>,
}

/// A target: a queue in front of workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TargetSpec {
    /// Its name, unique over all routes.
    pub name: TargetName,
    /// Primary or secondary.
    pub role: Role,
    /// Its share at rest in basis points.
    pub baseline_bp: u32,
    /// What fails together with it.
    pub failure_domain: FailureDomain,
    /// Requests a second it can serve.
    pub capacity_rps: f64,
    /// Mean time a worker spends on a request, in milliseconds.
    pub service_ms: f64,
    /// How many requests may wait; further ones are refused with 503.
    pub queue_bound: u32,
    /// Share of requests that fail on a good day.
    pub error_ratio: f64,
    /// Share of requests that take several times as long on a good day.
    pub slow_ratio: f64,
    /// Memory at which it is killed, in MiB.
    pub memory_limit_mib: f64,
    /// Share of the memory in use on a good day.
    pub memory_level: f64,
    /// Connections in its pool.
    pub pool_limit: f64,
    /// Requests in a window of its provider's quota; `None` has no quota and no such gauge.
    pub quota: Option<f64>,
}

impl TargetSpec {
    /// Requests it can work on at once; at least 1. A little more than capacity times service time, so that the
    /// declared capacity holds in spite of requests that take several times as long.
    pub fn workers(&self) -> usize {
        ((self.capacity_rps * self.service_ms / 1e3 * WORKER_MARGIN).round() as usize).max(1)
    }
}

impl RouteSpec {
    /// The position of a target on this route.
    pub(crate) fn position(&self, target: &TargetName) -> Option<usize> {
        self.targets.iter().position(|spec| &spec.name == target)
    }
}

impl Recording {
    /// When clients stop sending requests.
    pub fn end(&self) -> Timestamp {
        self.start + self.length
    }

    /// Runs the world under a policy. The run is an iterator over what gateways report.
    pub fn run(&self, policy: Policy) -> Run<'_> {
        Run::new(self, policy)
    }

    /// All targets with their routes.
    pub fn targets(&self) -> impl Iterator<Item = (&RouteSpec, &TargetSpec)> {
        self.routes
            .iter()
            .flat_map(|route| route.targets.iter().map(move |target| (route, target)))
    }

    /// The same world in which nothing goes wrong: no faults; decoys stay.
    pub fn without_faults(&self) -> Self {
        Self {
            faults: Vec::new(),
            episodes: self
                .episodes
                .iter()
                .filter(|episode| !episode.is_fault())
                .cloned()
                .collect(),
            ..self.clone()
        }
    }
}
