//! Envoy's access log service. A stream says in its first message whose it is, and is answered only at its end.

use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::AccessLogService;
use envoy_types::pb::envoy::service::accesslog::v3::{StreamAccessLogsMessage, StreamAccessLogsResponse};
use foreshift_domain::GatewayName;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::{Request, Response, Status, Streaming};

use super::{MAX_STREAM_AGE, Receivers, STREAM_IDLE};
use crate::decode::als::gateway_of;

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
        self.receivers.access_logs(message.log_entries, gateway.as_ref());
    }
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
