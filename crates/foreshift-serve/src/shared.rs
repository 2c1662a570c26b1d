//! What all services share: the channels to the rest of the process, and the bounds over all connections.

use std::sync::Arc;

use foreshift_domain::Applied;
use foreshift_domain::command::{Command, CommandResult};
use foreshift_domain::fallback::EdsCluster;
use foreshift_domain::published::Published;
use foreshift_domain::weights::RouteWeights;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};
use tonic::Status;

use crate::config::Limits;
use crate::counters::ServeCounters;

/// Predictions that are explained at a time; who asks besides waits for his turn. Each keeps a core busy for some
/// milliseconds, and the engine needs one.
pub const MAX_EXPLAINING: usize = 2;

/// A command and where its result goes.
#[derive(Debug)]
pub struct CommandRequest {
    /// The command, authenticated and authorized. Its `issued_at` is the engine's clock as last published.
    pub command: Command,
    /// Where the result goes; a dropped sender is answered with `UNAVAILABLE`.
    pub reply: oneshot::Sender<CommandResult>,
}

/// The channels between the server and the rest of the process.
#[derive(Debug)]
pub struct ServeChannels {
    /// The newest state.
    pub published: watch::Receiver<Arc<Published>>,
    /// Every published version of a route, sent before the state that holds it. A watcher that keeps up sees all
    /// of them; one that lags falls back to `published`.
    pub changes: broadcast::Receiver<Arc<RouteWeights>>,
    /// The clusters of Envoy that are told their endpoints.
    pub eds: watch::Receiver<Arc<[EdsCluster]>>,
    /// Commands; bounded, and never waited for.
    pub commands: mpsc::Sender<CommandRequest>,
    /// What gateways say; bounded, and never waited for.
    pub applied: mpsc::Sender<Applied>,
    /// Whether the process is ready to serve.
    pub ready: watch::Receiver<bool>,
    /// What clients do, counted.
    pub counters: Arc<ServeCounters>,
}

/// What every service holds.
pub(crate) struct Shared {
    pub(crate) channels: ServeChannels,
    pub(crate) limits: Limits,
    /// Turns true when the server begins to stop.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Turns of those who want a prediction explained.
    pub(crate) explaining: Semaphore,
    streams: Arc<Semaphore>,
}

impl Shared {
    pub(crate) fn new(channels: ServeChannels, limits: Limits, stopping: watch::Receiver<bool>) -> Self {
        Self {
            explaining: Semaphore::new(MAX_EXPLAINING),
            streams: Arc::new(Semaphore::new(limits.max_streams)),
            channels,
            limits,
            stopping,
        }
    }

    /// The newest state.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.channels.published.borrow())
    }

    /// Room for one more stream.
    pub(crate) fn stream_permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "all {} streams are taken: try again later",
                self.limits.max_streams
            ))
        })
    }
}

/// Names of a request's filter: `None` is all.
pub(crate) fn filter<T: From<String> + Ord>(
    field: &str,
    names: Vec<String>,
) -> Result<Option<std::collections::BTreeSet<T>>, Status> {
    let max = foreshift_proto::MAX_LISTED_NAMES;
    if names.len() > max {
        return Err(Status::invalid_argument(format!(
            "{field} has {} entries, at most {max} are accepted; leave it empty for all",
            names.len()
        )));
    }
    Ok((!names.is_empty()).then(|| names.into_iter().map(T::from).collect()))
}

/// How many entries a page has.
pub(crate) fn page_size(asked: u32, max: usize) -> usize {
    match usize::try_from(asked) {
        Ok(asked @ 1..) => asked.min(max),
        _ => max,
    }
}
