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

use super::{EXPORT_PATIENCE, Outlet, Receivers, named_alike};
use crate::decode::{Decoder, Parts, otlp};
use crate::forward::{Export, ForwardTopics};
use crate::source::push::{PushError, Receiver};

/// The services.
pub(super) struct Exports(pub(super) Receivers);

/// Parts of an export that could not be decoded.
struct Undecodable {
    parts: i64,
    why: String,
}

impl Exports {
    /// Takes an export over: decoded by `decode` into our buffer, or as it is to the topic that `topic` chooses.
    async fn take<E: Export>(
        &self,
        request: Request<E>,
        topic: fn(&ForwardTopics) -> &str,
        decode: impl FnOnce(E, &Decoder) -> Parts,
    ) -> Result<Option<Undecodable>, Status> {
        let (taken, ignored, undecodable) = match &self.0.outlet {
            Outlet::Buffer { push, decoder } => {
                let parts = named_alike(decode(request.into_inner(), decoder));
                let undecodable = Undecodable::of(&parts);
                let (items, ignored) = (parts.good.len() as u64, parts.ignored);
                let put = push.put_waiting(Receiver::Otlp, parts, EXPORT_PATIENCE);
                (put.await.map(|()| items), ignored, undecodable)
            }
            Outlet::Kafka(forward) => {
                // Points of a stream that counts since its start must not overtake each other.
                let sender = request.remote_addr().map(|address| address.ip().to_string());
                let export = request.into_inner();
                let items = export.items();
                let passed_on = forward.export(
                    topic(forward.topics()),
                    sender.as_deref(),
                    export,
                    EXPORT_PATIENCE,
                );
                (passed_on.await.map(|()| items), 0, None)
            }
        };
        let meters = self.0.counters.of(Receiver::Otlp);
        match taken {
            Ok(items) => {
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

impl Undecodable {
    fn of(parts: &Parts) -> Option<Self> {
        parts.bad.first().map(|why| Self {
            parts: i64::try_from(parts.bad.len()).unwrap_or(i64::MAX),
            why: why.to_string(),
        })
    }
}

#[tonic::async_trait]
impl MetricsService for Exports {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let decode = |export, _: &Decoder| otlp::metrics(export);
        let undecodable = self.take(request, |topics| &topics.metrics, decode).await?;
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
        let undecodable = self.take(request, |topics| &topics.logs, otlp::logs).await?;
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
        let decode = |export, _: &Decoder| otlp::spans(export);
        let undecodable = self.take(request, |topics| &topics.traces, decode).await?;
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success: undecodable.map(|told| ExportTracePartialSuccess {
                rejected_spans: told.parts,
                error_message: told.why,
            }),
        }))
    }
}
