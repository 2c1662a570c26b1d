//! A gRPC client that watches weights and keeps all that it is told, over restarts of the server.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use foreshift_domain::weights::RouteWeights;
use foreshift_serve::client::{Client, ClientConfig, WeightNews};

/// A watching client on a thread of its own.
pub struct Watcher {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<RouteWeights>>,
    snapshots: AtomicU32,
    stop: AtomicBool,
}

impl Watcher {
    /// Begins to watch all routes of this server, and begins again whenever the stream ends.
    pub fn start(server: String) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                while !theirs.stop.load(Ordering::Relaxed) {
                    let told = watch(&server, &theirs);
                    let _ = told.await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// How often it got a snapshot: once for each connection.
    pub fn snapshots(&self) -> u32 {
        self.shared.snapshots.load(Ordering::Relaxed)
    }

    /// All that was seen by now, in the order in which it came.
    pub fn seen(&self) -> Vec<RouteWeights> {
        self.shared.seen.lock().expect("the watcher lives").clone()
    }
}

/// One stream, until it ends.
async fn watch(server: &str, shared: &Shared) -> Result<(), foreshift_serve::client::ClientError> {
    let config = ClientConfig {
        server: server.to_owned(),
        timeout: Duration::from_secs(2),
        ..ClientConfig::default()
    };
    let client = Client::connect(config).await?;
    let mut stream = client.watch_weights(&[]).await?;
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok(news) = tokio::time::timeout(Duration::from_millis(200), stream.next()).await else {
            continue;
        };
        let Some(news) = news? else { return Ok(()) };
        let mut seen = shared.seen.lock().expect("the watcher lives");
        match news {
            WeightNews::Snapshot(routes) => {
                seen.extend(routes);
                shared.snapshots.fetch_add(1, Ordering::Relaxed);
            }
            WeightNews::Changed(weights) => seen.push(weights),
            WeightNews::Removed(_) => {}
        }
    }
    Ok(())
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
