//! Integration tests: one binary, real components. Each module is a claim about the whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are tests"
)]

mod architecture;
mod bad_input;
mod clients;
mod collect;
mod envoy;
mod envoy_eds;
mod envoy_endpoint_plans;
mod envoy_page;
mod envoy_partition;
mod envoy_plans;
mod haproxy;
mod incidents;
mod init;
mod kills;
mod litellm;
mod nab;
mod notebooks;
mod outages;
mod receive;
mod replays;
mod secrets;
mod session;
