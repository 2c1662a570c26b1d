//! What readers see: one immutable value, replaced whole. `serve` and the console read this and never the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fallback::Mode;
use crate::names::{GatewayName, RouteName, TargetName};
use crate::prediction::{Explanation, Prediction};
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
    /// Why, for each horizon; present for alarms and asked-for targets.
    pub explanations: Vec<Explanation>,
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
