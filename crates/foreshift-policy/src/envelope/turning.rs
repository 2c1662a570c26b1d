//! Rule 5: changes of direction wait for the dwell, a share that fell does not rise before it either, and too many
//! changes in an hour freeze the route.
//!
//! Direction is that of a target's own share, not of its weight: when one target drains, the weights of all others
//! rise, and that is not their change of mind. A change counts towards the cap when the same target changed within
//! the hour before, so that a wide failure, in which many targets drain once, is not taken for flapping.

use foreshift_domain::{Duration, Timestamp};

use crate::envelope::bindings::Bindings;
use crate::envelope::predictive::within_budget;
use crate::plan::{Note, Scene};
use crate::rounding::portion_down;
use crate::state::{FLIP_BP, MAX_FLIPS_KEPT, RouteState, Turn, WHOLE_BP};

/// What became of the shares that were asked for.
pub(crate) struct Turned {
    /// Whether the cap on changes of direction holds.
    pub(crate) frozen: bool,
    /// The share that each target would keep if it might turn: a weight still on its way in the old direction
    /// stops there, since what it was on its way for is gone.
    pub(crate) wished: Vec<u32>,
}

/// Lets each target's share follow what is asked, as far as its dwell and the cap allow.
pub(crate) fn turn(
    state: &mut RouteState,
    scene: &Scene<'_>,
    asked: &[u32],
    bindings: &mut Bindings<'_>,
    looks: &mut Vec<Timestamp>,
) -> Turned {
    let now = scene.now();
    let limits = &scene.input.route.settings.limits;
    let frozen_until = frozen_until(state, limits.max_flips_per_hour, now);
    if let Some(until) = frozen_until {
        bindings.bind(5, None, 0);
        bindings.note(Note::FlipsFrozen { until });
        looks.push(until);
    }
    let dwell = limits.min_dwell;
    let pairs = asked.iter().zip(state.targets.iter().zip(&scene.facts));
    let admitted: Vec<u32> = pairs
        .map(|(asked, (target, facts))| {
            let drains = facts.health.is_down() && facts.health.hard;
            target
                .turn
                .admit(*asked, drains, frozen_until.is_some(), now, dwell)
        })
        .collect();
    let held = tell_held(state, scene, asked, &admitted, bindings, looks);
    let kept = within_budget(state, scene, admitted, bindings);
    let wished = held.iter().zip(asked).zip(&kept);
    let wished = wished.map(|((held, asked), kept)| if *held { *asked } else { *kept });
    let wished = wished.collect();
    for ((target, keep), baseline) in state.targets.iter_mut().zip(kept).zip(&scene.baseline) {
        // What carries nothing at rest has nothing to flap with.
        if target.turn.follow(keep, now) && *baseline > 0 {
            state.flips.push_back(now);
        }
    }
    while state.flips.len() > MAX_FLIPS_KEPT {
        state.flips.pop_front();
    }
    Turned {
        frozen: frozen_until.is_some(),
        wished,
    }
}

/// Says which targets may not turn, how much that holds back, and when their dwell ends.
fn tell_held(
    state: &RouteState,
    scene: &Scene<'_>,
    asked: &[u32],
    admitted: &[u32],
    bindings: &mut Bindings<'_>,
    looks: &mut Vec<Timestamp>,
) -> Vec<bool> {
    let dwell = scene.input.route.settings.limits.min_dwell;
    let held: Vec<bool> = asked
        .iter()
        .zip(admitted)
        .map(|(asked, admitted)| asked != admitted)
        .collect();
    for (at, (asked, admitted)) in asked.iter().zip(admitted).enumerate() {
        if asked == admitted {
            continue;
        }
        let baseline = scene.baseline.get(at).copied().unwrap_or(0);
        let short = u64::from(asked.abs_diff(*admitted));
        bindings.bind(5, Some(at), portion_down(baseline, short, u64::from(WHOLE_BP)));
        let turn = state.targets.get(at).map(|target| &target.turn);
        looks.extend(turn.map(|turn| turn.free_at(*asked, dwell)));
    }
    held
}

/// Until when the cap on changes of direction holds the route, if it does.
fn frozen_until(state: &mut RouteState, most: u32, now: Timestamp) -> Option<Timestamp> {
    while state
        .flips
        .front()
        .is_some_and(|at| now.since(*at) >= Duration::HOUR)
    {
        state.flips.pop_front();
    }
    let most = (most as usize).min(MAX_FLIPS_KEPT - 1);
    let excess = state.flips.len().checked_sub(most + 1)?;
    state.flips.get(excess).map(|at| *at + Duration::HOUR)
}

impl Turn {
    /// How far the share may go towards `asked`. A hard-down may always go down.
    fn admit(&self, asked: u32, drains: bool, frozen: bool, now: Timestamp, dwell: Duration) -> u32 {
        if drains && asked <= self.keep {
            return asked;
        }
        if frozen {
            return self.keep;
        }
        if now < self.free_at(asked, dwell) {
            self.keep
        } else {
            asked
        }
    }

    /// From when on the share may go to `asked`: what fell does not rise before the dwell is over, by however little,
    /// and a change of direction waits for it either way.
    fn free_at(&self, asked: u32, dwell: Duration) -> Timestamp {
        let fell_at = self.fell_at.filter(|_| asked > self.keep);
        let turned_at = self.at.filter(|_| self.turns_at(asked));
        fell_at.max(turned_at).map_or(Timestamp::MIN, |at| at + dwell)
    }

    /// Whether going there is a change of direction.
    fn turns_at(&self, keep: u32) -> bool {
        match self.away {
            true => keep > self.pivot.saturating_add(FLIP_BP),
            false => keep < self.pivot.saturating_sub(FLIP_BP),
        }
    }

    /// Takes the share over. Returns whether this was a change of direction that counts.
    fn follow(&mut self, keep: u32, now: Timestamp) -> bool {
        if keep < self.keep {
            self.fell_at = Some(now);
        }
        self.keep = keep;
        if !self.turns_at(keep) {
            self.pivot = if self.away {
                self.pivot.min(keep)
            } else {
                self.pivot.max(keep)
            };
            return false;
        }
        let counts = self.at.is_some_and(|at| now.since(at) < Duration::HOUR);
        self.away = !self.away;
        self.pivot = keep;
        self.at = Some(now);
        counts
    }
}
