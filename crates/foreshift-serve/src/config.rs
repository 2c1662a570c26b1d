//! What a server is told at its start.

use std::net::SocketAddr;
use std::time::Duration;

use foreshift_xds::{Group, LayerSettings};

use crate::credentials::Credentials;

/// Where to listen, whom to trust, and how much to allow.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Address of the services that read, and of gateways' reports. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Address of all services, operator calls included; `None` puts operator calls on `listen`. Without
    /// credentials the address with operator calls must be a loopback one.
    pub operator_listen: Option<SocketAddr>,
    /// Who is known, and by what.
    pub credentials: Credentials,
    /// How much is allowed.
    pub limits: Limits,
    /// What Envoy is given.
    pub xds: XdsSettings,
}

/// What Envoy is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdsSettings {
    /// The layer of weights.
    pub layer: LayerSettings,
    /// Who is given which routes: a gateway is in the first group that has it, and is given nothing when none has.
    /// Without groups all are given all.
    pub groups: Vec<Group>,
}

/// Bounds of a server. None of tonic's own defaults is relied on: most of them are "no bound".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most connections of one listener; further ones are closed at once.
    pub max_connections: usize,
    /// The most new connections of one listener in a second; further ones are closed at once.
    pub max_connects_per_s: u32,
    /// The most of them from one address, so that one that floods does not keep the others out.
    pub max_connects_per_peer_per_s: u32,
    /// The most calls in flight on one connection.
    pub max_calls_per_connection: u32,
    /// The most streams of all connections together; further ones get `RESOURCE_EXHAUSTED`. One that its client reads
    /// costs some 16 kB.
    pub max_streams: usize,
    /// The largest message accepted, in bytes. Requests are small: 1,000 names of 512 bytes fit into the default.
    pub max_message_bytes: usize,
    /// The largest header list accepted, in bytes.
    pub max_header_bytes: u32,
    /// Window of HTTP/2 for one stream, in bytes: about what one client can make the server buffer.
    pub stream_window_bytes: u32,
    /// Window of HTTP/2 for one connection, in bytes.
    pub connection_window_bytes: u32,
    /// A peer that sends nothing is asked for a sign of life this often.
    pub keepalive_interval: Duration,
    /// Without an answer to that for this long, the connection is closed.
    pub keepalive_timeout: Duration,
    /// A connection whose handshakes are not done by then is closed.
    pub handshake_timeout: Duration,
    /// The longest a call may take that is no stream; a command that is not carried out by then is answered
    /// with `DEADLINE_EXCEEDED`.
    pub request_timeout: Duration,
    /// After this age a connection takes no new calls, and a stream ends; both may live twice as long together.
    pub max_connection_age: Duration,
    /// How long a stop waits for calls in flight.
    pub shutdown_grace: Duration,
    /// A watcher of weights that is more changes behind than this is brought to the newest state at once.
    pub max_watch_backlog: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1_024,
            max_connects_per_s: 512,
            max_connects_per_peer_per_s: 256,
            max_calls_per_connection: 128,
            max_streams: 16_384,
            max_message_bytes: 1 << 20,
            max_header_bytes: 16 << 10,
            stream_window_bytes: 256 << 10,
            connection_window_bytes: 1 << 20,
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            max_connection_age: Duration::from_secs(3_600),
            shutdown_grace: Duration::from_secs(5),
            max_watch_backlog: 256,
        }
    }
}
