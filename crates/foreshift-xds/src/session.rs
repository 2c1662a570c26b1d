//! One stream of either variant.

use std::sync::Arc;

use envoy_types::pb::google::rpc::Status;
use foreshift_domain::RouteName;
use foreshift_domain::weights::Version;

use crate::resources::Resources;

/// The most names that one stream may subscribe to: there is one layer, some proxies ask for a few.
pub const MAX_SUBSCRIPTIONS: usize = 64;
/// Of a client's reason to refuse, so much is kept.
const MAX_REASON_BYTES: usize = 512;

/// What a client said of the last answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It applied these versions.
    Accepted(Arc<[(RouteName, Version)]>),
    /// It refused these, for a reason, and goes on with the ones before.
    Refused(Arc<[(RouteName, Version)]>, String),
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

    /// The id by which the client names itself in this request; the first of a stream must, others may.
    fn client(request: &Self::Request) -> Option<&str>;

    /// Takes a request. One of a type that is not served is ignored.
    fn request(&mut self, request: Self::Request, resources: &Resources) -> Told<Self::Response>;

    /// What to send after resources changed; `None` when there is nothing new, or an answer is in flight.
    fn update(&mut self, resources: &Resources) -> Option<Self::Response>;

    /// What the client has may have expired: it is to be told again, whole.
    fn lapse(&mut self);

    /// What to send so that what the client has stays alive; `None` when there is nothing to renew, or an answer is in
    /// flight, which renews as well.
    fn renew(&mut self, resources: &Resources) -> Option<Self::Response>;
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
) -> Arc<[(RouteName, Version)]> {
    let found = names.filter_map(|name| resources.by_name.get(name));
    found
        .flat_map(|resource| resource.carries.iter().cloned())
        .collect()
}
