//! Picks targets by the weights that Foreshift serves, and by your own when there are none.
//!
//! A [`Client`] watches the weights of your routes in the background and connects again when it must. A [`Picker`]
//! gives a target for each request; it reads what was last heard, never waits, and takes no lock.
//!
//! Foreshift's weights are in force as long as they are valid by the clock, and only for routes that may be steered:
//! those in mode `auto`, or with weights that a person fixed. In all other cases (before the first message, in shadow,
//! when Foreshift is gone for longer than its weights are valid) the shares that you gave hold. It is told which
//! versions were applied.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/gateways/rust.md")]
struct Page;

mod config;
mod picker;
mod route;
mod watch;

pub use config::{Backoff, Clock, Config, ConfigError};
pub use picker::{Client, Picker};
