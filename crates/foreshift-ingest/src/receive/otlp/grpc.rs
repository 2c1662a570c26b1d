//! The three services of OTLP over gRPC.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsService;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsService;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceService;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tonic::{Request, Response, Status};

use super::{Exports, Kind};
use crate::source::push::PushError;

impl Exports {
    async fn answer<K: Kind>(&self, request: Request<K>) -> Result<Response<K::Response>, Status> {
        let sender = request.remote_addr().map(|address| address.ip());
        let taken = self.take(request.into_inner(), sender).await;
        taken.map(Response::new).map_err(|error| match error {
            // By OTLP's rules a sender comes again after the first, and not after the second.
            PushError::Full | PushError::Closed => Status::unavailable(error.to_string()),
            PushError::TooLarge { .. } => Status::resource_exhausted(error.to_string()),
        })
    }
}

#[tonic::async_trait]
impl MetricsService for Exports {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.answer(request).await
    }
}

#[tonic::async_trait]
impl LogsService for Exports {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.answer(request).await
    }
}

#[tonic::async_trait]
impl TraceService for Exports {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.answer(request).await
    }
}
