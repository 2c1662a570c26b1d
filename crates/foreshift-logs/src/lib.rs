//! Log lines to templates and error classes.
//!
//! [`LogReader::read`] finds the fields of a line ([`record`]), takes out secrets and prompts ([`redact`]), gives what
//! is left a template ([`miner`]) and each template a class ([`classify`]), and returns two numbers: the id of the
//! template and the [`ErrorClass`](foreshift_domain::log::ErrorClass). Texts of templates stay here until they were seen
//! often enough to be nobody's own ([`ledger`]). It deliberately does not know where lines come from, which target they
//! are about, or what happens to the result.

mod classes;
pub mod classify;
pub mod ledger;
pub mod line;
pub mod miner;
mod phrases;
mod reader;
pub mod record;
pub mod redact;
mod samples;
#[cfg(test)]
#[path = "../../../tests/support/secrets.rs"]
#[expect(unreachable_pub, reason = "the integration tests have it in a library")]
mod secrets;
mod structured;
pub mod tally;

pub use classes::Overrides;
pub use line::{LogLine, Severity};
pub use miner::{MAX_LINE_BYTES, Mined, Miner};
pub use reader::{
    Arrival, LogReader, ReaderCounters, ReaderInvalid, ReaderSettings, ReaderSnapshot, Reading,
};
pub use samples::SampleSettings;
