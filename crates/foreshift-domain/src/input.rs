//! What the engine is fed. All of it is journaled; the same inputs give the same outputs, byte for byte.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::fallback::Fallback;
use crate::log::LogEvent;
use crate::names::{GatewayName, RouteName};
use crate::signal::Signal;
use crate::time::Timestamp;
use crate::weights::Version;

/// One input of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// An observation of a target.
    Signal(Signal),
    /// Log lines about a target.
    Log(LogEvent),
    /// The clock: drives expiry, staleness, overrides and steps; never buckets.
    Clock(Timestamp),
    /// Event time up to which buckets are closed.
    Watermark(Watermark),
    /// An operator's command.
    Command(Command),
    /// The fallback configuration changed.
    Fallback(Arc<Fallback>),
    /// The model changed: name and canonical JSON of the new one.
    Model(Arc<ModelUpdate>),
    /// The shell judged the model: could not load it, or a prediction tick took too long.
    ModelHealth(ModelHealth),
    /// A gateway says what it applied.
    Applied(Applied),
    /// Another model is scored in the champion's shadow; `None` scores none.
    Challenger(Option<Arc<ModelUpdate>>),
}

/// Event time up to which buckets are closed, and the judgement behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// Every bucket that ends at or before this is closed.
    pub time: Timestamp,
    /// Partitions left out as idle.
    pub idle_partitions: u32,
}

/// A new model. It comes whole, so that a journal is replayed without the registry it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelUpdate {
    /// Name and version as in models/.
    pub name: String,
    /// The model's canonical JSON.
    pub model_json: String,
    /// Whether it learned from simulation; then every explanation says so.
    #[serde(default)]
    pub simulated: bool,
    /// Who changed the model and why; empty for the model to begin with.
    #[serde(default)]
    pub why: String,
}

/// Whether predictions may be used. While they may not, the reactive rules alone propose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelHealth {
    /// Whether they may.
    pub usable: bool,
    /// Why not; empty when usable.
    pub reason: String,
}

/// A gateway says what it applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// When, by our clock.
    pub time: Timestamp,
    /// Which gateway.
    pub gateway: GatewayName,
    /// Which route.
    pub route: RouteName,
    /// Which version; refused ones carry `error`.
    pub version: Version,
    /// Why the gateway refused it; `None` when applied.
    pub error: Option<String>,
}
