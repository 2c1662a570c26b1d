//! Alarms that are held out from action, so that what comes of a prediction is seen where it is not acted on.
//!
//! A route may ask for a share of its alarm episodes. Whether an episode is held out follows from a hash of its route,
//! target and beginning alone, so a replay draws the same, and the probability of what was done is known. While one is
//! held out, its prediction takes nothing from the target, and gives it nothing from others; the reactive rules act
//! as ever. It is only drawn for where acting could have waited: on routes that are not critical, in mode auto, for
//! targets that the reactive rules have nothing against, and while others that are well could take all of the target's
//! share when it does fail. When they no longer could, it ends, and the prediction is acted on.

use foreshift_domain::fallback::{Criticality, Mode};
use foreshift_domain::signal::Health;
use foreshift_domain::weights::FULL_BP;
use foreshift_domain::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::envelope::room::{self, Rooms};
use crate::plan::{Scene, Sync};
use crate::state::{RouteState, TargetState};

/// Alarms of a target less than a horizon apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    /// The newest prediction of it that alarmed.
    alarmed_at: Timestamp,
    /// The share of which it was drawn, in basis points; 0 was not drawn for.
    drawn_bp: u32,
    held_out: bool,
}

impl Episode {
    pub(crate) fn held_out(&self) -> bool {
        self.held_out
    }

    /// Probability with which it is treated as it is.
    pub(crate) fn propensity(&self) -> f64 {
        let share = f64::from(self.drawn_bp) / f64::from(FULL_BP);
        if self.held_out { share } else { 1.0 - share }
    }
}

/// Follows the alarms, draws for those that begin, and ends hold-outs that are no longer safe.
pub(crate) fn draw(state: &mut RouteState, scene: &Scene<'_>) {
    let route = scene.input.route;
    let share_bp = route.settings.limits.held_out_bp.min(FULL_BP);
    let may =
        share_bp > 0 && scene.input.mode == Mode::Auto && route.settings.criticality != Criticality::Critical;
    let rooms = if may && state.targets.iter().any(|target| target.alarm) {
        Some(room::rooms(state, scene))
    } else {
        None
    };
    let safe: Vec<bool> = (0..state.targets.len())
        .map(|at| {
            let rooms = rooms.as_ref();
            rooms.is_some_and(|rooms| is_well(scene, at) && can_take_over(state, scene, rooms, at))
        })
        .collect();
    let trigger = route.settings.triggers.risk.as_ref();
    let horizon = trigger.map(|trigger| trigger.horizon).unwrap_or_default();
    for (at, (target, safe)) in state.targets.iter_mut().zip(safe).enumerate() {
        // Silence takes nothing: of a silent target no hold-out ends either.
        let silent = scene.facts.get(at).is_some_and(|facts| facts.stale);
        let running = target
            .episode
            .filter(|episode| target.alarm || target.risk_at.since(episode.alarmed_at) <= horizon);
        target.episode = match (running, target.alarm) {
            (None, false) => None,
            (None, true) => Some(begun(target, share_bp * u32::from(safe), || {
                hash(scene, at, target.risk_at)
            })),
            (Some(episode), alarm) => Some(Episode {
                alarmed_at: if alarm { target.risk_at } else { episode.alarmed_at },
                // What is no longer safe is certain to be acted on from now on.
                drawn_bp: if alarm && episode.held_out && !safe && !silent {
                    0
                } else {
                    episode.drawn_bp
                },
                held_out: episode.held_out && (safe || silent || !alarm),
            }),
        };
    }
}

fn begun(target: &TargetState, drawn_bp: u32, hash: impl FnOnce() -> u64) -> Episode {
    Episode {
        alarmed_at: target.risk_at,
        drawn_bp,
        held_out: drawn_bp > 0 && hash() % u64::from(FULL_BP) < u64::from(drawn_bp),
    }
}

/// Uniform, and the same whenever this episode is played.
fn hash(scene: &Scene<'_>, at: usize, began: Timestamp) -> u64 {
    let target = scene.name(at).map_or("", |name| name.as_str());
    let text = format!(
        "held out\0{}\0{target}\0{}",
        scene.input.route.name,
        began.as_micros()
    );
    Digest::of(text.as_bytes()).short()
}

/// Serves, as far as the reactive rules know.
fn is_well(scene: &Scene<'_>, at: usize) -> bool {
    let baseline = scene.baseline.get(at).copied().unwrap_or(0);
    let facts = scene.facts.get(at);
    baseline > 0
        && facts.is_some_and(|facts| !facts.stale && matches!(facts.health.health, None | Some(Health::Up)))
}

/// Whether others that are well and do not alarm have room for all that the target serves at rest.
fn can_take_over(state: &RouteState, scene: &Scene<'_>, rooms: &Rooms, at: usize) -> bool {
    let own = scene.baseline.get(at).copied().unwrap_or(0);
    let others = state.targets.iter().zip(&scene.facts).enumerate();
    let free: u32 = others
        .filter(|(other, (target, facts))| {
            *other != at
                && !target.alarm
                && matches!(facts.health.health, None | Some(Health::Up))
                && matches!(facts.sync, Sync::NotRequired | Sync::Ok)
        })
        .map(|(other, (target, _))| rooms.most(other).saturating_sub(target.planned))
        .fold(0, u32::saturating_add);
    free >= own
}
