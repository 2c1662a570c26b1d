//! Rules 3 and 11: how far predictions alone may move a route.

use foreshift_domain::signal::Health;

use crate::envelope::bindings::Bindings;
use crate::envelope::{Keeps, impaired};
use crate::fleet::{FleetTarget, count_alarms};
use crate::plan::Scene;
use crate::rounding::portion_down;
use crate::state::{RouteState, WHOLE_BP};

/// Bounds the shares that predictions take away. Returns whether a shift on predictions is under way.
pub(crate) fn bound(
    state: &mut RouteState,
    scene: &Scene<'_>,
    keeps: &mut Keeps,
    bindings: &mut Bindings<'_>,
) -> bool {
    let asked = taken(scene, keeps);
    if asked > 0 && !state.shifting && !scene.input.fleet.may_begin_shift {
        raise(scene, keeps, |_| WHOLE_BP);
        bindings.bind(3, None, in_bp(asked));
    }
    if scene.input.fleet.predictive_frozen || most_alarm(state, scene) {
        // Frozen shifts may shrink, as their predictions fall or expire, but neither begin nor deepen.
        raise(scene, keeps, |at| {
            state
                .targets
                .get(at)
                .map_or(WHOLE_BP, |target| target.shifted_keep)
        });
        let left = taken(scene, keeps);
        if left < asked {
            bindings.bind(11, None, in_bp(asked - left));
        }
    }
    hold_to_budget(scene, keeps, bindings);
    for (target, keep) in state.targets.iter_mut().zip(&keeps.predictive) {
        target.shifted_keep = *keep;
    }
    taken(scene, keeps) > 0
}

/// A route of fewer targets has too few for a share of the fleet to mean anything.
const FEW_TARGETS: u32 = 5;

/// Whether most of a route's few targets alarm, those of one failure domain counted as one where another is left without:
/// then there is nowhere safer to go. Among many, as with endpoints that fail all the time, there is.
fn most_alarm(state: &RouteState, scene: &Scene<'_>) -> bool {
    let targets: Vec<FleetTarget> = state
        .targets
        .iter()
        .zip(&scene.facts)
        .map(|(target, facts)| FleetTarget {
            alarm: target.alarm,
            well: matches!(facts.health.health, None | Some(Health::Up)),
            domain: facts.domain,
        })
        .collect();
    let all: Vec<usize> = (0..targets.len()).collect();
    let count = count_alarms(&targets, [all.as_slice()]);
    count.targets < FEW_TARGETS && 2 * count.alarms > count.targets
}

/// Raises what predictions leave to at least `least(target)`. A secondary without a baseline gives nothing up: its
/// risk only says how far it should be trusted with the traffic of others, and that stays known.
fn raise(scene: &Scene<'_>, keeps: &mut Keeps, least: impl Fn(usize) -> u32) {
    for (at, (keep, baseline)) in keeps.predictive.iter_mut().zip(&scene.baseline).enumerate() {
        if *baseline > 0 {
            *keep = (*keep).max(least(at));
        }
    }
}

/// Scales all that predictions take to the most that the route may move on them, so that none is favoured.
fn hold_to_budget(scene: &Scene<'_>, keeps: &mut Keeps, bindings: &mut Bindings<'_>) {
    let (asked, budget) = (taken(scene, keeps), budget(scene));
    if asked <= budget {
        return;
    }
    let pairs = keeps
        .predictive
        .iter_mut()
        .zip(&keeps.reactive)
        .zip(&scene.baseline);
    for ((predictive, reactive), baseline) in pairs {
        if *predictive < *reactive && *baseline > 0 {
            *predictive = reactive - portion_down(reactive - *predictive, budget, asked);
        }
    }
    bindings.bind(3, None, in_bp(asked - budget));
}

/// After the dwell: targets that it holds away from baseline count too, so those that go further away now have only
/// what is left of the budget. Returns what each target keeps in the end.
pub(crate) fn within_budget(
    state: &RouteState,
    scene: &Scene<'_>,
    admitted: Vec<u32>,
    bindings: &mut Bindings<'_>,
) -> Vec<u32> {
    let weigh = |at: usize, from: u32, to: u32| {
        let baseline = scene.baseline.get(at).copied().unwrap_or(0);
        u64::from(baseline) * u64::from(from.saturating_sub(to))
    };
    let before: Vec<u32> = state.targets.iter().map(|target| target.turn.keep).collect();
    let (mut standing, mut deepening) = (0_u64, 0_u64);
    for (at, (keep, was)) in admitted.iter().zip(&before).enumerate() {
        if !impaired(scene, at) {
            standing += weigh(at, WHOLE_BP, *keep.max(was));
            deepening += weigh(at, *was, *keep);
        }
    }
    let left = budget(scene).saturating_sub(standing);
    if deepening <= left {
        return admitted;
    }
    bindings.bind(3, None, in_bp(deepening - left));
    let scaled = admitted.iter().zip(&before).enumerate().map(|(at, (keep, was))| {
        if impaired(scene, at) || keep >= was {
            *keep
        } else {
            was - portion_down(was - keep, left, deepening)
        }
    });
    scaled.collect()
}

/// What predictions take beyond what health does, in basis points of the route times those of a baseline.
fn taken(scene: &Scene<'_>, keeps: &Keeps) -> u64 {
    let pairs = keeps.reactive.iter().zip(&keeps.predictive);
    let taken = |((reactive, predictive), baseline): ((&u32, &u32), &u32)| {
        u64::from(*baseline) * u64::from(reactive.saturating_sub(*predictive))
    };
    pairs.zip(&scene.baseline).map(taken).sum()
}

/// Nothing before predictions have come true on this route.
fn budget(scene: &Scene<'_>) -> u64 {
    if !scene.input.proven {
        return 0;
    }
    u64::from(scene.input.route.settings.limits.max_predictive_shift_bp) * u64::from(WHOLE_BP)
}

fn in_bp(product: u64) -> u32 {
    u32::try_from(product.div_ceil(u64::from(WHOLE_BP))).unwrap_or(u32::MAX)
}
