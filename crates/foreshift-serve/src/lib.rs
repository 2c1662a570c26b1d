//! gRPC services over the published state, and the HTTP endpoints of monitoring.
//!
//! Everything is read from one immutable [`Published`](foreshift_domain::published::Published) value, and commands
//! go into a bounded queue. This crate does not know what computes that value or who empties the queue: it never
//! sees the engine, the journal or Kafka. What it does know is who is calling, what they may do, and how much of
//! the process any of them may hold.

pub mod access;
pub mod client;
mod config;
mod connections;
mod counters;
mod credentials;
mod haproxy;
pub mod http;
mod metrics;
mod operator;
mod peer;
mod predictions;
mod server;
mod shared;
mod status;
mod weight_watch;
mod weights;
mod xds;

pub use config::{Limits, ServeConfig, XdsSettings};
pub use connections::{BoundedStream, accepted};
pub use counters::ServeCounters;
pub use credentials::{CredentialFiles, Credentials, CredentialsError, TlsFiles};
pub use foreshift_xds::{Group, LayerSettings};
pub use haproxy::{HaproxyConfig, HaproxyCounters, serve_haproxy};
pub use http::{HttpConfig, serve_http};
pub use metrics::{Metric, MetricKind};
pub use peer::telemetry_gate;
pub use server::{BoundAddresses, ServeError, Serving, serve};
pub use shared::{CommandRequest, MAX_EXPLAINING, ServeChannels};
