//! Log lines to templates and error classes.
//!
//! [`LogStep::read`] gives back a template id and the [`ErrorClass`](foreshift_domain::log::ErrorClass) that the
//! [`classify::Classifier`] finds: from structured evidence first (provider error codes, Envoy response flags, gRPC and
//! HTTP status, as fields and inside the text), then a table of phrases, then a linear model. It deliberately does
//! not know where lines come from, which target they are about, or what happens to the result; and it keeps no
//! text: what it returns are two numbers.

pub mod classify;
pub mod line;
pub mod miner;
mod phrases;
pub mod record;
pub mod redact;
mod step;
mod structured;
mod template;

pub use line::{LogLine, Severity};
pub use miner::{MAX_LINE_BYTES, Mined, Miner};
pub use step::{LogStep, Reading};
pub use template::template_id;
