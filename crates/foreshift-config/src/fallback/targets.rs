//! Targets over all routes: what several routes say about one target must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use foreshift_domain::fallback::{Capacity, Role, SyncRequirement, TargetConfig, TelemetryMapping};
use foreshift_domain::{FailureDomain, GaugeName, TargetName};

use super::file::{CapacitySetting, TargetFile};
use crate::report::Report;
use crate::text::EndpointText;
use crate::tree::At;

/// The targets seen so far, in the order of the file.
#[derive(Default)]
pub(super) struct Targets {
    seen: Vec<Seen>,
    by_name: BTreeMap<String, usize>,
}

struct Seen {
    name: String,
    /// Where it stands first, for what is said about it as a whole.
    at: At,
    /// Where it is a secondary.
    secondary_at: Option<At>,
    capacity: Option<Capacity>,
    failure_domain: Option<String>,
    sync: Option<SyncRequirement>,
    telemetry: Option<TelemetryMapping>,
    endpoints: Option<Vec<EndpointText>>,
}

impl Targets {
    /// Takes what one route says about a target.
    pub(super) fn add(&mut self, target: &TargetFile, at: &At, report: &mut Report<'_>) {
        let index = *self.by_name.entry(target.name.clone()).or_insert_with(|| {
            self.seen.push(Seen::new(&target.name, at));
            self.seen.len() - 1
        });
        let Some(seen) = self.seen.get_mut(index) else {
            return;
        };
        if target.role == Role::Secondary && seen.secondary_at.is_none() {
            seen.secondary_at = Some(at.clone());
        }
        agree(
            &mut seen.capacity,
            capacity(target),
            &target.name,
            &at.key("capacity"),
            report,
        );
        agree(
            &mut seen.failure_domain,
            target.failure_domain.clone(),
            &target.name,
            &at.key("failure_domain"),
            report,
        );
        agree(
            &mut seen.sync,
            sync(target, at, report),
            &target.name,
            &at.key("sync"),
            report,
        );
        agree(
            &mut seen.telemetry,
            telemetry(target),
            &target.name,
            &at.key("telemetry"),
            report,
        );
        agree(
            &mut seen.endpoints,
            (!target.endpoints.is_empty()).then(|| target.endpoints.clone()),
            &target.name,
            &at.key("endpoints"),
            report,
        );
    }

    /// The endpoints of a target, whichever route lists them.
    pub(super) fn endpoints(&self, target: &str) -> Vec<SocketAddr> {
        let seen = self.by_name.get(target).and_then(|index| self.seen.get(*index));
        let endpoints = seen.and_then(|seen| seen.endpoints.as_ref());
        endpoints
            .into_iter()
            .flatten()
            .map(|endpoint| endpoint.0)
            .collect()
    }

    /// What must hold over all targets; then the targets.
    pub(super) fn finish(self, report: &mut Report<'_>) -> Vec<TargetConfig> {
        let mut known_by: BTreeMap<String, String> = self
            .seen
            .iter()
            .map(|seen| (seen.name.clone(), seen.name.clone()))
            .collect();
        for seen in &self.seen {
            if let (Some(at), None) = (&seen.secondary_at, &seen.capacity) {
                report.error(
                    at,
                    format!("the secondary `{}` declares no capacity", seen.name),
                    "write what it can serve, such as `capacity: 500 rps`: what never served cannot be learned from",
                );
            }
            let mut listed = BTreeSet::new();
            for (index, endpoint) in seen.endpoints.iter().flatten().enumerate() {
                let name = endpoint.0.to_string();
                let owner = known_by.entry(name.clone()).or_insert_with(|| seen.name.clone());
                let is_new = listed.insert(name.clone());
                report.require(
                    *owner == seen.name && is_new,
                    &seen.at.key("endpoints").index(index),
                    format!("`{name}` belongs to `{owner}` already"),
                    "an endpoint belongs to one target, and is listed once",
                );
            }
            for name in seen.telemetry.iter().flat_map(|telemetry| &telemetry.names) {
                let owner = known_by.entry(name.clone()).or_insert_with(|| seen.name.clone());
                if *owner != seen.name {
                    report.error(
                        &seen.at.key("telemetry").key("names"),
                        format!("telemetry's name `{name}` belongs to `{owner}` already"),
                        "a name of telemetry belongs to one target",
                    );
                }
            }
        }
        self.seen.into_iter().map(Seen::into_config).collect()
    }
}

impl Seen {
    fn new(name: &str, at: &At) -> Self {
        Self {
            name: name.to_owned(),
            at: at.clone(),
            secondary_at: None,
            capacity: None,
            failure_domain: None,
            sync: None,
            telemetry: None,
            endpoints: None,
        }
    }

    fn into_config(self) -> TargetConfig {
        let mut telemetry = self.telemetry.unwrap_or_default();
        for endpoint in self.endpoints.into_iter().flatten() {
            let name = endpoint.0.to_string();
            if !telemetry.names.contains(&name) {
                telemetry.names.push(name);
            }
        }
        TargetConfig {
            name: TargetName::from(self.name),
            capacity: self.capacity,
            failure_domain: self.failure_domain.map(FailureDomain::from),
            sync: self.sync,
            telemetry,
        }
    }
}

/// Takes a value, or refuses it when another route says something else.
fn agree<T: PartialEq>(known: &mut Option<T>, said: Option<T>, name: &str, at: &At, report: &mut Report<'_>) {
    match (known.as_ref(), said) {
        (_, None) => {}
        (None, said) => *known = said,
        (Some(known), Some(said)) if *known == said => {}
        (Some(_), Some(_)) => report.error(
            at,
            format!("another route says something else about the target `{name}`"),
            "a shared target is one thing: write this on one route only, or the same on all",
        ),
    }
}

fn capacity(target: &TargetFile) -> Option<Capacity> {
    target.capacity.as_ref().map(|capacity| match capacity {
        CapacitySetting::Text(text) => text.0,
        CapacitySetting::Parts(parts) => Capacity {
            amount: parts.amount,
            unit: parts.unit,
        },
    })
}

fn sync(target: &TargetFile, at: &At, report: &mut Report<'_>) -> Option<SyncRequirement> {
    let sync = target.sync.as_ref()?;
    report.require(
        sync.max_age.0.is_positive(),
        &at.key("sync").key("max_age"),
        "must be longer than nothing",
        "write a span such as 60s",
    );
    Some(SyncRequirement {
        gauge: GaugeName::from(sync.gauge.as_str()),
        max: sync.max,
        max_age: sync.max_age.0,
    })
}

fn telemetry(target: &TargetFile) -> Option<TelemetryMapping> {
    target.telemetry.as_ref().map(|telemetry| TelemetryMapping {
        names: telemetry.names.clone(),
        outcomes_from: telemetry.outcomes_from,
    })
}
