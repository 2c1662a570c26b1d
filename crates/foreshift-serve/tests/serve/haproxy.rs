//! The agent that HAProxy asks: what it answers, and to how many.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foreshift_serve::{HaproxyConfig, HaproxyCounters, serve_haproxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::harness::{Outside, STUCK, channels, loopback, weights, world};

struct Agent {
    address: SocketAddr,
    counters: Arc<HaproxyCounters>,
    outside: Outside,
    _stop: oneshot::Sender<()>,
}

impl Agent {
    async fn start(config: HaproxyConfig) -> Self {
        let (inside, outside) = channels(world(), 1);
        let (stop, stopped) = oneshot::channel::<()>();
        let counters = Arc::new(HaproxyCounters::default());
        let shutdown = async { drop(stopped.await) };
        let serving = serve_haproxy(
            config,
            inside.published,
            inside.ready,
            Arc::clone(&counters),
            shutdown,
        );
        let address = serving.await.expect("it starts").addresses;
        outside.ready.send_replace(true);
        Self {
            address,
            counters,
            outside,
            _stop: stop,
        }
    }

    async fn usual() -> Self {
        Self::start(HaproxyConfig::new(loopback())).await
    }

    async fn ask(&self, question: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.expect("it connects");
        // The other end may be closed already.
        let _ = stream.write_all(question).await;
        said(&mut stream).await
    }

    fn counted(&self, name: &str, label: &str) -> f64 {
        let metrics = self.counters.export();
        let found = metrics.iter().find(|metric| {
            metric.name == name
                && metric
                    .labels
                    .iter()
                    .all(|(_, value)| label.is_empty() || value == label)
        });
        found.expect("the metric").value
    }

    async fn counts(&self, name: &str, label: &str, count: f64) {
        let counted = async {
            while self.counted(name, label) < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(STUCK, counted).await.expect("it is counted");
        assert_eq!(self.counted(name, label), count, "{name} {label}");
    }
}

/// All that is said until the other end closes; a reset is an end.
async fn said(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let _ = timeout(STUCK, stream.read_to_end(&mut said))
        .await
        .expect("not stuck");
    String::from_utf8(said).expect("text")
}

#[tokio::test]
async fn a_server_is_told_its_weight_and_the_newest_one() {
    let agent = Agent::usual().await;
    assert_eq!(agent.ask(b"front/a/eu\n").await, "90%\n");
    assert_eq!(agent.ask(b"front/a/us\r\n").await, "1000%\n");
    agent.outside.published.send_modify(|published| {
        let mut next = published.as_ref().clone();
        let moved = Arc::new(weights("front/a", 3, 0));
        next.routes.insert(moved.route.clone(), moved);
        *published = Arc::new(next);
    });
    assert_eq!(agent.ask(b"front/a/eu\n").await, "0%\n");
    agent.counts("haproxy_answers_total", "weight", 3.0).await;
}

#[tokio::test]
async fn weights_lapse_by_the_time_that_passes_when_the_engine_stands_still() {
    let agent = Agent::usual().await;
    agent.outside.published.send_modify(|published| {
        let mut next = published.as_ref().clone();
        let mut short = weights("api", 2, 0);
        short.valid_until = next.now + foreshift_domain::Duration::from_millis(1);
        next.routes.insert("api".into(), Arc::new(short));
        *published = Arc::new(next);
    });
    sleep(Duration::from_millis(2)).await;
    assert_eq!(agent.ask(b"api/eu\n").await, "100%\n");
    agent.counts("haproxy_answers_total", "lapsed", 1.0).await;
}

#[tokio::test]
async fn an_unknown_server_is_left_as_configured_and_counted() {
    let agent = Agent::usual().await;
    assert_eq!(agent.ask(b"nothing/here\n").await, "100% unknown-to-foreshift\n");
    agent.counts("haproxy_answers_total", "unknown", 1.0).await;
}

#[tokio::test]
async fn before_it_is_ready_nothing_is_answered() {
    let agent = Agent::usual().await;
    agent.outside.ready.send_replace(false);
    assert_eq!(agent.ask(b"api/eu\n").await, "");
    agent.counts("haproxy_refused_total", "", 1.0).await;
}

#[tokio::test]
async fn a_question_that_is_too_long_no_text_or_cut_short_is_not_answered() {
    let agent = Agent::usual().await;
    assert_eq!(agent.ask(&[b'a'; 4_096]).await, "");
    assert_eq!(agent.ask(b"api/\xff\n").await, "");
    let mut cut = TcpStream::connect(agent.address).await.expect("it connects");
    cut.write_all(b"api/eu").await.expect("it writes");
    cut.shutdown().await.expect("it ends");
    assert_eq!(said(&mut cut).await, "");
    agent.counts("haproxy_broken_total", "", 3.0).await;
}

#[tokio::test]
async fn who_says_nothing_is_given_up_and_makes_room() {
    let mut config = HaproxyConfig::new(loopback());
    config.deadline = Duration::from_millis(50);
    config.max_connections = 1;
    let agent = Agent::start(config).await;
    let mut silent = TcpStream::connect(agent.address).await.expect("it connects");
    assert_eq!(said(&mut silent).await, "");
    agent.counts("haproxy_broken_total", "", 1.0).await;
    assert_eq!(agent.ask(b"api/eu\n").await, "100%\n");
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_and_counted() {
    let mut config = HaproxyConfig::new(loopback());
    config.max_connections = 2;
    let agent = Agent::start(config).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(TcpStream::connect(agent.address).await.expect("it connects"));
    }
    assert_eq!(agent.ask(b"api/eu\n").await, "");
    agent.counts("haproxy_refused_total", "", 1.0).await;
    let mut first = held.remove(0);
    first.write_all(b"api/eu\n").await.expect("it writes");
    assert_eq!(said(&mut first).await, "100%\n", "those before are served");
}
