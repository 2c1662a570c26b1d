//! Open-loop load: requests come when they come, whatever became of those before, and what clients see is counted.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

use crate::scenario::Scenario;
use crate::upstream::TARGET_HEADER;

/// Requests under way at once; clients that cannot begin one count as failed, since their users wait too.
const MAX_IN_FLIGHT: usize = 4_000;
/// Clients wait so much longer than the gateway, to hear what it says.
const PATIENCE: Duration = Duration::from_millis(500);

/// How a request ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    Good,
    /// Good, and later than clients put up with.
    Slow,
    /// 5xx or 429, no answer in time, a broken connection, or half an answer.
    Failed,
}

/// One request, as its client saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// When it was sent, in seconds of the story.
    pub(crate) sent_s: f64,
    /// On the wire.
    pub(crate) latency_ms: f64,
    pub(crate) ending: Ending,
    /// 0 without an answer.
    pub(crate) status: u16,
    /// Who answered, where an upstream did.
    pub(crate) target: Option<String>,
}

/// What has become of the requests so far, for those who watch.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

/// Requests since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) failed: u64,
    pub(crate) answered_by: BTreeMap<String, u64>,
}

impl Tally {
    fn count(&self, seen: &Seen) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.failed += u64::from(seen.ending == Ending::Failed);
        if let Some(target) = &seen.target {
            *counts.answered_by.entry(target.clone()).or_default() += 1;
        }
    }

    pub(crate) fn read(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Http = Client<HttpConnector, Empty<Bytes>>;

/// Sends the scenario's traffic to `port` from `start` on. The same seed sends at the same moments.
pub(crate) async fn drive(
    scenario: Arc<Scenario>,
    port: u16,
    seed: u64,
    start: Instant,
    tally: Arc<Tally>,
) -> Vec<Seen> {
    let (report, mut reports) = mpsc::channel(MAX_IN_FLIGHT);
    let sender = tokio::spawn(send_all(scenario, port, seed, start, report));
    let mut seen = Vec::new();
    while let Some(one) = reports.recv().await {
        tally.count(&one);
        seen.push(one);
    }
    let _ = sender.await;
    seen.sort_by(|one: &Seen, other| one.sent_s.total_cmp(&other.sent_s));
    seen
}

async fn send_all(scenario: Arc<Scenario>, port: u16, seed: u64, start: Instant, report: mpsc::Sender<Seen>) {
    let http: Http = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(5))
        .build_http();
    let room = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut due = Duration::ZERO;
    loop {
        let story_s = scenario.story_s(due);
        due += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / scenario.rate_rps(story_s));
        if scenario.story_s(due) >= scenario.length_s {
            return;
        }
        tokio::time::sleep_until((start + due).into()).await;
        let sent_s = scenario.story_s(due);
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            let _ = report.send(failed(sent_s, 0.0, 0)).await;
            continue;
        };
        let (http, scenario, report) = (http.clone(), Arc::clone(&scenario), report.clone());
        tokio::spawn(async move {
            let seen = one_request(&http, &scenario, port, sent_s).await;
            drop(permit);
            let _ = report.send(seen).await;
        });
    }
}

const fn failed(sent_s: f64, latency_ms: f64, status: u16) -> Seen {
    Seen {
        sent_s,
        latency_ms,
        ending: Ending::Failed,
        status,
        target: None,
    }
}

async fn one_request(http: &Http, scenario: &Scenario, port: u16, sent_s: f64) -> Seen {
    let began = Instant::now();
    let latest = Duration::from_millis(scenario.traffic.timeout_ms) + PATIENCE;
    let answer = tokio::time::timeout(latest, ask(http, port)).await;
    let latency_ms = began.elapsed().as_secs_f64() * 1e3;
    let Ok(Ok((status, target, whole))) = answer else {
        return failed(sent_s, latency_ms, 0);
    };
    let ending = if status >= 500 || status == 429 || !whole {
        Ending::Failed
    } else if latency_ms > scenario.traffic.slow_ms as f64 {
        Ending::Slow
    } else {
        Ending::Good
    };
    Seen {
        sent_s,
        latency_ms,
        ending,
        status,
        target,
    }
}

/// Status, who answered, and whether the answer came to its end.
async fn ask(http: &Http, port: u16) -> anyhow::Result<(u16, Option<String>, bool)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let request = Request::get(format!("http://{address}/")).body(Empty::new())?;
    let answer = http.request(request).await?;
    let status = answer.status().as_u16();
    let target = answer
        .headers()
        .get(TARGET_HEADER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let whole = answer.into_body().collect().await.is_ok();
    Ok((status, target, whole))
}
