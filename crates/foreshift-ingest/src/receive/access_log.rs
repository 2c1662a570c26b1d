//! Envoy's access log service. A stream says in its first message whose it is, and is answered only at its end.

use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::AccessLogService;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{Identifier, LogEntries};
use envoy_types::pb::envoy::service::accesslog::v3::{StreamAccessLogsMessage, StreamAccessLogsResponse};
use foreshift_domain::GatewayName;
use foreshift_domain::names::MAX_NAME_BYTES;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::{Request, Response, Status, Streaming};

use super::{MAX_STREAM_AGE, Receivers, STREAM_IDLE};
use crate::decode::{Parts, als};

/// The service.
pub(super) struct AccessLogs {
    receivers: Receivers,
    stopping: watch::Receiver<bool>,
}

impl AccessLogs {
    pub(super) const fn new(receivers: Receivers, stopping: watch::Receiver<bool>) -> Self {
        Self { receivers, stopping }
    }

    fn take(&self, message: StreamAccessLogsMessage, gateway: &mut Option<GatewayName>) {
        if let Some(name) = message.identifier.as_ref().and_then(gateway_of) {
            *gateway = Some(name);
        }
        let parts = match message.log_entries {
            Some(LogEntries::HttpLogs(logs)) => als::http_entries(&logs.log_entry, gateway.as_ref()),
            // A connection says nothing of how requests ended.
            Some(LogEntries::TcpLogs(logs)) => Parts {
                ignored: logs.log_entry.len() as u64,
                ..Parts::default()
            },
            None => return,
        };
        self.receivers.put_or_drop(parts);
    }
}

/// The node's id, where it has a usable one.
fn gateway_of(identifier: &Identifier) -> Option<GatewayName> {
    let id = identifier.node.as_ref()?.id.as_str();
    (!id.is_empty() && id.len() <= MAX_NAME_BYTES).then(|| id.into())
}

#[tonic::async_trait]
impl AccessLogService for AccessLogs {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let mut messages = request.into_inner();
        let mut stopping = self.stopping.clone();
        let over = async {
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => {}
                () = sleep(MAX_STREAM_AGE) => {}
            }
        };
        tokio::pin!(over);
        let mut gateway = None;
        loop {
            let next = tokio::select! {
                () = &mut over => break,
                next = timeout(STREAM_IDLE, messages.message()) => next,
            };
            match next {
                Ok(Ok(Some(message))) => self.take(message, &mut gateway),
                Ok(Err(status)) => return Err(status),
                // The end, or silence: Envoy opens another stream when it has something to say.
                Ok(Ok(None)) | Err(_) => break,
            }
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}
