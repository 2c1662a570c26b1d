//! The gRPC server of Foreshift in this process, told by a test what is published.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foreshift_domain::Timestamp;
use foreshift_domain::fallback::EdsCluster;
use foreshift_domain::published::Published;
use foreshift_domain::weights::RouteWeights;
use foreshift_serve::{
    Credentials, LayerSettings, Limits, ServeChannels, ServeConfig, ServeCounters, Serving, XdsSettings,
    serve,
};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::eventually;
use crate::places::free_ports;

/// Port and counters outlive restarts.
pub struct WeightServer {
    runtime: Runtime,
    address: SocketAddr,
    published: watch::Sender<Arc<Published>>,
    changes: broadcast::Sender<Arc<RouteWeights>>,
    clusters: watch::Sender<Arc<[EdsCluster]>>,
    counters: Arc<ServeCounters>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<Serving>,
}

impl WeightServer {
    /// One whose engine's clock stands at `now`, and that has published nothing yet.
    pub fn start(now: Timestamp) -> Self {
        let [port] = free_ports();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let published = Published {
            epoch: 1,
            now,
            ..Published::default()
        };
        let mut server = Self {
            runtime: runtime.expect("a runtime"),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            published: watch::channel(Arc::new(published)).0,
            changes: broadcast::channel(16).0,
            clusters: watch::channel(Arc::from([])).0,
            counters: Arc::default(),
            stop: None,
            serving: None,
        };
        server.serve();
        server
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Publishes these routes and no others.
    pub fn publish(&self, routes: impl Iterator<Item = RouteWeights>) {
        let routes = routes.map(|weights| (weights.route.clone(), Arc::new(weights)));
        self.published.send_modify(|published| {
            *published = Arc::new(Published {
                routes: routes.collect(),
                ..published.as_ref().clone()
            });
        });
    }

    /// These clusters and no others are told their endpoints.
    pub fn set_clusters(&self, clusters: Vec<EdsCluster>) {
        self.clusters.send_replace(clusters.into());
    }

    /// Stops it, and starts it again at the same address.
    pub fn restart(&mut self) {
        self.stop
            .take()
            .expect("it runs")
            .send(())
            .expect("it listens to that");
        let serving = self.serving.take().expect("it runs");
        let ended = self.runtime.block_on(serving.task).expect("no panic");
        ended.expect("a stop in order");
        self.serve();
    }

    /// A counter of its xDS streams.
    pub fn counter(&self, name: &str) -> f64 {
        let metrics = self.counters.export();
        metrics
            .iter()
            .find(|metric| metric.name == name)
            .expect("known")
            .value
    }

    fn serve(&mut self) {
        let serving = eventually("the address is free", Duration::from_secs(10), || {
            let (stop, stopped) = oneshot::channel::<()>();
            let config = ServeConfig {
                listen: self.address,
                operator_listen: None,
                credentials: Credentials::none(),
                limits: Limits {
                    shutdown_grace: Duration::from_millis(100),
                    ..Limits::default()
                },
                xds: XdsSettings {
                    layer: LayerSettings {
                        name: "foreshift".to_owned(),
                        ttl: foreshift_domain::Duration::from_secs(30),
                    },
                    groups: Vec::new(),
                },
            };
            let channels = ServeChannels {
                published: self.published.subscribe(),
                changes: self.changes.subscribe(),
                eds: self.clusters.subscribe(),
                // Nobody commands, and what gateways say is not looked at.
                commands: mpsc::channel(1).0,
                applied: mpsc::channel(1).0,
                ready: watch::channel(true).1,
                counters: Arc::clone(&self.counters),
            };
            let start = serve(config, channels, async { drop(stopped.await) });
            let serving = self.runtime.block_on(start).ok()?;
            self.stop = Some(stop);
            Some(serving)
        });
        self.serving = Some(serving);
    }
}
