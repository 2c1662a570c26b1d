//! What one watcher of weights has been told, and what it is told next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use foreshift_domain::RouteName;
use foreshift_domain::published::Published;
use foreshift_domain::weights::{RouteWeights, Version};
use foreshift_proto::{MAX_PART_ENTRIES, v1};

/// Keeps the promise to one watcher: a snapshot, then only what is new, versions of a route strictly increasing.
///
/// Its reader takes changes from the feed only when nothing is pending, so that a watcher that does not read holds
/// one snapshot or one backlog of the feed at most.
pub(crate) struct WeightWatch {
    filter: Option<BTreeSet<RouteName>>,
    sent: BTreeMap<RouteName, Version>,
    /// The state that was last compared with.
    compared: Arc<Published>,
    pending: VecDeque<Part>,
}

struct Part {
    snapshot: bool,
    snapshot_complete: bool,
    routes: Vec<Arc<RouteWeights>>,
    removed: Vec<RouteName>,
}

impl WeightWatch {
    /// A watcher that is told the snapshot first.
    pub(crate) fn new(filter: Option<BTreeSet<RouteName>>, published: Arc<Published>) -> Self {
        let mut watch = Self {
            filter,
            sent: BTreeMap::new(),
            compared: Arc::clone(&published),
            pending: VecDeque::new(),
        };
        let routes = watch.news_of(&published);
        watch.push(true, routes, Vec::new());
        if watch.pending.is_empty() {
            watch.pending.push_back(Part {
                snapshot: true,
                snapshot_complete: false,
                routes: Vec::new(),
                removed: Vec::new(),
            });
        }
        if let Some(last) = watch.pending.back_mut() {
            last.snapshot_complete = true;
        }
        watch
    }

    /// Takes one version from the feed of changes; one that was overtaken is dropped.
    pub(crate) fn change(&mut self, weights: &Arc<RouteWeights>) {
        if self.wants(&weights.route) && self.is_news(weights) {
            self.sent.insert(weights.route.clone(), weights.version);
            self.push(false, vec![Arc::clone(weights)], Vec::new());
        }
    }

    /// Brings the watcher to this state. What the feed brought before must have been taken.
    pub(crate) fn catch_up(&mut self, published: Arc<Published>) {
        // Every watcher looks at every state: where the routes are the same ones, only those that are new are looked up.
        if let Some(changed) = changed(&self.compared, &published) {
            let routes = self.news_among(changed);
            self.push(false, routes, Vec::new());
            self.compared = published;
            return;
        }
        // Gone is what the state before had and this one has not. What neither has came by the feed, ahead of
        // its state.
        let removed: Vec<RouteName> = self
            .compared
            .routes
            .keys()
            .filter(|route| !published.routes.contains_key(*route))
            .filter(|route| self.sent.contains_key(*route))
            .cloned()
            .collect();
        for route in &removed {
            self.sent.remove(route);
        }
        let routes = self.news_of(&published);
        self.push(false, routes, removed);
        self.compared = published;
    }

    /// The next message; `None` when the watcher knows all.
    pub(crate) fn next(&mut self) -> Option<v1::WatchRouteWeightsResponse> {
        let part = self.pending.pop_front()?;
        Some(v1::WatchRouteWeightsResponse {
            snapshot: part.snapshot,
            snapshot_complete: part.snapshot_complete,
            routes: part
                .routes
                .iter()
                .map(|weights| weights.as_ref().into())
                .collect(),
            removed_routes: part
                .removed
                .iter()
                .map(|route| route.as_str().to_owned())
                .collect(),
        })
    }

    fn wants(&self, route: &RouteName) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.contains(route))
    }

    fn is_news(&self, weights: &RouteWeights) -> bool {
        self.sent
            .get(&weights.route)
            .is_none_or(|sent| weights.version > *sent)
    }

    fn news_of(&mut self, published: &Published) -> Vec<Arc<RouteWeights>> {
        self.news_among(published.routes.values())
    }

    fn news_among<'a>(
        &mut self,
        routes: impl IntoIterator<Item = &'a Arc<RouteWeights>>,
    ) -> Vec<Arc<RouteWeights>> {
        let news: Vec<_> = routes
            .into_iter()
            .filter(|weights| self.wants(&weights.route) && self.is_news(weights))
            .cloned()
            .collect();
        for weights in &news {
            self.sent.insert(weights.route.clone(), weights.version);
        }
        news
    }

    fn push(&mut self, snapshot: bool, routes: Vec<Arc<RouteWeights>>, removed: Vec<RouteName>) {
        let part = |routes: &[Arc<RouteWeights>], removed: &[RouteName]| Part {
            snapshot,
            snapshot_complete: false,
            routes: routes.to_vec(),
            removed: removed.to_vec(),
        };
        // What is gone comes first: a route that was replaced must not be taken away again.
        self.pending
            .extend(removed.chunks(MAX_PART_ENTRIES).map(|removed| part(&[], removed)));
        self.pending
            .extend(routes.chunks(MAX_PART_ENTRIES).map(|routes| part(routes, &[])));
    }
}

/// The weights that are others than before; `None` when routes came or went.
fn changed<'a>(before: &Published, now: &'a Published) -> Option<Vec<&'a Arc<RouteWeights>>> {
    if before.routes.len() != now.routes.len() {
        return None;
    }
    let mut changed = Vec::new();
    for ((route, before), (same, now)) in before.routes.iter().zip(&now.routes) {
        if !Arc::ptr_eq(before, now) {
            if route != same {
                return None;
            }
            changed.push(now);
        }
    }
    Some(changed)
}

#[cfg(test)]
mod tests;
