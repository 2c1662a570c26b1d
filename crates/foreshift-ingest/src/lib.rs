//! Kafka, receivers, decoders, sequencer, journal and file sources: from bytes to the ordered inputs of the engine.
//!
//! The way of a record: a [`source`] polls it and has it decoded ([`decode`]); [`deltas`] turns cumulative
//! points into what happened since the last one; [`mapping`] finds the target; the [`sequencer`] orders it and
//! moves the watermark; the [`journal`] records what the engine is given. [`intake`] strings the middle three
//! together. What cannot be used goes to the [`dead_letter`] topic and is counted.
//!
//! This crate deliberately does not know the engine: what becomes of an input, which predictions and weights
//! follow from it, and who asks for them. It starts no async runtime: each consumer is one thread, and [`receive`], which
//! takes what gateways and collectors send over gRPC, runs on its caller's.

pub mod dead_letter;
pub mod decode;
pub mod decoded;
pub mod deltas;
pub mod forward;
pub mod intake;
mod intern;
pub mod journal;
pub mod logs;
pub mod mapping;
mod producer;
pub mod receive;
pub mod results;
pub mod sequencer;
pub mod source;
pub mod time_text;

pub use decoded::{Decoded, Event};
pub use intake::{Intake, IntakeCounters};
pub use logs::Logs;
pub use mapping::Mapping;
pub use producer::DeliveryCounters;
pub use sequencer::{ClockMode, Sequenced, Sequencer};
