//! What a run gives out: signals and raw log lines, in the order of their time.

use foreshift_domain::signal::Signal;
use foreshift_domain::{TargetName, Timestamp};
use serde::{Deserialize, Serialize};

/// One thing that a run gives out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Emission {
    /// A normalised observation, as a gateway would report it.
    Signal(Signal),
    /// A raw log line about a target.
    Log(LogLine),
}

impl Emission {
    /// When it happened, by the simulated clock.
    pub const fn time(&self) -> Timestamp {
        match self {
            Self::Signal(signal) => signal.time,
            Self::Log(line) => line.time,
        }
    }

    /// The target it is about.
    pub const fn target(&self) -> &TargetName {
        match self {
            Self::Signal(signal) => &signal.target,
            Self::Log(line) => &line.target,
        }
    }
}

/// One log line as its writer wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was written.
    pub time: Timestamp,
    /// The target it is about.
    pub target: TargetName,
    /// How bad its writer thought it was.
    pub severity: Severity,
    /// The text.
    pub message: String,
    /// The HTTP status, where the line is about one request.
    pub status: Option<u16>,
}

/// How bad the writer of a log line thought it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// As expected.
    Info,
    /// Odd.
    Warn,
    /// Something failed.
    Error,
}

impl Severity {
    /// The severity number of OpenTelemetry: 9, 13 or 17.
    pub const fn otlp_number(self) -> u8 {
        match self {
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
        }
    }

    /// `INFO`, `WARN` or `ERROR`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}
