//! What an Envoy is configured to do, in Foreshift's words: its routes, their targets and baselines, and which parts
//! of Foreshift's wiring it has already.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::dump::{
    AccessLog, Bootstrap, Cluster, Dump, FilterConfig, Listener, LoadAssignment, Locality, Route,
    RouteAction, RouteConfiguration, Section,
};

/// The layer of weights, as `xds.layer` has it by default.
pub(super) const LAYER: &str = "foreshift";
/// The cluster that weights come from.
pub(super) const WEIGHTS_CLUSTER: &str = "foreshift";
/// The cluster that access logs go to.
pub(super) const RECEIVE_CLUSTER: &str = "foreshift_receive";
/// All of a route, in basis points.
const WHOLE_BP: u64 = 10_000;

/// All that was found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Found {
    pub(super) routes: Vec<FoundRoute>,
    /// Routes that Foreshift can do nothing with.
    pub(super) left_out: Vec<LeftOut>,
    pub(super) targets: BTreeMap<String, FoundTarget>,
    pub(super) listeners: Vec<FoundListener>,
    pub(super) wiring: Wiring,
}

/// A route of Foreshift's: one of Envoy's, or several that are named and weighed alike.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct FoundRoute {
    pub(super) name: String,
    /// Targets and their baselines, in basis points.
    pub(super) targets: Vec<(String, u32)>,
    pub(super) places: Vec<Place>,
}

/// Where Envoy has a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    pub(super) route_config: String,
    pub(super) virtual_host: String,
    pub(super) matches: String,
    /// Whether Envoy's route has the name.
    pub(super) is_named: bool,
    /// The `runtime_key_prefix` that it has.
    pub(super) prefix: Option<String>,
    /// Whether a control plane of the user's serves it (RDS).
    pub(super) is_dynamic: bool,
}

/// A route without targets that can be known.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct LeftOut {
    pub(super) place: Place,
    pub(super) why: String,
}

/// A cluster that routes name.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct FoundTarget {
    /// The name that its access log entries bear, where it is another.
    pub(super) logged_as: Option<String>,
    /// Zone or region, where all its endpoints are in one.
    pub(super) failure_domain: Option<String>,
    pub(super) has_outlier_detection: bool,
}

/// A connection manager for HTTP.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct FoundListener {
    pub(super) listener: String,
    pub(super) stat_prefix: String,
    pub(super) has_access_log: bool,
    pub(super) is_dynamic: bool,
}

/// The parts of the wiring that are not of a route or listener.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Wiring {
    pub(super) node_id: Option<String>,
    pub(super) has_node_cluster: bool,
    pub(super) has_layer: bool,
    /// Whether a layer above Foreshift's is what people set at the admin endpoint.
    pub(super) has_admin_layer: bool,
    /// Whether the runtime has layers of its own.
    pub(super) has_layers: bool,
    pub(super) has_weights_cluster: bool,
    pub(super) has_receive_cluster: bool,
}

impl FoundRoute {
    /// Whether there is more than one way to go.
    pub(super) fn is_steerable(&self) -> bool {
        self.targets.len() > 1
    }

    /// The prefix of its runtime keys.
    pub(super) fn prefix(&self) -> String {
        format!("{LAYER}.{}", self.name)
    }
}

impl Found {
    /// Reads a dump.
    pub(super) fn of(dump: Dump) -> Self {
        let mut found = Self::default();
        let mut clusters = BTreeMap::new();
        let mut endpoints = BTreeMap::new();
        for section in dump.configs {
            match section {
                Section::Bootstrap { bootstrap } => found.bootstrap(&bootstrap),
                Section::Clusters {
                    static_clusters,
                    dynamic_active_clusters,
                } => {
                    let all = static_clusters.into_iter().chain(dynamic_active_clusters);
                    clusters.extend(all.map(|of| (of.cluster.name.clone(), of.cluster)));
                }
                Section::Listeners {
                    static_listeners,
                    dynamic_listeners,
                } => {
                    for of in &static_listeners {
                        found.listener(&of.listener, false);
                    }
                    let active = dynamic_listeners.iter().filter_map(|of| of.active_state.as_ref());
                    active.for_each(|of| found.listener(&of.listener, true));
                }
                Section::Routes {
                    static_route_configs,
                    dynamic_route_configs,
                } => {
                    for of in &static_route_configs {
                        found.route_config(&of.route_config, false);
                    }
                    for of in &dynamic_route_configs {
                        found.route_config(&of.route_config, true);
                    }
                }
                Section::Endpoints {
                    static_endpoint_configs,
                    dynamic_endpoint_configs,
                } => {
                    let all = static_endpoint_configs
                        .into_iter()
                        .chain(dynamic_endpoint_configs);
                    endpoints
                        .extend(all.map(|of| (of.endpoint_config.cluster_name.clone(), of.endpoint_config)));
                }
                Section::Other => {}
            }
        }
        found.wiring.has_weights_cluster = clusters.contains_key(WEIGHTS_CLUSTER);
        found.wiring.has_receive_cluster = clusters.contains_key(RECEIVE_CLUSTER);
        found.targets(&clusters, &endpoints);
        found
    }

    fn bootstrap(&mut self, bootstrap: &Bootstrap) {
        let node = &bootstrap.node;
        self.wiring.node_id = (!node.id.is_empty()).then(|| node.id.clone());
        self.wiring.has_node_cluster = !node.cluster.is_empty();
        let Some(runtime) = &bootstrap.layered_runtime else {
            return;
        };
        self.wiring.has_layers = !runtime.layers.is_empty();
        let ours = runtime.layers.iter().position(|layer| {
            let rtds = layer.rtds_layer.as_ref();
            rtds.is_some_and(|rtds| rtds.name == LAYER || (rtds.name.is_empty() && layer.name == LAYER))
        });
        self.wiring.has_layer = ours.is_some();
        // Later layers win.
        let above = runtime.layers.iter().skip(ours.map_or(0, |ours| ours + 1));
        self.wiring.has_admin_layer = above.into_iter().any(|layer| layer.admin_layer.is_some());
    }

    fn listener(&mut self, listener: &Listener, is_dynamic: bool) {
        let chains = listener
            .filter_chains
            .iter()
            .chain(&listener.default_filter_chain);
        for filter in chains.flat_map(|chain| &chain.filters) {
            let Some(FilterConfig::Http {
                stat_prefix,
                access_log,
            }) = &filter.typed_config
            else {
                continue;
            };
            let one = FoundListener {
                listener: listener.name.clone(),
                stat_prefix: stat_prefix.clone(),
                has_access_log: access_log.iter().any(goes_to_foreshift),
                is_dynamic,
            };
            // Several filter chains of a listener usually share one configuration.
            if !self.listeners.contains(&one) {
                self.listeners.push(one);
            }
        }
    }

    fn route_config(&mut self, config: &RouteConfiguration, is_dynamic: bool) {
        for host in &config.virtual_hosts {
            for route in &host.routes {
                // Redirects and answers of Envoy's own go nowhere.
                let Some(action) = &route.route else { continue };
                let prefix = action
                    .weighted_clusters
                    .as_ref()
                    .map(|of| of.runtime_key_prefix.clone());
                let place = Place {
                    route_config: config.name.clone(),
                    virtual_host: host.name.clone(),
                    matches: matches(route),
                    is_named: !route.name.is_empty(),
                    prefix: prefix.filter(|prefix| !prefix.is_empty()),
                    is_dynamic,
                };
                match targets(action) {
                    Ok(targets) => self.add(route, place, targets),
                    Err(why) => self.left_out.push(LeftOut { place, why }),
                }
            }
        }
    }

    /// Adds a route, or a further place of one that is named and weighed alike.
    fn add(&mut self, route: &Route, place: Place, targets: Vec<(String, u32)>) {
        let wired = place
            .prefix
            .as_deref()
            .and_then(|prefix| prefix.strip_prefix(LAYER)?.strip_prefix('.'));
        let wanted = match wired {
            Some(name) => name.to_owned(),
            None if place.is_named => route.name.clone(),
            None => proposed(&place),
        };
        let hosted = format!("{}-{wanted}", slug(&place.virtual_host));
        let numbered = (2_u32..).map(|number| format!("{hosted}-{number}"));
        for name in [wanted, hosted.clone()].into_iter().chain(numbered) {
            match self.routes.iter_mut().find(|route| route.name == name) {
                None => {
                    return self.routes.push(FoundRoute {
                        name,
                        targets,
                        places: vec![place],
                    });
                }
                Some(known) if known.targets == targets => return known.places.push(place),
                Some(_) => {}
            }
        }
    }

    fn targets(
        &mut self,
        clusters: &BTreeMap<String, Cluster>,
        endpoints: &BTreeMap<String, LoadAssignment>,
    ) {
        let named = self.routes.iter().flat_map(|route| &route.targets);
        let named: BTreeSet<_> = named.map(|(name, _)| name.clone()).collect();
        let mut aliases = BTreeMap::new();
        for cluster in named.iter().filter_map(|name| clusters.get(name)) {
            *aliases.entry(cluster.alt_stat_name.as_str()).or_insert(0) += 1;
        }
        for name in &named {
            let cluster = clusters.get(name);
            // A name that several clusters share says nothing of which one it was.
            let alias = cluster.map(|cluster| &cluster.alt_stat_name).filter(|alias| {
                !alias.is_empty() && !named.contains(*alias) && aliases.get(alias.as_str()) == Some(&1)
            });
            let found = FoundTarget {
                logged_as: alias.cloned(),
                failure_domain: endpoints.get(name).and_then(failure_domain),
                has_outlier_detection: cluster.is_some_and(|cluster| cluster.outlier_detection.is_some()),
            };
            self.targets.insert(name.clone(), found);
        }
    }
}

fn goes_to_foreshift(log: &AccessLog) -> bool {
    let cluster = log
        .typed_config
        .pointer("/common_config/grpc_service/envoy_grpc/cluster_name");
    cluster.and_then(|name| name.as_str()) == Some(RECEIVE_CLUSTER)
}

/// Where a route leads, each with its share; or why that cannot be known.
fn targets(action: &RouteAction) -> Result<Vec<(String, u32)>, String> {
    if let Some(cluster) = &action.cluster {
        return Ok(vec![(cluster.clone(), 10_000)]);
    }
    if let Some(header) = &action.cluster_header {
        return Err(format!("the request's header `{header}` names the cluster"));
    }
    let Some(weighted) = &action.weighted_clusters else {
        return Err("a plugin chooses the cluster".to_owned());
    };
    if weighted.clusters.iter().any(|cluster| cluster.name.is_empty()) {
        return Err("a request's header names one of the clusters".to_owned());
    }
    let mut weights = BTreeMap::new();
    for cluster in &weighted.clusters {
        *weights.entry(cluster.name.as_str()).or_insert(0) += u64::from(cluster.weight);
    }
    if weights.len() < weighted.clusters.len() {
        // Told apart by headers or metadata: one key of the runtime would weigh both.
        return Err("a cluster is named twice, with one weight by each name".to_owned());
    }
    let names = weighted.clusters.iter().map(|cluster| cluster.name.clone());
    let weights: Vec<u64> = weighted
        .clusters
        .iter()
        .map(|cluster| u64::from(cluster.weight))
        .collect();
    Ok(names.zip(shares_bp(&weights)).collect())
}

/// Weights as shares that sum to 10,000 exactly: what is left after rounding down goes to the largest remainders,
/// of equal ones to the first.
pub(super) fn shares_bp(weights: &[u64]) -> Vec<u32> {
    let sum: u64 = weights.iter().sum::<u64>().max(1);
    let mut shares: Vec<(usize, u64, u64)> = weights
        .iter()
        .enumerate()
        .map(|(index, weight)| (index, weight * WHOLE_BP / sum, weight * WHOLE_BP % sum))
        .collect();
    let mut left = WHOLE_BP.saturating_sub(shares.iter().map(|(_, share, _)| share).sum());
    shares.sort_by(|a, b| b.2.cmp(&a.2).then(a.0.cmp(&b.0)));
    for (_, share, _) in &mut shares {
        let more = left.min(1);
        *share += more;
        left -= more;
    }
    shares.sort_by_key(|(index, ..)| *index);
    shares
        .into_iter()
        .map(|(_, share, _)| u32::try_from(share).unwrap_or(u32::MAX))
        .collect()
}

/// What a route matches, for people.
fn matches(route: &Route) -> String {
    let text = |key: &str| route.matched.get(key).and_then(|value| value.as_str());
    for key in ["prefix", "path", "path_separated_prefix"] {
        if let Some(value) = text(key) {
            return format!("{key} {value}");
        }
    }
    match route
        .matched
        .pointer("/safe_regex/regex")
        .and_then(|regex| regex.as_str())
    {
        Some(regex) => format!("regex {regex}"),
        None => "other rules".to_owned(),
    }
}

/// A name for a route that has none: of its virtual host and what it matches.
fn proposed(place: &Place) -> String {
    let matched = place.matches.split_once(' ').map_or("", |(_, value)| value);
    match (slug(&place.virtual_host), slug(matched)) {
        (host, path) if path.is_empty() => host,
        (host, path) => format!("{host}-{path}"),
    }
}

/// Letters and digits, parted by hyphens.
fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    match words.is_empty() && text == "*" {
        true => "all".to_owned(),
        false => words.join("-").to_ascii_lowercase(),
    }
}

/// The zone that all endpoints are in, else their region.
fn failure_domain(assignment: &LoadAssignment) -> Option<String> {
    let one = |part: fn(&Locality) -> &String| {
        let parts: BTreeSet<_> = assignment.endpoints.iter().map(|of| part(&of.locality)).collect();
        match parts.iter().next() {
            Some(only) if parts.len() == 1 && !only.is_empty() => Some((*only).clone()),
            _ => None,
        }
    };
    one(|locality| &locality.zone).or_else(|| one(|locality| &locality.region))
}
