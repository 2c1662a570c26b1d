//! What operators ask for.

use serde::{Deserialize, Serialize};

use crate::fallback::Mode;
use crate::names::{RouteName, TargetName};
use crate::prediction::PredictionId;
use crate::time::Timestamp;
use crate::weights::Version;

/// One operator command, as authenticated and authorized.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Chosen by the caller; the same id is carried out once.
    pub request_id: String,
    /// Who asked: the authenticated peer.
    pub actor: String,
    /// For whom, by the actor's word.
    pub on_behalf_of: Option<String>,
    /// Why; never empty.
    pub reason: String,
    /// When it was accepted.
    pub issued_at: Timestamp,
    /// When it ends by itself; needed by pin and freeze.
    pub expires_at: Option<Timestamp>,
    /// Refuse unless the route is still at this version.
    pub expected_version: Option<Version>,
    /// What to do.
    pub action: Action,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Fix a route's weights until the expiry.
    Pin {
        /// The route.
        route: RouteName,
        /// Weights in basis points, which sum to 10,000; targets left out get 0.
        weights: Vec<(TargetName, u32)>,
    },
    /// End a pin.
    Unpin {
        /// The route.
        route: RouteName,
    },
    /// No automatic change until the expiry.
    Freeze {
        /// The route; `None` is all.
        route: Option<RouteName>,
    },
    /// End a freeze.
    Unfreeze {
        /// The route; `None` is the freeze of all.
        route: Option<RouteName>,
    },
    /// What may be done without asking.
    SetMode {
        /// The route; `None` is all configured ones.
        route: Option<RouteName>,
        /// The mode.
        mode: Mode,
    },
    /// Confirm the baseline of a discovered route.
    ConfirmBaseline {
        /// The route.
        route: RouteName,
        /// Baseline in basis points, which sums to 10,000.
        baseline: Vec<(TargetName, u32)>,
    },
    /// Say that a target was in an incident.
    MarkIncident {
        /// The target.
        target: TargetName,
        /// Its beginning.
        start: Timestamp,
        /// Its end; `None` while it lasts.
        end: Option<Timestamp>,
    },
    /// Judge a prediction.
    Verdict {
        /// Which one.
        prediction: PredictionId,
        /// What it was.
        verdict: Verdict,
    },
}

/// What a person says of a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The incident came.
    Confirmed,
    /// It did not.
    FalseAlarm,
    /// It came and was planned.
    Expected,
    /// Somebody looked.
    Reviewed,
    /// An incident came that this prediction did not announce.
    Missed,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The command's id.
    pub request_id: String,
    /// Done, or why not.
    pub verdict: Result<CommandDone, CommandRefused>,
}

/// A command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDone {
    /// The version of the route afterwards, where the command names one.
    pub version: Option<Version>,
    /// Whether it had been carried out before under the same id.
    pub repeated: bool,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum CommandRefused {
    /// No such route.
    #[error("no route {route:?} is known")]
    UnknownRoute {
        /// As asked.
        route: RouteName,
    },
    /// No such target.
    #[error("no target {target:?} is known{}", .route.as_ref().map(|route| format!(" on route {route:?}")).unwrap_or_default())]
    UnknownTarget {
        /// As asked.
        target: TargetName,
        /// The route it was looked for on.
        route: Option<RouteName>,
    },
    /// No such prediction, or it is no longer kept.
    #[error("no prediction {prediction} is kept")]
    UnknownPrediction {
        /// As asked.
        prediction: PredictionId,
    },
    /// Weights do not sum to 10,000.
    #[error("weights must sum to 10000 basis points, these sum to {sum_bp}")]
    WrongSum {
        /// Their sum in basis points.
        sum_bp: u64,
    },
    /// The route has moved on.
    #[error("the route is at version {actual}, not {expected}: look at it again, then repeat")]
    VersionConflict {
        /// As asked.
        expected: Version,
        /// As it is.
        actual: Version,
    },
    /// A person must confirm the baseline first.
    #[error("route {route:?} was discovered: confirm its baseline before it may leave shadow")]
    BaselineUnconfirmed {
        /// The route.
        route: RouteName,
    },
    /// The expiry is missing or not in the future.
    #[error("an expiry in the future is needed")]
    BadExpiry,
    /// The reason is missing.
    #[error("a reason is needed")]
    NoReason,
    /// The interval ends before it begins.
    #[error("the incident ends before it begins")]
    BadInterval,
    /// It could not be written to the command log, so it would not survive a restart.
    #[error("the command could not be kept on disk, so it was not carried out: see the log")]
    NotKept,
    /// Nothing to end.
    #[error("there is no {what} to end")]
    NothingToEnd {
        /// `pin` or `freeze`.
        what: String,
    },
}

impl Action {
    /// The route it is about, where it names one.
    pub fn route(&self) -> Option<&RouteName> {
        match self {
            Self::Pin { route, .. } | Self::Unpin { route } | Self::ConfirmBaseline { route, .. } => {
                Some(route)
            }
            Self::Freeze { route } | Self::Unfreeze { route } | Self::SetMode { route, .. } => route.as_ref(),
            Self::MarkIncident { .. } | Self::Verdict { .. } => None,
        }
    }
}
