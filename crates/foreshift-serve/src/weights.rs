//! `RouteWeightService`.

use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

use foreshift_domain::published::Published;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{GatewayName, RouteName};
use foreshift_proto::{MAX_LISTED_NAMES, MAX_PART_ENTRIES, v1};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Sleep, sleep};
use tonic::{Request, Response, Status};

use crate::access::{Action, Resource};
use crate::counters::ServeCounters;
use crate::peer::authorize;
use crate::shared::{Shared, filter, page_size};
use crate::weight_watch::WeightWatch;

/// Weights for gateways.
pub(crate) struct Weights(pub(crate) Arc<Shared>);

type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchRouteWeightsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl v1::route_weight_service_server::RouteWeightService for Weights {
    type WatchRouteWeightsStream = WatchStream;

    async fn get_route_weights(
        &self,
        request: Request<v1::GetRouteWeightsRequest>,
    ) -> Result<Response<v1::GetRouteWeightsResponse>, Status> {
        authorize(&request, Action::ReadWeights, Resource::Fleet)?;
        let asked = request.into_inner();
        let wanted = filter::<RouteName>("routes", asked.routes)?;
        let size = page_size(asked.page_size, MAX_PART_ENTRIES);
        let published = self.0.published();
        let start = if asked.page_token.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(asked.page_token.as_str())
        };
        let from = (start, Bound::Unbounded);
        let mut rest: Box<dyn Iterator<Item = _> + Send> = match &wanted {
            // Looked up by name: a gateway asks for a few of many.
            Some(wanted) => Box::new(
                wanted
                    .range::<str, _>(from)
                    .filter_map(|route| published.routes.get_key_value(route)),
            ),
            None => Box::new(published.routes.range::<str, _>(from)),
        };
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let next_page_token = match (page.last(), rest.next()) {
            (Some((route, _)), Some(_)) => route.as_str().to_owned(),
            _ => String::new(),
        };
        Ok(Response::new(v1::GetRouteWeightsResponse {
            routes: page
                .into_iter()
                .map(|(_, weights)| weights.as_ref().into())
                .collect(),
            next_page_token,
        }))
    }

    async fn watch_route_weights(
        &self,
        request: Request<v1::WatchRouteWeightsRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        authorize(&request, Action::ReadWeights, Resource::Fleet)?;
        let wanted = filter("routes", request.into_inner().routes)?;
        let permit = self.0.stream_permit()?;
        let watcher = Watcher::new(&self.0, wanted, permit);
        let stream = unfold(Some(watcher), |watcher| async { watcher?.next().await });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn report_applied(
        &self,
        request: Request<v1::ReportAppliedRequest>,
    ) -> Result<Response<v1::ReportAppliedResponse>, Status> {
        let principal = authorize(&request, Action::ReportApplied, Resource::Unnamed)?;
        let gateway = match request.get_ref().gateway.as_str() {
            "" => principal.name.clone(),
            named => named.to_owned(),
        };
        authorize(&request, Action::ReportApplied, Resource::Gateway(&gateway))?;
        let reports = request.into_inner().reports;
        if reports.len() > MAX_LISTED_NAMES {
            return Err(Status::invalid_argument(format!(
                "{} reports at once, at most {MAX_LISTED_NAMES} are accepted",
                reports.len()
            )));
        }
        let published = self.0.published();
        let gateway = GatewayName::from(gateway);
        let applied = reports
            .into_iter()
            .map(|report| report.into_applied(gateway.clone(), published.now))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if let Some(unknown) = applied
            .iter()
            .find(|said| !published.routes.contains_key(&said.route))
        {
            return Err(Status::not_found(format!(
                "no route {:?} is known",
                unknown.route
            )));
        }
        let accepted = u32::try_from(applied.len()).unwrap_or(u32::MAX);
        for said in applied {
            self.0
                .channels
                .applied
                .try_send(said)
                .map_err(|error| match error {
                    TrySendError::Full(_) => {
                        Status::resource_exhausted("the queue of reports is full: report again")
                    }
                    TrySendError::Closed(_) => Status::unavailable("the server stops: report again"),
                })?;
        }
        Ok(Response::new(v1::ReportAppliedResponse { accepted }))
    }
}

/// One watch stream. It is polled only when its client has room for more, and what it does not take in time is
/// overwritten: the feed is a ring, and the state is one value.
struct Watcher {
    watch: WeightWatch,
    published: watch::Receiver<Arc<Published>>,
    changes: broadcast::Receiver<Arc<RouteWeights>>,
    /// Whether the feed still has a sender; without one, the state alone is followed.
    has_feed: bool,
    max_backlog: usize,
    counters: Arc<ServeCounters>,
    stopping: watch::Receiver<bool>,
    end: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    fn new(
        shared: &Shared,
        wanted: Option<std::collections::BTreeSet<RouteName>>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        // The feed first: what changes between the two lines comes twice and is dropped, never lost.
        let changes = shared.channels.changes.resubscribe();
        let mut published = shared.channels.published.clone();
        let snapshot = Arc::clone(&published.borrow_and_update());
        Self {
            watch: WeightWatch::new(wanted, snapshot),
            published,
            changes,
            has_feed: true,
            max_backlog: shared.limits.max_watch_backlog,
            counters: Arc::clone(&shared.channels.counters),
            stopping: shared.stopping.clone(),
            end: Box::pin(sleep(shared.limits.max_connection_age)),
            _permit: permit,
        }
    }

    /// The next message, and the watcher where another may follow.
    async fn next(mut self) -> Option<(Result<v1::WatchRouteWeightsResponse, Status>, Option<Self>)> {
        loop {
            if *self.stopping.borrow() {
                return Some((Err(Status::unavailable("the server stops: connect again")), None));
            }
            if let Some(message) = self.watch.next() {
                return Some((Ok(message), Some(self)));
            }
            // Only now that nothing is pending: else a watcher that reads slowly would gather one state after the other.
            if self.changes.len() > self.max_backlog {
                self.skip_to_latest();
                continue;
            }
            let is_over = tokio::select! {
                biased;
                _ = self.stopping.changed() => false,
                () = &mut self.end => true,
                change = self.changes.recv(), if self.has_feed => {
                    self.take(change);
                    false
                }
                changed = self.published.changed() => {
                    self.follow();
                    changed.is_err()
                }
            };
            if is_over {
                return None;
            }
        }
    }

    fn take(&mut self, change: Result<Arc<RouteWeights>, RecvError>) {
        match change {
            Ok(weights) => self.watch.change(&weights),
            Err(RecvError::Lagged(_)) => self.skip_to_latest(),
            Err(RecvError::Closed) => self.has_feed = false,
        }
    }

    /// The state changed. What it holds was sent through the feed before: that comes first, version by version.
    fn follow(&mut self) {
        let latest = Arc::clone(&self.published.borrow_and_update());
        for _ in 0..=self.max_backlog {
            match self.changes.try_recv() {
                Ok(weights) => self.watch.change(&weights),
                Err(TryRecvError::Lagged(_)) => self.changes = self.changes.resubscribe(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.watch.catch_up(latest);
    }

    /// The watcher is too far behind to be told every version.
    fn skip_to_latest(&mut self) {
        ServeCounters::add(&self.counters.watches_skipped);
        self.changes = self.changes.resubscribe();
        let latest = Arc::clone(&self.published.borrow_and_update());
        self.watch.catch_up(latest);
    }
}
