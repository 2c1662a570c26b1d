//! Rules 1 and 4: how fast weights go to their goal. Every step moves whole basis points from some targets to
//! others, so the sum cannot change, and no weight ever moves but towards its goal.

use std::cmp::Ordering;

use foreshift_domain::{Duration, Timestamp};

use crate::envelope::bindings::Bindings;
use crate::envelope::impaired;
use crate::plan::Scene;
use crate::rounding::share_out;
use crate::state::{RATE_BURST, RouteState};

/// A weight on its way.
#[derive(Clone, Copy)]
struct Path {
    now: u32,
    goal: u32,
    baseline: u32,
    /// How much it may still change in this step.
    credit: u32,
    /// Whether the reactive rules have something against the target.
    impaired: bool,
}

/// Whether a hard-down target still has traffic to lose.
fn drains(state: &RouteState, scene: &Scene<'_>, goal: &[u32]) -> bool {
    let pairs = state.targets.iter().zip(goal);
    pairs
        .enumerate()
        .any(|(at, (target, goal))| is_hard(scene, at) && target.planned > *goal)
}

fn is_hard(scene: &Scene<'_>, target: usize) -> bool {
    scene
        .facts
        .get(target)
        .is_some_and(|facts| facts.health.is_down() && facts.health.hard)
}

/// Steps the planned weights towards the goal.
pub(crate) fn step(
    state: &mut RouteState,
    scene: &Scene<'_>,
    goal: &[u32],
    bindings: &mut Bindings<'_>,
    looks: &mut Vec<Timestamp>,
) {
    let limits = &scene.input.route.settings.limits;
    let slow = limits.max_step_bp_per_s;
    let fast = limits.max_hard_down_step_bp_per_s.max(slow);
    let rested = |at: usize| {
        state
            .targets
            .get(at)
            .map_or(Duration::ZERO, |target| scene.now().since(target.moved_at))
    };
    let before = state.planned();
    let mut weights = before.clone();
    if drains(state, scene, goal) {
        let paths = paths(scene, &weights, goal, |at| {
            // Only hard-downs lose at the fast rate; whoever takes it over may gain at it.
            let gains = weights.get(at) < goal.get(at);
            if gains || is_hard(scene, at) {
                allowance(fast, rested(at))
            } else {
                0
            }
        });
        weights = advance(&paths, u32::MAX);
    }
    let paths = paths(scene, &weights, goal, |at| {
        let used = weights
            .get(at)
            .zip(before.get(at))
            .map_or(0, |(now, then)| now.abs_diff(*then));
        allowance(slow, rested(at)).saturating_sub(used)
    });
    weights = advance(&paths, limits.max_predictive_shift_bp);

    let left: u32 = weights
        .iter()
        .zip(goal)
        .map(|(weight, goal)| weight.saturating_sub(*goal))
        .sum();
    if left > 0 {
        bindings.bind(4, None, left);
        let fresh = (0..weights.len()).any(|at| rested(at) < RATE_BURST);
        // What does not move with all its credit is held by another rule: the next tick will tell, not the clock.
        if weights != before || fresh {
            looks.push(scene.now() + RATE_BURST);
        }
    }
    for (target, weight) in state.targets.iter_mut().zip(weights) {
        if target.planned != weight {
            target.planned = weight;
            target.moved_at = scene.now();
        }
    }
}

/// Basis points that a rate allows after a rest; at most those of `RATE_BURST`.
fn allowance(rate_bp_per_s: u32, rested: Duration) -> u32 {
    let rested = rested.min(RATE_BURST).max(Duration::ZERO).as_micros();
    let allowed = i64::from(rate_bp_per_s) * rested / 1_000_000;
    u32::try_from(allowed).unwrap_or(0)
}

fn paths(scene: &Scene<'_>, now: &[u32], goal: &[u32], credit: impl Fn(usize) -> u32) -> Vec<Path> {
    let pairs = now.iter().zip(goal).zip(&scene.baseline).enumerate();
    pairs
        .map(|(at, ((now, goal), baseline))| Path {
            now: *now,
            goal: *goal,
            baseline: *baseline,
            credit: credit(at),
            impaired: impaired(scene, at),
        })
        .collect()
}

impl Path {
    fn want(&self, direction: Ordering) -> u32 {
        if self.goal.cmp(&self.now) == direction {
            self.goal.abs_diff(self.now).min(self.credit)
        } else {
            0
        }
    }

    /// The part of a change that brings the weight closer to its baseline; the rest takes it away.
    fn homeward(&self, direction: Ordering) -> u32 {
        if self.baseline.cmp(&self.now) == direction {
            self.want(direction).min(self.baseline.abs_diff(self.now))
        } else {
            0
        }
    }
}

/// One exchange: as much as those that lose and those that gain both allow.
///
/// Losses of targets that nothing reactive speaks against are losses on predictions: all of them together may
/// not take the route further from baseline than `max_shift_bp`, or than it is. That is why what returns to
/// baseline gains first, and why such losses come last.
fn advance(paths: &[Path], max_shift_bp: u32) -> Vec<u32> {
    let pick = |part: &dyn Fn(&Path) -> u32| -> Vec<u32> { paths.iter().map(part).collect() };
    let total = |parts: &[u32]| -> u32 { parts.iter().sum() };
    let (up, down) = (Ordering::Greater, Ordering::Less);
    let alone = |path: &Path, amount: u32| if path.impaired { 0 } else { amount };

    let coming_home = pick(&|path| alone(path, path.homeward(up)));
    let other_gains = pick(&|path| path.want(up) - alone(path, path.homeward(up)));
    let on_prediction = pick(&|path| alone(path, path.want(down) - path.homeward(down)));
    let other_losses = pick(&|path| path.want(down) - alone(path, path.want(down) - path.homeward(down)));

    let shifted: u32 = paths
        .iter()
        .map(|path| alone(path, path.baseline.saturating_sub(path.now)))
        .sum();
    let slack = max_shift_bp
        .saturating_sub(shifted)
        .saturating_add(total(&coming_home));
    let predictive = total(&on_prediction).min(slack);
    let moved = (total(&coming_home) + total(&other_gains)).min(total(&other_losses) + predictive);

    let (first_gains, last_gains) = split(moved, &coming_home, &other_gains);
    let (first_losses, last_losses) = split(moved, &other_losses, &on_prediction);
    let mut weights = pick(&|path| path.now);
    for (at, weight) in weights.iter_mut().enumerate() {
        let sum = |one: &[u32], other: &[u32]| one.get(at).unwrap_or(&0) + other.get(at).unwrap_or(&0);
        *weight = *weight + sum(&first_gains, &last_gains) - sum(&first_losses, &last_losses);
    }
    weights
}

/// Splits `amount` over the first wants as far as they go, then over the second.
fn split(amount: u32, first: &[u32], second: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let wide = |parts: &[u32]| -> Vec<u64> { parts.iter().map(|part| u64::from(*part)).collect() };
    let early = amount.min(first.iter().sum());
    (
        share_out(early, &wide(first)),
        share_out(amount - early, &wide(second)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(baseline: u32, now: u32, goal: u32) -> Path {
        Path {
            now,
            goal,
            baseline,
            credit: 300,
            impaired: false,
        }
    }

    #[test]
    fn a_shift_that_moves_from_one_target_to_three_stays_within_its_bound_on_the_way() {
        let mut paths = vec![path(5_000, 2_000, 5_000), path(0, 3_000, 0)];
        paths.extend([path(1_500, 1_500, 500); 3]);
        paths.extend([
            path(200, 200, 1_200),
            path(200, 200, 1_200),
            path(100, 100, 1_100),
        ]);
        for _ in 0..20 {
            let weights = advance(&paths, 3_000);
            for (path, weight) in paths.iter_mut().zip(weights) {
                path.now = weight;
            }
            let shifted: u32 = paths
                .iter()
                .map(|path| path.baseline.saturating_sub(path.now))
                .sum();
            assert!(shifted <= 3_000, "{shifted}");
            assert_eq!(paths.iter().map(|path| path.now).sum::<u32>(), 10_000);
        }
        assert!(paths.iter().all(|path| path.now == path.goal));
    }
}
