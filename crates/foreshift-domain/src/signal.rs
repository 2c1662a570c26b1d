//! Signals: normalised observations of a target.

use serde::{Deserialize, Serialize};

use crate::names::{EndpointName, GatewayName, GaugeName, RouteName, TargetName};
use crate::time::{Duration, Timestamp};

/// One normalised observation of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// When it happened, by the sender's clock.
    pub time: Timestamp,
    /// The target it is about.
    pub target: TargetName,
    /// The route whose traffic it was, where known.
    pub route: Option<RouteName>,
    /// Who saw it.
    pub gateway: Option<GatewayName>,
    /// The address inside the target.
    pub endpoint: Option<EndpointName>,
    /// What was seen.
    pub observation: Observation,
}

/// What a signal says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    /// One or more requests that ended alike.
    Outcome(Outcome),
    /// Many requests, counted by the sender.
    Window(Box<OutcomeWindow>),
    /// A level at a moment: in-flight requests, queue depth, pool use, quota left.
    Gauge(Gauge),
    /// A state that holds until the next one.
    Health(Health),
    /// Something people or machines did to the target.
    Event(EventKind),
}

/// How requests ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How they ended.
    pub kind: OutcomeKind,
    /// Time from request to the last byte; `None` when not measured.
    pub latency: Option<Duration>,
    /// Time to the first byte or token; `None` when not measured.
    pub ttfb: Option<Duration>,
    /// How many requests this stands for, at least 1.
    pub count: u32,
}

/// Requests of an interval, counted by the sender. The interval ends at the signal's `time`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutcomeWindow {
    /// Length of the interval.
    pub length: Duration,
    /// Requests by how they ended.
    pub counts: OutcomeCounts,
    /// A histogram of latency: requests at most `upper` and above the bin before, in ascending order.
    pub latency: Vec<LatencyBin>,
}

/// One bin of a latency histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyBin {
    /// Upper bound of the bin, inclusive.
    pub upper: Duration,
    /// Requests in the bin.
    pub count: u64,
}

/// The most bins read from one histogram: OTLP's exponential histograms default to 160 buckets a side.
pub const MAX_LATENCY_BINS: usize = 320;

/// How a request ended, as a client of the target would see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum OutcomeKind {
    /// The target answered as it should.
    Success = 0,
    /// The request was at fault (4xx other than 429): says that the target is up.
    ClientError = 1,
    /// The client went away before the end: says nothing of the target.
    ClientAbort = 2,
    /// Refused for rate or quota (429).
    RateLimited = 3,
    /// Refused for load (503, 529, gRPC `RESOURCE_EXHAUSTED` or `UNAVAILABLE` sent by the target).
    Overload = 4,
    /// The target failed (other 5xx).
    ServerError = 5,
    /// No answer in time.
    Timeout = 6,
    /// No connection.
    ConnectFailure = 7,
    /// The connection broke before or within the answer.
    Reset = 8,
    /// The answer began well and ended early.
    Truncated = 9,
    /// The gateway answered by itself (no route, rate limit of its own): says nothing of the target.
    Local = 10,
}

impl OutcomeKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Success,
        Self::ClientError,
        Self::ClientAbort,
        Self::RateLimited,
        Self::Overload,
        Self::ServerError,
        Self::Timeout,
        Self::ConnectFailure,
        Self::Reset,
        Self::Truncated,
        Self::Local,
    ];

    /// Position in [`OutcomeCounts`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it counts as a failure of the target.
    pub const fn is_failure(self) -> bool {
        (self as u8) >= Self::RateLimited as u8 && (self as u8) <= Self::Truncated as u8
    }

    /// Whether it says anything about the target at all.
    pub const fn is_evidence(self) -> bool {
        !matches!(self, Self::ClientAbort | Self::Local)
    }

    /// The name used in CSV files, JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientError => "client_error",
            Self::ClientAbort => "client_abort",
            Self::RateLimited => "rate_limited",
            Self::Overload => "overload",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::ConnectFailure => "connect_failure",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Local => "local",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// From an HTTP status; 0 is no connection.
    pub const fn from_http_status(status: u16) -> Self {
        match status {
            0 => Self::ConnectFailure,
            429 => Self::RateLimited,
            408 | 504 => Self::Timeout,
            499 => Self::ClientAbort,
            503 | 529 => Self::Overload,
            400..=498 => Self::ClientError,
            500..=599 => Self::ServerError,
            _ => Self::Success,
        }
    }
}

/// Requests by how they ended; indexed by [`OutcomeKind::index`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutcomeCounts(pub [u64; OutcomeKind::ALL.len()]);

impl OutcomeCounts {
    /// Adds `count` requests of a kind, saturating.
    pub fn add(&mut self, kind: OutcomeKind, count: u64) {
        let slot = &mut self.0[kind.index()];
        *slot = slot.saturating_add(count);
    }

    /// Adds all counts of `other`, saturating.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// Requests of one kind.
    pub const fn of(&self, kind: OutcomeKind) -> u64 {
        self.0[kind.index()]
    }

    /// Requests that failed.
    pub fn failures(&self) -> u64 {
        self.sum(OutcomeKind::is_failure)
    }

    /// Requests that say anything about the target.
    pub fn evidence(&self) -> u64 {
        self.sum(OutcomeKind::is_evidence)
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.sum(|_| true)
    }

    fn sum(&self, keep: impl Fn(OutcomeKind) -> bool) -> u64 {
        OutcomeKind::ALL
            .into_iter()
            .filter(|kind| keep(*kind))
            .fold(0, |sum, kind| sum.saturating_add(self.of(kind)))
    }
}

/// A level at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    /// Its name.
    pub name: GaugeName,
    /// The level; finite.
    pub value: f64,
    /// The level at which the target is full, where known; finite and positive.
    pub limit: Option<f64>,
}

/// A state that holds until the next signal of health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Serves as it should.
    Up,
    /// Serves, but not as it should.
    Degraded,
    /// Does not serve.
    Down,
}

/// Something people or machines did to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A new version went out.
    Deploy,
    /// Planned work began; failures until its end are expected.
    MaintenanceStart,
    /// Planned work ended.
    MaintenanceEnd,
    /// Configuration of the target changed.
    ConfigChange,
    /// The target was scaled.
    Scale,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_what_a_client_would_call_failures() {
        let failing: Vec<_> = OutcomeKind::ALL
            .into_iter()
            .filter(|kind| kind.is_failure())
            .collect();
        assert_eq!(failing.len(), 7);
        assert!(!OutcomeKind::ClientError.is_failure() && !OutcomeKind::Local.is_failure());
    }

    #[test]
    fn every_kind_parses_back_from_its_name() {
        for kind in OutcomeKind::ALL {
            assert_eq!(OutcomeKind::parse(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn counts_saturate() {
        let mut counts = OutcomeCounts::default();
        counts.add(OutcomeKind::Success, u64::MAX);
        counts.add(OutcomeKind::Success, 1);
        counts.add(OutcomeKind::Reset, 2);
        assert_eq!(
            (counts.of(OutcomeKind::Success), counts.failures(), counts.total()),
            (u64::MAX, 2, u64::MAX)
        );
    }
}
