//! How one attempt ends, given the state of the target and the draws of the request.

use foreshift_domain::signal::OutcomeKind;
use foreshift_domain::{Duration, Timestamp};

use crate::effects::Signs;
use crate::recording::TargetSpec;
use crate::rng::Stream;
use crate::server::Server;

/// Spread of service times: the standard deviation of their logarithm.
const SIGMA: f64 = 0.35;
/// Part of the service time that passes before the first byte.
const FIRST_BYTE: f64 = 0.7;

/// How and when an attempt ends.
pub(super) struct Ending {
    pub(super) kind: OutcomeKind,
    pub(super) at: Timestamp,
    pub(super) ttfb: Option<Duration>,
}

/// Sends one attempt to a target. Draws: 1 how it ends, 2 how long it takes, 3 whether it is a slow one, 5 how slow,
/// 6 whether it gets lost.
pub(super) fn ending(
    spec: &TargetSpec,
    signs: &Signs,
    server: &mut Server,
    now: Timestamp,
    timeout: Duration,
    draws: Stream,
) -> Ending {
    let fate = fate(spec, signs, draws.unit(1));
    let quick = |kind, ms: f64| Ending {
        kind,
        at: now + Duration::from_secs_f64(ms / 1e3),
        ttfb: None,
    };
    match fate {
        // Lost on the way: no worker ever sees it.
        OutcomeKind::Timeout if draws.unit(6) * (signs.hang + signs.lost) < signs.lost => {
            return Ending {
                kind: fate,
                at: now + timeout,
                ttfb: None,
            };
        }
        OutcomeKind::ConnectFailure => return quick(fate, draws.range(5, 1.0, 12.0)),
        OutcomeKind::RateLimited => return quick(fate, draws.range(5, 6.0, 30.0)),
        _ => {}
    }
    let service = if fate == OutcomeKind::Timeout {
        timeout
    } else {
        service(spec, signs, draws)
    };
    let Some(done) = server.admit(now, service) else {
        return quick(OutcomeKind::Overload, draws.range(5, 1.0, 4.0));
    };
    if done.since(now) >= timeout {
        return Ending {
            kind: OutcomeKind::Timeout,
            at: now + timeout,
            ttfb: None,
        };
    }
    let waited = done - service;
    let ttfb = waited.since(now) + Duration::from_secs_f64(service.as_secs_f64() * FIRST_BYTE);
    let answered = matches!(fate, OutcomeKind::Success | OutcomeKind::Truncated);
    Ending {
        kind: fate,
        at: done,
        ttfb: answered.then_some(ttfb),
    }
}

/// How the attempt would end if a worker took it at once.
fn fate(spec: &TargetSpec, signs: &Signs, unit: f64) -> OutcomeKind {
    let shares = [
        (OutcomeKind::ConnectFailure, signs.connect_failure),
        (OutcomeKind::RateLimited, signs.rate_limited),
        (OutcomeKind::ServerError, signs.error + spec.error_ratio),
        (OutcomeKind::Timeout, signs.hang + signs.lost),
        (OutcomeKind::Reset, signs.reset + spec.error_ratio * 0.3),
        (OutcomeKind::Truncated, signs.truncated + spec.error_ratio * 0.1),
    ];
    let mut left = unit;
    for (kind, share) in shares {
        if left < share {
            return kind;
        }
        left -= share;
    }
    OutcomeKind::Success
}

/// How long a worker is busy with it.
fn service(spec: &TargetSpec, signs: &Signs, draws: Stream) -> Duration {
    let spread = libm::exp(SIGMA * draws.normal(2) - SIGMA * SIGMA / 2.0);
    let slow = if draws.unit(3) < spec.slow_ratio + signs.slow {
        draws.range(5, 2.5, 5.0)
    } else {
        1.0
    };
    Duration::from_secs_f64(spec.service_ms / 1e3 * (1.0 + signs.service) * spread * slow)
}

/// Whether a gateway may send a request again after this: not when it may have had an effect or took its time.
pub(super) const fn may_retry(kind: OutcomeKind) -> bool {
    use OutcomeKind::{ConnectFailure, Overload, Reset, ServerError};
    matches!(kind, ConnectFailure | Overload | Reset | ServerError)
}
