//! One target: its features, its part of the model, its incidents and the rows that wait for labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use foreshift_domain::decision::Cause;
use foreshift_domain::fallback::{DomainSource, Slo, TargetConfig, TelemetryMapping, Timing};
use foreshift_domain::log::LogEvent;
use foreshift_domain::prediction::Grounds;
use foreshift_domain::signal::{Observation, Signal};
use foreshift_domain::{Digest, Duration, EndpointName, FailureDomain, RouteName, TargetName, Timestamp};
use foreshift_features::{ClosedBucket, Folded, TargetFeatures};
use foreshift_predict::TargetModel;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::explain::Basis;
use crate::groups::{GroupIndex, Groups};
use crate::incidents::{Change, IncidentDetector};
use crate::labels::{Evidence, Onset};
use crate::output::{Alert, IncidentChange, MAX_HORIZONS, Output};
use crate::pending::{Learned, Pending, Seen};
use crate::shadow::TargetShadow;

/// The route of signals that name none.
const DEFAULT_ROUTE: &str = "default";

/// All state that belongs to one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) config: TargetConfig,
    pub(crate) discovered: bool,
    /// Routes it serves; the first one names it in predictions.
    pub(crate) routes: Vec<RouteName>,
    pub(crate) route_group: GroupIndex,
    pub(crate) domain_group: Option<GroupIndex>,
    /// The longest window over which anything looks at it.
    pub(crate) look_back: Duration,
    /// The strictest SLO of its routes.
    pub(crate) slo: Slo,
    pub(crate) features: TargetFeatures,
    pub(crate) learned: TargetModel,
    pub(crate) shadow: TargetShadow,
    pub(crate) incidents: IncidentDetector,
    pub(crate) incident_count: u64,
    pub(crate) pending: Pending,
    pub(crate) prediction: Option<LastPrediction>,
    /// What that was made from. No part of the state: it comes again with the next prediction.
    #[serde(skip)]
    pub(crate) basis: Option<Basis>,
    /// What alarms rest on, one for each horizon at which one did: of the newest, or of an earlier prediction that stands.
    pub(crate) grounds: Vec<Arc<Grounds>>,
    /// Highest rate served within the SLO, requests a second.
    pub(crate) best_rate_rps: f64,
    /// Signals of health seen: evidence that needs no traffic.
    pub(crate) health_signals: u64,
    /// Whether there was any telemetry of it yet.
    pub(crate) heard: bool,
    /// Whether some route holds it for less than up: every signal may change that.
    pub(crate) watched: bool,
    /// Own weight over own baseline on the first route, and when it last moved.
    pub(crate) weight_share: Option<f64>,
    pub(crate) shifted_at: Option<Timestamp>,
    /// On the first route: whether it alarms, whether that is held out from action, and with which probability the
    /// alarm is treated as it is.
    pub(crate) alarm: bool,
    pub(crate) held_out: bool,
    pub(crate) propensity: f64,
    /// Seed of the hash that thins rows.
    pub(crate) seed: u64,
    /// End of the bucket that was last scheduled to close.
    scheduled: Timestamp,
}

/// What the routes of a target ask of it.
pub(crate) struct Demands {
    pub(crate) slo: Slo,
    pub(crate) look_back: Duration,
}

/// The newest prediction of a target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LastPrediction {
    pub(crate) tick: Timestamp,
    /// One for each horizon; `None` when the model failed.
    pub(crate) probabilities: Option<[f64; MAX_HORIZONS]>,
    pub(crate) in_incident: bool,
    /// Earlier predictions that have not yet come true nor run out, one for each horizon.
    pub(crate) standing: [Standing; MAX_HORIZONS],
}

/// A prediction that still stands. It said that an incident begins within the horizon: as long as that has not
/// passed, a lower prediction since does not unsay it. What is left of it fades evenly over the horizon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    probability: f64,
    tick: Timestamp,
}

impl Standing {
    /// What is left of it.
    fn left(&self, now: Timestamp, horizon: Duration) -> f64 {
        let share = now.since(self.tick).as_secs_f64() / horizon.as_secs_f64();
        self.probability * (1.0 - share).clamp(0.0, 1.0)
    }
}

impl LastPrediction {
    /// The predictions of a tick, after those before.
    pub(crate) fn after(
        before: Option<Self>,
        tick: Timestamp,
        probabilities: Option<[f64; MAX_HORIZONS]>,
        horizons: &[Duration],
    ) -> Self {
        let mut standing = before.map(|before| before.standing).unwrap_or_default();
        for ((standing, probability), horizon) in standing
            .iter_mut()
            .zip(probabilities.unwrap_or_default())
            .zip(horizons)
        {
            if probability >= standing.left(tick, *horizon) {
                *standing = Standing { probability, tick };
            }
        }
        Self {
            tick,
            probabilities,
            in_incident: false,
            standing,
        }
    }

    /// When what stands at a horizon was predicted.
    pub(crate) fn stands_since(&self, head: usize) -> Option<Timestamp> {
        self.standing.get(head).map(|standing| standing.tick)
    }

    /// The risk to act on: the newest probability, or what is left of an earlier one that was higher.
    pub(crate) fn risk(&self, head: usize, now: Timestamp, horizon: Duration) -> Option<f64> {
        let newest = *self.probabilities?.get(head)?;
        let left = self
            .standing
            .get(head)
            .map_or(0.0, |standing| standing.left(now, horizon));
        Some(newest.max(left))
    }
}

impl Target {
    /// The first telemetry of the target, or the first after it was forgotten.
    fn hear(&mut self, at: Timestamp, watermark: Timestamp, timing: &Timing, groups: &mut Groups) {
        self.heard = true;
        let counters = self.features.counters();
        if counters.signals == 0 && counters.log_lines == 0 {
            self.features = TargetFeatures::new(at);
            self.features.look_back(self.look_back);
            // What is older than the watermark is late for this target too.
            self.features.close_until(timing, watermark, &mut |_| {});
        }
        groups.joined(self.route_group, self.domain_group, at);
    }

    /// A target hears of the watermark when a bucket of its own closes. What is older than the watermark is late
    /// for a target whose buckets are still open, too.
    fn note_watermark(&mut self, time: Timestamp, watermark: Timestamp, timing: &Timing) {
        if time < watermark {
            // All of its buckets that end by then were closed as they became due: this closes none.
            self.features.close_until(timing, watermark, &mut |_| {});
        }
    }

    /// What was seen of it in all.
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence {
            requests: self.features.counters().outcomes.evidence(),
            health: self.health_signals,
        }
    }

    /// What its rows are labelled by.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            group: self.route_group,
            evidence: self.evidence(),
            counted: self.features.counters().outcomes.total() > 0,
            enough: u64::from(self.slo.min_requests),
            last: self.features.last_seen(),
        }
    }
}

impl Engine {
    pub(crate) fn on_signal(&mut self, signal: &Signal) {
        self.shared.counters.signals += 1;
        let Some(index) = self.target_index(&signal.target, signal.route.as_ref(), signal.endpoint.as_ref())
        else {
            return;
        };
        let Some((name, target)) = self.targets.get_index_mut(index) else {
            return;
        };
        let timing = &self.shared.fallback.timing;
        if !target.heard {
            target.hear(
                signal.time,
                self.shared.watermark,
                timing,
                &mut self.shared.groups,
            );
        }
        target.note_watermark(signal.time, self.shared.watermark, timing);
        match target.features.observe(timing, signal) {
            Folded::Open => {}
            Folded::Late => {
                self.shared.counters.late_signals += 1;
                return;
            }
            Folded::Refused => {
                self.shared.counters.invalid_signals += 1;
                return;
            }
        }
        self.shared.groups.newest_signal = self.shared.groups.newest_signal.max(signal.time);
        if self.shared.next_tick.is_none() {
            // With a wall clock, one signal of long ago must not bring ticks of long ago.
            let first = signal.time.max(self.shared.now - timing.staleness);
            self.shared.next_tick = Some(first.floor_to(timing.tick) + timing.tick);
        }
        let end = signal.time.floor_to(timing.bucket) + timing.bucket;
        if end != target.scheduled {
            target.scheduled = end;
            self.shared.due.insert((end, name.clone()));
        }
        let alarming = match &signal.observation {
            Observation::Health(_) => {
                target.health_signals += 1;
                true
            }
            Observation::Outcome(outcome) => outcome.kind.is_failure(),
            Observation::Window(window) => window.counts.failures() > 0,
            Observation::Gauge(_) | Observation::Event(_) => false,
        };
        if alarming || target.watched {
            let (name, routes) = (name.clone(), target.routes.clone());
            self.judge_on(&name, &routes);
        }
    }

    pub(crate) fn on_log(&mut self, event: &LogEvent) {
        self.shared.counters.log_events += 1;
        let Some(index) = self.target_index(&event.target, None, None) else {
            return;
        };
        let Some((name, target)) = self.targets.get_index_mut(index) else {
            return;
        };
        let timing = &self.shared.fallback.timing;
        if !target.heard {
            target.hear(event.time, self.shared.watermark, timing, &mut self.shared.groups);
        }
        target.note_watermark(event.time, self.shared.watermark, timing);
        if target.features.observe_log(timing, event) != Folded::Open {
            self.shared.counters.late_signals += 1;
            return;
        }
        let end = event.time.floor_to(timing.bucket) + timing.bucket;
        if end != target.scheduled {
            target.scheduled = end;
            self.shared.due.insert((end, name.clone()));
        }
    }

    /// Judges a target on its routes; a changed verdict makes a plan at once.
    pub(crate) fn judge_on(&mut self, target: &TargetName, routes: &[RouteName]) {
        for route in routes {
            if self.judge(target, route) {
                self.plan_route(route, Cause::Health, None);
            }
        }
    }

    /// The target's place, discovering it where that is allowed.
    fn target_index(
        &mut self,
        name: &TargetName,
        route: Option<&RouteName>,
        endpoint: Option<&EndpointName>,
    ) -> Option<usize> {
        if let Some(index) = self.targets.get_index_of(name) {
            return Some(index);
        }
        let Some(discover) = self.shared.fallback.discover.clone() else {
            self.shared.counters.unmapped += 1;
            return None;
        };
        let limit = self.shared.fallback.fleet.max_targets;
        if self.targets.len() >= limit as usize {
            if self.shared.counters.refused_targets == 0 {
                self.alert(Alert::TooManyTargets {
                    target: name.clone(),
                    limit,
                });
            }
            self.shared.counters.refused_targets += 1;
            return None;
        }
        let domain = match discover.failure_domain {
            DomainSource::None => None,
            DomainSource::Endpoint => endpoint.and_then(registrable_part),
        };
        let config = TargetConfig {
            name: name.clone(),
            capacity: None,
            failure_domain: domain,
            sync: None,
            telemetry: TelemetryMapping::default(),
        };
        let route = route.cloned().unwrap_or_else(|| RouteName::from(DEFAULT_ROUTE));
        self.discover(config, route)
    }

    /// A target that must be known from now on, with the routes it serves.
    pub(crate) fn add_target(
        &mut self,
        config: TargetConfig,
        routes: Vec<RouteName>,
        demands: Demands,
        discovered: bool,
    ) {
        let Demands { slo, look_back } = demands;
        let route_group = self.shared.groups.of_route(routes.first());
        let domain_group = config
            .failure_domain
            .as_ref()
            .map(|domain| self.shared.groups.of_domain(domain));
        if let Some(target) = self.targets.get_mut(&config.name) {
            target.features.look_back(look_back);
            *target = Target {
                config,
                discovered,
                routes,
                route_group,
                domain_group,
                look_back,
                slo,
                ..target.clone()
            };
            return;
        }
        let name = config.name.clone();
        let seed = Digest::of(name.as_str().as_bytes()).short();
        let target = Target {
            config,
            discovered,
            routes,
            route_group,
            domain_group,
            look_back,
            slo,
            features: TargetFeatures::new(Timestamp::MIN),
            learned: TargetModel::default(),
            shadow: TargetShadow::default(),
            incidents: IncidentDetector::default(),
            incident_count: 0,
            pending: Pending::default(),
            prediction: None,
            basis: None,
            grounds: Vec::new(),
            best_rate_rps: 0.0,
            health_signals: 0,
            heard: false,
            watched: false,
            weight_share: None,
            shifted_at: None,
            alarm: false,
            held_out: false,
            propensity: 1.0,
            seed,
            scheduled: Timestamp::MIN,
        };
        self.targets.insert(name, target);
    }

    /// Closes a target's bucket, follows its incidents, and notes the routes on which its verdict changed.
    pub(crate) fn close_target(
        &mut self,
        name: &TargetName,
        end: Timestamp,
        changed: &mut BTreeSet<RouteName>,
    ) {
        let Some(target) = self.targets.get_mut(name) else {
            return;
        };
        let timing = &self.shared.fallback.timing;
        let (detector, slo) = (&mut target.incidents, &target.slo);
        let mut changes = Vec::new();
        let mut best_rate_rps = target.best_rate_rps;
        let mut newest = Timestamp::MIN;
        target
            .features
            .close_until(timing, end, &mut |bucket: &ClosedBucket<'_>| {
                detector.close(bucket, slo, &mut changes);
                newest = newest.max(bucket.newest);
                if detector.since().is_none() {
                    best_rate_rps =
                        best_rate_rps.max(bucket.counts.evidence() as f64 / timing.bucket.as_secs_f64());
                }
            });
        target.best_rate_rps = best_rate_rps;
        self.shared
            .groups
            .seen(target.route_group, target.domain_group, newest);
        for change in changes {
            self.apply_change(name, change);
        }
        let routes = self
            .targets
            .get(name)
            .map(|target| target.routes.clone())
            .unwrap_or_default();
        for route in routes {
            if self.judge(name, &route) {
                changed.insert(route);
            }
        }
    }

    /// A person marked an incident. One that lasts already is known by itself.
    pub(crate) fn mark_incident(&mut self, name: &TargetName, start: Timestamp, end: Option<Timestamp>) {
        let lasts = self
            .targets
            .get(name)
            .is_none_or(|target| target.incidents.since().is_some());
        if lasts {
            return;
        }
        self.apply_change(name, Change::Began(start));
        // A mark without an end ends now: what lasts shows itself in the next bucket.
        self.apply_change(
            name,
            Change::Ended {
                start,
                end: end.unwrap_or(self.shared.now).max(start),
            },
        );
    }

    /// An incident began or ended: histories, labels and the target's own risk follow.
    fn apply_change(&mut self, name: &TargetName, change: Change) {
        let Some(target) = self.targets.get_mut(name) else {
            return;
        };
        match change {
            Change::Began(at) => {
                target.incident_count += 1;
                self.shared.counters.incidents += 1;
                let planned = target.features.in_maintenance();
                let (onset, seen) = (Some(Onset { at, planned }), target.seen());
                let mut learner = self.shared.learner();
                let learned = Learned {
                    group: target.evidence_group(),
                    champion: &mut target.learned,
                    challenger: &mut target.shadow.learned,
                };
                target.pending.settle(at, onset, seen, learned, &mut learner);
                target.features.incident_began(at);
                self.shared.model.incident_began(&mut target.learned, at);
                if let Some(shadow) = &mut self.shared.shadow {
                    shadow.model.incident_began(&mut target.shadow.learned, at);
                    if !planned {
                        shadow.gate.incident(&target.shadow.alarms, at);
                    }
                }
                self.shared
                    .groups
                    .incident_began(target.route_group, target.domain_group, at, name);
                let (target, start) = (name.clone(), at);
                self.outputs.push_back(Output::Incident(IncidentChange {
                    target,
                    start,
                    planned,
                    end: None,
                }));
            }
            Change::Ended { start, end } => {
                let planned = target.features.in_maintenance();
                target.features.incident_ended(end);
                self.shared
                    .groups
                    .incident_ended(target.route_group, target.domain_group);
                let change = IncidentChange {
                    target: name.clone(),
                    start,
                    planned,
                    end: Some(end),
                };
                self.outputs.push_back(Output::Incident(change));
                self.refresh_risk(name, end);
            }
        }
    }

    /// Lag of the newest telemetry behind the clock; never negative.
    pub(crate) fn telemetry_age(&self, target: &Target) -> Option<Duration> {
        let seen = target.features.last_seen();
        (seen > Timestamp::MIN).then(|| self.shared.now.since(seen).max(Duration::ZERO))
    }
}

/// The last two labels of a host name, without port: what is usually registered, and fails, together.
fn registrable_part(endpoint: &EndpointName) -> Option<FailureDomain> {
    let host = endpoint.as_str().rsplit("://").next()?.split(['/', ':']).next()?;
    let mut labels = host.rsplit('.');
    let (top, second) = (labels.next()?, labels.next()?);
    (!top.is_empty() && !second.is_empty()).then(|| FailureDomain::from(format!("{second}.{top}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_one_registrant_share_a_failure_domain() {
        let part = |text: &str| registrable_part(&EndpointName::from(text)).map(|domain| domain.to_string());
        assert_eq!(
            part("https://api.example.org:8443/v1"),
            Some("example.org".into())
        );
        assert_eq!(part("example.org"), Some("example.org".into()));
        assert_eq!(part("localhost"), None);
    }
}
