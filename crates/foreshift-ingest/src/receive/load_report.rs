//! Envoy's load reporting service. A client introduces itself, is told what to report and how often, and then reports.

use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::load_stats::v3::load_reporting_service_server::LoadReportingService;
use envoy_types::pb::envoy::service::load_stats::v3::{LoadStatsRequest, LoadStatsResponse};
use envoy_types::pb::google::protobuf;
use foreshift_domain::{GatewayName, Timestamp};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep, timeout};
use tonic::{Request, Response, Status, Streaming};

use super::{MAX_STREAM_AGE, Receivers, STREAM_IDLE};
use crate::decode::als::gateway_id;
use crate::decode::lrs;

/// How often clients report, in seconds: reactive rules see failures within some of them.
const INTERVAL_S: i64 = 1;
/// What a client says that can report all its clusters; others, such as gRPC's, have to be told names.
const SENDS_ALL: &str = "envoy.lrs.supports_send_all_clusters";

/// The service.
pub(super) struct LoadReports {
    receivers: Receivers,
    stopping: watch::Receiver<bool>,
}

impl LoadReports {
    pub(super) const fn new(receivers: Receivers, stopping: watch::Receiver<bool>) -> Self {
        Self { receivers, stopping }
    }
}

/// The reports of one client.
struct Reports {
    receivers: Receivers,
    messages: Streaming<LoadStatsRequest>,
    gateway: Option<GatewayName>,
    is_told: bool,
    stopping: watch::Receiver<bool>,
    end: Pin<Box<Sleep>>,
}

impl Reports {
    /// Takes reports until there is something to answer, which is once; `None` at the end.
    async fn next(mut self) -> Option<(Result<LoadStatsResponse, Status>, Self)> {
        loop {
            let next = tokio::select! {
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                () = &mut self.end => return None,
                next = timeout(STREAM_IDLE, self.messages.message()) => next,
            };
            let Ok(Ok(Some(message))) = next else { return None };
            if let Some(node) = &message.node {
                self.gateway = gateway_id(node).or(self.gateway);
            }
            let parts = lrs::clusters(&message.cluster_stats, self.gateway.as_ref(), now());
            self.receivers.load_reports(parts);
            if !self.is_told {
                self.is_told = true;
                return Some((answer(message.node.as_ref()), self));
            }
        }
    }
}

fn answer(node: Option<&Node>) -> Result<LoadStatsResponse, Status> {
    let sends_all = node.is_some_and(|node| node.client_features.iter().any(|feature| feature == SENDS_ALL));
    if !sends_all {
        return Err(Status::failed_precondition(format!(
            "only clients with the feature {SENDS_ALL} can report here"
        )));
    }
    Ok(LoadStatsResponse {
        send_all_clusters: true,
        load_reporting_interval: Some(protobuf::Duration {
            seconds: INTERVAL_S,
            nanos: 0,
        }),
        ..LoadStatsResponse::default()
    })
}

/// Reports have no time of their own.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[tonic::async_trait]
impl LoadReportingService for LoadReports {
    type StreamLoadStatsStream = Pin<Box<dyn Stream<Item = Result<LoadStatsResponse, Status>> + Send>>;

    async fn stream_load_stats(
        &self,
        request: Request<Streaming<LoadStatsRequest>>,
    ) -> Result<Response<Self::StreamLoadStatsStream>, Status> {
        let reports = Reports {
            receivers: self.receivers.clone(),
            messages: request.into_inner(),
            gateway: None,
            is_told: false,
            stopping: self.stopping.clone(),
            end: Box::pin(sleep(MAX_STREAM_AGE)),
        };
        Ok(Response::new(Box::pin(unfold(reports, Reports::next))))
    }
}
