//! A stream of several types.

use std::collections::BTreeMap;

use foreshift_domain::RouteName;
use foreshift_domain::weights::Version;

use crate::resources::Resources;
use crate::session::{Session, Told};

/// One stream, with a session for each type that its client asks for. Of each type one answer is in flight.
#[derive(Debug, Default)]
pub struct Aggregated<S> {
    by_type: BTreeMap<String, S>,
}

impl<S: Session> Aggregated<S> {
    /// Takes a request. One of a type that is not offered is ignored.
    pub fn request(&mut self, request: S::Request, offer: &[Resources]) -> Told<S::Response> {
        let wanted = S::type_url(&request);
        match offer.iter().find(|resources| resources.type_url == wanted) {
            Some(resources) => {
                let session = self.by_type.entry(resources.type_url.clone()).or_default();
                session.request(request, resources)
            }
            None => Told::default(),
        }
    }

    /// The next that is to be sent since something changed; `None` when there is no more.
    pub fn update(&mut self, offer: &[Resources]) -> Option<S::Response> {
        self.sessions(offer)
            .find_map(|(session, resources)| session.update(resources))
    }

    /// The next that is to be sent so that what the client has stays alive.
    pub fn renew(&mut self, offer: &[Resources]) -> Option<S::Response> {
        self.sessions(offer)
            .find_map(|(session, resources)| session.renew(resources))
    }

    /// What can expire may have: it is to be told again, whole.
    pub fn lapse(&mut self, offer: &[Resources]) {
        self.sessions(offer)
            .filter(|(_, resources)| resources.ttl.is_some())
            .for_each(|(session, _)| session.lapse());
    }

    /// Whether the client still has to answer something.
    pub fn is_waiting(&self) -> bool {
        self.by_type.values().any(S::is_waiting)
    }

    /// The versions that the client has of what does not expire, and so is not renewed.
    pub fn held(&mut self, offer: &[Resources]) -> Vec<(RouteName, Version)> {
        self.sessions(offer)
            .filter(|(_, resources)| resources.ttl.is_none())
            .flat_map(|(session, resources)| session.held(resources))
            .collect()
    }

    fn sessions<'a>(
        &'a mut self,
        offer: &'a [Resources],
    ) -> impl Iterator<Item = (&'a mut S, &'a Resources)> {
        self.by_type.iter_mut().filter_map(|(type_url, session)| {
            let resources = offer.iter().find(|resources| resources.type_url == *type_url);
            Some((session, resources?))
        })
    }
}
