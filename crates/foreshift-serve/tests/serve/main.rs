//! The services over a true server on a loopback address.

mod access;
mod harness;
mod http;
mod limits;
mod operator;
mod predictions;
mod tls;
mod watch;
