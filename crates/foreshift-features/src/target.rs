//! All state of one target.

use foreshift_domain::fallback::Timing;
use foreshift_domain::log::LogEvent;
use foreshift_domain::signal::{Health, Observation, OutcomeCounts, OutcomeKind, Signal};
use foreshift_domain::{Duration, GaugeName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, Read};
use crate::error_run::ErrorRun;
use crate::gauges::{Gauges, Reading};
use crate::health::HealthChanges;
use crate::histogram::LatencyHistogram;
use crate::incidents::Incidents;
use crate::rarity::Rarities;
use crate::recent::{Recent, RecentRing};
use crate::windows::Windows;

/// The most open buckets of one target: ten minutes of buckets of a second, longer than any sender is waited
/// for. A signal that would open one more is refused and counted.
pub const MAX_OPEN_BUCKETS: usize = 600;

/// What became of a signal or log event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folded {
    /// It is in an open bucket.
    Open,
    /// Its bucket is closed: counted, not folded.
    Late,
    /// It could not be folded: not finite, of no request, or one open bucket too many. Counted.
    Refused,
}

/// Exact totals of a target since it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Signals received, late and refused ones included.
    pub signals: u64,
    /// Signals and log events whose bucket was closed.
    pub late: u64,
    /// Signals of which nothing was folded.
    pub refused: u64,
    /// Signals of which a part was not folded: a negative latency, a limit that is not finite.
    pub in_part: u64,
    /// Log lines received, late ones included.
    pub log_lines: u64,
    /// Buckets in which gauges were left out, because there were too many.
    pub gauges_left_out: u64,
    /// Requests received by how they ended, late ones included.
    pub outcomes: OutcomeCounts,
}

/// All that is known of one target. Its size is bounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetFeatures {
    first_seen: Timestamp,
    last_seen: Timestamp,
    watermark: Timestamp,
    counters: Counters,
    /// By end, ascending.
    open: Vec<Bucket>,
    run: ErrorRun,
    recent: RecentRing,
    pub(crate) closed: Closed,
    pub(crate) incidents: Incidents,
}

/// What features read: closed buckets only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) windows: Windows,
    pub(crate) gauges: Gauges,
    pub(crate) rarities: Rarities,
    pub(crate) health: Option<(Timestamp, Health)>,
    pub(crate) failed: Option<(Timestamp, OutcomeKind)>,
    pub(crate) changed: Option<Timestamp>,
    pub(crate) maintenance: Option<(Timestamp, bool)>,
    pub(crate) last_seen: Option<Timestamp>,
}

/// A bucket as it is closed.
pub struct ClosedBucket<'a> {
    /// Its beginning, inclusive.
    pub start: Timestamp,
    /// Its end, exclusive.
    pub end: Timestamp,
    /// Newest event time in it.
    pub newest: Timestamp,
    /// Signals in it.
    pub signals: u64,
    /// Requests by how they ended.
    pub counts: OutcomeCounts,
    /// Latencies of those that tell.
    pub latency: &'a LatencyHistogram,
    /// States in it, by time.
    pub health: &'a HealthChanges,
    /// Whether planned work is under way at its end.
    pub in_maintenance: bool,
    ring: &'a RecentRing,
}

impl ClosedBucket<'_> {
    /// Requests over the closed buckets in (end - window, end], this one included.
    pub fn counts_over(&self, window: Duration) -> OutcomeCounts {
        self.ring.counts_since(self.end - window)
    }

    /// The 99th percentile of latency over the same; `None` when none was measured.
    pub fn latency_p99_over(&self, window: Duration) -> Option<Duration> {
        self.ring.latency_since(self.end - window).quantile(0.99)
    }
}

impl TargetFeatures {
    /// A target that is known since `first_seen`; an older signal in time makes it older.
    pub fn new(first_seen: Timestamp) -> Self {
        Self {
            first_seen,
            last_seen: first_seen,
            watermark: Timestamp::MIN,
            counters: Counters::default(),
            open: Vec::new(),
            run: ErrorRun::default(),
            recent: RecentRing::default(),
            closed: Closed::default(),
            incidents: Incidents::default(),
        }
    }

    /// Keeps at least this much for [`recent`](Self::recent): the longest window of any rule or SLO that reads
    /// it. Without a call it is the third of `timing.windows`.
    pub fn look_back(&mut self, window: Duration) {
        self.recent.look_back(window);
    }

    /// Takes in a signal.
    pub fn observe(&mut self, timing: &Timing, signal: &Signal) -> Folded {
        self.counters.signals = self.counters.signals.saturating_add(1);
        self.count_outcomes(&signal.observation);
        let time = signal.time;
        let read = match self.open_bucket(timing, time) {
            Ok(bucket) => bucket.observe(signal),
            Err(folded) => return self.not_folded(folded),
        };
        match read {
            Read::Nothing => return self.not_folded(Folded::Refused),
            Read::InPart => self.counters.in_part = self.counters.in_part.saturating_add(1),
            Read::Whole => {}
        }
        self.follow_run(time, &signal.observation);
        self.seen(time);
        Folded::Open
    }

    /// Takes in a log event.
    pub fn observe_log(&mut self, timing: &Timing, event: &LogEvent) -> Folded {
        let lines = u64::from(event.count.max(1));
        self.counters.log_lines = self.counters.log_lines.saturating_add(lines);
        match self.open_bucket(timing, event.time) {
            Ok(bucket) => bucket.log(event),
            Err(folded) => return self.not_folded(folded),
        }
        self.seen(event.time);
        Folded::Open
    }

    fn not_folded(&mut self, folded: Folded) -> Folded {
        let counter = match folded {
            Folded::Late => &mut self.counters.late,
            _ => &mut self.counters.refused,
        };
        *counter = counter.saturating_add(1);
        folded
    }

    fn seen(&mut self, time: Timestamp) {
        self.first_seen = self.first_seen.min(time);
        self.last_seen = self.last_seen.max(time);
    }

    fn count_outcomes(&mut self, observation: &Observation) {
        match observation {
            Observation::Outcome(outcome) => {
                self.counters.outcomes.add(outcome.kind, u64::from(outcome.count));
            }
            Observation::Window(window) => self.counters.outcomes.merge(&window.counts),
            _ => {}
        }
    }

    /// A sender's window does not say in which order its requests ended: with a success in it, it is no run of errors.
    fn follow_run(&mut self, time: Timestamp, observation: &Observation) {
        match observation {
            Observation::Outcome(outcome) if outcome.kind.is_failure() => {
                self.run.failures(time, outcome.count);
            }
            Observation::Outcome(outcome) if outcome.kind.is_evidence() => self.run.success(time),
            Observation::Window(window) => {
                let failures = window.counts.failures();
                if window.counts.evidence() > failures {
                    self.run.success(time);
                } else if failures > 0 {
                    self.run
                        .failures(time, u32::try_from(failures).unwrap_or(u32::MAX));
                }
            }
            _ => {}
        }
    }

    fn open_bucket(&mut self, timing: &Timing, time: Timestamp) -> Result<&mut Bucket, Folded> {
        // Nearly every signal belongs to the newest bucket or the one before it.
        let found = self.open.iter().rposition(|bucket| bucket.holds(time));
        let index = match found {
            Some(found) => found,
            None => self.begin_bucket(timing, time)?,
        };
        self.open.get_mut(index).ok_or(Folded::Refused)
    }

    fn begin_bucket(&mut self, timing: &Timing, time: Timestamp) -> Result<usize, Folded> {
        let start = time.floor_to(timing.bucket);
        let end = start + timing.bucket.max(Duration::from_micros(1));
        if end <= self.watermark {
            return Err(Folded::Late);
        }
        if self.open.len() >= MAX_OPEN_BUCKETS {
            return Err(Folded::Refused);
        }
        let place = self
            .open
            .partition_point(|open| (open.end, open.start) < (end, start));
        self.open.insert(place, Bucket::new(start, end));
        Ok(place)
    }

    /// Closes, in order, every open bucket that ends at or before the watermark. Empty stretches cost nothing.
    pub fn close_until(
        &mut self,
        timing: &Timing,
        watermark: Timestamp,
        closed: &mut dyn FnMut(&ClosedBucket<'_>),
    ) {
        self.watermark = self.watermark.max(watermark);
        let due = self.open.partition_point(|bucket| bucket.end <= self.watermark);
        if due == 0 {
            return;
        }
        let mut open = std::mem::take(&mut self.open);
        for bucket in open.drain(..due) {
            // A bucket that was opened for a signal that could not be folded is empty.
            if bucket.newest < bucket.start {
                continue;
            }
            self.fold(timing, &bucket);
            closed(&ClosedBucket {
                start: bucket.start,
                end: bucket.end,
                newest: bucket.newest,
                signals: bucket.signals,
                counts: bucket.counts,
                latency: &bucket.latency,
                health: &bucket.health,
                in_maintenance: self.closed.maintenance.is_some_and(|(_, on)| on),
                ring: &self.recent,
            });
        }
        self.open = open;
    }

    fn fold(&mut self, timing: &Timing, bucket: &Bucket) {
        self.recent.push(timing, bucket);
        let closed = &mut self.closed;
        closed.windows.fold(timing, bucket);
        closed.rarities.fold(timing, bucket);
        let left_out = closed.gauges.fold(timing, &bucket.gauges, bucket.end);
        closed.health = closed.health.max(bucket.health.newest());
        closed.failed = closed.failed.max(bucket.failed);
        closed.changed = closed.changed.max(bucket.changed);
        closed.maintenance = closed.maintenance.max(bucket.maintenance);
        closed.last_seen = closed.last_seen.max(Some(bucket.newest));
        if left_out || bucket.gauges_left_out {
            self.counters.gauges_left_out = self.counters.gauges_left_out.saturating_add(1);
        }
    }

    /// The target's incident began; ignored while one lasts. Not before the watermark that showed it.
    pub fn incident_began(&mut self, at: Timestamp) {
        self.incidents.began(at);
    }

    /// The target's incident ended; ignored when none lasts.
    pub fn incident_ended(&mut self, at: Timestamp) {
        self.incidents.ended(at);
    }

    /// What reactive rules look at, of closed and open buckets that end after `now - window`.
    pub fn recent(&self, window: Duration, now: Timestamp) -> Recent {
        let mut latency = self.recent.latency_since(now - window);
        self.open_since(now - window)
            .for_each(|bucket| latency.merge(&bucket.latency));
        Recent {
            counts: self.recent_counts(window, now),
            latency_p99: latency.quantile(0.99),
            latency_samples: latency.samples(),
            consecutive_errors: self.consecutive_errors(),
            last_success: self.run.last_success(),
            health: self.health().map(|(health, _)| health),
            last_seen: self.last_seen,
        }
    }

    /// Requests of closed and open buckets that end after `now - window`.
    pub fn recent_counts(&self, window: Duration, now: Timestamp) -> OutcomeCounts {
        let mut counts = self.recent.counts_since(now - window);
        self.open_since(now - window)
            .for_each(|bucket| counts.merge(&bucket.counts));
        counts
    }

    fn open_since(&self, from: Timestamp) -> impl Iterator<Item = &Bucket> {
        self.open.iter().filter(move |bucket| bucket.end > from)
    }

    /// Errors after the newest success by event time; at ties the worse wins. Cheap: for every signal.
    pub fn consecutive_errors(&self) -> u32 {
        self.run.count()
    }

    /// Newest event time of anything that was folded or is in an open bucket.
    pub const fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    /// Oldest event time of anything.
    pub const fn first_seen(&self) -> Timestamp {
        self.first_seen
    }

    /// Newest event time in closed buckets.
    pub const fn last_closed(&self) -> Option<Timestamp> {
        self.closed.last_seen
    }

    /// Exact totals.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Buckets that are open.
    pub const fn open_buckets(&self) -> usize {
        self.open.len()
    }

    /// When the incident that lasts began.
    pub const fn in_incident(&self) -> Option<Timestamp> {
        self.incidents.current()
    }

    /// The newest state by event time, in open buckets too; at ties the worse.
    pub fn health(&self) -> Option<(Health, Timestamp)> {
        let open = self.open.iter().filter_map(|bucket| bucket.health.newest()).max();
        open.max(self.closed.health).map(|(time, health)| (health, time))
    }

    /// Whether planned work is under way, by the newest word on it, in open buckets too.
    pub fn in_maintenance(&self) -> bool {
        let open = self.open.iter().filter_map(|bucket| bucket.maintenance).max();
        open.max(self.closed.maintenance).is_some_and(|(_, on)| on)
    }

    /// The newest value of a gauge by event time, in open buckets too, its limit where known, and when it was.
    pub fn gauge(&self, name: &GaugeName) -> Option<(f64, Option<f64>, Timestamp)> {
        let open = self.open.iter().filter_map(|bucket| {
            let found = bucket
                .gauges
                .binary_search_by(|level| level.name.cmp(name))
                .ok()?;
            bucket.gauges.get(found)
        });
        let levels = open.chain(self.closed.gauges.newest(name));
        let newest = levels.max_by_key(|level| level.time)?;
        Some((newest.value, newest.limit, newest.time))
    }

    /// A reading of a gauge over closed buckets, as of `tick`; NaN when it is missing.
    pub(crate) fn gauge_reading(
        &self,
        timing: &Timing,
        tick: Timestamp,
        name: &GaugeName,
        reading: Reading,
    ) -> f64 {
        self.closed.gauges.read(timing, tick, name, reading)
    }

    pub(crate) const fn incidents(&self) -> &Incidents {
        &self.incidents
    }
}

#[cfg(test)]
pub(crate) fn test_timing() -> Timing {
    Timing {
        bucket: Duration::from_secs(1),
        tick: Duration::from_secs(1),
        horizons: [30, 120, 600].map(Duration::from_secs).to_vec(),
        guard: Duration::from_secs(5),
        windows: [5, 30, 300, 3_600].map(Duration::from_secs),
        cooldown: Duration::from_secs(60),
        staleness: Duration::from_secs(30),
        forget_after: Duration::DAY,
    }
}
