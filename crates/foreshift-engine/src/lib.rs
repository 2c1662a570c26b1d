//! The engine: a pure, deterministic fold over a journal of inputs.
//!
//! [`Engine::handle`] is the only way in and [`Engine::poll_output`] the only way out. The engine does
//! not know where inputs come from, what time it is (an input says so), where outputs go, or that
//! other threads exist. Same inputs, same outputs, byte for byte: live serving, replay, backtests and
//! simulation are drivers of this one type, and a decision can be explained by replaying it.
//!
//! ```text
//!   Signal, Log ──► target: features (open buckets) ──► reactive rules ─────────────┐
//!   Watermark ────► close buckets ──► incidents ──► labels ──► model learns         │
//!                   └► prediction tick: features ──► predict ──► plan every route ◄─┤
//!   Clock ────────► looks that are due: steps, expiries, staleness ─────────────────┤
//!   Command, Fallback ──────────────────────────────────────────────────────────────┘
//!                                       plan ──► envelope ──► Decision, RouteWeights
//! ```
//!
//! Events that an input makes due are carried out in order of their time, so how far one watermark or
//! clock jumps ahead of the one before does not change what happens.

mod adopt;
mod alarms;
mod budget;
mod commands;
mod counters;
mod drift;
mod engine;
mod explain;
mod facts;
mod groups;
mod incidents;
mod labels;
mod output;
mod overrides;
mod pending;
mod proof;
mod publish;
mod routes;
mod rows;
mod shadow;
mod snapshot;
mod target;
mod tick;
mod timeline;

pub use counters::Counters;
pub use engine::Engine;
pub use labels::{Evidence, FloorRecord, Label, LabelFacts, Onset, RELIEVED_BELOW};
pub use output::{
    Alert, IncidentChange, MAX_HORIZONS, ModelChange, ModelPlace, Output, PredictionTick, TargetPrediction,
};
pub use pending::{MAX_INVERSE_PROPENSITY, inverse_propensity};
pub use rows::Row;
pub use snapshot::{Snapshot, SnapshotError};

pub use tick::{check_model, feature_set, fresh_model};
