//! Windows and features: signals and log events to a vector of numbers for each target and prediction tick.
//!
//! A [`TargetFeatures`] holds everything that is known of one target. Signals go into *open buckets* by
//! their event time ([`TargetFeatures::observe`]); when the watermark passes a bucket it is *closed*
//! ([`TargetFeatures::close_until`]): folded once into decayed windows, and never opened again. A
//! prediction tick reads closed buckets only ([`TargetFeatures::fill`]); reactive rules read open ones too
//! ([`TargetFeatures::recent`]). [`GroupFeatures`] holds what the members of a route, of a failure domain
//! or of the fleet have in common.
//!
//! # Order does not matter
//!
//! Inside a bucket everything is an integer sum, a maximum or a bounded list that keeps the newest, so
//! folding is commutative and associative: signals that arrive in another order, but before their bucket
//! closes, give the same bytes. Floating-point numbers appear only where buckets are folded, one after the
//! other in event time.
//!
//! # Scale does not matter
//!
//! A live installation has buckets of a second and windows of minutes, one that reads probes has buckets
//! of a minute and windows of days. So features are ratios, logarithms of ratios, or times measured
//! against the target's own history, its horizons and its staleness, and a model that learned on other
//! targets works from the first day. Missing is NaN, never zero.
//!
//! # What this crate does not know
//!
//! What an incident is (it is told: [`TargetFeatures::incident_began`]), what a model does with the
//! vector, which routes a target is on, when a tick is, and what time it is.
//!
#![doc = include_str!("../FEATURES.md")]

pub mod anomaly;
mod bucket;
mod catalogue;
mod decay;
mod declared;
mod error_run;
pub mod expression;
mod fill;
mod gauges;
mod group;
mod health;
mod histogram;
mod incidents;
mod lines;
mod mix;
mod rarity;
mod recent;
mod recurrence;
mod target;
mod windows;

pub use bucket::MAX_BUCKET_GAUGES;
pub use catalogue::{CROSSES, Column, FEATURES, FIRST_EDITION, FOR_TREES, FeatureSpec, Reach, schema_digest};
pub use decay::HALF_LIVES;
pub use declared::{DeclareError, Described, FeatureSet, MAX_DECLARED};
pub use error_run::MAX_CONSECUTIVE;
pub use fill::Surroundings;
pub use gauges::Reading;
pub use group::{GroupFeatures, MAX_PENDING_ONSETS, PeerView};
pub use health::{HealthChanges, MAX_HEALTH_CHANGES, MergedHealth};
pub use histogram::{LATENCY_BINS, LatencyHistogram};
pub use lines::MAX_BUCKET_TEMPLATES;
pub use recent::{COARSE_SLOTS, FINE_SLOTS, Recent};
pub use recurrence::MAX_ONSETS;
pub use target::{ClosedBucket, Counters, Folded, MAX_OPEN_BUCKETS, TargetFeatures};

#[cfg(test)]
mod test_stream;
