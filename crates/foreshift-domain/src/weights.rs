//! Route weights as gateways see them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decision::Reason;
use crate::fallback::{Mode, Role};
use crate::names::{RouteName, TargetName};
use crate::prediction::{ModelVersion, Risk};
use crate::signal::Health;
use crate::time::Timestamp;

/// All weights of a route sum to this many basis points.
pub const FULL_BP: u32 = 10_000;

/// Orders what a route was told: the epoch of the process first, then the sequence within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Grows by one at each start of the owner.
    pub epoch: u64,
    /// Grows with each decision that is published.
    pub sequence: u64,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)
    }
}

/// The weights of a route, with all that a gateway or a person needs to trust them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteWeights {
    /// The route.
    pub route: RouteName,
    /// Strictly increases with every change of what follows, `valid_until` included.
    pub version: Version,
    /// What may be done without asking.
    pub mode: Mode,
    /// Its targets, in the order of the configuration.
    pub targets: Vec<TargetWeight>,
    /// Why the weights are what they are.
    pub reason: Reason,
    /// Sequence number of the newest decision on this route.
    pub decision: u64,
    /// The model whose predictions were used.
    pub model: ModelVersion,
    /// When the decision was made.
    pub decided_at: Timestamp,
    /// From here on a gateway uses its baseline.
    pub valid_until: Timestamp,
    /// Whether a person confirmed the baseline (configured routes: always).
    pub baseline_confirmed: bool,
    /// Probability with which the decision was made as it was, in (0, 1]; below 1 where an alarm may be held out.
    pub propensity: f64,
}

/// One target of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetWeight {
    /// The target.
    pub target: TargetName,
    /// Primary or secondary.
    pub role: Role,
    /// Share at rest, in basis points.
    pub baseline_bp: u32,
    /// Share to apply, in basis points.
    pub weight_bp: u32,
    /// Share that would be applied in mode auto, in basis points.
    pub planned_bp: u32,
    /// Its state; `None` when nothing is known.
    pub health: Option<Health>,
    /// Its newest predictions, one for each horizon; empty before the first tick.
    pub risks: Vec<Risk>,
}
