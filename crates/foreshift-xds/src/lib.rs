//! xDS sessions without I/O: what an Envoy is told of the weights, and what it answered.
//!
//! Weights go out as one runtime layer (RTDS): a weighted cluster with a `runtime_key_prefix` reads them, everything
//! else of a route stays with whoever configured it. The layer has a time to live: an Envoy that hears no more from
//! Foreshift drops it and is back at its configured weights. Where a route's targets are endpoints of one cluster, they
//! go out as that cluster's endpoints (EDS), which never expire.
//!
//! A [`Session`] is one stream, delta or state of the world. It takes requests, says what to answer, and keeps one
//! answer in flight: what changes meanwhile is told in one go once the client has answered, so a slow client gets the
//! latest and costs nothing. [`Aggregated`] is a stream of several types. This crate does not know of sockets, clocks, or where weights come from.

mod aggregated;
mod delta;
mod endpoints;
mod groups;
mod layer;
mod resources;
mod session;
mod sotw;

pub use aggregated::Aggregated;
pub use delta::DeltaSession;
pub use endpoints::{AssignmentError, PARTS_PER_BP, check, endpoints};
pub use groups::Group;
pub use layer::{LayerSettings, layer};
pub use resources::{Resource, Resources};
pub use session::{Answer, MAX_SUBSCRIPTIONS, Session, Told};
pub use sotw::SotwSession;
