//! Which gateways are given which routes.

use envoy_types::pb::envoy::config::core::v3::Node;
use foreshift_domain::RouteName;

/// Gateways that are given the same routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, for people.
    pub name: String,
    /// Who is in it: patterns of Envoy's `node.id` or `node.cluster`. A `*` at the end stands for anything.
    pub gateways: Vec<String>,
    /// What they are given: patterns of routes.
    pub routes: Vec<String>,
}

impl Group {
    /// Whether a client is in the group.
    pub fn has(&self, client: &Node) -> bool {
        any(&self.gateways, &client.id) || any(&self.gateways, &client.cluster)
    }

    /// Whether the group is given a route.
    pub fn is_given(&self, route: &RouteName) -> bool {
        any(&self.routes, route.as_str())
    }
}

fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == pattern,
    })
}
