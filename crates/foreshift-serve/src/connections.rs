//! Accepted connections: how many, how fast they may come, and how long each may live.

mod admission;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep, timeout_at};
use tonic::transport::server::{Connected, TcpConnectInfo};

use self::admission::Admission;
use crate::config::Limits;
use crate::counters::ServeCounters;

/// After an accept that failed for want of file descriptors, the next one would fail too: wait instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Length of the preface that every HTTP/2 client sends first. Who has not sent as much is not talking yet.
const PREFACE_BYTES: u64 = 24;

/// A connection that counts against its listener's bound, and is closed when its time is over.
pub struct BoundedStream {
    stream: TcpStream,
    read: u64,
    handshake: Option<Pin<Box<Sleep>>>,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    counters: Arc<ServeCounters>,
    _permit: OwnedSemaphorePermit,
}

impl BoundedStream {
    fn new(
        stream: TcpStream,
        limits: &Limits,
        mut closed: watch::Receiver<bool>,
        counters: Arc<ServeCounters>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        // A stream may begin just before the greatest age and then live as long again; beyond that the peer does
        // not read, and so keeps the graceful end from reaching it.
        let latest = Instant::now() + limits.max_connection_age * 2 + limits.shutdown_grace;
        ServeCounters::add(&counters.connections);
        Self {
            stream,
            read: 0,
            handshake: Some(Box::pin(sleep(limits.handshake_timeout))),
            end: Box::pin(async move {
                // Elapsed or closed: both end the connection, and so does a server that is gone.
                let _ = timeout_at(latest, closed.wait_for(|closed| *closed)).await;
            }),
            counters,
            _permit: permit,
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.read >= PREFACE_BYTES {
            self.handshake = None;
        }
        let late = self
            .handshake
            .as_mut()
            .is_some_and(|handshake| handshake.as_mut().poll(cx).is_ready());
        if late {
            self.handshake = None;
            ServeCounters::add(&self.counters.connections_silent);
        }
        if late || self.end.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl Drop for BoundedStream {
    fn drop(&mut self) {
        ServeCounters::add(&self.counters.connections_ended);
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Err(over) = self.poll_time(cx) {
            return Poll::Ready(Err(over));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.read += (buf.filled().len() - before) as u64;
        polled
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for BoundedStream {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

/// Connections of a listener, never more at a time, nor faster, than `limits` allow: what is over is closed at once, so
/// that its client knows. All are closed when `closed` turns true or its sender is gone.
pub fn accepted(
    listener: TcpListener,
    limits: Limits,
    closed: watch::Receiver<bool>,
) -> impl Stream<Item = io::Result<BoundedStream>> {
    counted(listener, limits, closed, Arc::default())
}

/// The same, counted.
pub(crate) fn counted(
    listener: TcpListener,
    limits: Limits,
    closed: watch::Receiver<bool>,
    counters: Arc<ServeCounters>,
) -> impl Stream<Item = io::Result<BoundedStream>> {
    let door = Door {
        listener,
        permits: Arc::new(Semaphore::new(limits.max_connections)),
        admission: Admission::new(
            limits.max_connects_per_s,
            limits.max_connects_per_peer_per_s,
            std::time::Instant::now(),
        ),
        limits,
        closed,
        counters,
    };
    unfold(door, |mut door| async { Some((Ok(door.next().await), door)) })
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    admission: Admission,
    limits: Limits,
    closed: watch::Receiver<bool>,
    counters: Arc<ServeCounters>,
}

impl Door {
    /// The next that may come in.
    async fn next(&mut self) -> BoundedStream {
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if !self.admission.admits(peer.ip(), std::time::Instant::now()) {
                // Counted, not logged: a flood would flood the log too.
                ServeCounters::add(&self.counters.connections_too_fast);
                continue;
            }
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                ServeCounters::add(&self.counters.connections_too_many);
                tracing::warn!(
                    max = self.limits.max_connections,
                    "too many connections: one was closed"
                );
                continue;
            };
            // Weights are small and urgent; a failure to say so costs some milliseconds.
            let _ = stream.set_nodelay(true);
            let (closed, counters) = (self.closed.clone(), Arc::clone(&self.counters));
            return BoundedStream::new(stream, &self.limits, closed, counters, permit);
        }
    }
}
