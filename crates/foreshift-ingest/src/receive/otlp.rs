//! The services of OTLP: metrics, logs and spans. An export is taken whole or not at all, so that a sender that comes
//! again has nothing counted twice; what of it could not be decoded is told and must not be sent again.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsService;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::MetricsService;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceService;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tonic::{Request, Response, Status};

use super::{EXPORT_PATIENCE, Receivers, named_alike};
use crate::decode::{Parts, otlp};
use crate::source::push::{PushError, Receiver};

/// The services.
pub(super) struct Exports(pub(super) Receivers);

/// Parts of an export that could not be decoded.
struct Undecodable {
    parts: i64,
    why: String,
}

impl Exports {
    async fn take(&self, parts: Parts) -> Result<Option<Undecodable>, Status> {
        let undecodable = parts.bad.first().map(|why| Undecodable {
            parts: i64::try_from(parts.bad.len()).unwrap_or(i64::MAX),
            why: why.to_string(),
        });
        let (items, ignored) = (parts.good.len() as u64, parts.ignored);
        let meters = self.0.counters.of(Receiver::Otlp);
        let put = self
            .0
            .push
            .put_waiting(Receiver::Otlp, named_alike(parts), EXPORT_PATIENCE);
        match put.await {
            Ok(()) => {
                meters.add_items(items, ignored);
                Ok(undecodable)
            }
            Err(error) => {
                meters.add_refused_export();
                Err(match error {
                    // By OTLP's rules a sender comes again after the first, and not after the second.
                    PushError::Full | PushError::Closed => Status::unavailable(error.to_string()),
                    PushError::TooLarge { .. } => Status::resource_exhausted(error.to_string()),
                })
            }
        }
    }
}

#[tonic::async_trait]
impl MetricsService for Exports {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let undecodable = self.take(otlp::metrics(request.into_inner())).await?;
        Ok(Response::new(ExportMetricsServiceResponse {
            partial_success: undecodable.map(|told| ExportMetricsPartialSuccess {
                rejected_data_points: told.parts,
                error_message: told.why,
            }),
        }))
    }
}

#[tonic::async_trait]
impl LogsService for Exports {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let parts = otlp::logs(request.into_inner(), &self.0.decoder);
        let undecodable = self.take(parts).await?;
        Ok(Response::new(ExportLogsServiceResponse {
            partial_success: undecodable.map(|told| ExportLogsPartialSuccess {
                rejected_log_records: told.parts,
                error_message: told.why,
            }),
        }))
    }
}

#[tonic::async_trait]
impl TraceService for Exports {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let undecodable = self.take(otlp::spans(request.into_inner())).await?;
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success: undecodable.map(|told| ExportTracePartialSuccess {
                rejected_spans: told.parts,
                error_message: told.why,
            }),
        }))
    }
}
