//! State-of-the-world xDS.

use std::collections::BTreeSet;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DiscoveryRequest, DiscoveryResponse, Resource as WireResource,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;
use foreshift_domain::RouteName;
use foreshift_domain::weights::Version;

use crate::resources::Resources;
use crate::session::{Answer, MAX_SUBSCRIPTIONS, Session, Told, carried, nonce, reason};

/// One state-of-the-world stream.
#[derive(Debug, Default)]
pub struct SotwSession {
    names: BTreeSet<String>,
    /// The versions last told, accepted or not.
    told: Option<String>,
    /// The versions that the client goes on with.
    accepted: Option<String>,
    in_flight: Option<Arc<[(RouteName, Version)]>>,
    answers: u64,
}

impl Session for SotwSession {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn client(request: &DiscoveryRequest) -> Option<&Node> {
        request.node.as_ref()
    }

    fn type_url(request: &DiscoveryRequest) -> &str {
        &request.type_url
    }

    fn request(&mut self, request: DiscoveryRequest, resources: &Resources) -> Told<DiscoveryResponse> {
        // An answer to an older response is overtaken: the client sends another for the newest.
        if self.answers > 0 && request.response_nonce != nonce(self.answers) {
            return Told {
                answer: Some(Answer::Stale),
                response: None,
            };
        }
        let answer = self.in_flight.take().map(|carries| match &request.error_detail {
            Some(refused) => Answer::Refused(carries, reason(refused)),
            None => {
                self.accepted.clone_from(&self.told);
                Answer::Accepted(carries)
            }
        });
        let names: BTreeSet<String> = request
            .resource_names
            .into_iter()
            .take(MAX_SUBSCRIPTIONS)
            .collect();
        if names != self.names {
            self.names = names;
            self.told = None;
            self.accepted = None;
        }
        Told {
            answer,
            response: self.update(resources),
        }
    }

    fn update(&mut self, resources: &Resources) -> Option<DiscoveryResponse> {
        let version = self.version(resources)?;
        if self.in_flight.is_some() || self.told.as_ref() == Some(&version) {
            return None;
        }
        Some(self.send(version, resources))
    }

    fn lapse(&mut self) {
        // What the client refused it does not have, and is not told again.
        if self.accepted == self.told {
            self.told = None;
        }
    }

    fn renew(&mut self, resources: &Resources) -> Option<DiscoveryResponse> {
        // A resource without a body is not understood by all: it is sent whole.
        let expires = resources.ttl.is_some();
        let told = self.told.clone()?;
        let is_held = self.accepted.as_ref() == Some(&told) && self.version(resources)? == told;
        if self.in_flight.is_some() || !expires || !is_held {
            return None;
        }
        Some(self.send(told, resources))
    }

    fn is_waiting(&self) -> bool {
        self.in_flight.is_some()
    }

    fn held(&self, resources: &Resources) -> Vec<(RouteName, Version)> {
        match self.version(resources) {
            version @ Some(_) if version == self.accepted => carried(resources, self.names.iter()),
            _ => Vec::new(),
        }
    }
}

impl SotwSession {
    /// The version of all that is asked for; `None` when nothing of it is there: then there is nothing to say.
    fn version(&self, resources: &Resources) -> Option<String> {
        let found = self.names.iter().filter_map(|name| resources.by_name.get(name));
        let versions: Vec<&str> = found.map(|resource| resource.version.as_str()).collect();
        (!versions.is_empty()).then(|| versions.join("+"))
    }

    fn send(&mut self, version: String, resources: &Resources) -> DiscoveryResponse {
        self.answers += 1;
        self.told = Some(version.clone());
        self.in_flight = Some(carried(resources, self.names.iter()).into());
        DiscoveryResponse {
            version_info: version,
            resources: self
                .names
                .iter()
                .filter_map(|name| self.wire(name, resources))
                .collect(),
            type_url: resources.type_url.clone(),
            nonce: nonce(self.answers),
            ..DiscoveryResponse::default()
        }
    }

    fn wire(&self, name: &str, resources: &Resources) -> Option<Any> {
        let resource = resources.by_name.get(name)?;
        // Only in a wrapper can a resource have a time to live. Layers alone have one, and those who ask for layers are
        // Envoys, which unwrap without announcing `xds.config.resource-in-sotw`.
        if resources.ttl.is_none() {
            return Some(resource.body.clone());
        }
        Some(pack_any(WireResource {
            name: name.to_owned(),
            version: resource.version.clone(),
            resource: Some(resource.body.clone()),
            ttl: resources.wire_ttl(),
            ..WireResource::default()
        }))
    }
}
