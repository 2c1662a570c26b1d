//! xDS for Envoy: the runtime layer of weights, over ADS and RTDS, delta and state of the world.

mod counters;
mod feed;
mod stream;

use std::pin::Pin;
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryService;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::runtime::v3::runtime_discovery_service_server::RuntimeDiscoveryService;
use foreshift_xds::{DeltaSession, Resources, SotwSession};
use futures_util::Stream;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use crate::access::{Action, Resource};
use crate::peer::authorize;
use crate::shared::Shared;

pub use counters::XdsCounters;
pub(crate) use feed::follow;

/// The xDS services.
#[derive(Clone)]
pub(crate) struct Xds {
    pub(crate) shared: Arc<Shared>,
    pub(crate) layer: watch::Receiver<Arc<Resources>>,
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Xds {
    fn open<S>(
        &self,
        request: Request<Streaming<S::Request>>,
    ) -> Result<Response<Responses<S::Response>>, Status>
    where
        S: foreshift_xds::Session<Request: Send + 'static, Response: Send + 'static> + Send + 'static,
    {
        let principal = authorize(&request, Action::ReadWeights, Resource::Fleet)?;
        let permit = self.shared.stream_permit()?;
        Ok(Response::new(stream::responses::<S>(
            self,
            principal,
            permit,
            request.into_inner(),
        )))
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Xds {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        self.open::<SotwSession>(request)
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        self.open::<DeltaSession>(request)
    }
}

#[tonic::async_trait]
impl RuntimeDiscoveryService for Xds {
    type StreamRuntimeStream = Responses<DiscoveryResponse>;
    type DeltaRuntimeStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_runtime(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamRuntimeStream>, Status> {
        self.open::<SotwSession>(request)
    }

    async fn delta_runtime(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaRuntimeStream>, Status> {
        self.open::<DeltaSession>(request)
    }

    async fn fetch_runtime(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("weights are not polled: use a stream"))
    }
}
