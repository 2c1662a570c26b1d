//! What can be subscribed to.

use std::collections::BTreeMap;
use std::sync::Arc;

use envoy_types::pb::google::protobuf::{Any, Duration as WireDuration};
use foreshift_domain::weights::Version;
use foreshift_domain::{Duration, RouteName};

/// One resource, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Hash of what is in it: two replicas that say the same have the same version.
    pub version: String,
    /// The packed resource.
    pub body: Any,
    /// The versions of the routes that it carries, to know what a client has applied when it accepts.
    pub carries: Arc<[(RouteName, Version)]>,
}

/// All resources of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// The type, as xDS names it.
    pub type_url: String,
    /// How long a client keeps a resource that is not renewed; `None` for ever.
    pub ttl: Option<Duration>,
    /// By name.
    pub by_name: BTreeMap<String, Resource>,
}

impl Resources {
    pub(crate) fn wire_ttl(&self) -> Option<WireDuration> {
        let micros = self.ttl?.as_micros().max(0);
        Some(WireDuration {
            seconds: micros / 1_000_000,
            nanos: i32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0),
        })
    }
}
