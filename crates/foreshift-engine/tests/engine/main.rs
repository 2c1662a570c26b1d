//! The engine as its drivers see it: inputs in, outputs out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod commands;
mod decisions;
mod declared;
mod determinism;
mod explanations;
mod learning;
mod proof;
mod restarts;
mod rows;
mod shift;
mod shipped;
mod swaps;
mod world;
