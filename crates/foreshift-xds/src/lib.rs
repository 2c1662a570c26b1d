//! xDS sessions without I/O: what an Envoy is told of the weights, and what it answered.
//!
//! Weights go out as one runtime layer (RTDS): a weighted cluster with a `runtime_key_prefix` reads them, everything
//! else of a route stays with whoever configured it. The layer has a time to live: an Envoy that hears no more from
//! Foreshift drops it and is back at its configured weights.
//!
//! A [`Session`] is one stream, delta or state of the world. It takes requests, says what to answer, and keeps one
//! answer in flight: what changes meanwhile is told in one go once the client has answered, so a slow client gets the
//! latest and costs nothing. This crate does not know of sockets, clocks, or where weights come from.

mod delta;
mod layer;
mod resources;
mod session;
mod sotw;

pub use delta::DeltaSession;
pub use layer::{LayerSettings, layer};
pub use resources::{Resource, Resources};
pub use session::{Answer, MAX_SUBSCRIPTIONS, Session, Told};
pub use sotw::SotwSession;
