//! Accepted connections: how many, and how long each may live.

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

use crate::config::Limits;

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
    _permit: OwnedSemaphorePermit,
}

impl BoundedStream {
    fn new(
        stream: TcpStream,
        limits: &Limits,
        mut closed: watch::Receiver<bool>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        // A stream may begin just before the greatest age and then live as long again; beyond that the peer does
        // not read, and so keeps the graceful end from reaching it.
        let latest = Instant::now() + limits.max_connection_age * 2 + limits.shutdown_grace;
        Self {
            stream,
            read: 0,
            handshake: Some(Box::pin(sleep(limits.handshake_timeout))),
            end: Box::pin(async move {
                // Elapsed or closed: both end the connection, and so does a server that is gone.
                let _ = timeout_at(latest, closed.wait_for(|closed| *closed)).await;
            }),
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
        if late || self.end.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
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

/// Connections of a listener, never more at a time than `limits` allow: what is over is closed at once, so that
/// its client knows. All are closed when `closed` turns true or its sender is gone.
pub fn accepted(
    listener: TcpListener,
    limits: Limits,
    closed: watch::Receiver<bool>,
) -> impl Stream<Item = io::Result<BoundedStream>> {
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    unfold((listener, permits), move |(listener, permits)| {
        let (limits, closed) = (limits.clone(), closed.clone());
        async move {
            loop {
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                    tracing::warn!(
                        max = limits.max_connections,
                        "too many connections: one was closed"
                    );
                    continue;
                };
                // Weights are small and urgent; a failure to say so costs some milliseconds.
                let _ = stream.set_nodelay(true);
                let bounded = BoundedStream::new(stream, &limits, closed, permit);
                return Some((Ok(bounded), (listener, permits)));
            }
        }
    })
}
