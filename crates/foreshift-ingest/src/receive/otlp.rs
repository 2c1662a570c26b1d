//! OTLP: metrics, logs and spans, over gRPC and over HTTP. An export is taken whole or not at all, so that a sender that
//! comes again has nothing counted twice; what of it could not be decoded is told and must not be sent again.

mod grpc;
mod http;

use std::net::IpAddr;

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{EXPORT_PATIENCE, Outlet, Receivers, named_alike};
use crate::decode::{Decoder, Parts, otlp};
use crate::forward::{Export, ForwardTopics};
use crate::source::push::{PushError, Receiver};

pub(super) use http::Answers;

/// The services.
pub(super) struct Exports(pub(super) Receivers);

/// A kind of exports: what it is called, where it goes, what it says and how it is answered.
trait Kind: Export + Default + DeserializeOwned + Send + 'static {
    /// Where it is sent over HTTP.
    const PATH: &'static str;
    type Response: Message + Serialize + Default;

    fn topic(topics: &ForwardTopics) -> &str;
    fn read(self, decoder: &Decoder) -> Parts;
    fn response(undecodable: Option<Undecodable>) -> Self::Response;
}

/// Parts of an export that could not be decoded.
struct Undecodable {
    parts: i64,
    why: String,
}

impl Undecodable {
    fn of(parts: &Parts) -> Option<Self> {
        parts.bad.first().map(|why| Self {
            parts: i64::try_from(parts.bad.len()).unwrap_or(i64::MAX),
            why: why.to_string(),
        })
    }
}

impl Kind for ExportMetricsServiceRequest {
    const PATH: &'static str = "/v1/metrics";
    type Response = ExportMetricsServiceResponse;

    fn topic(topics: &ForwardTopics) -> &str {
        &topics.metrics
    }

    fn read(self, _: &Decoder) -> Parts {
        otlp::metrics(self)
    }

    fn response(undecodable: Option<Undecodable>) -> Self::Response {
        let partial_success = undecodable.map(|told| ExportMetricsPartialSuccess {
            rejected_data_points: told.parts,
            error_message: told.why,
        });
        Self::Response { partial_success }
    }
}

impl Kind for ExportLogsServiceRequest {
    const PATH: &'static str = "/v1/logs";
    type Response = ExportLogsServiceResponse;

    fn topic(topics: &ForwardTopics) -> &str {
        &topics.logs
    }

    fn read(self, decoder: &Decoder) -> Parts {
        otlp::logs(self, decoder)
    }

    fn response(undecodable: Option<Undecodable>) -> Self::Response {
        let partial_success = undecodable.map(|told| ExportLogsPartialSuccess {
            rejected_log_records: told.parts,
            error_message: told.why,
        });
        Self::Response { partial_success }
    }
}

impl Kind for ExportTraceServiceRequest {
    const PATH: &'static str = "/v1/traces";
    type Response = ExportTraceServiceResponse;

    fn topic(topics: &ForwardTopics) -> &str {
        &topics.traces
    }

    fn read(self, _: &Decoder) -> Parts {
        otlp::spans(self)
    }

    fn response(undecodable: Option<Undecodable>) -> Self::Response {
        let partial_success = undecodable.map(|told| ExportTracePartialSuccess {
            rejected_spans: told.parts,
            error_message: told.why,
        });
        Self::Response { partial_success }
    }
}

impl Exports {
    /// Takes an export over: decoded into our buffer, or as it is to its topic.
    async fn take<K: Kind>(&self, export: K, sender: Option<IpAddr>) -> Result<K::Response, PushError> {
        let (taken, ignored, undecodable) = match &self.0.outlet {
            Outlet::Buffer { push, decoder } => {
                let parts = named_alike(export.read(decoder));
                let undecodable = Undecodable::of(&parts);
                let (items, ignored) = (parts.good.len() as u64, parts.ignored);
                let put = push.put_waiting(Receiver::Otlp, parts, EXPORT_PATIENCE);
                (put.await.map(|()| items), ignored, undecodable)
            }
            Outlet::Kafka(forward) => {
                // Points of a stream that counts since its start must not overtake each other.
                let sender = sender.map(|address| address.to_string());
                let items = export.items();
                let topic = K::topic(forward.topics());
                let passed_on = forward.export(topic, sender.as_deref(), export, EXPORT_PATIENCE);
                (passed_on.await.map(|()| items), 0, None)
            }
        };
        let meters = self.0.counters.of(Receiver::Otlp);
        match taken {
            Ok(items) => {
                meters.add_items(items, ignored);
                Ok(K::response(undecodable))
            }
            Err(error) => {
                meters.add_refused_export();
                Err(error)
            }
        }
    }
}
