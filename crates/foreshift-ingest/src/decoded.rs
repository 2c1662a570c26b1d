//! What decoders make of bytes, before it is known which target it is about.

use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::log::LogEvent;
use foreshift_domain::signal::Signal;
use foreshift_domain::{Duration, Input, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

/// One decoded item. Its target is still named as telemetry names it.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// An observation.
    Signal {
        /// The observation; its target is the first name to look for.
        signal: Signal,
        /// Further names to look for, in order.
        aliases: Vec<TargetName>,
        /// The kind of telemetry it came by.
        source: OutcomeSource,
    },
    /// A log line, read.
    Log {
        /// The event; its target is the first name to look for.
        event: LogEvent,
        /// Further names to look for, in order.
        aliases: Vec<TargetName>,
    },
    /// A sum since some start, which becomes a signal by comparison with the point before it.
    Cumulative(Box<CumulativePoint>),
    /// An input that is ordered and mapped already: a row of a journal.
    Ordered(Input),
}

/// Counts since `start`: one point of one cumulative stream.
#[derive(Clone, Debug, PartialEq)]
pub struct CumulativePoint {
    /// Hash of all that identifies the stream: resource, scope, metric and attributes.
    pub stream: u128,
    /// When counting began.
    pub start: Timestamp,
    /// The signal to make: its observation is a window, whose counts and histogram are since `start`.
    pub signal: Signal,
    /// Further names to look for, in order.
    pub aliases: Vec<TargetName>,
}

/// What the sequencer orders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// An observation of a target.
    Signal(Signal),
    /// Log lines about a target.
    Log(LogEvent),
}

impl Event {
    /// Event time.
    pub const fn time(&self) -> Timestamp {
        match self {
            Self::Signal(signal) => signal.time,
            Self::Log(event) => event.time,
        }
    }
}

impl From<Event> for Input {
    fn from(event: Event) -> Self {
        match event {
            Event::Signal(signal) => Self::Signal(signal),
            Event::Log(event) => Self::Log(event),
        }
    }
}

/// Milliseconds as sent by gateways; `None` unless finite, not negative, and within a year.
pub fn millis(value: f64) -> Option<Duration> {
    /// No request lasts longer; what does is a clock that jumped.
    const MAX_MS: f64 = 365.0 * 86_400_000.0;
    (0.0..=MAX_MS)
        .contains(&value)
        .then(|| Duration::from_secs_f64(value / 1_000.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_nothing_takes_are_not_measured() {
        assert_eq!(millis(1.5), Some(Duration::from_micros(1_500)));
        for value in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(millis(value), None);
        }
    }
}
