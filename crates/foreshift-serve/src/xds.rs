//! xDS for Envoy: weights as a runtime layer or as endpoints, over ADS, RTDS and EDS, delta and state of the world.

mod feed;
mod stream;

use std::pin::Pin;
use std::sync::Arc;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryService;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::endpoint::v3::endpoint_discovery_service_server::EndpointDiscoveryService;
use envoy_types::pb::envoy::service::runtime::v3::runtime_discovery_service_server::RuntimeDiscoveryService;
use foreshift_xds::{DeltaSession, SotwSession};
use futures_util::Stream;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use crate::access::{Action, Resource};
use crate::config::XdsSettings;
use crate::peer::authorize;
use crate::shared::Shared;

use feed::Offers;
pub(crate) use feed::follow;

/// The xDS services.
#[derive(Clone)]
pub(crate) struct Xds {
    pub(crate) shared: Arc<Shared>,
    pub(crate) settings: Arc<XdsSettings>,
    pub(crate) offers: watch::Receiver<Arc<Offers>>,
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
        // Nothing said yet is not "nothing is steered": who comes early comes again, and keeps what it has until then.
        if self.offers.borrow().is_empty() {
            return Err(Status::unavailable("nothing is published yet: connect again"));
        }
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

#[tonic::async_trait]
impl EndpointDiscoveryService for Xds {
    type StreamEndpointsStream = Responses<DiscoveryResponse>;
    type DeltaEndpointsStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_endpoints(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamEndpointsStream>, Status> {
        self.open::<SotwSession>(request)
    }

    async fn delta_endpoints(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaEndpointsStream>, Status> {
        self.open::<DeltaSession>(request)
    }

    async fn fetch_endpoints(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("endpoints are not polled: use a stream"))
    }
}
