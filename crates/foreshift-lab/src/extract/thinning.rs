//! Fewer rows that stand for all of them: what is left out is weighted back.

use std::str::FromStr;

use anyhow::ensure;
use foreshift_domain::{Digest, Duration, Timestamp};
use foreshift_engine::Label;

/// Which rows are written, and what each of them stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thinning {
    tick: Duration,
    every: Duration,
    negatives: OneIn,
}

/// One row in so many, written `1:20`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OneIn(u32);

impl FromStr for OneIn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix("1:").and_then(|number| number.parse().ok());
        number
            .filter(|number| *number > 0)
            .map(Self)
            .ok_or_else(|| format!("expected 1:N such as 1:20, found `{text}`"))
    }
}

impl Thinning {
    /// Ticks at multiples of `every`, all of them without it.
    ///
    /// # Errors
    /// When `every` is no multiple of the tick.
    pub(super) fn new(tick: Duration, every: Option<Duration>, negatives: OneIn) -> anyhow::Result<Self> {
        let every = every.unwrap_or(tick);
        ensure!(
            every >= tick && every.as_micros() % tick.as_micros().max(1) == 0,
            "--every must be a multiple of the tick, {} s",
            tick.as_secs_f64()
        );
        Ok(Self {
            tick,
            every,
            negatives,
        })
    }

    pub(super) fn keeps_tick(&self, tick: Timestamp) -> bool {
        tick.floor_to(self.every) == tick
    }

    /// How many rows this one stands for; `None` when it is left out. `target` is named as in the file.
    pub(super) fn weight(&self, target: &str, tick: Timestamp, head: usize, label: Label) -> Option<f64> {
        let of_ticks = self.every.as_secs_f64() / self.tick.as_secs_f64();
        if label == Label::Positive {
            return Some(of_ticks);
        }
        let OneIn(many) = self.negatives;
        let drawn = many == 1 || {
            let named = format!("{head} {} {target}", tick.as_micros());
            Digest::of(named.as_bytes())
                .short()
                .is_multiple_of(u64::from(many))
        };
        drawn.then(|| of_ticks * f64::from(many))
    }
}
