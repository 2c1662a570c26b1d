//! Reactive rules: what recent evidence says of one target on one route.
//!
//! Every threshold is absolute and per target: nothing is compared across targets, so a route of two is
//! judged like a route of two hundred. The error ratio is taken plainly, not as a lower confidence bound:
//! `min_requests` already says how little evidence is enough, and "half of at least ten" should trip at five
//! of ten, which a person can check by hand. A confidence bound would demand more evidence the fewer requests
//! there are, so it would be latest exactly where traffic is low.

use foreshift_domain::fallback::Triggers;
use foreshift_domain::signal::{Health, OutcomeCounts};
use foreshift_domain::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

/// What is known of a target on a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Requests within `triggers.window`, those of open buckets included.
    pub counts: OutcomeCounts,
    /// 99th percentile of latency within the window; `None` when not measured.
    pub latency_p99: Option<Duration>,
    /// How many latencies that percentile stands on.
    pub latency_samples: u64,
    /// Errors after the newest success, by event time.
    pub consecutive_errors: u32,
    /// The newest health signal or probe; holds until the next. `None` when there never was one.
    pub reported: Option<Health>,
    /// Event time of the newest telemetry of any kind.
    pub last_seen: Timestamp,
    /// Event time of the newest success; `None` when there never was one.
    pub last_success: Option<Timestamp>,
}

/// What the reactive rules remember of a target on a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReactiveState {
    view: HealthView,
    /// Whether a hard-down is known from traffic alone.
    by_traffic: bool,
    /// When the evidence was last as bad as the state says.
    bad_at: Option<Timestamp>,
    /// Since when the evidence is better than the state says, without a break.
    well_since: Option<Timestamp>,
}

/// The health of a target on a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthView {
    /// Its state; `None` when nothing was ever known.
    pub health: Option<Health>,
    /// A confirmed hard-down: reported down, consecutive errors, or no success at all among enough requests.
    pub hard: bool,
    /// Hard-down by its traffic alone, for at least `recover_after`: without a trickle of traffic nothing
    /// would ever show that it has recovered.
    pub trial: bool,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// When the state may change without new evidence; `None` when only evidence can change it.
    pub next_look: Option<Timestamp>,
}

impl HealthView {
    /// Whether the target is down, hard or not.
    pub fn is_down(&self) -> bool {
        self.health == Some(Health::Down)
    }
}

impl ReactiveState {
    /// The view as of the last judgement.
    pub fn view(&self) -> HealthView {
        self.view
    }
}

/// What the evidence of this moment says by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Finding {
    health: Health,
    hard: bool,
}

/// Judges a target by the evidence of this moment and by its past.
///
/// Worse is believed at once; better only after `triggers.recover_after` of wellness: a report of health that
/// has stood for so long, or a success at least that long after the first. Silence changes nothing: it neither
/// turns up into down, nor down into up.
pub fn judge(
    state: &mut ReactiveState,
    evidence: &Evidence,
    triggers: &Triggers,
    staleness: Duration,
    now: Timestamp,
) -> HealthView {
    if let Some(finding) = finding(evidence, triggers) {
        if finding.hard {
            state.by_traffic = evidence.reported != Some(Health::Down);
        }
        match state.view.health {
            None => state.enter(finding, now),
            Some(health) if finding.health >= health => state.stay_or_worsen(finding, now),
            Some(_) => state.improve(finding, evidence, triggers, staleness, now),
        }
    }
    state.look_ahead(triggers, now);
    state.view
}

/// `None` when the evidence is too thin to say anything.
fn finding(evidence: &Evidence, triggers: &Triggers) -> Option<Finding> {
    let (seen, failed) = (evidence.counts.evidence(), evidence.counts.failures());
    let enough = u64::from(triggers.min_requests.max(1));
    let hard_down = Finding {
        health: Health::Down,
        hard: true,
    };
    let soft = |health| Finding { health, hard: false };

    // Errors that nothing has followed hold, unless a probe that says up stands alone against silence.
    let outdated = evidence.reported == Some(Health::Up) && seen == 0;
    let in_a_row = triggers.consecutive_errors > 0
        && evidence.consecutive_errors >= triggers.consecutive_errors
        && !outdated;
    if evidence.reported == Some(Health::Down) || in_a_row || (seen >= enough && failed == seen) {
        return Some(hard_down);
    }
    let failing = seen > 0 && failed as f64 >= triggers.error_ratio * seen as f64 && failed > 0;
    if failing {
        // Too few to call it down, and too many failures to call it well: latency is not looked at (rule 15).
        return (seen >= enough).then_some(soft(Health::Down));
    }
    if evidence.reported == Some(Health::Degraded) {
        return Some(soft(Health::Degraded));
    }
    let slow = match (evidence.latency_p99, triggers.latency_p99) {
        (Some(p99), Some(limit)) => p99 > limit && evidence.latency_samples >= enough,
        _ => false,
    };
    if slow {
        return Some(soft(Health::Degraded));
    }
    let good = evidence.reported == Some(Health::Up) || evidence.last_success.is_some();
    good.then_some(soft(Health::Up))
}

impl ReactiveState {
    fn enter(&mut self, finding: Finding, now: Timestamp) {
        self.view = HealthView {
            health: Some(finding.health),
            hard: finding.hard,
            since: now,
            ..HealthView::default()
        };
        self.bad_at = (finding.health > Health::Up).then_some(now);
        self.well_since = None;
    }

    fn stay_or_worsen(&mut self, finding: Finding, now: Timestamp) {
        let same = self.view.health == Some(finding.health);
        // Down is one stay: what was confirmed hard stays so until it has recovered.
        if !same || (finding.hard && !self.view.hard) {
            self.enter(finding, now);
        } else if finding.health > Health::Up {
            self.bad_at = Some(now);
            self.well_since = None;
        }
    }

    fn improve(
        &mut self,
        finding: Finding,
        evidence: &Evidence,
        triggers: &Triggers,
        staleness: Duration,
        now: Timestamp,
    ) {
        let reported = evidence.reported == Some(finding.health);
        let success = evidence
            .last_success
            .filter(|at| self.bad_at.is_none_or(|bad| *at > bad));
        if (!reported && success.is_none()) || now.since(evidence.last_seen) > staleness {
            return;
        }
        let since = *self.well_since.get_or_insert_with(|| {
            if reported {
                now
            } else {
                success.map_or(now, |at| at.min(now))
            }
        });
        let well_for = |at: Timestamp| at.since(since) >= triggers.recover_after;
        if (reported && well_for(now)) || success.is_some_and(well_for) {
            self.enter(finding, now);
        }
    }

    fn look_ahead(&mut self, triggers: &Triggers, now: Timestamp) {
        let by_traffic = self.view.hard && self.by_traffic;
        let trial_at = self.view.since + triggers.recover_after;
        self.view.trial = by_traffic && now >= trial_at;
        let well_at = self.well_since.map(|since| since + triggers.recover_after);
        let trial_at = by_traffic.then_some(trial_at);
        self.view.next_look = [well_at, trial_at]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
            .min();
    }
}

#[cfg(test)]
mod tests;
