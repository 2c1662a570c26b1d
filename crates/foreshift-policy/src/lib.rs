//! From evidence and risk to weights: reactive rules, the proposal, and the safety envelope.
//!
//! This crate deliberately does not know where evidence comes from, how a probability is computed, what
//! time it is, or who reads the weights. It keeps no map of routes and writes no decision: each call looks
//! at one route, with all that it needs passed in, and what it must remember is in [`RouteState`],
//! [`ReactiveState`] and [`FleetState`], which the caller keeps and snapshots. All weights are integers,
//! every order is that of the configuration: same inputs, same bytes.
//!
//! The way through: [`judge`] makes a [`HealthView`] of the evidence on one target; [`plan`] makes of health
//! and risk a proposal (`proposal`), bounds it by the rules (`envelope`), and says which [`RULES`] bound.

mod allocation;
mod envelope;
mod fleet;
mod held_out;
mod plan;
mod proposal;
mod reactive;
mod rounding;
mod rules;
mod state;

pub use fleet::{AlarmCount, FleetState, FleetTarget, FleetView, MAX_SHIFTS_KEPT, count_alarms};
pub use plan::{Note, Plan, PlanInput, Sync, TargetFacts, plan};
pub use reactive::{Evidence, HealthView, ReactiveState, judge};
pub use rounding::{normalize, share_out};
pub use rules::{RULES, Rule, next_version, rule};
pub use state::{FLIP_BP, MAX_FLIPS_KEPT, RouteState, WHOLE_BP};

#[cfg(test)]
mod tests;
