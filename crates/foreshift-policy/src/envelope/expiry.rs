//! Rules 6 and 9: what is not renewed expires, what goes silent is held and then let go, but never while down.
//!
//! Predictions expire where they are read (`proposal`), since an expired one asks for nothing. Here the health of
//! targets does: a target that went silent while degraded is held, then walks back; one that went silent while down
//! stays.

use foreshift_domain::{Duration, Timestamp};

use crate::envelope::Keeps;
use crate::envelope::bindings::Bindings;
use crate::plan::Scene;
use crate::proposal::{Proposal, decayed};
use crate::rounding::portion_down;
use crate::state::{RouteState, WHOLE_BP};

/// A walk back is looked at this many times, so that no step of it is larger than a thirty-second.
const DECAY_LOOKS: i64 = 32;

/// The shortest time after which a look is a later one.
const MOMENT: Duration = Duration::from_micros(1);

/// The shares that fresh or not yet expired observations leave.
pub(crate) fn renew(
    state: &mut RouteState,
    scene: &Scene<'_>,
    proposal: &Proposal,
    bindings: &mut Bindings<'_>,
    looks: &mut Vec<Timestamp>,
) -> Keeps {
    let limits = &scene.input.route.settings.limits;
    let mut reactive = proposal.reactive.clone();
    let mut decaying = false;
    let pairs = state.targets.iter_mut().zip(&scene.facts).zip(&mut reactive);
    for (at, ((target, facts), keep)) in pairs.enumerate() {
        let baseline = scene.baseline.get(at).copied().unwrap_or(0);
        if !facts.stale {
            target.seen_at = scene.now();
            target.seen_keep = if facts.health.is_down() { WHOLE_BP } else { *keep };
        } else if !facts.health.is_down() {
            *keep = decayed(target.seen_keep, target.seen_at, limits, scene.now());
        }
        let held = (*keep).min(proposal.predictive.get(at).copied().unwrap_or(WHOLE_BP));
        let asked = proposal.reactive.get(at).copied().unwrap_or(WHOLE_BP);
        if facts.stale && (held < WHOLE_BP || asked < WHOLE_BP) {
            bindings.bind(9, Some(at), given_up(baseline, held));
        }
        // From when on, and how, the share walks back by itself.
        let walks = [
            (
                target.seen_keep,
                target.seen_at,
                facts.stale && !facts.health.is_down(),
            ),
            (target.risk_keep, target.risk_at, true),
        ];
        for (share, since, runs) in walks {
            if share == WHOLE_BP || !runs {
                continue;
            }
            let begins = since + limits.valid_for;
            if scene.now() <= begins {
                looks.push(begins + MOMENT);
                continue;
            }
            if scene.now() >= begins + limits.decay {
                continue;
            }
            decaying |= facts.stale;
            let pace = Duration::from_micros((limits.decay.as_micros() / DECAY_LOOKS).max(1));
            looks.push(
                (scene.now() + pace)
                    .min(begins + limits.decay)
                    .max(scene.now() + MOMENT),
            );
            bindings.bind(
                if facts.stale { 9 } else { 6 },
                Some(at),
                given_up(baseline, share),
            );
        }
    }
    Keeps {
        reactive,
        predictive: proposal.predictive.clone(),
        decaying,
    }
}

fn given_up(baseline: u32, keep: u32) -> u32 {
    portion_down(
        baseline,
        u64::from(WHOLE_BP.saturating_sub(keep)),
        u64::from(WHOLE_BP),
    )
}
