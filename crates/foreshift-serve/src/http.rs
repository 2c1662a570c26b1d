//! `/metrics`, `/livez` and `/readyz` over plain HTTP, for monitoring and orchestration. Read-only, without
//! credentials: bind it where only they can reach it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foreshift_domain::published::Published;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::metrics::{Metric, render};
use crate::server::{ServeError, Serving};

/// The format that Prometheus reads.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The largest request head, in bytes: these endpoints need some hundreds, hyper's least is 8,192.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// After an accept that failed for want of file descriptors, the next one would fail too: wait instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where to listen, and how much to allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// The address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The most connections at a time; further ones are closed at once.
    pub max_connections: usize,
    /// The longest a connection may take, from its first byte to the end of the answer; each carries one request.
    pub request_timeout: Duration,
}

impl HttpConfig {
    /// The usual bounds on an address.
    pub const fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            max_connections: 64,
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// More metrics, asked for at each scrape.
pub type ExtraMetrics = Arc<dyn Fn() -> Vec<Metric> + Send + Sync>;

#[derive(Clone)]
struct Endpoints {
    published: watch::Receiver<Arc<Published>>,
    ready: watch::Receiver<bool>,
    extra: ExtraMetrics,
}

/// Starts the HTTP endpoints; they stop when `shutdown` is over.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_http(
    config: HttpConfig,
    published: watch::Receiver<Arc<Published>>,
    ready: watch::Receiver<bool>,
    extra: ExtraMetrics,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Serving<SocketAddr>, ServeError> {
    let address = config.listen;
    let bind = |source| ServeError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(bind)?;
    let addresses = listener.local_addr().map_err(bind)?;
    let endpoints = Endpoints {
        published,
        ready,
        extra,
    };
    let task = tokio::spawn(async move {
        tokio::select! {
            () = shutdown => {}
            () = accept(listener, config, endpoints) => {}
        }
        Ok(())
    });
    Ok(Serving { addresses, task })
}

async fn accept(listener: TcpListener, config: HttpConfig, endpoints: Endpoints) {
    let permits = Arc::new(Semaphore::new(config.max_connections));
    // Dropped with this future, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            continue;
        };
        let endpoints = endpoints.clone();
        connections.spawn(async move {
            let _held = permit;
            // Elapsed or broken: the peer is to blame, and it is gone.
            let _ = timeout(config.request_timeout, answer(stream, endpoints)).await;
        });
    }
}

async fn answer(stream: TcpStream, endpoints: Endpoints) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let response = respond(&request, &endpoints);
        async move { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn respond(request: &Request<Incoming>, endpoints: &Endpoints) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let is_ready = *endpoints.ready.borrow();
    match request.uri().path() {
        "/livez" => plain(StatusCode::OK, "live\n".to_owned()),
        "/readyz" if is_ready => plain(StatusCode::OK, "ready\n".to_owned()),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
        "/metrics" => {
            let published = Arc::clone(&endpoints.published.borrow());
            plain(StatusCode::OK, render(&published, is_ready, (endpoints.extra)()))
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "there are /metrics, /livez and /readyz\n".to_owned(),
        ),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
    response
}
