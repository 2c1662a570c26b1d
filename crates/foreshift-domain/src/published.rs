//! What readers see: one immutable value, replaced whole. `serve` and the console read this and never the engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fallback::Mode;
use crate::hash::Digest;
use crate::log::ErrorClass;
use crate::names::{GatewayName, RouteName, TargetName};
use crate::prediction::{Comparison, Explanation, ModelVersion, Prediction};
use crate::signal::{Health, OutcomeCounts};
use crate::time::{Duration, Timestamp};
use crate::weights::{RouteWeights, Version};

/// The engine's state as others may see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The epoch of this process.
    pub epoch: u64,
    /// The engine's clock.
    pub now: Timestamp,
    /// Event time up to which buckets are closed; `Timestamp::MIN` before the first.
    pub watermark: Timestamp,
    /// Weights by route.
    pub routes: BTreeMap<RouteName, Arc<RouteWeights>>,
    /// State by target.
    pub targets: BTreeMap<TargetName, Arc<TargetState>>,
    /// Overrides by route.
    pub overrides: BTreeMap<RouteName, RouteOverride>,
    /// The freeze of all routes.
    pub fleet_freeze: Option<Override>,
    /// What gateways last said, by route and gateway.
    pub applied: BTreeMap<RouteName, BTreeMap<GatewayName, AppliedVersion>>,
    /// Counters of the engine, by name.
    pub counters: BTreeMap<String, u64>,
    /// Sequence number of the newest decision.
    pub decisions: u64,
    /// The models at work.
    #[serde(default)]
    pub models: ModelsState,
    /// What log lines said of late, by target. Not part of the status that is sent to readers.
    #[serde(skip)]
    pub logs: Arc<BTreeMap<TargetName, Arc<LogSummary>>>,
}

/// The models at work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelsState {
    /// The one whose predictions are used.
    pub champion: ServedModel,
    /// The one that is scored in its shadow.
    pub challenger: Option<ChallengerState>,
}

/// A model at work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedModel {
    /// Its name, and how much it learned here.
    pub version: ModelVersion,
    /// SHA-256 of the model as the engine was given it, with the horizons at this configuration's pace.
    pub digest: Digest,
    /// Whether it learned from simulation.
    pub simulated: bool,
}

/// A challenger in the champion's shadow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChallengerState {
    /// Which.
    pub model: ServedModel,
    /// Since when it is scored, by event time.
    pub since: Timestamp,
    /// How it does against the champion.
    pub comparison: Comparison,
}

/// What log lines said about a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSummary {
    /// Since when lines of late are counted, by the clock of the lines; `None` before the first.
    pub since: Option<Timestamp>,
    /// Lines by class, most first.
    pub classes: Vec<ClassLines>,
    /// The templates with most lines, most first; lines of others are in the classes only.
    pub templates: Vec<TemplateLines>,
}

/// Lines of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassLines {
    /// The class.
    pub class: ErrorClass,
    /// How many of late.
    pub lines: u64,
    /// How many since the process started.
    pub total: u64,
    /// Where it is explained.
    pub runbook: String,
}

/// Lines of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateLines {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// What its lines say went wrong.
    pub class: ErrorClass,
    /// How many.
    pub lines: u64,
    /// Its text with masks; `None` while it is private, which it is until it was seen often and elsewhere too.
    pub text: Option<String>,
    /// Whole lines, where the configuration asks for them.
    pub samples: Vec<String>,
}

impl ClassLines {
    /// Lines of a class, and where it is explained.
    pub fn new(class: ErrorClass, lines: u64, total: u64) -> Self {
        Self {
            class,
            lines,
            total,
            runbook: class.runbook(),
        }
    }
}

/// The state of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// Its state; `None` when nothing is known.
    pub health: Option<Health>,
    /// Time of its newest telemetry.
    pub last_seen: Timestamp,
    /// Requests seen in all, by how they ended.
    pub outcomes: OutcomeCounts,
    /// Signals folded in all.
    pub signals: u64,
    /// Signals that came too late to be folded.
    pub late_signals: u64,
    /// Log lines folded in all.
    pub log_lines: u64,
    /// Requests a second over the shortest window; `None` when signals carry no counts.
    pub rate_rps: Option<f64>,
    /// Incidents seen in all.
    pub incidents: u64,
    /// Start of the incident it is in.
    pub incident_since: Option<Timestamp>,
    /// Its newest predictions.
    pub prediction: Option<Prediction>,
    /// Why it alarms, for each horizon at which it does: the newest prediction, or an earlier one that still stands. As
    /// recorded: all but the largest contributions are one.
    pub explanations: Vec<Explanation>,
    /// Explains the newest predictions when asked. Not part of the status that is sent to readers.
    #[serde(skip)]
    pub why: Why,
}

/// Explains predictions when asked, which takes milliseconds: not for a thread that others wait for.
#[derive(Clone, Default)]
pub struct Why(Option<Arc<dyn Fn() -> Vec<Explanation> + Send + Sync>>);

impl Why {
    /// Asks this.
    pub fn new(explain: impl Fn() -> Vec<Explanation> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(explain)))
    }

    /// One explanation for each horizon; none where nobody can tell.
    pub fn ask(&self) -> Vec<Explanation> {
        self.0.as_ref().map_or_else(Vec::new, |explain| explain())
    }
}

impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Why(..)" } else { "Why" })
    }
}

impl PartialEq for Why {
    /// What it says follows from what it stands beside.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// An override in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// The overrides of a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RouteOverride {
    /// Its weights are fixed.
    pub pin: Option<Override>,
    /// It does not change by itself.
    pub freeze: Option<Override>,
    /// The mode set by a person, over the configured one.
    pub mode: Option<Mode>,
}

/// What a gateway last said of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppliedVersion {
    /// The version.
    pub version: Version,
    /// When, by our clock.
    pub time: Timestamp,
    /// Why it refused it; `None` when applied.
    pub error: Option<String>,
}

impl Published {
    /// Age of a target's newest telemetry by the engine's clock; never negative.
    pub fn telemetry_age(&self, target: &TargetState) -> Duration {
        self.now.since(target.last_seen).max(Duration::ZERO)
    }
}
