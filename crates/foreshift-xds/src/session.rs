//! One stream of either variant.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::google::rpc::Status;
use foreshift_domain::RouteName;
use foreshift_domain::weights::Version;

use crate::resources::Resources;

/// The most names that a stream may subscribe to of one type. There is one layer, but clusters are many, and who takes
/// all its clusters' endpoints from one place asks here for those of others too.
pub const MAX_SUBSCRIPTIONS: usize = 512;
/// Of a client's reason to refuse, so much is kept.
const MAX_REASON_BYTES: usize = 512;

/// What a client said of the last answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It applied these versions.
    Accepted(Arc<[(RouteName, Version)]>),
    /// It refused these, for a reason, and goes on with the ones before.
    Refused(Arc<[(RouteName, Version)]>, String),
    /// It answered another response than the last one; that says nothing.
    Stale,
}

/// What follows from a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Told<R> {
    /// What the request says of the last answer.
    pub answer: Option<Answer>,
    /// What to send.
    pub response: Option<R>,
}

impl<R> Default for Told<R> {
    fn default() -> Self {
        Self {
            answer: None,
            response: None,
        }
    }
}

/// One stream: delta or state of the world.
pub trait Session: Default {
    /// What a client sends.
    type Request;
    /// What it gets.
    type Response;

    /// Who the client says it is in this request; in the first of a stream it must, in others it may.
    fn client(request: &Self::Request) -> Option<&Node>;

    /// What the request is about.
    fn type_url(request: &Self::Request) -> &str;

    /// Takes a request of this type.
    fn request(&mut self, request: Self::Request, resources: &Resources) -> Told<Self::Response>;

    /// What to send after resources changed; `None` when there is nothing new, or an answer is in flight.
    fn update(&mut self, resources: &Resources) -> Option<Self::Response>;

    /// What the client has may have expired: it is to be told again, whole.
    fn lapse(&mut self);

    /// What to send so that what the client has stays alive; `None` when there is nothing to renew, or an answer is in
    /// flight, which renews as well.
    fn renew(&mut self, resources: &Resources) -> Option<Self::Response>;

    /// Whether an answer is in flight.
    fn is_waiting(&self) -> bool;

    /// Of what is there, the versions that the client has: what it accepted may carry newer ones since, where the
    /// weights of a newer version are the same.
    fn held(&self, resources: &Resources) -> Vec<(RouteName, Version)>;
}

/// Nonces count the answers of a stream.
pub(crate) fn nonce(count: u64) -> String {
    format!("{count:x}")
}

pub(crate) fn reason(status: &Status) -> String {
    let mut reason = status.message.clone();
    let end = (0..=MAX_REASON_BYTES.min(reason.len()))
        .rev()
        .find(|end| reason.is_char_boundary(*end))
        .unwrap_or(0);
    reason.truncate(end);
    reason
}

/// The versions that several resources carry together.
pub(crate) fn carried<'a>(
    resources: &Resources,
    names: impl Iterator<Item = &'a String>,
) -> Vec<(RouteName, Version)> {
    let found = names.filter_map(|name| resources.by_name.get(name));
    found
        .flat_map(|resource| resource.carries.iter().cloned())
        .collect()
}
