//! Wire types, and total conversions to the domain.
//!
//! This crate knows how the words of the domain look on the wire and what the wire may say. It does not know
//! where bytes come from, who may send them, or what becomes of them. Every conversion ends: in a value that
//! keeps the domain's promises, or in an error that names the field.

pub mod command;
mod enums;
mod error;
mod field;
pub mod json;
pub mod log;
mod log_summary;
mod models;
mod prediction;
mod signal;
mod status;
mod weights;

pub use error::WireError;
pub use field::{MAX_LISTED_NAMES, MAX_SHARES};
pub use foreshift_domain::rfc3339;
pub use log::{LogLine, Severity};
pub use signal::{MAX_BATCH, Malformed, Names, SignalView};
pub use status::{MAX_PART_ENTRIES, StatusMerge, status_parts};

/// Generated from `proto/foreshift/v1`; every field is described there.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, rustdoc::all)]
pub mod v1 {
    tonic::include_proto!("foreshift.v1");
}

/// The descriptors of all protos, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/foreshift.v1.descriptors.bin"));
