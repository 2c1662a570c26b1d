//! What leaves the engine's thread: published state, the feed of weights, decisions on disk, alerts in the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foreshift_domain::TargetName;
use foreshift_domain::command::CommandResult;
use foreshift_domain::fallback::{EdsCluster, Fallback};
use foreshift_domain::prediction::Served;
use foreshift_domain::published::{LogSummary, Published};
use foreshift_domain::weights::RouteWeights;
use foreshift_engine::{Alert, Engine, Output};
use foreshift_ingest::DeliveryCounters;
use foreshift_serve::CommandRequest;
use tokio::sync::{broadcast, oneshot, watch};

use super::decisions::DecisionLog;
use super::topics::Topics;
use crate::storage::{Storage, StorageError};

/// Changes of weights kept for watchers that are a little behind; past it they get the newest state.
const FEED: usize = 16_384;
/// The state is published at most this often; weights themselves are fed at once.
const PUBLISH_EVERY: Duration = Duration::from_millis(200);
/// Commands whose result is awaited; no more than the inbox holds.
const MAX_WAITING: usize = 1_024;

/// The engine's side.
pub(crate) struct Outlets {
    published: watch::Sender<Arc<Published>>,
    feed: broadcast::Sender<Arc<RouteWeights>>,
    eds: watch::Sender<Arc<[EdsCluster]>>,
    decisions: Option<DecisionLog>,
    topics: Option<Topics>,
    waiting: HashMap<String, oneshot::Sender<CommandResult>>,
    logs: Arc<BTreeMap<TargetName, Arc<LogSummary>>>,
    /// Why the champion should not serve any more, until somebody acts on it.
    drift: Option<String>,
    /// Samples of what was served, until they are recorded: after each input.
    served: Vec<Served>,
    newest: Option<Instant>,
    dirty: bool,
}

/// The readers' side.
pub(crate) struct Readers {
    pub(crate) published: watch::Receiver<Arc<Published>>,
    pub(crate) feed: broadcast::Sender<Arc<RouteWeights>>,
    pub(crate) eds: watch::Receiver<Arc<[EdsCluster]>>,
}

impl Outlets {
    pub(crate) fn new(storage: &Storage, fallback: &Fallback) -> Result<(Self, Readers), StorageError> {
        let (published, readers) = watch::channel(Arc::new(Published::default()));
        let (feed, _) = broadcast::channel(FEED);
        let (eds, clusters) = watch::channel(Arc::from(fallback.eds.as_slice()));
        let outlets = Self {
            published,
            feed: feed.clone(),
            eds,
            decisions: Some(DecisionLog::open(&storage.decisions_dir())?),
            topics: None,
            waiting: HashMap::new(),
            logs: Arc::default(),
            drift: None,
            served: Vec::new(),
            newest: None,
            dirty: true,
        };
        Ok((
            outlets,
            Readers {
                published: readers,
                feed,
                eds: clusters,
            },
        ))
    }

    /// Follows a new configuration.
    pub(crate) fn reconfigure(&self, fallback: &Fallback) {
        self.eds.send_replace(Arc::from(fallback.eds.as_slice()));
    }

    /// Writes results to Kafka too.
    pub(crate) fn write_to(&mut self, topics: Option<Topics>) {
        self.topics = topics;
    }

    /// What became of results written to Kafka.
    pub(crate) fn delivered(&self) -> DeliveryCounters {
        self.topics.as_ref().map(Topics::counters).unwrap_or_default()
    }

    /// Remembers who waits for a command's result.
    pub(crate) fn await_result(&mut self, request: CommandRequest) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.insert(request.command.request_id, request.reply);
        }
    }

    /// Takes all that the engine has to say.
    pub(crate) fn drain(&mut self, engine: &mut Engine) -> Result<(), StorageError> {
        while let Some(output) = engine.poll_output() {
            self.dirty = true;
            self.take(engine, output)?;
        }
        Ok(())
    }

    fn take(&mut self, engine: &Engine, output: Output) -> Result<(), StorageError> {
        if let Some(topics) = &self.topics {
            topics.take(&output);
        }
        match output {
            Output::Weights(weights) => {
                tracing::debug!(route = %weights.route, version = %weights.version, reason = ?weights.reason, "weights");
                // Without a watcher nobody hears: that is no error.
                let _ = self.feed.send(weights);
            }
            Output::Decision(decision, _) => {
                if let Some(log) = &mut self.decisions {
                    log.append(engine.epoch(), &decision)?;
                }
            }
            Output::Incident(change) => match change.end {
                None => {
                    tracing::warn!(target_name = %change.target, start = ?change.start, "an incident began")
                }
                Some(end) => tracing::info!(target_name = %change.target, ?end, "an incident ended"),
            },
            Output::Command(command, result) => {
                tracing::info!(actor = %command.actor, request = %command.request_id, verdict = ?result.verdict, "command");
                if let Some(reply) = self.waiting.remove(&result.request_id) {
                    // What the command changed is visible before its caller hears that it is done.
                    self.publish(engine);
                    let _ = reply.send(result);
                }
            }
            Output::Model(change) => {
                let name = |name: Option<String>| name.unwrap_or_else(|| "none".to_owned());
                tracing::warn!(
                    place = ?change.place,
                    from = name(change.from),
                    to = name(change.to),
                    with_what_it_learned = change.warm,
                    why = change.why,
                    "another model"
                );
            }
            Output::Alert(alert) => {
                tracing::warn!("{alert}");
                if matches!(alert, Alert::Drift { .. }) {
                    self.drift = Some(alert.to_string());
                }
            }
            Output::Served(served) => self.served.push(*served),
            Output::Predictions(_) | Output::Row(_) => {}
        }
        Ok(())
    }

    /// Why the champion should not serve any more; said once.
    pub(crate) fn take_drift(&mut self) -> Option<String> {
        self.drift.take()
    }

    /// Samples of what was served since the last time.
    pub(crate) fn take_served(&mut self) -> Vec<Served> {
        std::mem::take(&mut self.served)
    }

    /// Publishes the state if it may have changed and the last time is long enough ago.
    pub(crate) fn publish_if_due(&mut self, engine: &Engine) {
        if self.dirty && self.newest.is_none_or(|newest| newest.elapsed() >= PUBLISH_EVERY) {
            self.publish(engine);
        }
    }

    /// Publishes the state now.
    pub(crate) fn publish(&mut self, engine: &Engine) {
        let published = Published {
            logs: Arc::clone(&self.logs),
            ..engine.publish()
        };
        self.published.send_replace(Arc::new(published));
        self.newest = Some(Instant::now());
        self.dirty = false;
    }

    /// Time passes: what is published shows the clock.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }

    /// What log lines said, to be published with the rest.
    pub(crate) fn show(&mut self, logs: Arc<BTreeMap<TargetName, Arc<LogSummary>>>) {
        self.logs = logs;
    }

    /// Writes out what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), StorageError> {
        self.decisions.as_mut().map_or(Ok(()), DecisionLog::flush)
    }

    /// The end: waits a little for results that are on their way.
    pub(crate) fn finish(&mut self) {
        if let Some(topics) = &self.topics {
            topics.flush();
        }
    }
}
