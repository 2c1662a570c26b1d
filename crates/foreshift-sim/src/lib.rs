//! A seeded world of targets, faults and gateways.
//!
//! Clients send requests to routes, a gateway spreads them over targets by weight, targets queue and serve
//! them, fail, recover, report gauges and write log lines. The same [`Recording`] can be run again under other
//! weights ([`Policy`]): arrivals, service times, faults and log lines come from counters, not from a generator
//! with state, so that two runs of one seed differ only by what the weights did.
//!
//! What is recorded with this crate is simulated, and says so. This crate deliberately does not know how
//! failures are predicted or weights are chosen: it knows no feature, no model and no envelope. It has no
//! clock, no I/O and no threads.
//!
//! ```
//! use foreshift_sim::{Emission, Policy, Scenario};
//!
//! let recording = Scenario::Leak.recording(7);
//! let mut run = recording.run(Policy::Stay);
//! let signals = run.by_ref().filter(|emission| matches!(emission, Emission::Signal(_))).count();
//! let outcome = run.outcome();
//! assert!(signals > 10_000 && outcome.failed > 0);
//! ```

mod arrivals;
mod effects;
mod emission;
mod fallback_yaml;
mod faults;
mod fleet;
mod gauges;
mod logs;
mod outcome;
mod plan;
mod policy;
mod reacting;
mod recording;
mod rng;
mod run;
mod scenarios;
mod server;

pub use emission::{Emission, LogLine, Severity};
pub use faults::{Decoy, DecoyKind, Fault, FaultKind};
pub use fleet::FleetSpec;
pub use outcome::{Comparison, Outcome, RouteOutcome, TargetOutcome, lead_time};
pub use policy::{BreakerSettings, Policy, WeightChange};
pub use reacting::{ReactingFleet, ReactingRun, ReactingSpec};
pub use recording::{Recording, RouteSpec, TargetSpec};
pub use run::Run;
pub use scenarios::Scenario;
