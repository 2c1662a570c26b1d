//! The gRPC server: listeners, services and their bounds, start and stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use envoy_types::pb::envoy::service::endpoint::v3::endpoint_discovery_service_server::EndpointDiscoveryServiceServer;
use envoy_types::pb::envoy::service::runtime::v3::runtime_discovery_service_server::RuntimeDiscoveryServiceServer;
use foreshift_proto::FILE_DESCRIPTOR_SET;
use foreshift_proto::v1::operator_service_server::OperatorServiceServer;
use foreshift_proto::v1::prediction_service_server::PredictionServiceServer;
use foreshift_proto::v1::route_weight_service_server::RouteWeightServiceServer;
use foreshift_proto::v1::status_service_server::StatusServiceServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::access::{Action, Principal};
use crate::config::{Limits, ServeConfig};
use crate::connections::counted;
use crate::operator::Operator;
use crate::peer::Authenticator;
use crate::predictions::Predictions;
use crate::shared::{ServeChannels, Shared};
use crate::status::StatusReader;
use crate::weights::Weights;
use crate::xds::{Xds, follow};

/// Name of the whole server in grpc.health.v1.
const WHOLE_SERVER: &str = "";

/// The server cannot start, or failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Whoever reaches that address could command.
    #[error(
        "operator calls on {address} need credentials: give a peers' file, or put them on a loopback address \
         with operator_listen"
    )]
    OperatorExposed {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// TLS files do not fit.
    #[error("tls cannot be set up")]
    Tls {
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The descriptors of the protos cannot be read.
    #[error("reflection cannot be set up")]
    Reflection {
        /// Why.
        #[source]
        source: tonic_reflection::server::Error,
    },
    /// A listener failed.
    #[error("serving on {address} failed")]
    Transport {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// A task of the server ended without a result.
    #[error("a task of the server ended early")]
    Task {
        /// Why.
        #[source]
        source: JoinError,
    },
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundAddresses {
    /// Services that read, and reports.
    pub listen: SocketAddr,
    /// All services; the same address where there is only one listener.
    pub operator: SocketAddr,
}

/// A server that runs.
#[derive(Debug)]
pub struct Serving<A = BoundAddresses> {
    /// Where it listens, with true ports.
    pub addresses: A,
    /// Ends when the server has stopped.
    pub task: JoinHandle<Result<(), ServeError>>,
}

/// Starts the server. It stops when `shutdown` is over: streams end, calls in flight have `shutdown_grace`, then
/// what is left is closed.
///
/// # Errors
/// When operator calls would be open to the network, an address is taken, or TLS cannot be set up.
pub async fn serve(
    config: ServeConfig,
    channels: ServeChannels,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Serving, ServeError> {
    check_exposure(&config)?;
    let (stopping, is_stopping) = watch::channel(false);
    let (closed, is_closed) = watch::channel(false);
    let ready = channels.ready.clone();
    let shared = Arc::new(Shared::new(channels, config.limits.clone(), is_stopping.clone()));
    let xds = Xds {
        offers: follow(&shared, config.xds.clone()),
        settings: Arc::new(config.xds.clone()),
        shared: Arc::clone(&shared),
    };
    let start = ListenerStart {
        config: &config,
        shared: &shared,
        xds: &xds,
        stopping: &is_stopping,
        closed: &is_closed,
    };
    let mut listeners = JoinSet::new();
    let mut health = Vec::new();
    let (listen, main) = start
        .listener(config.listen, config.operator_listen.is_none(), &mut listeners)
        .await?;
    health.push(main);
    let operator = match config.operator_listen {
        Some(address) => {
            let (address, second) = start.listener(address, true, &mut listeners).await?;
            health.push(second);
            address
        }
        None => listen,
    };
    let grace = config.limits.shutdown_grace;
    let task = tokio::spawn(async move {
        let mut followers = JoinSet::new();
        for reporter in health {
            followers.spawn(follow_readiness(reporter, ready.clone(), is_stopping.clone()));
        }
        let early = tokio::select! {
            () = shutdown => Ok(()),
            ended = listeners.join_next() => ended.map_or(Ok(()), flattened),
        };
        stopping.send_replace(true);
        let in_time = timeout(grace, all_end(&mut listeners)).await;
        closed.send_replace(true);
        let rest = match in_time {
            Ok(result) => result,
            Err(_) => {
                tracing::warn!("calls in flight were cut off at the stop");
                all_end(&mut listeners).await
            }
        };
        early.and(rest)
    });
    Ok(Serving {
        addresses: BoundAddresses { listen, operator },
        task,
    })
}

/// Without credentials, whoever reaches the address may command: so only this machine may reach it.
fn check_exposure(config: &ServeConfig) -> Result<(), ServeError> {
    let address = config.operator_listen.unwrap_or(config.listen);
    if !config.credentials.are_configured() && !address.ip().is_loopback() {
        return Err(ServeError::OperatorExposed { address });
    }
    let exposed = [Some(config.listen), config.operator_listen];
    if config.credentials.are_configured()
        && !config.credentials.have_tls()
        && exposed
            .into_iter()
            .flatten()
            .any(|address| !address.ip().is_loopback())
    {
        tracing::warn!("tokens go over the network in clear text: set up tls, or terminate it in front");
    }
    Ok(())
}

struct ListenerStart<'a> {
    config: &'a ServeConfig,
    shared: &'a Arc<Shared>,
    xds: &'a Xds,
    stopping: &'a watch::Receiver<bool>,
    closed: &'a watch::Receiver<bool>,
}

impl ListenerStart<'_> {
    async fn listener(
        &self,
        address: SocketAddr,
        with_operator: bool,
        listeners: &mut JoinSet<Result<(), ServeError>>,
    ) -> Result<(SocketAddr, HealthReporter), ServeError> {
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let bound = listener.local_addr().map_err(bind)?;
        let (router, health) = self.router(with_operator)?;
        // Until readiness was looked at: tonic-health would say that all is well.
        health
            .set_service_status(WHOLE_SERVER, ServingStatus::NotServing)
            .await;
        let counters = Arc::clone(&self.shared.channels.counters);
        let incoming = counted(
            listener,
            self.config.limits.clone(),
            self.closed.clone(),
            counters,
        );
        let mut stopping = self.stopping.clone();
        listeners.spawn(async move {
            // A sender that is gone stops the server too.
            let stop = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
            router
                .serve_with_incoming_shutdown(incoming, stop)
                .await
                .map_err(|source| ServeError::Transport {
                    address: bound,
                    source,
                })
        });
        Ok((bound, health))
    }

    fn router(&self, with_operator: bool) -> Result<(Router, HealthReporter), ServeError> {
        let max_bytes = self.config.limits.max_message_bytes;
        let uncredentialed = if with_operator {
            Principal::local()
        } else {
            Principal::anonymous()
        };
        // Shared: services are cloned for each call.
        let authenticator = Arc::new(Authenticator::new(
            self.config.credentials.clone(),
            uncredentialed,
        ));
        let authenticated = {
            let authenticator = Arc::clone(&authenticator);
            move |request| authenticator.authenticate(request)
        };
        let for_health = {
            let authenticator = Arc::clone(&authenticator);
            move |request| authenticator.authenticate_for(request, Action::CheckHealth)
        };
        let for_reflection = move |request| authenticator.authenticate_for(request, Action::Reflect);
        let (reporter, health) = tonic_health::server::health_reporter();
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .map_err(|source| ServeError::Reflection { source })?;
        let weights = RouteWeightServiceServer::new(Weights(Arc::clone(self.shared)));
        let predictions = PredictionServiceServer::new(Predictions(Arc::clone(self.shared)));
        let status = StatusServiceServer::new(StatusReader(Arc::clone(self.shared)));
        let ads = AggregatedDiscoveryServiceServer::new(self.xds.clone());
        let rtds = RuntimeDiscoveryServiceServer::new(self.xds.clone());
        let eds = EndpointDiscoveryServiceServer::new(self.xds.clone());
        let operator = with_operator.then(|| {
            let service = OperatorServiceServer::new(Operator(Arc::clone(self.shared)));
            InterceptedService::new(
                service.max_decoding_message_size(max_bytes),
                authenticated.clone(),
            )
        });
        let router = self
            .bounded()?
            .add_service(InterceptedService::new(
                health.max_decoding_message_size(max_bytes),
                for_health,
            ))
            .add_service(InterceptedService::new(
                reflection.max_decoding_message_size(max_bytes),
                for_reflection,
            ))
            .add_service(InterceptedService::new(
                weights.max_decoding_message_size(max_bytes),
                authenticated.clone(),
            ))
            .add_service(InterceptedService::new(
                predictions.max_decoding_message_size(max_bytes),
                authenticated.clone(),
            ))
            .add_service(InterceptedService::new(
                status.max_decoding_message_size(max_bytes),
                authenticated.clone(),
            ))
            .add_service(InterceptedService::new(
                ads.max_decoding_message_size(max_bytes),
                authenticated.clone(),
            ))
            .add_service(InterceptedService::new(
                rtds.max_decoding_message_size(max_bytes),
                authenticated.clone(),
            ))
            .add_service(InterceptedService::new(
                eds.max_decoding_message_size(max_bytes),
                authenticated,
            ))
            .add_optional_service(operator);
        Ok((router, reporter))
    }

    /// A server without a single bound left at tonic's default.
    fn bounded(&self) -> Result<Server, ServeError> {
        let Limits {
            max_calls_per_connection,
            max_header_bytes,
            stream_window_bytes,
            connection_window_bytes,
            keepalive_interval,
            keepalive_timeout,
            handshake_timeout,
            request_timeout,
            max_connection_age,
            ..
        } = self.config.limits;
        let server = Server::builder()
            .accept_http1(false)
            .concurrency_limit_per_connection(max_calls_per_connection as usize)
            .max_concurrent_streams(max_calls_per_connection)
            .http2_max_header_list_size(max_header_bytes)
            .http2_max_pending_accept_reset_streams(Some(max_calls_per_connection as usize))
            .http2_max_local_error_reset_streams(Some(max_calls_per_connection as usize))
            .initial_stream_window_size(stream_window_bytes)
            .initial_connection_window_size(connection_window_bytes)
            .http2_keepalive_interval(Some(keepalive_interval))
            .http2_keepalive_timeout(Some(keepalive_timeout))
            // Commands have their own deadline with a better answer; this one is for all that has none.
            .timeout(request_timeout + keepalive_timeout)
            // From here on no new calls; streams end by themselves, and connections::BoundedStream cuts what is left.
            .max_connection_age(max_connection_age);
        match self.config.credentials.tls_config(handshake_timeout) {
            Some(tls) => server
                .tls_config(tls)
                .map_err(|source| ServeError::Tls { source }),
            None => Ok(server),
        }
    }
}

/// Waits for all listeners; the first failure counts.
async fn all_end(listeners: &mut JoinSet<Result<(), ServeError>>) -> Result<(), ServeError> {
    let mut result = Ok(());
    while let Some(ended) = listeners.join_next().await {
        result = result.and(flattened(ended));
    }
    result
}

fn flattened(ended: Result<Result<(), ServeError>, JoinError>) -> Result<(), ServeError> {
    ended.map_err(|source| ServeError::Task { source })?
}

/// Says in grpc.health.v1 whether the process is ready.
async fn follow_readiness(
    reporter: HealthReporter,
    mut ready: watch::Receiver<bool>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let is_ready = *ready.borrow_and_update() && !*stopping.borrow_and_update();
        let status = if is_ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        reporter.set_service_status(WHOLE_SERVER, status).await;
        let over = tokio::select! {
            changed = ready.changed() => changed.is_err(),
            changed = stopping.changed() => changed.is_err(),
        };
        if over {
            return;
        }
    }
}
