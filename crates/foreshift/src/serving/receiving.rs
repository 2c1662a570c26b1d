//! The listener of the receivers. Its connections are bounded as those of all other listeners are.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use foreshift_ingest::receive::Receivers;
use foreshift_serve::{Credentials, Limits, accepted, telemetry_gate};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The receivers, running.
pub(crate) struct Receiving {
    /// Where they listen, with a true port.
    pub(crate) address: SocketAddr,
    /// Ends when they have stopped.
    pub(crate) task: JoinHandle<()>,
}

/// Receivers that only those may call whom the credentials let send telemetry, over TLS where it is configured.
pub(crate) fn guarded(receivers: Receivers, credentials: &Credentials) -> Receivers {
    let tls = credentials.tls_config(Limits::default().handshake_timeout);
    receivers.guarded(Arc::new(telemetry_gate(credentials.clone())), tls)
}

/// Starts them. They stop when `stopping` turns true: streams end, exports in flight have the limits' grace.
pub(crate) async fn start(
    address: SocketAddr,
    receivers: Receivers,
    mut stopping: watch::Receiver<bool>,
) -> anyhow::Result<Receiving> {
    let listen = || format!("cannot listen on {address} for telemetry");
    let listener = TcpListener::bind(address).await.with_context(listen)?;
    let address = listener.local_addr().with_context(listen)?;
    let limits = Limits::default();
    let grace = limits.shutdown_grace;
    let (close, closed) = watch::channel(false);
    let serving = receivers.serve(accepted(listener, limits, closed), stopping.clone());
    let task = tokio::spawn(async move {
        let grace_is_over = async {
            let _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep(grace).await;
        };
        tokio::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = grace_is_over => {
                close.send_replace(true);
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::error!(%error, "telemetry is no longer received");
        }
    });
    Ok(Receiving { address, task })
}
