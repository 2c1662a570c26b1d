//! `PredictionService`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

use foreshift_domain::prediction::{Explanation, Prediction, PredictionId};
use foreshift_domain::published::{Published, TargetState, Why};
use foreshift_domain::{TargetName, Timestamp};
use foreshift_proto::{MAX_LISTED_NAMES, MAX_PART_ENTRIES, v1};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Sleep, sleep};
use tonic::{Request, Response, Status};

use crate::access::{Action, Resource};
use crate::peer::authorize;
use crate::shared::{Shared, filter, page_size};

/// Predictions for people and programs.
pub(crate) struct Predictions(pub(crate) Arc<Shared>);

type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchPredictionsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl v1::prediction_service_server::PredictionService for Predictions {
    type WatchPredictionsStream = WatchStream;

    async fn list_predictions(
        &self,
        request: Request<v1::ListPredictionsRequest>,
    ) -> Result<Response<v1::ListPredictionsResponse>, Status> {
        authorize(&request, Action::ReadPredictions, Resource::Fleet)?;
        let asked = request.into_inner();
        let wanted = filter::<TargetName>("targets", asked.targets)?;
        let size = page_size(asked.page_size, MAX_LISTED_NAMES);
        let published = self.0.published();
        let start = if asked.page_token.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(asked.page_token.as_str())
        };
        let mut rest = published
            .targets
            .range::<str, _>((start, Bound::Unbounded))
            .filter(|(target, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(*target)))
            .filter_map(|(_, state)| state.prediction.as_ref());
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let next_page_token = match (page.last(), rest.next()) {
            (Some(last), Some(_)) => last.id.target.as_str().to_owned(),
            _ => String::new(),
        };
        Ok(Response::new(v1::ListPredictionsResponse {
            predictions: page.into_iter().map(Into::into).collect(),
            next_page_token,
        }))
    }

    async fn get_prediction(
        &self,
        request: Request<v1::GetPredictionRequest>,
    ) -> Result<Response<v1::GetPredictionResponse>, Status> {
        authorize(&request, Action::ReadPredictions, Resource::Fleet)?;
        let asked = request.into_inner();
        let published = self.0.published();
        let (state, prediction) = find(&published, &asked)?;
        let explanations = self.explain(state.why.clone()).await?;
        Ok(Response::new(v1::GetPredictionResponse {
            prediction: Some(prediction.into()),
            explanations: explanations.iter().map(Into::into).collect(),
            logs: published
                .logs
                .get(&prediction.id.target)
                .map(|summary| summary.as_ref().into()),
        }))
    }

    async fn watch_predictions(
        &self,
        request: Request<v1::WatchPredictionsRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        authorize(&request, Action::ReadPredictions, Resource::Fleet)?;
        let wanted = filter("targets", request.into_inner().targets)?;
        let mut published = self.0.channels.published.clone();
        published.mark_changed();
        let watcher = Watcher {
            wanted,
            sent: BTreeMap::new(),
            pending: VecDeque::new(),
            published,
            stopping: self.0.stopping.clone(),
            end: Box::pin(sleep(self.0.limits.max_connection_age)),
            _permit: self.0.stream_permit()?,
        };
        let stream = unfold(Some(watcher), |watcher| async { watcher?.next().await });
        Ok(Response::new(Box::pin(stream)))
    }
}

impl Predictions {
    /// On a thread of its own, when it is this one's turn.
    async fn explain(&self, why: Why) -> Result<Vec<Explanation>, Status> {
        let gone = |_| Status::unavailable("the server stops: connect again");
        let _turn = self.0.explaining.acquire().await.map_err(gone)?;
        let asked = tokio::task::spawn_blocking(move || why.ask());
        asked
            .await
            .map_err(|error| Status::internal(format!("the explanation was not worked out: {error}")))
    }
}

/// The asked-for prediction, if it is the newest one of its target.
fn find<'a>(
    published: &'a Published,
    asked: &v1::GetPredictionRequest,
) -> Result<(&'a TargetState, &'a Prediction), Status> {
    let id = match asked.prediction_id.as_str() {
        "" => None,
        text => Some(
            text.parse::<PredictionId>()
                .map_err(|error| Status::invalid_argument(error.to_string()))?,
        ),
    };
    let target = id.as_ref().map_or(asked.target.as_str(), |id| id.target.as_str());
    if target.is_empty() {
        return Err(Status::invalid_argument("target or prediction_id is needed"));
    }
    let state = published
        .targets
        .get(target)
        .ok_or_else(|| Status::not_found(format!("no target {target:?} is known")))?;
    let prediction = state
        .prediction
        .as_ref()
        .ok_or_else(|| Status::not_found(format!("there is no prediction of {target:?} yet")))?;
    match id {
        // Ids are written in milliseconds, so they are compared as such.
        Some(id) if id.tick.as_millis() != prediction.id.tick.as_millis() => Err(Status::not_found(format!(
            "prediction {id} is not the newest one of its target, which is {}",
            prediction.id
        ))),
        _ => Ok((state, prediction)),
    }
}

/// One watch stream: follows the newest state, and so skips ticks when its client is slow.
struct Watcher {
    wanted: Option<BTreeSet<TargetName>>,
    /// The tick that was last sent, by target.
    sent: BTreeMap<TargetName, Timestamp>,
    /// Targets whose new predictions are not sent yet, of one state.
    pending: VecDeque<Arc<TargetState>>,
    published: watch::Receiver<Arc<Published>>,
    stopping: watch::Receiver<bool>,
    end: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<v1::WatchPredictionsResponse, Status>, Option<Self>)> {
        loop {
            if *self.stopping.borrow() {
                return Some((Err(Status::unavailable("the server stops: connect again")), None));
            }
            let count = self.pending.len().min(MAX_PART_ENTRIES);
            if count > 0 {
                let predictions = self
                    .pending
                    .drain(..count)
                    .filter_map(|state| state.prediction.as_ref().map(Into::into))
                    .collect();
                return Some((Ok(v1::WatchPredictionsResponse { predictions }), Some(self)));
            }
            let is_over = tokio::select! {
                biased;
                _ = self.stopping.changed() => false,
                () = &mut self.end => true,
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

    fn follow(&mut self) {
        let latest = Arc::clone(&self.published.borrow_and_update());
        self.sent.retain(|target, _| latest.targets.contains_key(target));
        for (target, state) in &latest.targets {
            let wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.contains(target));
            let Some(prediction) = state.prediction.as_ref().filter(|_| wanted) else {
                continue;
            };
            if self.sent.get(target) != Some(&prediction.id.tick) {
                self.sent.insert(target.clone(), prediction.id.tick);
                self.pending.push_back(Arc::clone(state));
            }
        }
    }
}
