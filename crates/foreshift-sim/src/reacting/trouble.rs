//! What befalls a target: faults of its own, faults that load brings about, scares that pass, and abrupt ends.

use foreshift_domain::{Duration, Timestamp};

use super::ReactingSpec;
use crate::plan::START;
use crate::rng::{Draws, Purpose, Stream};

/// Mean time between two troubles of a target, after the first has had its time.
const BETWEEN_S: f64 = 9_000.0;
/// The first minutes are quiet: features learn what is usual.
const QUIET_S: f64 = 1_800.0;
/// Of all troubles, those that come out of nothing, and those that pass.
const ABRUPT_SHARE: f64 = 0.1;
const SCARE_SHARE: f64 = 0.35;

/// Kinds of troubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Fails once it has grown, whatever we do.
    Own,
    /// Grows under load, heals without.
    Induced,
    /// Grows like one of the two, and passes.
    Scare,
    /// Fails without a sign.
    Abrupt,
}

/// How strongly a trouble shows in each sign once it has grown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shows {
    /// Share of requests that fail.
    pub(super) errors: f64,
    /// Log of the factor on latency.
    pub(super) latency: f64,
    /// Share of memory.
    pub(super) memory: f64,
    /// Share of the pool.
    pub(super) pool: f64,
}

/// One trouble of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trouble {
    pub(super) start: Timestamp,
    pub(super) kind: Kind,
    /// Time in which it grows to its whole.
    pub(super) lead: Duration,
    /// How long it fails.
    pub(super) fails_for: Duration,
    /// Where it turns around, as a share of its whole; above 1 never.
    pub(super) peak: f64,
    pub(super) shows: Shows,
}

/// All troubles of one target, in the order of time.
pub(super) fn of_target(spec: &ReactingSpec, target: u64) -> Vec<Trouble> {
    let mut draws = Draws::new(Stream::of(spec.seed, Purpose::Plan, 1_000 + target));
    let length_s = f64::from(spec.hours) * 3_600.0;
    let mut troubles = Vec::new();
    let mut at_s = QUIET_S + exponential(&mut draws, BETWEEN_S / 2.0);
    while at_s < length_s {
        let trouble = draw(&mut draws, spec.induced_share, at_s);
        // A scare grows and shrinks; either way it is over after twice its lead.
        at_s += 2.0 * trouble.lead.as_secs_f64() + trouble.fails_for.as_secs_f64();
        at_s += 600.0 + exponential(&mut draws, BETWEEN_S);
        troubles.push(trouble);
    }
    troubles
}

fn draw(draws: &mut Draws, induced_share: f64, at_s: f64) -> Trouble {
    let (fate, cause) = (draws.unit(), draws.unit());
    let by_load = cause < induced_share;
    let kind = if fate < ABRUPT_SHARE {
        Kind::Abrupt
    } else if fate < ABRUPT_SHARE + SCARE_SHARE {
        Kind::Scare
    } else if by_load {
        Kind::Induced
    } else {
        Kind::Own
    };
    let strength = draws.range(0.9, 1.3);
    let of_cause = if by_load {
        Shows {
            errors: 0.01,
            latency: 0.6,
            memory: 0.03,
            pool: 0.3,
        }
    } else {
        Shows {
            errors: 0.04,
            latency: 0.25,
            memory: 0.3,
            pool: 0.03,
        }
    };
    let mut vary = |usual: f64| usual * strength * draws.range(0.75, 1.25);
    let shows = Shows {
        errors: vary(of_cause.errors),
        latency: vary(of_cause.latency),
        memory: vary(of_cause.memory),
        pool: vary(of_cause.pool),
    };
    Trouble {
        start: START + Duration::from_secs(at_s as i64),
        kind,
        lead: Duration::from_secs(draws.range(600.0, 1_800.0) as i64),
        fails_for: Duration::from_secs(draws.range(180.0, 480.0) as i64),
        peak: if kind == Kind::Scare {
            draws.range(0.3, 0.8)
        } else {
            f64::INFINITY
        },
        shows,
    }
}

fn exponential(draws: &mut Draws, mean: f64) -> f64 {
    -libm::log(1.0 - draws.unit()) * mean
}
