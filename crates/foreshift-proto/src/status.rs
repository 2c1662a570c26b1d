//! The published state in parts, and the parts put together again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foreshift_domain::prediction::Prediction;
use foreshift_domain::published::{AppliedVersion, Override, Published, RouteOverride, TargetState, Why};
use foreshift_domain::signal::OutcomeCounts;
use foreshift_domain::{GatewayName, RouteName, TargetName, Timestamp};

use crate::enums;
use crate::error::WireError;
use crate::field;
use crate::signal;
use crate::v1;

/// The most routes and targets in one message of a list or stream: keeps each well below the 4 MiB that gRPC
/// clients accept unasked.
pub const MAX_PART_ENTRIES: usize = 500;

/// The published state in parts of at most [`MAX_PART_ENTRIES`]; at least one, the first with the summary. Parts
/// are made when asked for, so that a slow reader holds only one.
pub fn status_parts(
    published: Arc<Published>,
) -> impl Iterator<Item = v1::GetStatusResponse> + Send + 'static {
    let routes: Vec<RouteName> = published
        .routes
        .keys()
        .chain(published.overrides.keys())
        .chain(published.applied.keys())
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let targets: Vec<TargetName> = published.targets.keys().cloned().collect();
    let parts = routes
        .len()
        .div_ceil(MAX_PART_ENTRIES)
        .max(targets.len().div_ceil(MAX_PART_ENTRIES))
        .max(1);
    (0..parts).map(move |part| v1::GetStatusResponse {
        summary: (part == 0).then(|| published.as_ref().into()),
        routes: chunk(&routes, part)
            .map(|route| route_state(&published, route))
            .collect(),
        targets: chunk(&targets, part)
            .filter_map(|name| published.targets.get(name).map(|state| target_state(name, state)))
            .collect(),
    })
}

fn chunk<T>(all: &[T], part: usize) -> impl Iterator<Item = &T> {
    all.iter()
        .skip(part.saturating_mul(MAX_PART_ENTRIES))
        .take(MAX_PART_ENTRIES)
}

impl From<&Published> for v1::StatusSummary {
    fn from(published: &Published) -> Self {
        Self {
            epoch: published.epoch,
            now_unix_us: published.now.as_micros(),
            watermark_unix_us: (published.watermark > Timestamp::MIN)
                .then(|| published.watermark.as_micros()),
            decisions: published.decisions,
            counters: published.counters.clone(),
            fleet_freeze: published.fleet_freeze.as_ref().map(Into::into),
            models: Some((&published.models).into()),
        }
    }
}

fn route_state(published: &Published, route: &RouteName) -> v1::RouteState {
    v1::RouteState {
        route: route.as_str().to_owned(),
        weights: published.routes.get(route).map(|weights| weights.as_ref().into()),
        r#override: published.overrides.get(route).map(|set| v1::RouteOverride {
            pin: set.pin.as_ref().map(Into::into),
            freeze: set.freeze.as_ref().map(Into::into),
            mode: set.mode.map_or(v1::Mode::Unspecified, v1::Mode::from).into(),
        }),
        applied: published
            .applied
            .get(route)
            .into_iter()
            .flatten()
            .map(|(gateway, applied)| v1::GatewayApplied {
                gateway: gateway.as_str().to_owned(),
                version: Some(applied.version.into()),
                time_unix_us: applied.time.as_micros(),
                error: applied.error.clone(),
            })
            .collect(),
    }
}

impl From<&Override> for v1::Override {
    fn from(set: &Override) -> Self {
        Self {
            actor: set.actor.clone(),
            reason: set.reason.clone(),
            since_unix_us: set.since.as_micros(),
            expires_at_unix_us: set.expires_at.as_micros(),
        }
    }
}

impl From<v1::Override> for Override {
    fn from(wire: v1::Override) -> Self {
        Self {
            actor: wire.actor,
            reason: wire.reason,
            since: field::time(wire.since_unix_us),
            expires_at: field::time(wire.expires_at_unix_us),
        }
    }
}

fn target_state(name: &TargetName, state: &TargetState) -> v1::TargetState {
    v1::TargetState {
        target: name.as_str().to_owned(),
        health: enums::health_number(state.health),
        last_seen_unix_us: state.last_seen.as_micros(),
        outcomes: signal::counts_to_wire(&state.outcomes),
        signals: state.signals,
        late_signals: state.late_signals,
        log_lines: state.log_lines,
        rate_rps: state.rate_rps.filter(|rate| rate.is_finite()),
        incidents: state.incidents,
        incident_since_unix_us: state.incident_since.map(|since| since.as_micros()),
        prediction: state.prediction.as_ref().map(Into::into),
        explanations: state.explanations.iter().map(Into::into).collect(),
    }
}

/// Puts the parts of a status together.
#[derive(Debug, Default)]
pub struct StatusMerge {
    published: Published,
    has_summary: bool,
}

impl StatusMerge {
    /// Takes one part, in any order.
    ///
    /// # Errors
    /// When a part does not keep the domain's promises.
    pub fn add(&mut self, part: v1::GetStatusResponse) -> Result<(), WireError> {
        if let Some(summary) = part.summary {
            self.has_summary = true;
            self.published.epoch = summary.epoch;
            self.published.now = field::time(summary.now_unix_us);
            self.published.watermark = summary.watermark_unix_us.map_or(Timestamp::MIN, field::time);
            self.published.decisions = summary.decisions;
            self.published.counters = summary.counters;
            self.published.fleet_freeze = summary.fleet_freeze.map(Into::into);
            self.published.models = summary.models.unwrap_or_default().try_into()?;
        }
        part.routes
            .into_iter()
            .try_for_each(|route| self.add_route(route))?;
        part.targets
            .into_iter()
            .try_for_each(|target| self.add_target(target))
    }

    /// The published state.
    ///
    /// # Errors
    /// When the part with the summary never came.
    pub fn finish(self) -> Result<Published, WireError> {
        if self.has_summary {
            Ok(self.published)
        } else {
            Err(WireError::Missing {
                field: "status.summary",
            })
        }
    }

    fn add_route(&mut self, wire: v1::RouteState) -> Result<(), WireError> {
        let route: RouteName = field::name("route_state.route", wire.route)?;
        if let Some(weights) = wire.weights {
            self.published
                .routes
                .insert(route.clone(), Arc::new(weights.try_into()?));
        }
        if let Some(set) = wire.r#override {
            let unset = set.mode == i32::from(v1::Mode::Unspecified);
            let set = RouteOverride {
                pin: set.pin.map(Into::into),
                freeze: set.freeze.map(Into::into),
                mode: (!unset)
                    .then(|| enums::mode("route_override.mode", set.mode))
                    .transpose()?,
            };
            self.published.overrides.insert(route.clone(), set);
        }
        let applied = applied(wire.applied)?;
        if !applied.is_empty() {
            self.published.applied.insert(route, applied);
        }
        Ok(())
    }

    fn add_target(&mut self, wire: v1::TargetState) -> Result<(), WireError> {
        let mut outcomes = OutcomeCounts::default();
        for entry in &wire.outcomes {
            outcomes.add(
                enums::outcome_kind("target_state.outcomes.kind", entry.kind)?,
                entry.count,
            );
        }
        let state = TargetState {
            health: enums::known_health("target_state.health", wire.health)?,
            last_seen: field::time(wire.last_seen_unix_us),
            outcomes,
            signals: wire.signals,
            late_signals: wire.late_signals,
            log_lines: wire.log_lines,
            rate_rps: wire
                .rate_rps
                .map(|rate| field::finite("target_state.rate_rps", rate))
                .transpose()?,
            incidents: wire.incidents,
            incident_since: wire.incident_since_unix_us.map(field::time),
            prediction: wire.prediction.map(Prediction::try_from).transpose()?,
            explanations: wire
                .explanations
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, WireError>>()?,
            why: Why::default(),
        };
        self.published
            .targets
            .insert(field::name("target_state.target", wire.target)?, Arc::new(state));
        Ok(())
    }
}

fn applied(wire: Vec<v1::GatewayApplied>) -> Result<BTreeMap<GatewayName, AppliedVersion>, WireError> {
    wire.into_iter()
        .map(|entry| {
            let version = entry.version.ok_or(WireError::Missing {
                field: "gateway_applied.version",
            })?;
            let applied = AppliedVersion {
                version: version.into(),
                time: field::time(entry.time_unix_us),
                error: entry.error,
            };
            Ok((field::name("gateway_applied.gateway", entry.gateway)?, applied))
        })
        .collect()
}
