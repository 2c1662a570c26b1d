//! Names in telemetry to targets.
//!
//! A target is known by its own name and by those of its mapping. The first name of an item that is known decides,
//! but for an endpoint that a target lists: a cluster may hand a request over to an endpoint of another target, as
//! Envoy does when it has ejected its own, and what that one did is not to be counted for the cluster's.
//! A target that names one source for outcomes has those of others dropped, so that a request that is both in an
//! access log and in a metric counts once. What is not known is passed on under its first name when discovery is
//! on, and otherwise counted, with examples.

use std::collections::BTreeMap;

use foreshift_domain::fallback::{Fallback, OutcomeSource};
use foreshift_domain::log::LogEvent;
use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::signal::{Observation, Signal};
use foreshift_domain::{RouteName, TargetName};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// The most unmapped names kept as examples; the rest is only counted. A runaway label has a million.
pub const MAX_UNMAPPED_NAMES: usize = 1_000;

/// Names to targets.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    known: FxHashMap<TargetName, Known>,
    discover: bool,
    unmapped: BTreeMap<TargetName, u64>,
    counters: MappingCounters,
}

#[derive(Clone, Debug)]
struct Known {
    target: TargetName,
    outcomes_from: Option<OutcomeSource>,
    routes: Vec<RouteName>,
}

/// Counters since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MappingCounters {
    /// Items of configured targets.
    pub mapped: u64,
    /// Items of targets that are not configured, passed on because discovery is on.
    pub discovered: u64,
    /// Items of no known target, dropped.
    pub unmapped: u64,
    /// Outcomes from a source other than the target's own, dropped.
    pub duplicate_outcomes: u64,
    /// Items with an empty name, or one longer than `MAX_NAME_BYTES`, dropped.
    pub bad_names: u64,
}

/// Why an item has no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Miss {
    BadName,
    Unmapped,
}

impl Mapping {
    /// The mapping of a configuration.
    pub fn new(fallback: &Fallback) -> Self {
        let mut mapping = Self {
            discover: fallback.discover.is_some(),
            ..Self::default()
        };
        mapping.learn(fallback);
        mapping
    }

    /// Follows a new configuration; counters stay, examples begin anew.
    pub fn reconfigure(&mut self, fallback: &Fallback) {
        self.discover = fallback.discover.is_some();
        self.known.clear();
        self.unmapped.clear();
        self.learn(fallback);
    }

    fn learn(&mut self, fallback: &Fallback) {
        for target in &fallback.targets {
            let routes = fallback.routes.iter();
            let routes = routes.filter(|route| route.targets.iter().any(|of| of.target == target.name));
            let known = Known {
                target: target.name.clone(),
                outcomes_from: target.telemetry.outcomes_from,
                routes: routes.map(|route| route.name.clone()).collect(),
            };
            for name in &target.telemetry.names {
                // A target's own name is its own, whatever others list; of two lists the first keeps it.
                let is_own = fallback.targets.iter().any(|other| other.name.as_str() == name);
                if !is_own {
                    self.known
                        .entry(name.as_str().into())
                        .or_insert_with(|| known.clone());
                }
            }
            self.known.insert(target.name.clone(), known);
        }
    }

    /// Finds the target of a signal; `None` when it is dropped, which is counted.
    pub fn signal(
        &mut self,
        mut signal: Signal,
        aliases: &[TargetName],
        source: OutcomeSource,
    ) -> Option<Signal> {
        if !sound(&signal) {
            return self.miss(&signal.target, Miss::BadName);
        }
        let by_endpoint = || self.known.get(signal.endpoint.as_ref()?.as_str());
        let known =
            match by_endpoint().map_or_else(|| self.find(&signal.target, aliases), |known| Ok(Some(known))) {
                Ok(known) => known,
                Err(miss) => return self.miss(&signal.target, miss),
            };
        let is_outcome = matches!(
            signal.observation,
            Observation::Outcome(_) | Observation::Window(_)
        );
        let counts = match known.and_then(|known| known.outcomes_from) {
            Some(theirs) => theirs == source,
            None => source != OutcomeSource::EnvoyLoadReport,
        };
        if is_outcome && !counts {
            self.counters.duplicate_outcomes += 1;
            return None;
        }
        let Some(known) = known else {
            self.counters.discovered += 1;
            return Some(signal);
        };
        signal.target = known.target.clone();
        // Gateways name routes in their own way; the target's one route is meant unless they name another of its.
        let named = signal
            .route
            .as_ref()
            .is_some_and(|route| known.routes.contains(route));
        if !named {
            signal.route = match known.routes.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            };
        }
        self.counters.mapped += 1;
        Some(signal)
    }

    /// Finds the target of a log event; `None` when it is dropped, which is counted.
    pub fn log(&mut self, mut event: LogEvent, aliases: &[TargetName]) -> Option<LogEvent> {
        match self.find(&event.target, aliases) {
            Ok(Some(known)) => event.target = known.target.clone(),
            Ok(None) => {
                self.counters.discovered += 1;
                return Some(event);
            }
            Err(miss) => return self.miss(&event.target, miss),
        }
        self.counters.mapped += 1;
        Some(event)
    }

    /// The known target of the first name that has one; `Ok(None)` is a discovered one.
    fn find(&self, first: &TargetName, aliases: &[TargetName]) -> Result<Option<&Known>, Miss> {
        let by_alias = || aliases.iter().find_map(|name| self.known.get(name));
        if let Some(known) = self.known.get(first).or_else(by_alias) {
            return Ok(Some(known));
        }
        if !good_name(first.as_str()) {
            return Err(Miss::BadName);
        }
        if self.discover {
            Ok(None)
        } else {
            Err(Miss::Unmapped)
        }
    }

    fn miss<T>(&mut self, name: &TargetName, miss: Miss) -> Option<T> {
        match miss {
            Miss::BadName => self.counters.bad_names += 1,
            Miss::Unmapped => {
                self.counters.unmapped += 1;
                if let Some(count) = self.unmapped.get_mut(name) {
                    *count += 1;
                } else if self.unmapped.len() < MAX_UNMAPPED_NAMES {
                    self.unmapped.insert(name.clone(), 1);
                }
            }
        }
        None
    }

    /// Counters since the start of the process.
    pub const fn counters(&self) -> MappingCounters {
        self.counters
    }

    /// Names of no known target, with how often they came; at most [`MAX_UNMAPPED_NAMES`] of them.
    pub const fn unmapped(&self) -> &BTreeMap<TargetName, u64> {
        &self.unmapped
    }
}

fn good_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES
}

fn sound(signal: &Signal) -> bool {
    let gauge = match &signal.observation {
        Observation::Gauge(gauge) => good_name(gauge.name.as_str()) && gauge.value.is_finite(),
        _ => true,
    };
    gauge
        && good_name(signal.target.as_str())
        && signal.route.as_ref().is_none_or(|name| good_name(name.as_str()))
        && signal
            .gateway
            .as_ref()
            .is_none_or(|name| good_name(name.as_str()))
        && signal
            .endpoint
            .as_ref()
            .is_none_or(|name| good_name(name.as_str()))
}

#[cfg(test)]
pub(crate) mod tests;
