//! Integration tests: one binary, real components. Each module is a claim about the whole.

mod architecture;
mod kills;
mod outages;
