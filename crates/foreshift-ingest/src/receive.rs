//! Receivers: telemetry that gateways and collectors send straight to this process. Envoy's access log and load
//! reporting services over gRPC, and OTLP over gRPC and HTTP, all at one address.
//!
//! What comes in is decoded at once and put into the buffer of [`push`](crate::source::push), or passed on to Kafka as
//! it is ([`forward`](crate::forward)). Access logs are lossy by design of their protocol, which has no answer: what
//! does not fit is dropped and counted. OTLP has one: an export waits for room, and is then told to come again.
//!
//! The caller gives the connections, already bounded in number and age; calls, messages and silence on them are
//! bounded here. Not one of tonic's own bounds is relied on.

mod access_log;
mod admission;
mod counters;
mod load_report;
mod otlp;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::AccessLogServiceServer;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::load_stats::v3::load_reporting_service_server::LoadReportingServiceServer;
use foreshift_domain::GatewayName;
use futures_util::Stream;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsServiceServer;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsServiceServer;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceServiceServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::transport::server::Connected;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Status};

use crate::decode::{Decoder, Parts, als};
use crate::forward::Forward;
use crate::intern::SignalNames;
use crate::source::push::{PushSender, Receiver};
use access_log::AccessLogs;
use admission::{Admitted, Places};
use load_report::LoadReports;
use otlp::{Answers, Exports};

pub use counters::{ReceiveCounters, ReceiverCounters};

/// The most streams of access logs and load reports at a time: of the first, each worker thread of each Envoy holds one.
pub const MAX_STREAMS: usize = 1_024;
/// The largest message of access logs, in bytes. Envoy sends 16 KiB at a time unless it is told otherwise; all
/// streams together may make us hold 256 MiB, if each sends the largest at once.
pub const MAX_ACCESS_LOG_BYTES: usize = 256 << 10;
/// The largest load report, in bytes: thousands of clusters.
pub const MAX_LOAD_REPORT_BYTES: usize = 1 << 20;
/// The most OTLP exports in flight; a collector sends about ten at a time.
pub const MAX_EXPORTS: usize = 32;
/// The largest export, in bytes, unpacked: the bound that gRPC has by default. All in flight hold 128 MiB at most.
pub const MAX_EXPORT_BYTES: usize = 4 << 20;
/// An export waits this long for room in the buffer. Collectors give up after 5 s by default: they are told before.
pub const EXPORT_PATIENCE: Duration = Duration::from_secs(3);
/// The longest an export may take, with its way through the network.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// A stream of access logs without a message for so long is ended; Envoy opens another with its next entry.
pub const STREAM_IDLE: Duration = Duration::from_secs(600);
/// A stream of this age is ended, before its connection is cut off.
pub const MAX_STREAM_AGE: Duration = Duration::from_secs(1_800);
/// A connection of this age takes no new calls.
pub const MAX_CONNECTION_AGE: Duration = Duration::from_secs(3_600);
/// The most calls in flight on one connection.
const MAX_CALLS_PER_CONNECTION: u32 = 128;
/// The largest header list, in bytes.
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// Windows of HTTP/2 for one stream and one connection, in bytes.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// A peer that sends nothing is asked for a sign of life this often, and has this long for it.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The receivers failed.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Their server did.
    #[error("receiving telemetry failed")]
    Transport(#[from] tonic::transport::Error),
}

/// What all receivers share.
#[derive(Clone)]
pub struct Receivers {
    outlet: Outlet,
    counters: ReceiveCounters,
    gate: Option<Gate>,
    tls: Option<ServerTlsConfig>,
}

/// Says whether a call may be made, by its metadata and what is known of its connection. Who may what is known
/// elsewhere.
pub type Gate = Arc<dyn Fn(Request<()>) -> Result<(), Status> + Send + Sync>;

/// Where what is received goes.
#[derive(Clone)]
enum Outlet {
    /// Decoded, into the buffer of this process.
    Buffer { push: PushSender, decoder: Box<Decoder> },
    /// As it is, to Kafka.
    Kafka(Arc<Forward>),
}

impl Receivers {
    /// Receivers that put what they decode into this buffer.
    pub fn new(push: PushSender, decoder: Decoder) -> Self {
        Self::into(Outlet::Buffer {
            push,
            decoder: Box::new(decoder),
        })
    }

    /// Receivers that pass on what they take.
    pub fn passing_on(forward: Arc<Forward>) -> Self {
        Self::into(Outlet::Kafka(forward))
    }

    fn into(outlet: Outlet) -> Self {
        Self {
            outlet,
            counters: ReceiveCounters::default(),
            gate: None,
            tls: None,
        }
    }

    /// The same behind a gate, and over TLS where it is given.
    pub fn guarded(self, gate: Gate, tls: Option<ServerTlsConfig>) -> Self {
        Self {
            gate: Some(gate),
            tls,
            ..self
        }
    }

    /// Their counters, which go on counting.
    pub fn counters(&self) -> ReceiveCounters {
        self.counters.clone()
    }

    /// Serves these connections until `stopping` turns true: then streams end, and exports in flight are finished.
    ///
    /// # Errors
    /// When connections can no longer be taken.
    pub async fn serve<I, C, E>(
        self,
        incoming: I,
        stopping: watch::Receiver<bool>,
    ) -> Result<(), ReceiveError>
    where
        I: Stream<Item = Result<C, E>>,
        C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let streams = Places {
            free: Arc::new(tokio::sync::Semaphore::new(MAX_STREAMS)),
            receiver: Receiver::AccessLogs,
            deadline: None,
            counters: self.counters.clone(),
            gate: self.gate.clone(),
        };
        let exports = Places {
            free: Arc::new(tokio::sync::Semaphore::new(MAX_EXPORTS)),
            receiver: Receiver::Otlp,
            deadline: Some(EXPORT_TIMEOUT),
            counters: self.counters.clone(),
            gate: self.gate.clone(),
        };
        let mut server = bounded();
        if let Some(tls) = self.tls.clone() {
            server = server.tls_config(tls)?;
        }
        let access_logs = AccessLogServiceServer::new(AccessLogs::new(self.clone(), stopping.clone()))
            .max_decoding_message_size(MAX_ACCESS_LOG_BYTES);
        // A collector has no form of them that keeps their time, so it takes none.
        let load_reports = matches!(self.outlet, Outlet::Buffer { .. }).then(|| {
            let service = LoadReports::new(self.clone(), stopping.clone());
            let service = LoadReportingServiceServer::new(service);
            let places = Places {
                receiver: Receiver::LoadReports,
                ..streams.clone()
            };
            Admitted::new(service.max_decoding_message_size(MAX_LOAD_REPORT_BYTES), places)
        });
        let otlp = Arc::new(Exports(self));
        // Collectors pack what they send unless they are told not to.
        let metrics = MetricsServiceServer::from_arc(Arc::clone(&otlp))
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MAX_EXPORT_BYTES);
        let logs = LogsServiceServer::from_arc(Arc::clone(&otlp))
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MAX_EXPORT_BYTES);
        let traces = TraceServiceServer::from_arc(Arc::clone(&otlp))
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MAX_EXPORT_BYTES);
        let mut stopping = stopping;
        // A sender that is gone stops the server too.
        let stop = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
        let mut routes = Routes::new(Admitted::new(access_logs, streams))
            .add_service(Admitted::new(metrics, exports.clone()))
            .add_service(Admitted::new(logs, exports.clone()))
            .add_service(Admitted::new(traces, exports.clone()));
        if let Some(load_reports) = load_reports {
            routes = routes.add_service(load_reports);
        }
        let http = Answers {
            exports: otlp,
            places: exports,
        };
        for (path, answer) in http.routes() {
            let router = std::mem::take(routes.axum_router_mut());
            *routes.axum_router_mut() = router.route(path, answer);
        }
        server
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming, stop)
            .await?;
        Ok(())
    }

    /// Access logs: what does not fit is dropped.
    fn access_logs(&self, entries: Option<LogEntries>, gateway: Option<&GatewayName>) {
        let (items, ignored, dropped) = match (&self.outlet, entries) {
            (Outlet::Buffer { push, .. }, entries) => {
                let parts = named_alike(als::entries(entries, gateway));
                let (items, ignored) = (parts.good.len() as u64, parts.ignored);
                let dropped = push.put_or_drop(Receiver::AccessLogs, parts);
                (items.saturating_sub(dropped), ignored, dropped)
            }
            (Outlet::Kafka(forward), Some(LogEntries::HttpLogs(logs))) => {
                let entries = logs.log_entry.len() as u64;
                match forward.access_logs(&als::to_record(logs, gateway), gateway) {
                    true => (entries, 0, 0),
                    false => (0, 0, entries),
                }
            }
            (Outlet::Kafka(_), entries) => (0, als::entries(entries, gateway).ignored, 0),
        };
        let counters = self.counters.of(Receiver::AccessLogs);
        counters.add_items(items, ignored);
        counters.add_dropped(dropped);
    }

    /// Load reports: what does not fit is dropped. Their sender cannot be told.
    fn load_reports(&self, parts: Parts) {
        let Outlet::Buffer { push, .. } = &self.outlet else {
            return;
        };
        let items = parts.good.len() as u64;
        let dropped = push.put_or_drop(Receiver::LoadReports, named_alike(parts));
        let counters = self.counters.of(Receiver::LoadReports);
        counters.add_items(items.saturating_sub(dropped), 0);
        counters.add_dropped(dropped);
    }
}

/// Signals of one message share the text of their names.
fn named_alike(mut parts: Parts) -> Parts {
    let mut names = SignalNames::default();
    parts.good.iter_mut().for_each(|decoded| names.share(decoded));
    parts
}

/// A server without a single bound left at tonic's default.
fn bounded() -> Server {
    Server::builder()
        .accept_http1(true)
        .concurrency_limit_per_connection(MAX_CALLS_PER_CONNECTION as usize)
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_CALLS_PER_CONNECTION as usize))
        .http2_max_local_error_reset_streams(Some(MAX_CALLS_PER_CONNECTION as usize))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_connection_age(MAX_CONNECTION_AGE)
}
