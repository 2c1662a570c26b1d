//! The task that watches: connects, takes weights over, says what it applied, and connects again.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foreshift_proto::v1;
use foreshift_proto::v1::route_weight_service_client::RouteWeightServiceClient;
use tokio::time::{sleep, timeout};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::config::{Config, ConfigError};
use crate::route::Route;

/// The largest message taken, in bytes: 500 routes with many targets each.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// The most reports in one call, as the server accepts; those of further routes go with the next call.
const MAX_REPORTS: usize = 1_000;

/// Why the server cannot be heard.
#[derive(Clone, Default)]
pub(crate) struct Problem(Arc<Mutex<Option<String>>>);

impl Problem {
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, problem: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

pub(crate) struct Watch {
    config: Config,
    endpoint: Endpoint,
    authorization: Option<MetadataValue<Ascii>>,
    routes: Arc<BTreeMap<String, Arc<Route>>>,
    problem: Problem,
}

type Client = RouteWeightServiceClient<Channel>;
type Reporting = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Watch {
    pub(crate) fn new(
        config: Config,
        routes: Arc<BTreeMap<String, Arc<Route>>>,
        problem: Problem,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            endpoint: config.endpoint()?,
            authorization: config.authorization()?,
            config,
            routes,
            problem,
        })
    }

    /// Never ends.
    pub(crate) async fn run(self) {
        let backoff = self.config.backoff;
        let mut wait = backoff.first;
        loop {
            let mut served = false;
            let ended = self.watch(&mut served).await;
            if served {
                wait = backoff.first;
            }
            self.problem.set(Some(match ended {
                Ok(()) => "the server ended the stream".to_owned(),
                Err(problem) => problem,
            }));
            sleep(jittered(wait)).await;
            wait = (wait * 2).min(backoff.most);
        }
    }

    /// One connection, to its end; `served` turns true with the first message.
    async fn watch(&self, served: &mut bool) -> Result<(), String> {
        let channel = self.endpoint.connect().await.map_err(|error| full(&error))?;
        let mut client = Client::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let asked = v1::WatchRouteWeightsRequest {
            routes: self.routes.keys().cloned().collect(),
        };
        let opened = timeout(
            self.config.timeout,
            client.watch_route_weights(self.request(asked)),
        );
        let mut stream = opened
            .await
            .map_err(|_| "the server does not answer".to_owned())?
            .map_err(|status| said(&status))?
            .into_inner();
        let mut snapshot = BTreeSet::new();
        let mut reports = BTreeMap::new();
        let mut reporting: Option<Reporting> = None;
        loop {
            if reporting.is_none() && !reports.is_empty() {
                reporting = Some(self.report(client.clone(), &mut reports));
            }
            let message = tokio::select! {
                message = stream.message() => message.map_err(|status| said(&status))?,
                () = async { if let Some(call) = &mut reporting { call.await } }, if reporting.is_some() => {
                    reporting = None;
                    continue;
                }
            };
            let Some(message) = message else { return Ok(()) };
            self.take(message, &mut snapshot, &mut reports);
            *served = true;
            self.problem.set(None);
        }
    }

    /// Takes a message over. Within a stream versions only grow, and a new stream begins with what holds now, so each
    /// message holds as it comes.
    fn take(
        &self,
        message: v1::WatchRouteWeightsResponse,
        snapshot: &mut BTreeSet<String>,
        reports: &mut BTreeMap<String, v1::AppliedReport>,
    ) {
        for gone in &message.removed_routes {
            if let Some(route) = self.routes.get(gone) {
                route.forget();
            }
        }
        for weights in &message.routes {
            let Some(route) = self.routes.get(&weights.route) else {
                continue;
            };
            let error = route.hear(weights).err().unwrap_or_default();
            let report = v1::AppliedReport {
                route: weights.route.clone(),
                version: weights.version,
                error,
            };
            reports.insert(weights.route.clone(), report);
            if message.snapshot {
                snapshot.insert(weights.route.clone());
            }
        }
        if message.snapshot_complete {
            let missing = self.routes.iter().filter(|(name, _)| !snapshot.contains(*name));
            missing.for_each(|(_, route)| route.forget());
        }
    }

    /// Says what was applied. A report that is lost does no harm: the next version is reported again.
    fn report(&self, mut client: Client, reports: &mut BTreeMap<String, v1::AppliedReport>) -> Reporting {
        let rest = reports.keys().nth(MAX_REPORTS).cloned();
        let rest = rest.map(|first| reports.split_off(&first)).unwrap_or_default();
        let now = std::mem::replace(reports, rest);
        let request = self.request(v1::ReportAppliedRequest {
            gateway: self.config.gateway.clone(),
            reports: now.into_values().collect(),
        });
        let patience = self.config.timeout;
        Box::pin(async move {
            let _ = timeout(patience, client.report_applied(request)).await;
        })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }
}

/// Between half of it and all of it.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn said(status: &Status) -> String {
    format!("{} ({:?})", status.message(), status.code())
}

/// The error with its causes.
fn full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
