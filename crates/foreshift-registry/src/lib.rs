//! The registry of models: versions with manifest and card, aliases champion and challenger, promotion and rollback.
//!
//! ```text
//! models/
//!   registry.json          which version is champion and which challenger on each scale, and who changed that when
//!   live/2/model.json      the model (model.bin for the classes of log lines)
//!   live/2/manifest.json   where it comes from: [`Manifest`]
//!   live/2/metrics.json    how it did on what was held out
//!   live/2/CARD.md         what people should know before they trust it
//! ```
//!
//! Both binaries use it: the offline one writes versions and moves aliases, the online one follows them. A version is
//! never changed once it is there. This crate reads no clock and runs no test: who moves an alias says when, and
//! brings the evidence.

mod aliases;
mod error;
mod files;
mod manifest;
mod name;
mod registry;
mod serving;

pub use aliases::{Aliases, By, Change, ChangeKind, MAX_HISTORY};
pub use error::RegistryError;
pub use manifest::{InputFile, MANIFEST_FORMAT, Manifest};
pub use name::{ModelName, NoModelName};
pub use registry::{MAX_MODEL_BYTES, Registry, Release, load_model, read_version, write_version};
pub use serving::{Chosen, shipped};
