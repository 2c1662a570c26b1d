//! Weights as endpoints of clusters (EDS).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, HealthStatus, SocketAddress};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::google::protobuf::UInt32Value;
use envoy_types::util::pack_any;
use foreshift_domain::fallback::{EdsCluster, EdsTarget, Role};
use foreshift_domain::hash::Digest;
use foreshift_domain::signal::Health;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{RouteName, Timestamp};
use prost::{Message, Name};

use crate::layer::{VERSION_CHARS, is_steered};
use crate::resources::{Resource, Resources};

/// A basis point of a route is so many parts of an endpoint's weight, so that a target's weight can be divided over its
/// endpoints without loss, and each keeps at least one part.
pub const PARTS_PER_BP: u32 = 1_000;

/// Why Envoy would refuse an assignment, or not do what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// A weight is missing or zero.
    #[error("{endpoint} has no weight")]
    NoWeight {
        /// The endpoint.
        endpoint: String,
    },
    /// The weights of one locality do not fit into what Envoy adds them up in.
    #[error("the weights of priority {priority} sum to more than {}", u32::MAX)]
    TooHeavy {
        /// The priority.
        priority: u32,
    },
    /// Priorities do not count from zero without a gap.
    #[error("there is no priority {missing}")]
    PriorityGap {
        /// The first that is missing.
        missing: u32,
    },
    /// An address stands twice.
    #[error("{endpoint} is there twice")]
    Twice {
        /// The endpoint.
        endpoint: String,
    },
    /// An endpoint without an address.
    #[error("an endpoint has no address")]
    NoAddress,
}

/// The endpoints of all these clusters. A cluster is always here, so that whoever asks for it is answered: where its
/// route is not steered, with the weights at rest. Nothing of it expires. A cluster that Envoy would refuse is left out
/// and named in the second list.
pub fn endpoints<'a>(
    clusters: impl Iterator<Item = &'a EdsCluster>,
    routes: impl Fn(&RouteName) -> Option<&'a RouteWeights>,
    now: Timestamp,
) -> (Resources, Vec<(String, AssignmentError)>) {
    let mut by_name = BTreeMap::new();
    let mut refused = Vec::new();
    for cluster in clusters {
        let steered = routes(&cluster.route).filter(|weights| is_steered(weights, now));
        let assignment = assignment(cluster, steered);
        match check(&assignment) {
            Ok(()) => drop(by_name.insert(cluster.name.clone(), resource(&assignment, steered))),
            Err(why) => refused.push((cluster.name.clone(), why)),
        }
    }
    let resources = Resources {
        type_url: ClusterLoadAssignment::type_url(),
        ttl: None,
        by_name,
    };
    (resources, refused)
}

fn resource(assignment: &ClusterLoadAssignment, steered: Option<&RouteWeights>) -> Resource {
    let mut version = Digest::of(&assignment.encode_to_vec()).to_string();
    version.truncate(VERSION_CHARS);
    Resource {
        version,
        body: pack_any(assignment.clone()),
        carries: steered
            .map(|weights| (weights.route.clone(), weights.version))
            .into_iter()
            .collect(),
    }
}

/// What a target is given.
#[derive(Clone, Copy)]
enum Share {
    /// Of its level, in basis points.
    Of(u32),
    /// Nothing: it drains.
    Nothing,
}

fn assignment(cluster: &EdsCluster, steered: Option<&RouteWeights>) -> ClusterLoadAssignment {
    let mut levels: Vec<Vec<&EdsTarget>> = vec![cluster.targets.iter().collect()];
    if cluster.strict_priorities {
        let (primaries, secondaries) = cluster
            .targets
            .iter()
            .partition(|target| target.role == Role::Primary);
        levels = vec![primaries, secondaries];
        levels.retain(|level| !level.is_empty());
    }
    let locality = |(priority, level): (u32, Vec<&EdsTarget>)| LocalityLbEndpoints {
        lb_endpoints: shares(&level, priority, steered)
            .into_iter()
            .flat_map(|(target, share)| divided(target, share))
            .collect(),
        priority,
        ..LocalityLbEndpoints::default()
    };
    ClusterLoadAssignment {
        cluster_name: cluster.name.clone(),
        endpoints: (0..).zip(levels).map(locality).collect(),
        ..ClusterLoadAssignment::default()
    }
}

/// The shares of the targets of one level.
fn shares<'a>(
    level: &[&'a EdsTarget],
    priority: u32,
    steered: Option<&RouteWeights>,
) -> Vec<(&'a EdsTarget, Share)> {
    let weight = |target: &EdsTarget| {
        let told = steered.and_then(|weights| {
            let mut targets = weights.targets.iter();
            targets.find(|told| told.target == target.target)
        });
        let is_down = told.is_some_and(|told| told.health == Some(Health::Down));
        (told.map_or(target.baseline_bp, |told| told.weight_bp), is_down)
    };
    // A lower level at nothing is at rest, not drained: it stands by for Envoy's own failover, but for what is down.
    let stands_by = priority > 0 && level.iter().all(|target| weight(target).0 == 0);
    let share = |target: &EdsTarget| match weight(target) {
        (0, false) if stands_by => Share::Of(1),
        (0, _) => Share::Nothing,
        (weight_bp, _) => Share::Of(weight_bp),
    };
    level.iter().map(|target| (*target, share(target))).collect()
}

/// A target's share over its endpoints: what does not divide goes to the first ones, so that the sum is exact.
fn divided(target: &EdsTarget, share: Share) -> impl Iterator<Item = LbEndpoint> {
    let count = u32::try_from(target.endpoints.len()).unwrap_or(u32::MAX).max(1);
    let (health, parts) = match share {
        Share::Of(weight_bp) => (HealthStatus::Healthy, weight_bp.saturating_mul(PARTS_PER_BP)),
        // A weight of zero is refused, and would not end what is under way: drained is a state.
        Share::Nothing => (HealthStatus::Draining, count),
    };
    (0..).zip(&target.endpoints).map(move |(index, address)| {
        let weight = parts / count + u32::from(index < parts % count);
        LbEndpoint {
            health_status: health.into(),
            load_balancing_weight: Some(UInt32Value { value: weight }),
            host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
                address: Some(wire(address)),
                ..Endpoint::default()
            })),
            ..LbEndpoint::default()
        }
    })
}

fn wire(address: &SocketAddr) -> Address {
    Address {
        address: Some(Kind::SocketAddress(SocketAddress {
            address: address.ip().to_string(),
            port_specifier: Some(PortSpecifier::PortValue(address.port().into())),
            ..SocketAddress::default()
        })),
    }
}

/// What Envoy checks and the types do not.
///
/// # Errors
/// The first of what Envoy would refuse.
pub fn check(assignment: &ClusterLoadAssignment) -> Result<(), AssignmentError> {
    let mut seen = BTreeSet::new();
    let priorities: BTreeSet<u32> = assignment.endpoints.iter().map(|level| level.priority).collect();
    for level in &assignment.endpoints {
        let mut sum = 0_u32;
        for endpoint in &level.lb_endpoints {
            let address = address(endpoint).ok_or(AssignmentError::NoAddress)?;
            let weight = endpoint.load_balancing_weight.map_or(0, |weight| weight.value);
            if weight == 0 {
                return Err(AssignmentError::NoWeight { endpoint: address });
            }
            sum = sum.checked_add(weight).ok_or(AssignmentError::TooHeavy {
                priority: level.priority,
            })?;
            if !seen.insert(address.clone()) {
                return Err(AssignmentError::Twice { endpoint: address });
            }
        }
    }
    match (0..).zip(&priorities).find(|(wanted, found)| wanted != *found) {
        Some((missing, _)) => Err(AssignmentError::PriorityGap { missing }),
        None => Ok(()),
    }
}

fn address(endpoint: &LbEndpoint) -> Option<String> {
    let Some(HostIdentifier::Endpoint(endpoint)) = &endpoint.host_identifier else {
        return None;
    };
    match endpoint.address.as_ref()?.address.as_ref()? {
        Kind::SocketAddress(socket) => match socket.port_specifier.as_ref()? {
            PortSpecifier::PortValue(port) => Some(format!("{}:{port}", socket.address)),
            PortSpecifier::NamedPort(_) => None,
        },
        _ => None,
    }
}
