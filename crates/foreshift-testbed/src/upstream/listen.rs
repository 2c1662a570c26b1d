//! Accepting connections for as long as the process of the script is there.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use super::Upstream;
use super::work::respond;

/// How often the script is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Serves until it is aborted. While the script says that the process is gone nobody listens, and what was
/// open breaks.
pub(crate) async fn serve(upstream: Arc<Upstream>) -> anyhow::Result<()> {
    loop {
        let listener = listen(upstream.port)?;
        let mut connections = JoinSet::new();
        while !upstream.effects().gone {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        // Small answers must not wait for more.
                        let _ = stream.set_nodelay(true);
                        connections.spawn(converse(Arc::clone(&upstream), stream));
                    }
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        connections.shutdown().await;
        while upstream.effects().gone {
            tokio::time::sleep(LOOK).await;
        }
    }
}

async fn converse(upstream: Arc<Upstream>, stream: tokio::net::TcpStream) {
    let service = service_fn(move |request| respond(Arc::clone(&upstream), request));
    // Gateways close connections when they give up on a request: nothing to tell.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .with_context(|| format!("cannot listen on {port}"))?;
    Ok(socket.listen(BACKLOG)?)
}
