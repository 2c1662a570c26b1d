//! Starting the servers on what the configuration says.

pub(crate) mod receiving;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use foreshift_config::{ListenConfig, ProcessConfig, XdsConfig};
use foreshift_ingest::receive::Receivers;
use foreshift_serve::{
    BoundAddresses, CredentialFiles, Credentials, CredentialsError, Group, HaproxyConfig, HaproxyCounters,
    HttpConfig, LayerSettings, Limits, ServeChannels, ServeConfig, ServeCounters, Serving, TlsFiles,
    XdsSettings,
};
use tokio::sync::watch;

use self::receiving::Receiving;
use crate::run::{IngestMetrics, Readers, Senders};

/// The servers, running.
pub(crate) struct Servers {
    pub(crate) grpc: Serving<BoundAddresses>,
    http: Option<Serving<std::net::SocketAddr>>,
    haproxy: Option<Serving<std::net::SocketAddr>>,
    receiving: Option<Receiving>,
}

/// Starts all listeners. They stop when `stopping` turns true.
pub(crate) async fn start(
    config: &ProcessConfig,
    senders: Senders,
    readers: Readers,
    receivers: Option<Receivers>,
    metrics: IngestMetrics,
    ready: watch::Receiver<bool>,
    stopping: watch::Receiver<bool>,
) -> anyhow::Result<Servers> {
    let listen = &config.listen;
    let credentials = credentials(listen)?;
    let receivers = receivers.map(|receivers| receiving::guarded(receivers, &credentials));
    let serve = ServeConfig {
        listen: listen.grpc.address,
        operator_listen: Some(listen.operator.address),
        credentials,
        limits: Limits::default(),
        xds: xds(&config.xds),
    };
    let counters = Arc::new(ServeCounters::default());
    let channels = ServeChannels {
        published: readers.published.clone(),
        changes: readers.feed.subscribe(),
        eds: readers.eds,
        commands: senders.commands,
        applied: senders.applied,
        ready: ready.clone(),
        counters: Arc::clone(&counters),
    };
    let grpc = foreshift_serve::serve(serve, channels, until(stopping.clone())).await?;
    tracing::info!(grpc = %grpc.addresses.listen, operator = %grpc.addresses.operator, "listening");
    let asked = Arc::new(HaproxyCounters::default());
    let haproxy = match &config.haproxy {
        Some(listener) => {
            let agent = foreshift_serve::serve_haproxy(
                HaproxyConfig::new(listener.address),
                readers.published.clone(),
                ready.clone(),
                Arc::clone(&asked),
                until(stopping.clone()),
            )
            .await?;
            tracing::info!(haproxy = %agent.addresses, "listening");
            Some(agent)
        }
        None => None,
    };
    let http = match &listen.http {
        Some(listener) => {
            let extra = Arc::new(move || [metrics.export(), counters.export(), asked.export()].concat());
            let config = HttpConfig::new(listener.address);
            let http =
                foreshift_serve::serve_http(config, readers.published, ready, extra, until(stopping.clone()))
                    .await?;
            tracing::info!(http = %http.addresses, "listening");
            Some(http)
        }
        None => None,
    };
    let receiving = match (&config.receive, receivers) {
        (Some(listener), Some(receivers)) => {
            let receiving = receiving::start(listener.address, receivers, stopping).await?;
            tracing::info!(receive = %receiving.address, "listening");
            Some(receiving)
        }
        _ => None,
    };
    Ok(Servers {
        grpc,
        http,
        haproxy,
        receiving,
    })
}

/// What Envoy is given.
pub(crate) fn xds(config: &XdsConfig) -> XdsSettings {
    let groups = config.groups.iter().map(|group| Group {
        name: group.name.clone(),
        gateways: group.nodes.clone(),
        routes: group.routes.clone(),
    });
    XdsSettings {
        layer: LayerSettings {
            name: config.layer.clone(),
            ttl: config.ttl,
        },
        groups: groups.collect(),
    }
}

impl Servers {
    /// Where the receivers and the HTTP server listen, with true ports.
    #[cfg(test)]
    pub(crate) fn receive_and_http(&self) -> Option<(std::net::SocketAddr, std::net::SocketAddr)> {
        Some((self.receiving.as_ref()?.address, self.http.as_ref()?.addresses))
    }

    /// Waits until all have stopped, at most as long as `deadline`.
    pub(crate) async fn stopped(self, deadline: Duration) {
        let all = async {
            let _ = self.grpc.task.await.context("the gRPC server");
            if let Some(http) = self.http {
                let _ = http.task.await.context("the HTTP server");
            }
            if let Some(haproxy) = self.haproxy {
                let _ = haproxy.task.await.context("HAProxy's agent");
            }
            if let Some(receiving) = self.receiving {
                let _ = receiving.task.await.context("the receivers");
            }
        };
        if tokio::time::timeout(deadline, all).await.is_err() {
            tracing::warn!("the servers did not stop in time");
        }
    }
}

/// Who may call the gRPC listeners, and their TLS.
pub(crate) fn credentials(listen: &ListenConfig) -> Result<Credentials, CredentialsError> {
    let tls = listen.tls.as_ref().map(|tls| TlsFiles {
        certificate: tls.cert_file.clone(),
        key: tls.key_file.clone(),
        client_ca: tls.client_ca_file.clone(),
    });
    Credentials::load(&CredentialFiles {
        peers: listen.peers_file.clone(),
        tls,
    })
}

pub(crate) async fn until(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}
