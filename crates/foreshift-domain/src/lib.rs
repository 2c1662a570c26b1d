//! The words of Foreshift: ids, units, inputs and outputs.
//!
//! Everything else depends on this crate, and this crate depends on nothing of Foreshift. It does
//! not know how anything is computed, stored or sent: only what it is called and what it may hold.

pub mod command;
pub mod decision;
pub mod fallback;
pub mod hash;
pub mod input;
pub mod log;
pub mod names;
pub mod prediction;
pub mod published;
pub mod rfc3339;
pub mod signal;
pub mod time;
pub mod weights;

pub use hash::{Digest, Digesting};
pub use input::{Applied, Input, ModelHealth, ModelUpdate, Watermark};
pub use names::{EndpointName, FailureDomain, GatewayName, GaugeName, RouteName, TargetName};
pub use time::{Duration, Timestamp};
