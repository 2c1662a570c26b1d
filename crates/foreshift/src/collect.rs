//! `foreshift collect`: the receivers of `run`, writing to Kafka what they take instead of deciding on it. So gateways
//! reach one place near them, and telemetry is kept and can be read again. Load reports are for `run` alone: they say no time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use foreshift_config::{CollectConfig, KafkaConfig, Listener, ProcessConfig};
use foreshift_domain::published::Published;
use foreshift_ingest::forward::{Forward, ForwardTopics};
use foreshift_ingest::receive::{ReceiveCounters, Receivers};
use foreshift_serve::{HttpConfig, Metric, MetricKind};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::run::{properties, received, signalled, warn};
use crate::serving::{credentials, receiving, until};

/// Arguments of `foreshift collect`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The process configuration, with `receive` and `kafka`.
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
    let (Some(listener), Some(kafka)) = (&config.receive, &config.kafka) else {
        bail!(
            "{}: collecting needs `receive`, where telemetry is sent to, and `kafka`, where it goes",
            args.config.display()
        );
    };
    let forward = connect(kafka, &config.collect)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    runtime.block_on(receive_until_stopped(&config, listener, &forward))?;
    let deadline = deadline(&config);
    if !forward.flush(deadline) {
        let left = forward.waiting_kib();
        bail!("{left} KiB of telemetry were not delivered to kafka within {deadline:?}");
    }
    Ok(())
}

fn connect(kafka: &KafkaConfig, topics: &CollectConfig) -> anyhow::Result<Arc<Forward>> {
    let topics = ForwardTopics {
        access_logs: topics.access_logs.clone(),
        metrics: topics.metrics.clone(),
        logs: topics.logs.clone(),
        traces: topics.traces.clone(),
    };
    let forward = Forward::connect(&kafka.brokers.join(","), topics, &properties(kafka));
    Ok(Arc::new(forward.context("cannot write to kafka")?))
}

fn deadline(config: &ProcessConfig) -> Duration {
    Duration::from_secs_f64(config.shutdown_deadline.as_secs_f64().max(1.0))
}

async fn receive_until_stopped(
    config: &ProcessConfig,
    listener: &Listener,
    forward: &Arc<Forward>,
) -> anyhow::Result<()> {
    let receivers = Receivers::passing_on(Arc::clone(forward));
    let receivers = receiving::guarded(receivers, &credentials(&config.listen)?);
    let counters = receivers.counters();
    let (stop, stopping) = watch::channel(false);
    let mut receiving = receiving::start(listener.address, receivers, stopping.clone()).await?;
    tracing::info!(receive = %receiving.address, "listening");
    // The endpoints of `run`, of an engine that there is not.
    let (_published, published) = watch::channel(Arc::new(Published::default()));
    let (_ready, ready) = watch::channel(true);
    let _http = match &config.listen.http {
        Some(http) => {
            let forward = Arc::clone(forward);
            let extra = Arc::new(move || metrics(&counters, &forward));
            let http = HttpConfig::new(http.address);
            let http = foreshift_serve::serve_http(http, published, ready, extra, until(stopping)).await?;
            tracing::info!(http = %http.addresses, "listening");
            Some(http)
        }
        None => None,
    };
    tokio::select! {
        () = signalled() => {}
        ended = &mut receiving.task => {
            ended.context("the receivers ended without a word")?;
            bail!("telemetry can no longer be received");
        }
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    if timeout(deadline(config), receiving.task).await.is_err() {
        tracing::warn!("the receivers did not stop in time");
    }
    Ok(())
}

fn metrics(received_by: &ReceiveCounters, forward: &Forward) -> Vec<Metric> {
    let records = forward.counters();
    let counters = [
        (
            "delivered",
            "Records that the brokers have taken.",
            records.delivered,
        ),
        (
            "failed",
            "Records that the brokers did not take in time.",
            records.failed,
        ),
        (
            "dropped",
            "Records dropped because the producer's queue was full.",
            records.dropped,
        ),
    ];
    let counters = counters.map(|(name, help, value)| Metric {
        name: format!("collect_{name}_total"),
        help: help.to_owned(),
        kind: MetricKind::Counter,
        labels: Vec::new(),
        value: value as f64,
    });
    let waiting = Metric {
        name: "collect_waiting_bytes".to_owned(),
        help: "What waits for the brokers.".to_owned(),
        kind: MetricKind::Gauge,
        labels: Vec::new(),
        value: (forward.waiting_kib() << 10) as f64,
    };
    let received = received(received_by).into_iter();
    received.chain(counters).chain([waiting]).collect()
}
