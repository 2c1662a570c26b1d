//! Log events: what is left of a log line after `foreshift-logs` has read it. Never raw text.

use serde::{Deserialize, Serialize};

use crate::names::TargetName;
use crate::time::Timestamp;

/// Log lines of one template about one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEvent {
    /// When the line was written, by its sender's clock.
    pub time: Timestamp,
    /// The target it is about.
    pub target: TargetName,
    /// Stable id of the template: a hash of its text; 0 where no template was mined.
    pub template: u64,
    /// What the line says went wrong.
    pub class: ErrorClass,
    /// How many lines this stands for, at least 1.
    pub count: u32,
}

/// What a log line says went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ErrorClass {
    /// Nothing.
    None = 0,
    /// A connection could not be made.
    ConnFail,
    /// A connection broke.
    ConnReset,
    /// No answer in time.
    Timeout,
    /// A name did not resolve.
    Dns,
    /// A handshake or certificate failed.
    Tls,
    /// Refused for rate.
    RateLimit,
    /// Quota or credit is used up.
    QuotaBilling,
    /// Credentials were refused.
    Auth,
    /// Refused for load.
    Overload,
    /// The upstream answered 5xx.
    Upstream5xx,
    /// The request was at fault.
    BadRequest,
    /// What was asked for does not exist.
    NotFound,
    /// Memory ran out.
    Oom,
    /// Disk or file descriptors ran out.
    DiskFd,
    /// A pool of connections, threads or workers is used up.
    PoolExhausted,
    /// An instance stopped, crashed or restarts.
    InstanceDown,
    /// Configuration is wrong.
    Config,
    /// A store lost its leader, its quorum or its replicas.
    StoreRole,
}

/// What an error class means for failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// Requests fail now.
    Failure,
    /// Requests may fail soon.
    EarlySign,
    /// Says nothing about the target.
    Never,
}

impl ErrorClass {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 19] = [
        Self::None,
        Self::ConnFail,
        Self::ConnReset,
        Self::Timeout,
        Self::Dns,
        Self::Tls,
        Self::RateLimit,
        Self::QuotaBilling,
        Self::Auth,
        Self::Overload,
        Self::Upstream5xx,
        Self::BadRequest,
        Self::NotFound,
        Self::Oom,
        Self::DiskFd,
        Self::PoolExhausted,
        Self::InstanceDown,
        Self::Config,
        Self::StoreRole,
    ];

    /// What the class means for failover.
    pub const fn meaning(self) -> Meaning {
        match self {
            Self::None | Self::BadRequest | Self::NotFound | Self::Auth => Meaning::Never,
            Self::RateLimit
            | Self::Tls
            | Self::Config
            | Self::Oom
            | Self::DiskFd
            | Self::PoolExhausted
            | Self::StoreRole => Meaning::EarlySign,
            _ => Meaning::Failure,
        }
    }

    /// The name used in files, JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ConnFail => "conn_fail",
            Self::ConnReset => "conn_reset",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::RateLimit => "rate_limit",
            Self::QuotaBilling => "quota_billing",
            Self::Auth => "auth",
            Self::Overload => "overload",
            Self::Upstream5xx => "upstream_5xx",
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::Oom => "oom",
            Self::DiskFd => "disk_fd",
            Self::PoolExhausted => "pool_exhausted",
            Self::InstanceDown => "instance_down",
            Self::Config => "config",
            Self::StoreRole => "store_role",
        }
    }

    /// Where the project explains what it means and what to look at.
    pub fn runbook(self) -> String {
        format!("docs/runbooks/{}.md", self.as_str())
    }

    /// The class of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}
