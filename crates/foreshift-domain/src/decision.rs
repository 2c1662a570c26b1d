//! Decisions: every change of weights, with what led to it. A chain of hashes makes gaps and edits visible.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fallback::Mode;
use crate::hash::Digest;
use crate::names::{RouteName, TargetName};
use crate::prediction::{Grounds, ModelVersion};
use crate::signal::Health;
use crate::time::{Duration, Timestamp};
use crate::weights::Version;

/// One evaluated plan that changed something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its id: counts all decisions of the engine from 1.
    pub sequence: u64,
    /// The version that its weights carry.
    pub version: Version,
    /// Event time of the decision.
    pub time: Timestamp,
    /// The route.
    pub route: RouteName,
    /// The mode it was made in.
    pub mode: Mode,
    /// What made the engine look.
    pub cause: Cause,
    /// Why the result is what it is.
    pub reason: Reason,
    /// The targets of the route, with inputs, proposal and result.
    pub targets: Vec<DecisionTarget>,
    /// Rules of the envelope that bound the proposal, in ascending order.
    pub clauses: Vec<Clause>,
    /// Probability with which this action was chosen, given the inputs: 1 but where it was drawn whether an alarm
    /// is held out; then the product over the targets that alarm.
    pub propensity: f64,
    /// The model whose predictions were used.
    pub model: ModelVersion,
    /// The fallback configuration in force.
    pub fallback: Digest,
    /// When its weights lapse.
    pub valid_until: Timestamp,
    /// The operator's command that caused it.
    pub request_id: Option<String>,
    /// Hash of the decision before it; zeros for the first.
    pub previous: Digest,
}

/// A target within a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionTarget {
    /// The target.
    pub target: TargetName,
    /// Its state; `None` when nothing is known.
    pub health: Option<Health>,
    /// The probability that the rule looked at; `None` before the first tick.
    pub risk: Option<f64>,
    /// Whether its prediction is an alarm.
    pub alarm: bool,
    /// Whether that alarm is held out: not acted on, so that what comes of it is seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_out: bool,
    /// The prediction that its alarm rests on, and why that said what it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grounds: Option<Arc<Grounds>>,
    /// Age of its newest telemetry.
    pub telemetry_age: Option<Duration>,
    /// Share at rest, in basis points.
    pub baseline_bp: u32,
    /// What the model and the reactive rules asked for, in basis points.
    pub proposed_bp: u32,
    /// What the envelope made of it, in basis points.
    pub planned_bp: u32,
    /// What is published, in basis points.
    pub weight_bp: u32,
}

/// What made the engine look at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The route became known, or the engine started.
    Start,
    /// A prediction tick.
    Tick,
    /// A target's health changed.
    Health,
    /// An operator's command.
    Command,
    /// Something expired: an override, a plan, telemetry.
    Expiry,
    /// A step towards an earlier plan, bounded by the rate of change.
    Step,
    /// The fallback configuration changed.
    Config,
    /// Another model became champion.
    Model,
}

/// Why the weights are what they are. One word for machines; `Decision` has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing calls for a shift.
    Baseline,
    /// A prediction.
    PredictedRisk,
    /// A target is degraded.
    Degraded,
    /// A target is down.
    HardDown,
    /// On the way back to baseline.
    Restore,
    /// A person fixed the weights.
    Pinned,
    /// A person, or the cap on flips, froze the route.
    Frozen,
    /// Telemetry is stale: held.
    StaleHold,
    /// Telemetry is stale: walking back to baseline.
    StaleDecay,
    /// All targets are down: there is nowhere to go.
    NoTarget,
    /// A prediction that is held out: not acted on, so that what comes of it is seen.
    HeldOut,
}

/// A rule of the envelope that bound the proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clause {
    /// Number of the rule in the safety model.
    pub rule: u8,
    /// Its name, for people.
    pub name: String,
    /// The target it bound; `None` is the route.
    pub target: Option<TargetName>,
    /// What it held back, in basis points of the route.
    pub held_back_bp: u32,
}

impl Decision {
    /// SHA-256 of the decision's canonical bytes: its JSON, fields in the order of this type, without blanks.
    ///
    /// # Errors
    /// When a number is not finite, which JSON cannot hold.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        Ok(Digest::of(&serde_json::to_vec(self)?))
    }
}
