//! How many calls may be open, and how long each: judged before a byte of their messages is read, so that what is
//! refused takes no memory.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::codegen::http::HeaderMap;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Request, Status};

use super::{Gate, ReceiveCounters};
use crate::source::push::Receiver;

/// Places of calls, of one service or shared by several.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) free: Arc<Semaphore>,
    pub(super) receiver: Receiver,
    /// The longest that a call may take; `None` for streams, which judge it by themselves.
    pub(super) deadline: Option<Duration>,
    pub(super) counters: ReceiveCounters,
    /// Who may call at all; everyone without it.
    pub(super) gate: Option<Gate>,
}

impl Places {
    /// A place for this call, for as long as it is kept.
    ///
    /// # Errors
    /// When its caller may not call, or all places are taken, which is counted.
    pub(super) fn take(&self, headers: &HeaderMap, known: &http::Extensions) -> Result<Place, Status> {
        if let Some(gate) = &self.gate {
            let metadata = MetadataMap::from_headers(headers.clone());
            if let Err(denied) = gate(Request::from_parts(metadata, known.clone(), ())) {
                self.counters.of(self.receiver).add_refused_call();
                return Err(denied);
            }
        }
        let counters = self.counters.clone();
        let meters = counters.of(self.receiver);
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => {
                meters.opened();
                Ok(Place {
                    receiver: self.receiver,
                    counters,
                    _permit: permit,
                })
            }
            Err(_) => {
                meters.add_refused_call();
                Err(Status::unavailable("too many calls are open, come again"))
            }
        }
    }
}

/// The place of one call; free again when dropped, also when the client is gone.
pub(super) struct Place {
    receiver: Receiver,
    counters: ReceiveCounters,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.of(self.receiver).closed();
    }
}

/// A service whose calls need a place.
#[derive(Clone)]
pub(super) struct Admitted<S> {
    service: S,
    places: Places,
}

impl<S> Admitted<S> {
    pub(super) const fn new(service: S, places: Places) -> Self {
        Self { service, places }
    }
}

impl<S: NamedService> NamedService for Admitted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<http::Request<B>> for Admitted<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let place = match self.places.take(request.headers(), request.extensions()) {
            Ok(place) => place,
            Err(status) => return answer(status),
        };
        let (call, deadline) = (self.service.call(request), self.places.deadline);
        Box::pin(async move {
            let _place = place;
            match deadline {
                None => call.await,
                Some(deadline) => match tokio::time::timeout(deadline, call).await {
                    Ok(answered) => answered,
                    Err(_) => answer(Status::deadline_exceeded("the export took too long")).await,
                },
            }
        })
    }
}

fn answer(status: Status) -> BoxFuture<http::Response<Body>, Infallible> {
    Box::pin(std::future::ready(Ok(status.into_http())))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tonic::Code;

    use super::*;

    /// A service whose calls never end.
    #[derive(Clone)]
    struct Endless;

    impl Service<http::Request<()>> for Endless {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Self::Response, Self::Error>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: http::Request<()>) -> Self::Future {
            Box::pin(pending())
        }
    }

    fn admitted(places: usize, deadline: Option<Duration>) -> (Admitted<Endless>, ReceiveCounters) {
        let counters = ReceiveCounters::default();
        let places = Places {
            free: Arc::new(Semaphore::new(places)),
            receiver: Receiver::Otlp,
            deadline,
            counters: counters.clone(),
            gate: None,
        };
        (Admitted::new(Endless, places), counters)
    }

    fn code(answered: Result<http::Response<Body>, Infallible>) -> Option<Code> {
        let Ok(response) = answered;
        Status::from_header_map(response.headers()).map(|status| status.code())
    }

    #[tokio::test]
    async fn a_call_too_many_is_refused_and_counted_and_its_place_is_free_again_when_one_is_gone() {
        let (mut service, counters) = admitted(1, None);
        let first = service.call(http::Request::new(()));
        let refused = service.call(http::Request::new(())).await;
        assert_eq!(code(refused), Some(Code::Unavailable));
        let now = counters.read(Receiver::Otlp);
        assert_eq!((now.open_calls, now.refused_calls), (1, 1));
        drop(first);
        let next = service.call(http::Request::new(()));
        let now = counters.read(Receiver::Otlp);
        assert_eq!((now.open_calls, now.refused_calls), (1, 1));
        drop(next);
    }

    #[tokio::test]
    async fn a_call_that_does_not_end_in_time_is_ended() {
        let (mut service, counters) = admitted(1, Some(Duration::from_millis(1)));
        let late = service.call(http::Request::new(())).await;
        assert_eq!(code(late), Some(Code::DeadlineExceeded));
        assert_eq!(counters.read(Receiver::Otlp).open_calls, 0);
    }
}
