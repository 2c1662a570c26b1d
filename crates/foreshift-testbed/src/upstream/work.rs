//! The way of one request through an upstream: queue, worker, pool, work, answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::Upstream;
use super::answer::{Answer, Broken, Form, plain, stream};
use crate::scenario::Effects;

/// How long a request waits for a connection of the pool.
const POOL_WAIT: Duration = Duration::from_millis(250);
/// Longer than any gateway waits.
const HUNG: Duration = Duration::from_secs(60);
/// Bytes of a request: more than a gateway of ours sends.
const MAX_REQUEST: usize = 64 * 1024;
/// Stalls come in blocks of this length.
const STALL_MS: u64 = 60;
/// Spread of the times of work: of the logarithm.
const SPREAD: f64 = 0.35;

/// Counts one up for as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn up(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers one request. An error breaks the connection.
pub(super) async fn respond(
    upstream: Arc<Upstream>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Broken> {
    let form = Form::asked_for(&request);
    // What is not read would cost the connection.
    Limited::new(request.into_body(), MAX_REQUEST)
        .collect()
        .await
        .map_err(|_| Broken)?;
    let _in_flight = Counted::up(&upstream.in_flight);
    let effects = upstream.effects();
    let name = &upstream.spec().name;
    if upstream.quota_left(&effects).is_some_and(|left| left <= 0.0) || fastrand::f64() < effects.limited {
        return Ok(plain(name, StatusCode::TOO_MANY_REQUESTS));
    }
    let Some(status) = worked(&upstream, &effects).await else {
        return Err(Broken);
    };
    upstream.served.fetch_add(1, Ordering::Relaxed);
    match upstream.scenario.traffic.tokens {
        Some(tokens) if status == StatusCode::OK => Ok(stream(Arc::clone(&upstream), tokens, form)),
        _ => Ok(plain(name, status)),
    }
}

/// Waits for a worker and a connection, and works; `None` breaks the connection.
async fn worked(upstream: &Upstream, effects: &Effects) -> Option<StatusCode> {
    if upstream.waiting.load(Ordering::Relaxed) >= upstream.queue_bound {
        return Some(StatusCode::SERVICE_UNAVAILABLE);
    }
    let waiting = Counted::up(&upstream.waiting);
    stall(upstream).await;
    let _worker = upstream.workers.acquire().await.ok()?;
    drop(waiting);
    let Ok(connection) = tokio::time::timeout(POOL_WAIT, connection(upstream)).await else {
        return Some(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let _connection = connection?;
    let draw = fastrand::f64();
    if draw < effects.hang {
        tokio::time::sleep(HUNG).await;
        return None;
    }
    tokio::time::sleep(time_of_work(upstream, effects)).await;
    if draw < effects.hang + effects.reset {
        return None;
    }
    let failed = draw < effects.hang + effects.reset + effects.error;
    Some(if failed {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    })
}

/// A connection of the pool, less those that were not given back.
async fn connection(upstream: &Upstream) -> Option<(tokio::sync::SemaphorePermit<'_>, Counted<'_>)> {
    const LOOK: Duration = Duration::from_millis(2);
    loop {
        let lost = (upstream.effects().pool * upstream.pool_size as f64).round() as usize;
        let used = upstream.pool_used.load(Ordering::Relaxed);
        if used + lost < upstream.pool_size {
            let permit = upstream.pool.acquire().await.ok()?;
            return Some((permit, Counted::up(&upstream.pool_used)));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits out a stall: the same blocks of time for all requests of an upstream.
async fn stall(upstream: &Upstream) {
    loop {
        let block = upstream.started.elapsed().as_millis() as u64 / STALL_MS;
        let seed = upstream.seed ^ (block + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ upstream.index as u64;
        if fastrand::Rng::with_seed(seed).f64() >= upstream.effects().stalled {
            return;
        }
        tokio::time::sleep(Duration::from_millis(STALL_MS / 4)).await;
    }
}

fn time_of_work(upstream: &Upstream, effects: &Effects) -> Duration {
    // Box and Muller; the mean of the log-normal is 1.
    let (one, two) = (fastrand::f64().max(1e-12), fastrand::f64());
    let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * two).cos();
    let spread = (SPREAD * normal - SPREAD * SPREAD / 2.0).exp();
    // A request in a hundred takes longer on a good day.
    let slow = if fastrand::f64() < 0.01 + effects.slow {
        4.0
    } else {
        1.0
    };
    Duration::from_secs_f64(upstream.spec().service_ms / 1e3 * spread * effects.service * slow)
}
