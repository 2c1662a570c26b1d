//! Computes the layer once for all streams.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foreshift_domain::published::Published;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration as Span, RouteName, Timestamp};
use foreshift_xds::{LayerSettings, Resources, layer};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};

use crate::shared::Shared;

/// How often it is seen that weights hold no more, should the engine stand still.
const LOOK: Duration = Duration::from_secs(1);

/// Starts following. It ends when the process stops publishing, or nobody reads the layer.
pub(crate) fn follow(shared: &Shared, settings: LayerSettings) -> watch::Receiver<Arc<Resources>> {
    // The feed first: what changes between the two lines comes twice and is dropped, never lost.
    let changes = shared.channels.changes.resubscribe();
    let mut published = shared.channels.published.clone();
    let first = Arc::clone(&published.borrow_and_update());
    let feed = Feed {
        settings,
        routes: BTreeMap::new(),
        now: Timestamp::MIN,
        seen: Instant::now(),
    };
    let (sender, receiver) = watch::channel(Arc::new(feed.layer()));
    tokio::spawn(run(feed, first, published, changes, sender));
    receiver
}

async fn run(
    mut feed: Feed,
    first: Arc<Published>,
    mut published: watch::Receiver<Arc<Published>>,
    mut changes: broadcast::Receiver<Arc<RouteWeights>>,
    sender: watch::Sender<Arc<Resources>>,
) {
    feed.catch_up(&first);
    let mut look = tokio::time::interval(LOOK);
    loop {
        // A tick changes many routes: they are one new layer.
        loop {
            match changes.try_recv() {
                Ok(weights) => feed.change(weights),
                Err(TryRecvError::Lagged(_)) => feed.catch_up(&published.borrow().clone()),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let layer = Arc::new(feed.layer());
        sender.send_if_modified(|held| {
            let is_new = *held != layer;
            *held = layer;
            is_new
        });
        tokio::select! {
            change = changes.recv() => match change {
                Ok(weights) => feed.change(weights),
                Err(RecvError::Lagged(_)) => feed.catch_up(&published.borrow().clone()),
                Err(RecvError::Closed) => return,
            },
            changed = published.changed() => {
                if changed.is_err() {
                    return;
                }
                let latest = Arc::clone(&published.borrow_and_update());
                feed.catch_up(&latest);
            }
            _ = look.tick() => {}
            () = sender.closed() => return,
        }
    }
}

struct Feed {
    settings: LayerSettings,
    routes: BTreeMap<RouteName, Arc<RouteWeights>>,
    /// The engine's clock as last published ...
    now: Timestamp,
    /// ... and when that was: what stands still since is told by the time that passes.
    seen: Instant,
}

impl Feed {
    fn change(&mut self, weights: Arc<RouteWeights>) {
        let known = self.routes.get(&weights.route);
        if known.is_none_or(|known| weights.version > known.version) {
            self.routes.insert(weights.route.clone(), weights);
        }
    }

    fn catch_up(&mut self, published: &Published) {
        self.routes
            .retain(|route, _| published.routes.contains_key(route));
        published
            .routes
            .values()
            .cloned()
            .for_each(|weights| self.change(weights));
        if published.now > self.now {
            self.now = published.now;
            self.seen = Instant::now();
        }
    }

    fn layer(&self) -> Resources {
        let since = i64::try_from(self.seen.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = self.now + Span::from_micros(since);
        layer(&self.settings, self.routes.values().map(AsRef::as_ref), now)
    }
}
