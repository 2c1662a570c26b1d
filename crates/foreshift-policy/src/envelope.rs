//! The safety envelope: every change of weights passes through here, whoever proposed it.
//!
//! One pure function, [`bound`], in the order in which rules give way to each other:
//!
//! * what predictions and stale telemetry still say (`expiry`: rules 6, 9, 10),
//! * how far predictions may move the route (`predictive`: rules 3, 11),
//! * whether a target may change direction now (`turning`: rule 5),
//! * what fits where (`room`: rules 2, 16),
//! * how fast the weights may go there (`step`: rules 1, 4),
//! * and before all of that a person's word (rule 8).
//!
//! The step only ever moves a weight towards its goal, so what holds for the weights of the last plan and for the
//! goal holds for all weights between.

mod bindings;
mod expiry;
mod predictive;
pub(crate) mod room;
mod step;
mod turning;

use foreshift_domain::Timestamp;
use foreshift_domain::decision::Clause;
use foreshift_domain::fallback::Mode;
use foreshift_domain::signal::Health;

use crate::allocation::allocate;
use crate::envelope::bindings::Bindings;
use crate::plan::{Note, Scene, pinned};
use crate::proposal::{self, Proposal};
use crate::rounding::portion_down;
use crate::state::{RATE_BURST, RouteState, Turn, WHOLE_BP};

/// What the envelope made of a proposal.
pub(crate) struct Bounded {
    pub(crate) planned: Vec<u32>,
    pub(crate) goal: Vec<u32>,
    pub(crate) keeps: Vec<u32>,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) notes: Vec<Note>,
    /// Times at which the plan may change by itself; some may be past.
    pub(crate) looks: Vec<Timestamp>,
    pub(crate) hold: Option<Hold>,
    pub(crate) no_target: bool,
    /// Whether a stale target is on its way back to baseline.
    pub(crate) decaying: bool,
    /// Whether the planned weights differ from those of the last plan.
    pub(crate) changed: bool,
    pub(crate) begins_shift: bool,
}

/// What holds the weights, whatever is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// A person fixed them.
    Pin,
    /// A person froze them.
    Person,
    /// The cap on changes of direction: none changes direction, but walks under way end, and what no longer fits
    /// gives way.
    Flips,
}

/// What the rules so far leave each target, in basis points of its baseline.
pub(crate) struct Keeps {
    /// By health alone; hard-downs at zero.
    pub(crate) reactive: Vec<u32>,
    /// By predictions alone.
    pub(crate) predictive: Vec<u32>,
    /// Whether a stale target is on its way back to baseline.
    pub(crate) decaying: bool,
}

impl Keeps {
    pub(crate) fn combined(&self) -> Vec<u32> {
        let pairs = self.reactive.iter().zip(&self.predictive);
        pairs
            .map(|(reactive, predictive)| *reactive.min(predictive))
            .collect()
    }
}

/// Bounds a proposal by the rules and steps towards what is left of it. `before` are the planned weights
/// of the last plan; `lapsed` says that it is no longer valid.
pub(crate) fn bound(
    state: &mut RouteState,
    scene: &Scene<'_>,
    proposal: &Proposal,
    before: &[u32],
    lapsed: bool,
) -> Bounded {
    let mut bindings = Bindings::new(scene);
    let mut looks = Vec::new();
    note_silence(scene, &mut bindings);
    note_held_out(scene, proposal, &mut bindings);
    if !scene.usable && scene.input.route.settings.triggers.risk.is_some() {
        bindings.bind(10, None, 0);
        if scene.input.predictions_usable {
            bindings.note(Note::RiskUnusable);
        }
    }
    let mut keeps = expiry::renew(state, scene, proposal, &mut bindings, &mut looks);
    if let Some(hold) = person(scene) {
        return held(state, scene, before, bindings, looks, hold);
    }
    let shifting = predictive::bound(state, scene, &mut keeps, &mut bindings);
    let asked = keeps.combined();
    let turned = turning::turn(state, scene, &asked, &mut bindings, &mut looks);
    let room = room::rooms(state, scene);
    if lapsed {
        restart(state, scene, &room);
    }
    let current: Vec<u32> = state.targets.iter().map(|target| target.turn.keep).collect();
    let allocation = room::allocate_within(state, scene, &turned.wished, &room, &mut bindings);
    let goal = allocation.weights;
    step::step(state, scene, &goal, &mut bindings, &mut looks);
    let planned = state.planned();
    let begins_shift = shifting && !state.shifting && scene.input.mode == Mode::Auto;
    state.shifting = shifting;
    let (clauses, notes) = bindings.finish();
    Bounded {
        changed: planned != before,
        decaying: keeps.decaying,
        hold: turned.frozen.then_some(Hold::Flips),
        no_target: allocation.no_target,
        keeps: current,
        planned,
        goal,
        clauses,
        notes,
        looks,
        begins_shift,
    }
}

/// Handles what ends a plan from outside, before anything is proposed: a switch to auto starts from the baseline
/// that is published; a plan that has lapsed is not revived, since gateways are at their baseline by now.
/// Returns whether it lapsed.
pub(crate) fn start_over(state: &mut RouteState, scene: &Scene<'_>) -> bool {
    let mode = scene.input.mode;
    let to_auto = mode == Mode::Auto && state.mode != Mode::Auto;
    let lapsed = !to_auto && scene.now() > state.valid_until && person(scene).is_none();
    state.mode = mode;
    if to_auto {
        state.flips.clear();
        for (target, weight) in state.targets.iter_mut().zip(&scene.baseline) {
            target.planned = *weight;
            // What was published has been at rest, however the unpublished plan moved.
            target.moved_at = scene.now() - RATE_BURST;
            target.shifted_keep = WHOLE_BP;
            target.turn = Turn::REST;
        }
    }
    if lapsed {
        for (target, facts) in state.targets.iter_mut().zip(&scene.facts) {
            target.shifted_keep = WHOLE_BP;
            target.seen_keep = WHOLE_BP;
            proposal::forget_risk(target);
            if !facts.health.is_down() {
                target.turn = Turn::REST;
            }
        }
    }
    if to_auto || lapsed {
        state.shifting = false;
    }
    lapsed
}

/// The planned weights after a lapse: baseline, but for targets that are down, which stay where they were.
fn restart(state: &mut RouteState, scene: &Scene<'_>, room: &room::Rooms) {
    let shares = scene.shares(state, |at| {
        let down = scene.facts.get(at).is_some_and(|facts| facts.health.is_down());
        // A down target keeps what it has, at most its baseline; all others their baseline.
        (if down { 0 } else { WHOLE_BP }, WHOLE_BP, room.most(at))
    });
    for (target, weight) in state.targets.iter_mut().zip(allocate(&shares).weights) {
        target.planned = weight;
    }
}

fn person(scene: &Scene<'_>) -> Option<Hold> {
    match (scene.input.pin, scene.input.frozen) {
        (Some(_), _) => Some(Hold::Pin),
        (None, true) => Some(Hold::Person),
        (None, false) => None,
    }
}

/// A person's word wins at once over all rules but the sum (rule 8); what rules would do is not even begun.
fn held(
    state: &mut RouteState,
    scene: &Scene<'_>,
    before: &[u32],
    mut bindings: Bindings<'_>,
    looks: Vec<Timestamp>,
    hold: Hold,
) -> Bounded {
    if let Some(pin) = scene.input.pin {
        for (target, weight) in state.targets.iter_mut().zip(pinned(pin, scene.baseline.len())) {
            if target.planned != weight {
                target.planned = weight;
                target.moved_at = scene.now();
            }
        }
    }
    bindings.bind(8, None, 0);
    let planned = state.planned();
    let (clauses, notes) = bindings.finish();
    Bounded {
        changed: planned != before,
        goal: planned.clone(),
        keeps: state.targets.iter().map(|target| target.turn.keep).collect(),
        planned,
        clauses,
        notes,
        looks,
        hold: Some(hold),
        no_target: false,
        decaying: false,
        begins_shift: false,
    }
}

/// Says which targets went silent while down: they stay where they are, and somebody should look.
fn note_silence(scene: &Scene<'_>, bindings: &mut Bindings<'_>) {
    for (target, facts) in scene.facts.iter().enumerate() {
        if facts.stale && facts.health.is_down() {
            bindings.note(Note::StaleDown { target });
        }
    }
}

/// Says which alarms are held out, and what of the route they would have moved (rule 17).
fn note_held_out(scene: &Scene<'_>, proposal: &Proposal, bindings: &mut Bindings<'_>) {
    for (target, (keep, baseline)) in proposal.withheld.iter().zip(&scene.baseline).enumerate() {
        if *keep < WHOLE_BP {
            let given_up = u64::from(WHOLE_BP - keep);
            bindings.bind(
                17,
                Some(target),
                portion_down(*baseline, given_up, u64::from(WHOLE_BP)),
            );
        }
    }
}

/// Whether the reactive rules have something against a target now, so that what it loses is not lost on a
/// prediction alone.
pub(crate) fn impaired(scene: &Scene<'_>, target: usize) -> bool {
    let health = scene.facts.get(target).and_then(|facts| facts.health.health);
    matches!(health, Some(Health::Down | Health::Degraded))
}
