//! When a target is in an incident: from closed buckets alone, so that labels do not depend on the
//! order in which signals came.

use foreshift_domain::fallback::Slo;
use foreshift_domain::signal::Health;
use foreshift_domain::{Duration, Timestamp};
use foreshift_features::ClosedBucket;
use serde::{Deserialize, Serialize};

/// Follows one target against its SLO.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct IncidentDetector {
    reported_down: Option<Timestamp>,
    slo_broken: Option<Timestamp>,
    since: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// What a closed bucket changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    Began(Timestamp),
    Ended { start: Timestamp, end: Timestamp },
}

impl IncidentDetector {
    /// Start of the incident the target is in.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Whether a row at `tick` is masked: in an incident, or in the cool-down after one.
    pub(crate) fn masks(&self, tick: Timestamp, cooldown: Duration) -> bool {
        self.since.is_some()
            || self
                .ended
                .is_some_and(|ended| cooldown.is_positive() && tick < ended + cooldown)
    }

    /// Takes a closed bucket; `changed` receives the beginnings and ends it brought, in order of time.
    pub(crate) fn close(&mut self, bucket: &ClosedBucket<'_>, slo: &Slo, changed: &mut Vec<Change>) {
        if let Some(merged) = bucket.health.merged() {
            self.report(merged.first_down.unwrap_or(merged.first), merged.worst, changed);
        }
        for &(time, health) in bucket.health.list() {
            self.report(time, health, changed);
        }
        if breaks(bucket, slo) {
            self.slo_broken.get_or_insert(bucket.start);
        } else {
            self.slo_broken = None;
        }
        self.settle(bucket.end, changed);
    }

    fn report(&mut self, time: Timestamp, health: Health, changed: &mut Vec<Change>) {
        if health == Health::Down {
            self.reported_down.get_or_insert(time);
        } else {
            self.reported_down = None;
        }
        self.settle(time, changed);
    }

    fn settle(&mut self, time: Timestamp, changed: &mut Vec<Change>) {
        let bad = [self.reported_down, self.slo_broken].into_iter().flatten().min();
        match (self.since, bad) {
            (None, Some(start)) => {
                // What had ended cannot begin again before its end.
                let start = self.ended.map_or(start, |ended| start.max(ended));
                self.since = Some(start);
                changed.push(Change::Began(start));
            }
            (Some(start), None) => {
                self.since = None;
                self.ended = Some(time);
                changed.push(Change::Ended { start, end: time });
            }
            _ => {}
        }
    }
}

/// Whether the SLO is broken over its window, which ends with this bucket.
fn breaks(bucket: &ClosedBucket<'_>, slo: &Slo) -> bool {
    let counts = bucket.counts_over(slo.window);
    let evidence = counts.evidence();
    if evidence < u64::from(slo.min_requests).max(1) {
        return false;
    }
    let slow = |limit| bucket.latency_p99_over(slo.window).is_some_and(|p99| p99 > limit);
    counts.failures() as f64 >= slo.error_ratio * evidence as f64 || slo.latency_p99.is_some_and(slow)
}
