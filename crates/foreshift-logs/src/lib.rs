//! Log lines to templates and error classes.
//!
//! [`LogStep::read`] looks at the structured fields of a line first (provider error codes, Envoy response
//! flags, gRPC and HTTP status), then at a table of phrases, and gives back a template id and an
//! [`ErrorClass`](foreshift_domain::log::ErrorClass). It deliberately does not know where lines come from,
//! which target they are about, or what happens to the result; and it keeps no text: what it returns are
//! two numbers.

pub mod line;
pub mod miner;
pub mod phrases;
pub mod record;
pub mod redact;
mod step;
mod structured;
mod template;

pub use line::{LogLine, Severity};
pub use miner::{MAX_LINE_BYTES, Mined, Miner};
pub use step::{LogStep, PhraseTableInvalid, Reading};
pub use template::template_id;
