//! Recorded traffic under other weights.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration as Wait;

use foreshift_domain::fallback::Fallback;
use foreshift_domain::signal::{Health, Observation, Signal};
use foreshift_domain::{Duration, Input, TargetName, Timestamp};
use foreshift_engine::Engine;
use foreshift_ingest::Decoded;
use foreshift_predict::Model;

use super::Worth;
use super::steered::{Steered, Weights};
use crate::replay::driver::{self, Given, Replay};

/// Items taken at once from a source.
const BATCH_ITEMS: usize = 8_192;
/// A time further ahead of the rows around it than this is taken for a broken clock.
const MAX_FUTURE: Duration = Duration::DAY;

/// The whole recording through an engine; what it decided.
pub(super) fn steer(
    path: &Path,
    fallback: &Arc<Fallback>,
    model: Model,
    lateness: Duration,
) -> anyhow::Result<Steered> {
    let engine = Engine::new(1, Arc::clone(fallback), model);
    let mut steered = Steered::default();
    let mut replay = Replay::new(engine, fallback, lateness, MAX_FUTURE * 365, Given::ALL);
    replay.run(driver::open(path)?.as_mut(), &mut steered)?;
    Ok(steered)
}

/// How requests to each target ended, over time.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By target and beginning of a tick: requests, failures.
    counts: BTreeMap<TargetName, BTreeMap<Timestamp, (f64, f64)>>,
    /// By target: the share that fails from some time on, as its health says.
    states: BTreeMap<TargetName, BTreeMap<Timestamp, f64>>,
    tick: Duration,
    /// What was seen longer ago than this is not known any more.
    staleness: Duration,
    longest_horizon: Duration,
    end: Timestamp,
}

impl Ledger {
    pub(super) fn read(path: &Path, fallback: &Fallback) -> anyhow::Result<Self> {
        let mut ledger = Self {
            tick: fallback.timing.tick,
            staleness: fallback.timing.staleness,
            longest_horizon: fallback.timing.horizons.last().copied().unwrap_or_default(),
            end: Timestamp::MIN,
            ..Self::default()
        };
        let mut source = driver::open(path)?;
        loop {
            let batch = source.poll(BATCH_ITEMS, Wait::ZERO)?;
            for item in batch.runs.iter().flat_map(|run| &run.items) {
                if let Decoded::Signal { signal, .. } | Decoded::Ordered(Input::Signal(signal)) =
                    &item.decoded
                {
                    ledger.note(signal);
                }
            }
            if batch.finished {
                return Ok(ledger);
            }
        }
    }

    fn note(&mut self, signal: &Signal) {
        let target = signal.target.clone();
        self.end = self.end.max(signal.time);
        let (requests, failures) = match &signal.observation {
            Observation::Outcome(outcome) if outcome.kind.is_evidence() => {
                let count = f64::from(outcome.count);
                (count, if outcome.kind.is_failure() { count } else { 0.0 })
            }
            Observation::Window(window) => (window.counts.evidence() as f64, window.counts.failures() as f64),
            Observation::Health(health) => {
                let failing = f64::from(u8::from(*health == Health::Down));
                self.states
                    .entry(target)
                    .or_default()
                    .insert(signal.time, failing);
                return;
            }
            _ => return,
        };
        let ticks = self.counts.entry(target).or_default();
        let tick = ticks.entry(signal.time.floor_to(self.tick)).or_default();
        tick.0 += requests;
        tick.1 += failures;
    }

    /// What is lost and kept.
    pub(super) fn unit(&self) -> &'static str {
        if self.counts.is_empty() {
            "seconds of traffic"
        } else {
            "requests"
        }
    }

    /// The share of requests to a target that fails at that time; `None` where nobody knows.
    fn failing(&self, target: &TargetName, at: Timestamp) -> Option<f64> {
        let counted = self
            .counts
            .get(target)
            .and_then(|ticks| ticks.range(..=at).next_back());
        let said = self
            .states
            .get(target)
            .and_then(|states| states.range(..=at).next_back());
        let counted = counted
            .filter(|(_, (requests, _))| *requests > 0.0)
            .map(|(time, (requests, failures))| (*time, failures / requests));
        let newest = [counted, said.map(|(time, failing)| (*time, *failing))];
        let newest = newest.into_iter().flatten().max_by_key(|(time, _)| *time);
        newest
            .filter(|(time, _)| at.since(*time) <= self.staleness)
            .map(|(_, failing)| failing)
    }

    /// What weights come to, in force `lag` after they were decided.
    pub(super) fn worth(&self, policy: &'static str, steered: &Steered, lag: Duration) -> Worth {
        let reliefs = steered.reliefs();
        let mut worth = Worth {
            policy,
            shifts: reliefs.len(),
            needless: steered.needless(&reliefs, self.longest_horizon),
            flips: steered.flips(),
            effective_share: steered.effective_share(self.end),
            ..Worth::default()
        };
        for changes in steered.routes.values() {
            for (at, traffic) in self.traffic(changes, lag) {
                let place = changes.partition_point(|weights| weights.from + lag <= at);
                let Some(weights) = changes.get(place.saturating_sub(1)) else {
                    continue;
                };
                worth.requests += traffic;
                for (target, weight, _) in weights.targets.iter().filter(|(_, weight, _)| *weight > 0) {
                    let sent = traffic * f64::from(*weight) / 1e4;
                    match self.failing(target, at) {
                        Some(failing) => worth.lost += sent * failing,
                        None => worth.not_known += sent,
                    }
                }
            }
        }
        worth
    }

    /// Moments at which a route's traffic may change, with how much of it there is until the next.
    fn traffic(&self, changes: &[Weights], lag: Duration) -> Vec<(Timestamp, f64)> {
        let mut targets: Vec<&TargetName> = changes
            .iter()
            .flat_map(|weights| &weights.targets)
            .map(|(target, ..)| target)
            .collect();
        targets.sort_unstable();
        targets.dedup();
        if !self.counts.is_empty() {
            let mut ticks: BTreeMap<Timestamp, f64> = BTreeMap::new();
            let counted = targets.iter().filter_map(|target| self.counts.get(*target));
            for (tick, (requests, _)) in counted.flatten() {
                *ticks.entry(*tick).or_default() += requests;
            }
            return ticks.into_iter().collect();
        }
        let states = targets.iter().filter_map(|target| self.states.get(*target));
        let mut moments: Vec<Timestamp> = states.flat_map(BTreeMap::keys).copied().collect();
        let Some(first) = moments.iter().min().copied() else {
            return Vec::new();
        };
        moments.extend(
            changes
                .iter()
                .map(|weights| weights.from + lag)
                .filter(|at| *at > first),
        );
        moments.sort_unstable();
        moments.dedup();
        let next = moments.iter().skip(1).copied().chain([self.end]);
        moments
            .iter()
            .zip(next)
            .map(|(at, next)| (*at, next.since(*at).as_secs_f64().max(0.0)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use foreshift_domain::signal::{Outcome, OutcomeKind};

    use super::*;

    fn ledger() -> Ledger {
        Ledger {
            tick: Duration::from_secs(1),
            staleness: Duration::from_secs(30),
            longest_horizon: Duration::from_secs(60),
            ..Ledger::default()
        }
    }

    fn outcome(ledger: &mut Ledger, second: i64, target: &str, kind: OutcomeKind, count: u32) {
        ledger.note(&Signal {
            time: Timestamp::from_secs(second),
            target: target.into(),
            route: None,
            gateway: None,
            endpoint: None,
            observation: Observation::Outcome(Outcome {
                kind,
                latency: None,
                ttfb: None,
                count,
            }),
        });
    }

    fn weights(changes: &[(i64, u32, u32)]) -> Steered {
        let change = |(at, a, b): &(i64, u32, u32)| Weights {
            from: Timestamp::from_secs(*at),
            targets: vec![("a".into(), *a, 5_000), ("b".into(), *b, 5_000)],
        };
        Steered {
            routes: BTreeMap::from([("r".into(), changes.iter().map(change).collect())]),
            ..Steered::default()
        }
    }

    #[test]
    fn requests_moved_away_from_a_failing_target_are_not_lost() {
        let mut ledger = ledger();
        for second in 1..=100 {
            let kind = if second > 50 {
                OutcomeKind::Timeout
            } else {
                OutcomeKind::Success
            };
            outcome(&mut ledger, second, "a", kind, 10);
            outcome(&mut ledger, second, "b", OutcomeKind::Success, 10);
        }
        let resting = ledger.worth("rest", &weights(&[(0, 5_000, 5_000)]), Duration::ZERO);
        assert_eq!((resting.requests, resting.lost), (2_000.0, 500.0));
        let moved = weights(&[(0, 5_000, 5_000), (41, 0, 10_000)]);
        assert_eq!(ledger.worth("moved", &moved, Duration::ZERO).lost, 0.0);
        // Twelve seconds late, the first two of the failure are met with half of the traffic.
        assert_eq!(ledger.worth("late", &moved, Duration::from_secs(12)).lost, 20.0);
    }

    #[test]
    fn where_a_target_was_sent_nothing_for_long_nobody_knows() {
        let mut ledger = ledger();
        outcome(&mut ledger, 1, "b", OutcomeKind::Success, 10);
        for second in 1..=100 {
            outcome(&mut ledger, second, "a", OutcomeKind::Success, 10);
        }
        let moved = ledger.worth("moved", &weights(&[(0, 0, 10_000)]), Duration::ZERO);
        assert_eq!((moved.lost, moved.not_known), (0.0, 690.0));
    }

    #[test]
    fn without_counts_a_second_of_traffic_is_what_is_lost() {
        let mut ledger = ledger();
        for (second, target, health) in [
            (0, "a", Health::Up),
            (0, "b", Health::Up),
            (10, "a", Health::Down),
            (20, "b", Health::Up),
        ] {
            ledger.note(&Signal {
                time: Timestamp::from_secs(second),
                target: target.into(),
                route: None,
                gateway: None,
                endpoint: None,
                observation: Observation::Health(health),
            });
        }
        let resting = ledger.worth("rest", &weights(&[(0, 5_000, 5_000)]), Duration::ZERO);
        assert_eq!(
            (ledger.unit(), resting.requests, resting.lost),
            ("seconds of traffic", 20.0, 5.0)
        );
    }
}
