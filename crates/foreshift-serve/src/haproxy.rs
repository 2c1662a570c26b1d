//! Weights for HAProxy: the agent that its `agent-check` asks. A connection carries one question, `ROUTE/TARGET` as set
//! with `agent-send`, and one answer: a percentage of the weight that the server has in HAProxy's configuration.

mod answer;
mod counters;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::published::Published;
use foreshift_domain::{Duration as Span, Timestamp};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::answer::Answer;
use crate::server::{ServeError, Serving};

pub use counters::HaproxyCounters;

/// The longest question: two names, the slash between them, the end of the line.
const MAX_QUESTION_BYTES: usize = 2 * MAX_NAME_BYTES + 3;

/// After an accept that failed for want of file descriptors, the next one would fail too: wait instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where to listen, and how much to allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaproxyConfig {
    /// The address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The most connections at a time; further ones are closed at once, and HAProxy keeps the weights it has.
    pub max_connections: usize,
    /// The longest a connection may take: HAProxy sends its question at once, and by default gives up after 2 s.
    pub deadline: Duration,
}

impl HaproxyConfig {
    /// The usual bounds on an address.
    pub const fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_connections: 1_024,
            deadline: Duration::from_secs(5),
        }
    }
}

/// Starts the agent; it stops when `shutdown` is over. Until `ready` it answers nothing, and HAProxy keeps the weights it
/// has: a restart is no reason to move traffic.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_haproxy(
    config: HaproxyConfig,
    published: watch::Receiver<Arc<Published>>,
    ready: watch::Receiver<bool>,
    counters: Arc<HaproxyCounters>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Serving<SocketAddr>, ServeError> {
    let address = config.listen;
    let bind = |source| ServeError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    let addresses = listener.local_addr().map_err(bind)?;
    let now = published.borrow().now;
    let state = State {
        now,
        seen: Instant::now(),
        published,
        ready,
    };
    let task = tokio::spawn(async move {
        tokio::select! {
            () = shutdown => {}
            () = accept(listener, config, state, counters) => {}
        }
        Ok(())
    });
    Ok(Serving { addresses, task })
}

/// What is known, and when.
struct State {
    published: watch::Receiver<Arc<Published>>,
    ready: watch::Receiver<bool>,
    /// The engine's clock as last published ...
    now: Timestamp,
    /// ... and when that was: what stands still since is told by the time that passes.
    seen: Instant,
}

impl State {
    fn update(&mut self) {
        let now = self.published.borrow_and_update().now;
        if now > self.now {
            self.now = now;
            self.seen = Instant::now();
        }
    }

    fn newest(&self) -> (Arc<Published>, Timestamp) {
        let since = i64::try_from(self.seen.elapsed().as_micros()).unwrap_or(i64::MAX);
        let published = Arc::clone(&self.published.borrow());
        (published, self.now + Span::from_micros(since))
    }
}

async fn accept(
    listener: TcpListener,
    config: HaproxyConfig,
    mut state: State,
    counters: Arc<HaproxyCounters>,
) {
    let permits = Arc::new(Semaphore::new(config.max_connections));
    // Dropped with this future, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            changed = state.published.changed() => {
                if changed.is_err() {
                    return;
                }
                state.update();
                continue;
            }
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let is_ready = *state.ready.borrow();
        let permit = Arc::clone(&permits).try_acquire_owned();
        let (true, Ok(permit)) = (is_ready, permit) else {
            counters.add_refused();
            continue;
        };
        let (published, now) = state.newest();
        let (counters, deadline) = (Arc::clone(&counters), config.deadline);
        connections.spawn(async move {
            let _held = permit;
            match timeout(deadline, answer(stream, &published, now)).await {
                Ok(Some((question, answer))) => counters.add(&question, answer),
                Ok(None) | Err(_) => counters.add_broken(),
            }
        });
    }
}

/// The question, and what was answered; `None` when there was no question, or nobody to answer.
async fn answer(mut stream: TcpStream, published: &Published, now: Timestamp) -> Option<(String, Answer)> {
    let mut line = Vec::new();
    let (read, mut write) = stream.split();
    let mut bounded = BufReader::new(read).take(MAX_QUESTION_BYTES as u64);
    bounded.read_until(b'\n', &mut line).await.ok()?;
    let question = line.strip_suffix(b"\n")?;
    let question = question.strip_suffix(b"\r").unwrap_or(question);
    let question = String::from_utf8(question.to_vec()).ok()?;
    let answer = Answer::to(&question, published, now);
    write.write_all(answer.line().as_bytes()).await.ok()?;
    write.shutdown().await.ok()?;
    Some((question, answer))
}
