//! Rules 2, 16 and 17: what fits where.

use crate::allocation::{Allocation, Share, allocate};
use crate::envelope::bindings::Bindings;
use crate::plan::{Note, Scene, Sync, TargetFacts};
use crate::state::{RouteState, TargetState};
use foreshift_domain::weights::FULL_BP;

/// The most that each target may be given, in basis points of the route, and the rule that says so.
pub(crate) struct Rooms(Vec<(u32, Option<u8>)>);

impl Rooms {
    /// The most that a target may be given, in basis points; its baseline is always allowed.
    pub(crate) fn most(&self, target: usize) -> u32 {
        self.0.get(target).map_or(FULL_BP, |(room, _)| *room)
    }

    fn rule(&self, target: usize) -> Option<u8> {
        self.0.get(target).and_then(|(_, rule)| *rule)
    }
}

/// Works out the rooms. While all telemetry is stale the newest known demand stands for the missing one.
pub(crate) fn rooms(state: &mut RouteState, scene: &Scene<'_>) -> Rooms {
    let silent = scene.facts.iter().all(|facts| facts.stale);
    let seen = scene
        .input
        .demand
        .filter(|demand| demand.is_finite() && *demand >= 0.0);
    let demand = if silent { seen.or(state.demand) } else { seen };
    state.demand = demand;
    let headroom = scene.input.route.settings.limits.headroom;
    let room = |facts: &TargetFacts| match facts.sync {
        Sync::Over | Sync::Unknown => (0, Some(16)),
        Sync::NotRequired | Sync::Ok => {
            match demand.and_then(|demand| capacity_bp(facts, headroom, demand)) {
                Some(room) => (room, Some(2)),
                None => (FULL_BP, None),
            }
        }
    };
    let pairs = scene.facts.iter().zip(&scene.baseline).zip(&state.targets);
    let at_least_baseline = |((facts, baseline), target): ((&TargetFacts, &u32), &TargetState)| {
        // What is left alone although it may fail is not given more.
        let (most, rule) = if target.held_out() {
            (0, Some(17))
        } else {
            room(facts)
        };
        (most.max(*baseline), rule)
    };
    Rooms(pairs.map(at_least_baseline).collect())
}

/// The share of the route's demand that fits into a target; `None` when its capacity is unknown or nothing is asked.
fn capacity_bp(facts: &TargetFacts, headroom: f64, demand: f64) -> Option<u32> {
    let capacity = facts.capacity.filter(|capacity| !capacity.is_nan())?;
    if demand == 0.0 {
        return None;
    }
    let elsewhere = if facts.load_elsewhere > 0.0 {
        facts.load_elsewhere
    } else {
        0.0
    };
    let share = (headroom * capacity - elsewhere) / demand * f64::from(FULL_BP);
    Some(share.clamp(0.0, f64::from(FULL_BP)) as u32)
}

/// Allocates within the rooms what `wished` and the targets' turns leave them, and says whom they bound: those that would have been given more without them.
pub(crate) fn allocate_within(
    state: &RouteState,
    scene: &Scene<'_>,
    wished: &[u32],
    rooms: &Rooms,
    bindings: &mut Bindings<'_>,
) -> Allocation {
    let keep = |at: usize| {
        let held = state.targets.get(at).map_or(0, |target| target.turn.keep);
        (held, wished.get(at).copied().unwrap_or(held))
    };
    let within = |room: &dyn Fn(usize) -> u32| {
        scene.shares(state, |at| {
            let (held, wished) = keep(at);
            (held, wished, room(at))
        })
    };
    let bounded: Vec<Share> = within(&|at| rooms.most(at));
    let allocation = allocate(&bounded);
    if bounded.iter().any(|share| share.room < FULL_BP) {
        let free = allocate(&within(&|_| FULL_BP));
        let mut told = allocation.weights == free.weights;
        for (at, (given, free)) in allocation.weights.iter().zip(&free.weights).enumerate() {
            if let (Some(rule), true) = (rooms.rule(at), free > given) {
                bindings.bind(rule, Some(at), free - given);
                told = true;
            }
        }
        // Who has no room also takes no part in rounding, which can move a basis point between others.
        if let (false, Some(rule)) = (told, (0..scene.facts.len()).find_map(|at| rooms.rule(at))) {
            bindings.bind(rule, None, 0);
        }
    }
    if state.demand.is_none() && allocation.weights != scene.baseline {
        bindings.note(Note::CapacityOff);
    }
    allocation
}
