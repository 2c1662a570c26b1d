//! The services over a true server on a loopback address.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod access;
mod bad_clients;
mod haproxy;
mod harness;
mod http;
mod limits;
mod operator;
mod predictions;
mod tls;
mod watch;
mod xds;
mod xds_offers;
