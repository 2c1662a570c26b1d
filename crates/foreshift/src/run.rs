//! `foreshift run`: wiring. One thread owns the engine ([`core`]), the async runtime serves, the rest is channels.

mod core;
mod decisions;
mod inbox;
mod logs;
mod metrics;
mod model;
mod models;
mod outlets;
mod reload;
mod telemetry;
mod topics;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use foreshift_config::{Loaded, ProcessConfig};
use foreshift_domain::fallback::Fallback;
use foreshift_ingest::decode::Decoder;
use foreshift_ingest::decode::envoy::EnvoyKeys;
use foreshift_ingest::receive::Receivers;
use foreshift_ingest::source::push::{self, MAX_BUFFERED_UNITS, PushSource};
use foreshift_serve::BoundAddresses;
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use self::core::{Core, Plumbing};
pub(crate) use inbox::{Inbox, MAX_REPORTS, Senders};
pub(crate) use metrics::{IngestMetrics, received};
pub(crate) use model::in_registry;
use models::Registered;
pub(crate) use outlets::{Outlets, Readers};
pub(crate) use telemetry::{format_of, properties};

use crate::serving::{self, Servers};
use crate::storage::Storage;

/// Arguments of `foreshift run`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The process configuration.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "foreshift.yaml",
        env = "FORESHIFT_CONFIG"
    )]
    config: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let process = foreshift_config::load_process(&args.config, std::env::vars())?;
    warn(&process);
    let config = process.value;
    let fallback = foreshift_config::load_fallback(&config.fallback_path)?;
    warn(&fallback);
    foreshift_config::refuse_for_live(&fallback.value).map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let finished = runtime.block_on(serve_until_stopped(&config, Arc::new(fallback.value)));
    // A consumer that hangs while closing must not keep the process: what is durable is durable.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    finished
}

pub(crate) fn warn<T>(loaded: &Loaded<T>) {
    loaded
        .warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
}

async fn serve_until_stopped(config: &ProcessConfig, fallback: Arc<Fallback>) -> anyhow::Result<()> {
    let running = start(config, fallback).await?;
    reload::watch(
        config.fallback_path.clone(),
        running.fallback.clone(),
        running.stop.subscribe(),
    );
    if let Some(root) = registry_of(config) {
        models::watch(root.to_owned(), running.models.clone(), running.stop.subscribe());
    }
    running.until(signalled()).await
}

/// The registry to follow: a model that is named stays.
pub(crate) fn registry_of(config: &ProcessConfig) -> Option<&Path> {
    config
        .models_path
        .as_deref()
        .filter(|_| config.model_path.is_none())
}

/// The engine and the servers, running.
pub(crate) struct Running {
    servers: Servers,
    /// Takes a new fallback configuration.
    fallback: mpsc::Sender<Arc<Fallback>>,
    /// Takes a new state of the registry of models.
    models: mpsc::Sender<Registered>,
    engine: oneshot::Receiver<anyhow::Result<()>>,
    stop: watch::Sender<bool>,
    deadline: std::time::Duration,
}

/// Starts the engine on its thread, and the servers.
pub(crate) async fn start(config: &ProcessConfig, fallback: Arc<Fallback>) -> anyhow::Result<Running> {
    let storage = Storage::open(&config.storage.dir)?;
    let (inbox, senders) = Inbox::new();
    let (outlets, readers) = Outlets::new(&storage, &fallback)?;
    let (stop, stopping) = watch::channel(false);
    let (ready, is_ready) = watch::channel(false);
    let logs = logs::reader(&config.logs, &storage.log_state())?;
    let decoder = Decoder::sharing(EnvoyKeys::default(), logs.clone());
    let (receivers, received) = receivers(config, &decoder);
    let metrics = IngestMetrics::new(receivers.as_ref().map(Receivers::counters));
    let servers = serving::start(
        config,
        senders.clone(),
        readers,
        receivers,
        metrics.clone(),
        is_ready,
        stopping.clone(),
    )
    .await?;

    let plumbing = Plumbing {
        logs: logs::LogBook::new(logs, storage.log_state(), metrics.logs.clone()),
        decoder,
        storage,
        inbox,
        outlets,
        metrics,
        received,
        ready,
        stopping,
    };
    let deadline = std::time::Duration::from_secs_f64(config.shutdown_deadline.as_secs_f64().max(1.0));
    let settings = config.clone();
    let (finished, engine) = oneshot::channel();
    // A thread of its own: the engine never waits for the runtime, nor the runtime for the engine.
    let core = std::thread::Builder::new().name("engine".into()).spawn(move || {
        let result = Core::start(&settings, fallback, plumbing).and_then(Core::run);
        let _ = finished.send(result);
    });
    core.context("cannot start the engine's thread")?;
    Ok(Running {
        servers,
        fallback: senders.fallback,
        models: senders.models,
        engine,
        stop,
        deadline,
    })
}

/// Receivers, where the configuration has an address for them, and the source that they fill.
fn receivers(config: &ProcessConfig, decoder: &Decoder) -> (Option<Receivers>, Option<PushSource>) {
    if config.receive.is_none() {
        return (None, None);
    }
    let (sender, source) = push::channel(MAX_BUFFERED_UNITS);
    (Some(Receivers::new(sender, decoder.clone())), Some(source))
}

impl Running {
    /// Where the servers listen, with true ports.
    pub(crate) fn addresses(&self) -> BoundAddresses {
        self.servers.grpc.addresses
    }

    /// Runs until `ended` is over, or the engine fails; then stops everything.
    pub(crate) async fn until(self, ended: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self {
            servers,
            fallback: _,
            models: _,
            mut engine,
            stop,
            deadline,
        } = self;
        let early = tokio::select! {
            result = &mut engine => Some(result),
            () = ended => None,
        };
        tracing::info!("stopping");
        let _ = stop.send(true);
        let result = match early {
            Some(result) => result,
            None => match tokio::time::timeout(deadline, engine).await {
                Ok(result) => result,
                Err(_) => bail!("the engine did not stop within {deadline:?}; the newest snapshot counts"),
            },
        };
        servers.stopped(deadline).await;
        result.context("the engine's thread ended without a word")?
    }
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests;
