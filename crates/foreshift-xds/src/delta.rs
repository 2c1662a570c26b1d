//! Delta (incremental) xDS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource as WireResource,
};
use foreshift_domain::RouteName;
use foreshift_domain::weights::Version;

use crate::resources::{Resource, Resources};
use crate::session::{Answer, MAX_SUBSCRIPTIONS, Session, Told, carried, nonce, reason};

/// Asks for every resource.
const ALL: &str = "*";

/// One delta stream.
#[derive(Debug, Default)]
pub struct DeltaSession {
    subscribed: BTreeSet<String>,
    /// What was last told of each name, accepted or not: a version, or that there is none.
    told: BTreeMap<String, Option<String>>,
    /// The versions that the client goes on with.
    accepted: BTreeMap<String, String>,
    in_flight: Option<InFlight>,
    answers: u64,
}

#[derive(Debug)]
struct InFlight {
    nonce: String,
    versions: Vec<(String, Option<String>)>,
    carries: Arc<[(RouteName, Version)]>,
    /// Without bodies, to keep alive what the client has.
    is_renewal: bool,
}

impl Session for DeltaSession {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn client(request: &DeltaDiscoveryRequest) -> Option<&Node> {
        request.node.as_ref()
    }

    fn type_url(request: &DeltaDiscoveryRequest) -> &str {
        &request.type_url
    }

    fn request(
        &mut self,
        request: DeltaDiscoveryRequest,
        resources: &Resources,
    ) -> Told<DeltaDiscoveryResponse> {
        let answer = self.settle(&request);
        for name in request.resource_names_unsubscribe {
            self.subscribed.remove(&name);
            self.told.remove(&name);
            self.accepted.remove(&name);
        }
        for name in request.resource_names_subscribe {
            // What a client subscribes to again it wants to be told again, whatever it had before.
            self.told.remove(&name);
            if self.subscribed.len() < MAX_SUBSCRIPTIONS {
                self.subscribed.insert(name);
            }
        }
        Told {
            answer,
            response: self.update(resources),
        }
    }

    fn update(&mut self, resources: &Resources) -> Option<DeltaDiscoveryResponse> {
        if self.in_flight.is_some() {
            return None;
        }
        let mut response = DeltaDiscoveryResponse::default();
        let mut versions = Vec::new();
        for name in self.names(resources) {
            let resource = resources.by_name.get(&name);
            let version = resource.map(|resource| resource.version.clone());
            if self.told.get(&name) == Some(&version) {
                continue;
            }
            match resource {
                Some(resource) => response.resources.push(wire(&name, resource, resources, true)),
                None => response.removed_resources.push(name.clone()),
            }
            self.told.insert(name.clone(), version.clone());
            versions.push((name, version));
        }
        self.send(response, versions, false, resources)
    }

    fn lapse(&mut self) {
        // What the client refused it does not have, and is not told again.
        for (name, _) in std::mem::take(&mut self.accepted) {
            self.told.remove(&name);
        }
    }

    fn renew(&mut self, resources: &Resources) -> Option<DeltaDiscoveryResponse> {
        if self.in_flight.is_some() || resources.ttl.is_none() {
            return None;
        }
        let mut response = DeltaDiscoveryResponse::default();
        let mut versions = Vec::new();
        for (name, version) in &self.accepted {
            let Some(resource) = resources.by_name.get(name) else {
                continue;
            };
            // After a refusal the client has an older version, and that is the one to keep alive.
            let mut renewed = wire(name, resource, resources, false);
            renewed.version.clone_from(version);
            response.resources.push(renewed);
            versions.push((name.clone(), Some(version.clone())));
        }
        self.send(response, versions, true, resources)
    }

    fn is_waiting(&self) -> bool {
        self.in_flight.is_some()
    }

    fn held(&self, resources: &Resources) -> Vec<(RouteName, Version)> {
        let is_held = |(name, version): &(&String, &String)| {
            let now = resources.by_name.get(*name);
            now.is_some_and(|resource| resource.version == **version)
        };
        let held = self.accepted.iter().filter(is_held);
        carried(resources, held.map(|(name, _)| name))
    }
}

impl DeltaSession {
    /// Takes what the request says of the answer in flight; one that says it of another is not looked at.
    fn settle(&mut self, request: &DeltaDiscoveryRequest) -> Option<Answer> {
        if request.response_nonce.is_empty() {
            return None;
        }
        let answered = |in_flight: &mut InFlight| in_flight.nonce == request.response_nonce;
        let Some(in_flight) = self.in_flight.take_if(answered) else {
            return Some(Answer::Stale);
        };
        if let Some(refused) = &request.error_detail {
            if in_flight.is_renewal {
                // It came after what it renews had expired, and says nothing of the weights: tell them again, whole.
                for (name, _) in &in_flight.versions {
                    self.told.remove(name);
                    self.accepted.remove(name);
                }
                return None;
            }
            return Some(Answer::Refused(in_flight.carries, reason(refused)));
        }
        for (name, version) in in_flight.versions {
            match version {
                Some(version) => self.accepted.insert(name, version),
                None => self.accepted.remove(&name),
            };
        }
        Some(Answer::Accepted(in_flight.carries))
    }

    /// All names that the client wants to hear of: those of the wildcard too, and what of it is gone since.
    fn names(&self, resources: &Resources) -> Vec<String> {
        let mut names: BTreeSet<&String> = self.subscribed.iter().filter(|name| *name != ALL).collect();
        if self.subscribed.contains(ALL) {
            names.extend(resources.by_name.keys());
            names.extend(self.told.keys().filter(|name| *name != ALL));
        }
        names.into_iter().cloned().collect()
    }

    fn send(
        &mut self,
        mut response: DeltaDiscoveryResponse,
        versions: Vec<(String, Option<String>)>,
        is_renewal: bool,
        resources: &Resources,
    ) -> Option<DeltaDiscoveryResponse> {
        if versions.is_empty() {
            return None;
        }
        self.answers += 1;
        response.nonce = nonce(self.answers);
        response.type_url.clone_from(&resources.type_url);
        self.in_flight = Some(InFlight {
            nonce: response.nonce.clone(),
            carries: carried(resources, versions.iter().map(|(name, _)| name)).into(),
            versions,
            is_renewal,
        });
        Some(response)
    }
}

/// Without a body it renews what the client has.
fn wire(name: &str, resource: &Resource, resources: &Resources, with_body: bool) -> WireResource {
    WireResource {
        name: name.to_owned(),
        version: resource.version.clone(),
        resource: with_body.then(|| resource.body.clone()),
        ttl: resources.wire_ttl(),
        ..WireResource::default()
    }
}
