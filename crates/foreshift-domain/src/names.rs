//! Names of things people configure. Cheap to clone, ordered, hashed and compared by their text.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }

        impl From<String> for $type {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

name!(
    /// What a weight applies to: an upstream cluster, a region, an LLM provider. Unique over all routes.
    TargetName
);
name!(
    /// A named class of traffic with an ordered set of targets.
    RouteName
);
name!(
    /// A proxy that reports telemetry and obeys weights.
    GatewayName
);
name!(
    /// One address inside a target.
    EndpointName
);
name!(
    /// A gauge: `in_flight`, `queue_depth`, `pool_used`, or any name a gateway reports.
    GaugeName
);
name!(
    /// What fails together: a host, zone, region or provider that several targets share.
    FailureDomain
);

/// The longest name accepted, in bytes: Kubernetes allows 253 for a host name, URLs in monitors are longer.
/// What is longer comes from a mistake (a payload in a label) and is refused at the edge.
pub const MAX_NAME_BYTES: usize = 512;
