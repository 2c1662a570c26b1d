//! Computes what is offered once for all streams.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foreshift_domain::fallback::EdsCluster;
use foreshift_domain::published::Published;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration as Span, RouteName, Timestamp};
use foreshift_xds::{Resources, endpoints, layer};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};

use crate::config::XdsSettings;
use crate::shared::Shared;

/// How often it is seen that weights hold no more, should the engine stand still.
const LOOK: Duration = Duration::from_secs(1);

/// What the clients of each group are offered, by type; last, where there are groups, those of none. Empty while nothing
/// is published yet.
pub(crate) type Offers = Vec<Vec<Resources>>;

/// Starts following. It ends when the process stops publishing, or nobody reads the offers.
pub(crate) fn follow(shared: &Shared, settings: XdsSettings) -> watch::Receiver<Arc<Offers>> {
    // The feed first: what changes between the two lines comes twice and is dropped, never lost.
    let changes = shared.channels.changes.resubscribe();
    let mut published = shared.channels.published.clone();
    let first = Arc::clone(&published.borrow_and_update());
    let mut feed = Feed {
        settings,
        clusters: shared.channels.eds.clone(),
        routes: BTreeMap::new(),
        epoch: 0,
        now: Timestamp::MIN,
        seen: Instant::now(),
    };
    feed.catch_up(&first);
    let (sender, receiver) = watch::channel(Arc::new(feed.offers()));
    tokio::spawn(run(feed, published, changes, sender));
    receiver
}

async fn run(
    mut feed: Feed,
    mut published: watch::Receiver<Arc<Published>>,
    mut changes: broadcast::Receiver<Arc<RouteWeights>>,
    sender: watch::Sender<Arc<Offers>>,
) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        // A tick changes many routes: they are one new offer.
        loop {
            match changes.try_recv() {
                Ok(weights) => feed.change(weights),
                Err(TryRecvError::Lagged(_)) => feed.catch_up(&published.borrow().clone()),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let offers = Arc::new(feed.offers());
        sender.send_if_modified(|held| {
            let is_new = *held != offers;
            *held = offers;
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
            // Without a sender they are what they are.
            Ok(()) = feed.clusters.changed() => {}
            _ = look.tick() => {}
            () = sender.closed() => return,
        }
    }
}

struct Feed {
    settings: XdsSettings,
    clusters: watch::Receiver<Arc<[EdsCluster]>>,
    routes: BTreeMap<RouteName, Arc<RouteWeights>>,
    /// That of the state last seen; no process that has published has epoch 0.
    epoch: u64,
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
        self.epoch = published.epoch;
        if published.now > self.now {
            self.now = published.now;
            self.seen = Instant::now();
        }
    }

    fn offers(&self) -> Offers {
        if self.epoch == 0 {
            return Offers::new();
        }
        let groups = &self.settings.groups;
        if groups.is_empty() {
            return vec![self.offer(|_| true)];
        }
        let offers = groups
            .iter()
            .map(|group| self.offer(|route| group.is_given(route)));
        offers.chain([self.offer(|_| false)]).collect()
    }

    /// What those are offered who are given these routes.
    fn offer(&self, is_given: impl Fn(&RouteName) -> bool) -> Vec<Resources> {
        let since = i64::try_from(self.seen.elapsed().as_micros()).unwrap_or(i64::MAX);
        let now = self.now + Span::from_micros(since);
        let clusters = Arc::clone(&self.clusters.borrow());
        let by_endpoints: BTreeSet<_> = clusters.iter().map(|cluster| &cluster.route).collect();
        let in_layer =
            |weights: &&Arc<RouteWeights>| is_given(&weights.route) && !by_endpoints.contains(&weights.route);
        let routes = self.routes.values().filter(in_layer).map(AsRef::as_ref);
        let (endpoints, refused) = endpoints(
            clusters.iter().filter(|cluster| is_given(&cluster.route)),
            |route| self.routes.get(route).map(AsRef::as_ref),
            now,
        );
        for (cluster, why) in refused {
            tracing::error!(cluster, %why, "these endpoints would be refused, so nobody is told of them");
        }
        vec![layer(&self.settings.layer, routes, now), endpoints]
    }
}
