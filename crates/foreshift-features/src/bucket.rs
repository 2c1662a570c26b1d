//! One bucket of event time while it is open. Everything in it merges commutatively and associatively.

use foreshift_domain::log::LogEvent;
use foreshift_domain::signal::{
    EventKind, Gauge, Health, MAX_LATENCY_BINS, Observation, Outcome, OutcomeCounts, OutcomeKind,
    OutcomeWindow, Signal,
};
use foreshift_domain::{Duration, GaugeName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::health::HealthChanges;
use crate::histogram::{LatencyHistogram, log2_q8};
use crate::lines::Lines;

/// The most gauges followed for one target: those whose names come first. Gateways report fewer than ten;
/// more comes from a value in a name. Choosing by name keeps the choice the same in every order of arrival.
pub const MAX_BUCKET_GAUGES: usize = 16;

/// An open bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// The first and the newest event time in it.
    pub(crate) first: Timestamp,
    pub(crate) newest: Timestamp,
    pub(crate) signals: u64,
    pub(crate) counts: OutcomeCounts,
    pub(crate) latency: LatencyHistogram,
    pub(crate) ttfb_samples: u64,
    pub(crate) ttfb_log2_sum: u64,
    /// The newest failure; at ties the kind with the higher number.
    pub(crate) failed: Option<(Timestamp, OutcomeKind)>,
    pub(crate) health: HealthChanges,
    pub(crate) gauges: Vec<Level>,
    pub(crate) gauges_left_out: bool,
    /// Apart, since most targets of most installations have none.
    pub(crate) lines: Option<Box<Lines>>,
    /// The newest deploy, change of configuration or scaling.
    pub(crate) changed: Option<Timestamp>,
    /// The newest word on maintenance, and whether it began; at ties it did.
    pub(crate) maintenance: Option<(Timestamp, bool)>,
}

/// The newest value of a gauge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Level {
    pub(crate) name: GaugeName,
    pub(crate) time: Timestamp,
    pub(crate) value: f64,
    pub(crate) limit: Option<f64>,
}

/// Whether a signal could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Whole,
    /// Some of it was not finite, negative, or stood for nothing; the rest was folded.
    InPart,
    /// None of it was.
    Nothing,
}

impl Bucket {
    pub(crate) fn new(start: Timestamp, end: Timestamp) -> Self {
        Self {
            start,
            end,
            first: Timestamp::MAX,
            newest: Timestamp::MIN,
            signals: 0,
            counts: OutcomeCounts::default(),
            latency: LatencyHistogram::default(),
            ttfb_samples: 0,
            ttfb_log2_sum: 0,
            failed: None,
            health: HealthChanges::default(),
            gauges: Vec::new(),
            gauges_left_out: false,
            lines: None,
            changed: None,
            maintenance: None,
        }
    }

    pub(crate) fn holds(&self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }

    pub(crate) fn observe(&mut self, signal: &Signal) -> Read {
        let read = match &signal.observation {
            Observation::Outcome(outcome) => self.outcome(signal.time, outcome),
            Observation::Window(window) => self.window(signal.time, window),
            Observation::Gauge(gauge) => self.gauge(signal.time, gauge),
            Observation::Health(health) => self.health(signal.time, *health),
            Observation::Event(event) => self.event(signal.time, *event),
        };
        if read != Read::Nothing {
            self.signals = self.signals.saturating_add(1);
            self.seen(signal.time);
        }
        read
    }

    pub(crate) fn log(&mut self, event: &LogEvent) {
        self.lines.get_or_insert_default().add(event);
        self.seen(event.time);
    }

    fn seen(&mut self, time: Timestamp) {
        self.first = self.first.min(time);
        self.newest = self.newest.max(time);
    }

    fn outcome(&mut self, time: Timestamp, outcome: &Outcome) -> Read {
        if outcome.count == 0 {
            return Read::Nothing;
        }
        let count = u64::from(outcome.count);
        self.counts.add(outcome.kind, count);
        if outcome.kind.is_failure() {
            self.failed = self.failed.max(Some((time, outcome.kind)));
        }
        let mut read = Read::Whole;
        if let Some(latency) = outcome.latency {
            if latency < Duration::ZERO {
                read = Read::InPart;
            } else if tells_latency(outcome.kind) {
                self.latency.add(latency, count);
            }
        }
        if let Some(ttfb) = outcome.ttfb {
            if ttfb < Duration::ZERO {
                read = Read::InPart;
            } else if tells_latency(outcome.kind) {
                self.ttfb_samples = self.ttfb_samples.saturating_add(count);
                let sum = log2_q8(ttfb).saturating_mul(count);
                self.ttfb_log2_sum = self.ttfb_log2_sum.saturating_add(sum);
            }
        }
        read
    }

    fn window(&mut self, time: Timestamp, window: &OutcomeWindow) -> Read {
        self.counts.merge(&window.counts);
        let failures = OutcomeKind::ALL.into_iter().filter(|kind| kind.is_failure());
        if let Some(kind) = failures.rev().find(|kind| window.counts.of(*kind) > 0) {
            self.failed = self.failed.max(Some((time, kind)));
        }
        let mut below = Duration::ZERO;
        for bin in window.latency.iter().take(MAX_LATENCY_BINS) {
            if bin.count > 0 {
                self.latency.add(middle(below, bin.upper), bin.count);
            }
            below = bin.upper;
        }
        match window.latency.len() > MAX_LATENCY_BINS {
            true => Read::InPart,
            false => Read::Whole,
        }
    }

    fn health(&mut self, time: Timestamp, health: Health) -> Read {
        self.health.add(time, health);
        Read::Whole
    }

    fn event(&mut self, time: Timestamp, event: EventKind) -> Read {
        match event {
            EventKind::Deploy | EventKind::ConfigChange | EventKind::Scale => {
                self.changed = self.changed.max(Some(time));
            }
            EventKind::MaintenanceStart => {
                self.maintenance = self.maintenance.max(Some((time, true)));
            }
            EventKind::MaintenanceEnd => {
                self.maintenance = self.maintenance.max(Some((time, false)));
            }
        }
        Read::Whole
    }

    fn gauge(&mut self, time: Timestamp, gauge: &Gauge) -> Read {
        if !gauge.value.is_finite() {
            return Read::Nothing;
        }
        let limit = gauge.limit.filter(|limit| limit.is_finite() && *limit > 0.0);
        let found = self.gauges.binary_search_by(|known| known.name.cmp(&gauge.name));
        match found {
            Ok(found) => {
                if let Some(known) = self.gauges.get_mut(found) {
                    known.renew(time, gauge.value, limit);
                }
            }
            Err(place) if place < MAX_BUCKET_GAUGES => {
                let level = Level {
                    name: gauge.name.clone(),
                    time,
                    value: gauge.value,
                    limit,
                };
                self.gauges.insert(place, level);
                self.gauges_left_out |= self.gauges.len() > MAX_BUCKET_GAUGES;
                self.gauges.truncate(MAX_BUCKET_GAUGES);
            }
            Err(_) => self.gauges_left_out = true,
        }
        match limit == gauge.limit {
            true => Read::Whole,
            false => Read::InPart,
        }
    }
}

impl Level {
    /// The newest wins; at ties the larger value, then the larger limit: any rule does that is the same in every order.
    fn renew(&mut self, time: Timestamp, value: f64, limit: Option<f64>) {
        let order = (time.cmp(&self.time))
            .then(value.total_cmp(&self.value))
            .then(limit.unwrap_or(0.0).total_cmp(&self.limit.unwrap_or(0.0)));
        if order.is_gt() {
            (self.time, self.value, self.limit) = (time, value, limit);
        }
    }
}

/// Fast errors are not good latency: only answers, and requests that waited in vain, tell how long it takes.
const fn tells_latency(kind: OutcomeKind) -> bool {
    matches!(
        kind,
        OutcomeKind::Success | OutcomeKind::Timeout | OutcomeKind::Truncated
    )
}

/// The middle of a sender's bin; the lower bound of one that has no end.
fn middle(below: Duration, upper: Duration) -> Duration {
    const ENDLESS: Duration = Duration::DAY;
    let below = below.max(Duration::ZERO);
    if upper >= ENDLESS {
        return below;
    }
    Duration::from_micros((below.as_micros() + upper.as_micros().max(0)) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket() -> Bucket {
        Bucket::new(Timestamp::from_secs(0), Timestamp::from_secs(1))
    }

    fn gauge(name: &str, value: f64, limit: Option<f64>) -> Gauge {
        Gauge {
            name: name.into(),
            value,
            limit,
        }
    }

    #[test]
    fn a_gauge_that_is_not_finite_is_refused_and_a_bad_limit_is_no_limit() {
        let mut bucket = bucket();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(
                bucket.gauge(Timestamp::default(), &gauge("q", bad, None)),
                Read::Nothing
            );
            let read = bucket.gauge(Timestamp::default(), &gauge("q", 1.0, Some(bad)));
            assert_eq!(read, Read::InPart);
        }
        let read = bucket.gauge(Timestamp::default(), &gauge("q", 1.0, Some(0.0)));
        assert_eq!(read, Read::InPart);
        assert!(
            bucket
                .gauges
                .iter()
                .all(|level| level.value == 1.0 && level.limit.is_none())
        );
    }

    #[test]
    fn more_gauges_than_the_bound_leaves_the_first_by_name_in_any_order() {
        let names: Vec<String> = (0..40).map(|n| format!("g{n:02}")).collect();
        let (mut up, mut down) = (bucket(), bucket());
        for name in &names {
            up.gauge(Timestamp::default(), &gauge(name, 1.0, None));
        }
        for name in names.iter().rev() {
            down.gauge(Timestamp::default(), &gauge(name, 1.0, None));
        }
        assert_eq!(up, down);
        assert!(up.gauges.len() == MAX_BUCKET_GAUGES && up.gauges_left_out);
        assert!(up.gauges.iter().any(|level| level.name.as_str() == "g00"));
    }

    #[test]
    fn fast_errors_are_not_good_latency() {
        let mut bucket = bucket();
        let outcome = |kind| Outcome {
            kind,
            latency: Some(Duration::from_millis(1)),
            ttfb: None,
            count: 1,
        };
        bucket.outcome(Timestamp::default(), &outcome(OutcomeKind::ServerError));
        bucket.outcome(Timestamp::default(), &outcome(OutcomeKind::RateLimited));
        assert_eq!(bucket.latency.samples(), 0);
        bucket.outcome(Timestamp::default(), &outcome(OutcomeKind::Success));
        assert_eq!(bucket.latency.samples(), 1);
    }

    #[test]
    fn a_negative_latency_is_not_folded_and_an_outcome_of_nothing_is_refused() {
        let mut bucket = bucket();
        let mut outcome = Outcome {
            kind: OutcomeKind::Success,
            latency: Some(Duration::from_micros(-1)),
            ttfb: Some(Duration::from_micros(-1)),
            count: 1,
        };
        assert_eq!(bucket.outcome(Timestamp::default(), &outcome), Read::InPart);
        assert_eq!((bucket.latency.samples(), bucket.counts.total()), (0, 1));
        outcome.count = 0;
        assert_eq!(bucket.outcome(Timestamp::default(), &outcome), Read::Nothing);
    }

    #[test]
    fn a_sender_s_bin_counts_at_its_middle_and_an_endless_one_at_its_beginning() {
        let ms = Duration::from_millis;
        assert_eq!(middle(ms(10), ms(20)), ms(15));
        assert_eq!(middle(ms(10), Duration::from_micros(i64::MAX)), ms(10));
    }
}
