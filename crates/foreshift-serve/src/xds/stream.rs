//! One xDS stream: a session, fed with what the client says, what changes, and the time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::weights::Version;
use foreshift_domain::{Applied, GatewayName, RouteName};
use foreshift_xds::{Answer, Resources, Session, Told};
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};
use tonic::{Status, Streaming};

use super::{Responses, Xds, XdsCounters};
use crate::access::{self, Action, Principal, Resource};
use crate::shared::Shared;

/// In its time to live a layer is renewed this often, so that one renewal lost does no harm.
const RENEWALS: u32 = 3;
/// Not renewed for so many parts of it, what the client has may have expired by the time that a renewal arrives.
const LAPSED: u32 = 2;
/// Longer than any stream lives.
const NEVER: Duration = Duration::from_secs(30 * 86_400);
/// A client that is in order sends a few requests at its start and one for each answer: one that sends more in a second
/// asks in a loop.
const MAX_REQUESTS_PER_S: u32 = 100;

pub(super) fn responses<S>(
    xds: &Xds,
    principal: Arc<Principal>,
    permit: OwnedSemaphorePermit,
    requests: Streaming<S::Request>,
) -> Responses<S::Response>
where
    S: Session<Request: Send + 'static, Response: Send + 'static> + Send + 'static,
{
    XdsCounters::add(&xds.shared.channels.xds.streams);
    let mut layer = xds.layer.clone();
    let resources = Arc::clone(&layer.borrow_and_update());
    let ttl = resources.ttl.map_or(NEVER, |ttl| {
        Duration::from_micros(u64::try_from(ttl.as_micros()).unwrap_or(0)).min(NEVER)
    });
    let part = (ttl / RENEWALS).max(Duration::from_millis(1));
    let mut renew = interval(part);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream = Stream {
        session: S::default(),
        requests,
        layer,
        resources,
        renew,
        lapse: part * LAPSED,
        sent: Instant::now(),
        gateway: None,
        principal,
        pace: Pace::default(),
        stopping: xds.shared.stopping.clone(),
        end: Box::pin(sleep(xds.shared.limits.max_connection_age)),
        shared: Arc::clone(&xds.shared),
        _permit: permit,
    };
    Box::pin(unfold(Some(stream), |stream| async { stream?.next().await }))
}

struct Stream<S: Session> {
    session: S,
    requests: Streaming<S::Request>,
    layer: watch::Receiver<Arc<Resources>>,
    resources: Arc<Resources>,
    renew: Interval,
    lapse: Duration,
    /// When something was last sent.
    sent: Instant,
    gateway: Option<GatewayName>,
    principal: Arc<Principal>,
    pace: Pace,
    stopping: watch::Receiver<bool>,
    end: Pin<Box<Sleep>>,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

/// What woke the stream.
enum Woken<R> {
    Request(Result<Option<R>, Status>),
    Changed(bool),
    Renew,
    Stopping,
    TooOld,
}

impl<S: Session> Stream<S> {
    /// The next response, and the stream where another may follow.
    async fn next(mut self) -> Option<(Result<S::Response, Status>, Option<Self>)> {
        loop {
            let woken = tokio::select! {
                biased;
                _ = self.stopping.wait_for(|stopping| *stopping) => Woken::Stopping,
                () = &mut self.end => Woken::TooOld,
                request = self.requests.message() => Woken::Request(request),
                changed = self.layer.changed() => Woken::Changed(changed.is_ok()),
                _ = self.renew.tick() => Woken::Renew,
            };
            let response = match woken {
                Woken::Stopping => {
                    return Some((Err(Status::unavailable("the server stops: connect again")), None));
                }
                // A client that hangs up, or breaks the protocol, gets no answer.
                Woken::TooOld | Woken::Request(Ok(None) | Err(_)) | Woken::Changed(false) => return None,
                Woken::Request(Ok(Some(_))) if self.pace.exceeded() => {
                    XdsCounters::add(&self.counters().cut_off);
                    let why = format!("more than {MAX_REQUESTS_PER_S} requests in a second");
                    return Some((Err(Status::resource_exhausted(why)), None));
                }
                Woken::Request(Ok(Some(request))) => self.take(request),
                Woken::Changed(true) => {
                    self.resources = Arc::clone(&self.layer.borrow_and_update());
                    self.session.update(&self.resources)
                }
                Woken::Renew => self.renew(),
            };
            if let Some(response) = response {
                XdsCounters::add(&self.counters().responses);
                self.sent = Instant::now();
                return Some((Ok(response), Some(self)));
            }
        }
    }

    /// Keeps alive what the client has. Where this process or the client stood still for too long, it is told again.
    fn renew(&mut self) -> Option<S::Response> {
        if self.sent.elapsed() > self.lapse {
            self.session.lapse();
            return self.session.update(&self.resources);
        }
        self.session.renew(&self.resources)
    }

    fn counters(&self) -> &XdsCounters {
        &self.shared.channels.xds
    }

    fn take(&mut self, request: S::Request) -> Option<S::Response> {
        XdsCounters::add(&self.counters().requests);
        if self.gateway.is_none() {
            self.gateway = S::client(&request)
                .filter(|id| (1..=MAX_NAME_BYTES).contains(&id.len()))
                .map(GatewayName::from);
        }
        let Told { answer, response } = self.session.request(request, &self.resources);
        match answer {
            Some(Answer::Accepted(versions)) => {
                XdsCounters::add(&self.counters().accepted);
                self.report(&versions, None);
            }
            Some(Answer::Refused(versions, reason)) => {
                let gateway = self.gateway.as_ref().map_or("", |gateway| gateway.as_str());
                tracing::warn!(
                    gateway,
                    reason,
                    "an Envoy refused weights; it goes on with those before"
                );
                self.counters().refuse(gateway, &reason);
                self.report(&versions, Some(&reason));
            }
            None => {}
        }
        response
    }

    /// Tells the engine what the gateway has applied, where the peer may speak for it. A full queue loses it: the next
    /// renewal says it again.
    fn report(&self, versions: &[(RouteName, Version)], error: Option<&str>) {
        let Some(gateway) = &self.gateway else { return };
        let may = access::authorize(
            &self.principal,
            Action::ReportApplied,
            Resource::Gateway(gateway.as_str()),
        );
        if may.is_err() {
            return;
        }
        let time = self.shared.published().now;
        for (route, version) in versions {
            let applied = Applied {
                gateway: gateway.clone(),
                route: route.clone(),
                version: *version,
                time,
                error: error.map(str::to_owned),
            };
            let _ = self.shared.channels.applied.try_send(applied);
        }
    }
}

/// Requests of the current second.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    requests: u32,
}

impl Pace {
    /// Counts a request; whether there are too many.
    fn exceeded(&mut self) -> bool {
        let now = Instant::now();
        if self
            .since
            .is_none_or(|since| now - since >= Duration::from_secs(1))
        {
            self.since = Some(now);
            self.requests = 0;
        }
        self.requests += 1;
        self.requests > MAX_REQUESTS_PER_S
    }
}
