//! One xDS stream: a session, fed with what the client says, what changes, and the time.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::weights::Version;
use foreshift_domain::{Applied, GatewayName, RouteName};
use foreshift_xds::{Aggregated, Answer, Group, Resources, Session, Told};
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, Sleep, interval, sleep};
use tonic::{Code, Status, Streaming};

use super::{Offers, Responses, Xds};
use crate::access::{self, Action, Principal, Resource};
use crate::config::XdsSettings;
use crate::counters::ServeCounters;
use crate::shared::Shared;

/// In its time to live a layer is renewed this often, so that one renewal lost does no harm.
const RENEWALS: u32 = 3;
/// Not renewed for so many parts of it, what the client has may have expired by the time that a renewal arrives.
const LAPSED: u32 = 2;
/// What a gateway has applied is told again after so long, to say that it is alive.
const REPORT_AGAIN: Duration = Duration::from_secs(60);
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
    ServeCounters::add(&xds.shared.channels.counters.xds_streams);
    let mut offers = xds.offers.clone();
    let offered = Arc::clone(&offers.borrow_and_update());
    let ttl_us = u64::try_from(xds.settings.layer.ttl.as_micros()).unwrap_or(0);
    let ttl = Duration::from_micros(ttl_us).min(NEVER);
    let part = (ttl / RENEWALS).max(Duration::from_millis(1));
    let mut renew = interval(part);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream = Stream {
        session: Aggregated::<S>::default(),
        requests,
        settings: Arc::clone(&xds.settings),
        offers,
        offered,
        group: None,
        reported: Arc::default(),
        reported_at: Instant::now(),
        renew,
        lapse_after: part * LAPSED,
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
    session: Aggregated<S>,
    requests: Streaming<S::Request>,
    settings: Arc<XdsSettings>,
    offers: watch::Receiver<Arc<Offers>>,
    offered: Arc<Offers>,
    /// Which of the offers the client is given; known with its first request.
    group: Option<usize>,
    /// What was last reported as applied, and when.
    reported: Arc<[(RouteName, Version)]>,
    reported_at: Instant,
    renew: Interval,
    lapse_after: Duration,
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
        let mut response = None;
        self.lapse();
        loop {
            let offer = of_group(&self.offered, self.group);
            if let Some(response) = response.or_else(|| self.session.update(offer)) {
                ServeCounters::add(&self.counters().xds_responses);
                self.sent = Instant::now();
                return Some((Ok(response), Some(self)));
            }
            let woken = tokio::select! {
                biased;
                _ = self.stopping.wait_for(|stopping| *stopping) => Woken::Stopping,
                () = &mut self.end => Woken::TooOld,
                request = self.requests.message() => Woken::Request(request),
                changed = self.offers.changed() => Woken::Changed(changed.is_ok()),
                _ = self.renew.tick() => Woken::Renew,
            };
            self.lapse();
            response = match woken {
                Woken::Stopping => {
                    return Some((Err(Status::unavailable("the server stops: connect again")), None));
                }
                Woken::Request(Err(status)) if status.code() == Code::OutOfRange => {
                    ServeCounters::add(&self.counters().xds_oversized);
                    return Some((Err(status), None));
                }
                // A client that hangs up, or breaks the protocol, gets no answer.
                Woken::TooOld | Woken::Request(Ok(None) | Err(_)) | Woken::Changed(false) => return None,
                Woken::Request(Ok(Some(_))) if self.pace.exceeded() => {
                    ServeCounters::add(&self.counters().xds_cut_off);
                    let why = format!("more than {MAX_REQUESTS_PER_S} requests in a second");
                    return Some((Err(Status::resource_exhausted(why)), None));
                }
                Woken::Request(Ok(Some(request))) => self.take(request),
                Woken::Changed(true) => {
                    self.offered = Arc::clone(&self.offers.borrow_and_update());
                    None
                }
                Woken::Renew => self.renew(),
            };
        }
    }

    /// Where this process or the client stood still for too long, what can expire is told again.
    fn lapse(&mut self) {
        if self.sent.elapsed() > self.lapse_after {
            self.session.lapse(of_group(&self.offered, self.group));
        }
    }

    /// Keeps alive what the client has. What never expires is not renewed, so nothing would be heard of it: a newer
    /// version with the same weights is one that the client has already.
    fn renew(&mut self) -> Option<S::Response> {
        let offer = of_group(&self.offered, self.group);
        if self.sent.elapsed() > self.lapse_after && self.session.is_waiting() {
            ServeCounters::add(&self.counters().xds_slow);
        }
        let held = self.session.held(offer);
        if !held.is_empty() {
            self.report_applied(held.into());
        }
        self.session.renew(of_group(&self.offered, self.group))
    }

    fn counters(&self) -> &ServeCounters {
        &self.shared.channels.counters
    }

    fn take(&mut self, request: S::Request) -> Option<S::Response> {
        ServeCounters::add(&self.counters().xds_requests);
        if self.group.is_none() {
            let client = S::client(&request);
            self.gateway = client
                .filter(|client| (1..=MAX_NAME_BYTES).contains(&client.id.len()))
                .map(|client| GatewayName::from(client.id.as_str()));
            let groups = &self.settings.groups;
            let is_in = |group: &Group| client.is_some_and(|client| group.has(client));
            self.group = Some(groups.iter().position(is_in).unwrap_or(groups.len()));
        }
        let offer = of_group(&self.offered, self.group);
        let Told { answer, response } = self.session.request(request, offer);
        match answer {
            Some(Answer::Accepted(versions)) => {
                ServeCounters::add(&self.counters().xds_accepted);
                self.report_applied(versions);
            }
            Some(Answer::Refused(versions, reason)) => {
                let gateway = self.gateway.as_ref().map_or("", |gateway| gateway.as_str());
                tracing::warn!(
                    gateway,
                    reason,
                    "an Envoy refused weights; it goes on with those before"
                );
                self.counters().refuse(gateway, &reason);
                self.reported = Arc::default();
                self.report(&versions, Some(&reason));
            }
            Some(Answer::Stale) => ServeCounters::add(&self.counters().xds_stale),
            None => {}
        }
        response
    }

    /// Tells the engine what the gateway has applied, once; again now and then, so that it is known to be alive, and
    /// where the queue was full.
    fn report_applied(&mut self, versions: Arc<[(RouteName, Version)]>) {
        if self.reported == versions && self.reported_at.elapsed() < REPORT_AGAIN {
            return;
        }
        let all = self.report(&versions, None);
        self.reported = if all { versions } else { Arc::default() };
        self.reported_at = Instant::now();
    }

    /// Says what became of these versions, where the peer may speak for the gateway; `false` where the queue was full.
    fn report(&self, versions: &[(RouteName, Version)], error: Option<&str>) -> bool {
        let Some(gateway) = &self.gateway else { return true };
        let may = access::authorize(
            &self.principal,
            Action::ReportApplied,
            Resource::Gateway(gateway.as_str()),
        );
        if may.is_err() {
            return true;
        }
        let time = self.shared.published().now;
        versions.iter().all(|(route, version)| {
            let applied = Applied {
                gateway: gateway.clone(),
                route: route.clone(),
                version: *version,
                time,
                error: error.map(str::to_owned),
            };
            self.shared.channels.applied.try_send(applied).is_ok()
        })
    }
}

/// What a client of this group is offered: nothing as long as it has not said who it is.
fn of_group(offers: &Offers, group: Option<usize>) -> &[Resources] {
    group
        .and_then(|group| offers.get(group))
        .map_or(&[], Vec::as_slice)
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
