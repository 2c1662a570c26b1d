//! Movements: weights change a little at a time, and people want to know from where to where.

use foreshift_domain::decision::Reason;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, RouteName, Timestamp};

use super::{Moment, Share, Timed};

/// A movement has ended when nothing changed for this long, in recorded time: steps follow each other faster.
const QUIET: Duration = Duration::from_secs(4);

/// Steps in one direction that belong together.
#[derive(Clone, Debug)]
pub(super) struct Movement {
    route: RouteName,
    away: bool,
    shares: Vec<Share>,
    /// What the first step alone came to.
    first: Vec<Share>,
    began: Timestamp,
    last: Timestamp,
}

/// One change of weights.
pub(super) struct Step {
    route: RouteName,
    at: Timestamp,
    away: bool,
    shares: Vec<Share>,
    reason: Reason,
}

impl Step {
    pub(super) fn between(before: &RouteWeights, now: &RouteWeights) -> Self {
        let shares = now.targets.iter().map(|target| {
            let was = before.targets.iter().find(|one| one.target == target.target);
            Share {
                target: target.target.clone(),
                from_bp: was.map_or(0, |was| was.weight_bp),
                to_bp: target.weight_bp,
            }
        });
        Self {
            route: now.route.clone(),
            at: now.decided_at,
            away: distance(now) >= distance(before),
            shares: shares.collect(),
            reason: now.reason,
        }
    }
}

/// How far weights are from rest, in basis points moved, counted at both ends.
fn distance(weights: &RouteWeights) -> u32 {
    weights
        .targets
        .iter()
        .map(|target| target.weight_bp.abs_diff(target.baseline_bp))
        .sum()
}

/// A step goes on with the movement under way, or ends it and begins another.
pub(super) fn take(movement: &mut Option<Movement>, step: Step, moments: &mut Vec<Timed>) {
    match movement {
        Some(under_way) if under_way.away == step.away && step.at.since(under_way.last) < QUIET => {
            under_way.last = step.at;
            for (sum, one) in under_way.shares.iter_mut().zip(&step.shares) {
                sum.to_bp = one.to_bp;
            }
        }
        _ => {
            end(movement, moments);
            let shares = changed(&step.shares);
            let shift = Moment::Shift {
                route: step.route.clone(),
                away: step.away,
                shares,
                reason: step.reason,
            };
            moments.push(Timed {
                at: step.at,
                moment: shift,
            });
            *movement = Some(Movement {
                route: step.route,
                away: step.away,
                first: step.shares.clone(),
                shares: step.shares,
                began: step.at,
                last: step.at,
            });
        }
    }
}

/// Ends a movement whose last step was a while ago.
pub(super) fn end_if_quiet(movement: &mut Option<Movement>, now: Timestamp, moments: &mut Vec<Timed>) {
    if movement
        .as_ref()
        .is_some_and(|under_way| now.since(under_way.last) >= QUIET)
    {
        end(movement, moments);
    }
}

/// Ends a movement. One of a single step was told whole when it began.
pub(super) fn end(movement: &mut Option<Movement>, moments: &mut Vec<Timed>) {
    let Some(ended) = movement.take() else { return };
    if ended.shares == ended.first {
        return;
    }
    let shifted = Moment::Shifted {
        route: ended.route,
        away: ended.away,
        shares: changed(&ended.shares),
        took: ended.last.since(ended.began),
    };
    moments.push(Timed {
        at: ended.last,
        moment: shifted,
    });
}

fn changed(shares: &[Share]) -> Vec<Share> {
    shares
        .iter()
        .filter(|share| share.from_bp != share.to_bp)
        .cloned()
        .collect()
}
