//! Integration tests: one binary, real components. Each module is a claim about the whole.

mod architecture;
mod bad_input;
mod kills;
mod outages;
mod replays;
mod session;
