//! Online models: a feature vector to a calibrated probability per horizon, with exact contributions.
//!
//! An FTRL-proximal logistic model, shared by all targets and with a bias of each target's own, corrects
//! a hazard prior (how often incidents recur on this target, and when in the week); a plain one on standardised features
//! may have a share of what it says. That is calibrated online on matured labels. Boosted trees may stand beside it, and an
//! expert of anomalies; then the experts are combined by shares that follow what each adds. Everything is additive in
//! log-odds, so an explanation is exact.
//!
//! This crate does not know what a feature means, how it was computed, what an incident is, or what is
//! done about a prediction. Rows wait for their labels elsewhere. It reads no clock: every time is an
//! argument, and the same calls give the same bytes.

pub mod adwin;
mod anomaly;
pub mod calibrate;
pub mod conformal;
pub mod encode;
pub mod ensemble;
pub mod explain;
pub mod ftrl;
pub mod gate;
pub mod hazard;
pub mod metrics;
pub mod mixture;
pub mod model;
mod plain;
pub mod shift;
pub mod store;
pub mod trees;

pub use adwin::Adwin;
pub use calibrate::Calibration;
pub use conformal::AlarmBudget;
pub use encode::{ALL_HEADS, Example, InputSpec};
pub use ensemble::EnsembleParams;
pub use explain::{Asked, Detail};
pub use ftrl::Rates;
pub use hazard::{FleetHazard, HazardParams, TargetHazard};
pub use metrics::excess_loss;
pub use model::{Lesson, Model, Params, TargetModel};
pub use plain::PlainParams;
pub use shift::InputShift;
pub use store::ModelError;

/// Log-odds are held within plus and minus this: probabilities stay inside (0, 1) and no row can
/// push another one's arithmetic out of range.
pub const MAX_LOGIT: f64 = 20.0;

/// The probability of log-odds. In (0, 1) for every logit within [`MAX_LOGIT`].
#[must_use]
pub fn probability_of(logit: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-logit))
}

#[cfg(test)]
mod test_stream;
