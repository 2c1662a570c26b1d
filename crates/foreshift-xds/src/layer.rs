//! Weights as a runtime layer.

use std::collections::BTreeMap;
use std::fmt::Write;

use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use envoy_types::util::pack_any;
use foreshift_domain::fallback::Mode;
use foreshift_domain::hash::Digest;
use foreshift_domain::weights::{FULL_BP, RouteWeights};
use foreshift_domain::{Duration, Timestamp};
use prost::Name;

use crate::resources::{Resource, Resources};

/// So many characters of the hash are the version.
pub(crate) const VERSION_CHARS: usize = 16;

/// How the layer is called, and how long it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSettings {
    /// Name of the resource, and the first part of every key: the weight of a cluster is under
    /// `<name>.<route>.<target>`, so a weighted cluster has the `runtime_key_prefix` `<name>.<route>`.
    pub name: String,
    /// An Envoy that hears nothing for so long drops the layer.
    pub ttl: Duration,
}

/// The layer of these routes. A route is in it when it may be steered (mode `auto`, or weights that a person fixed) and
/// its weights still hold; for all others the gateway's own weights do.
pub fn layer<'a>(
    settings: &LayerSettings,
    routes: impl Iterator<Item = &'a RouteWeights>,
    now: Timestamp,
) -> Resources {
    let mut keys = BTreeMap::new();
    let mut carries = Vec::new();
    for route in routes.filter(|route| is_steered(route, now)) {
        carries.push((route.route.clone(), route.version));
        for target in &route.targets {
            let key = format!("{}.{}.{}", settings.name, route.route, target.target);
            keys.insert(key, target.weight_bp);
        }
    }
    let resource = Resource {
        version: version(&keys),
        body: pack_any(Runtime {
            name: settings.name.clone(),
            layer: Some(fields(keys)),
        }),
        carries: carries.into(),
    };
    Resources {
        type_url: Runtime::type_url(),
        ttl: Some(settings.ttl),
        by_name: BTreeMap::from([(settings.name.clone(), resource)]),
    }
}

/// Whether its weights are to be used: it may be steered, or a person fixed them, and they still hold.
pub(crate) fn is_steered(route: &RouteWeights, now: Timestamp) -> bool {
    let fixed = || {
        let mut targets = route.targets.iter();
        targets.any(|target| target.weight_bp != target.baseline_bp)
    };
    // Envoy refuses weights that sum to nothing.
    let whole = route.targets.iter().map(|target| target.weight_bp).sum::<u32>() == FULL_BP;
    whole && now < route.valid_until && (route.mode == Mode::Auto || fixed())
}

/// A hash of the weights alone: neither the epoch nor the sequence, so that replicas that agree do not make an Envoy
/// that changes between them load its weights anew.
fn version(keys: &BTreeMap<String, u32>) -> String {
    let mut text = String::new();
    for (key, weight) in keys {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key}={weight}");
    }
    let mut version = Digest::of(text.as_bytes()).to_string();
    version.truncate(VERSION_CHARS);
    version
}

fn fields(keys: BTreeMap<String, u32>) -> Struct {
    let number = |weight| Value {
        kind: Some(Kind::NumberValue(f64::from(weight))),
    };
    Struct {
        fields: keys
            .into_iter()
            .map(|(key, weight)| (key, number(weight)))
            .collect(),
    }
}
