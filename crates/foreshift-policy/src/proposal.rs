//! What prediction and reactive rules ask for, before any rule bounds it.

use foreshift_domain::Timestamp;
use foreshift_domain::fallback::{Limits, RiskTrigger};
use foreshift_domain::signal::Health;
use foreshift_domain::weights::FULL_BP;

use crate::allocation::{Share, allocate};
use crate::held_out;
use crate::plan::Scene;
use crate::reactive::HealthView;
use crate::state::{RouteState, TargetState, WHOLE_BP};

/// A degraded target serves, and serving less may be all it needs: it keeps half of its baseline.
pub(crate) const DEGRADED_KEEP_BP: u32 = 5_000;

/// The trickle by which a hard-down target may show that it has recovered, in basis points of its baseline,
/// where the floor is not lower still: one request in a hundred is enough to see a success.
pub(crate) const TRIAL_KEEP_BP: u32 = 100;

/// What is asked for.
pub(crate) struct Proposal {
    /// Share of its baseline that the reactive rules leave each target, in basis points of it. That of a
    /// degraded target is as seen now; the envelope decides what holds when telemetry is stale.
    pub(crate) reactive: Vec<u32>,
    /// Share that the newest usable prediction leaves each target, as long as it has not expired.
    pub(crate) predictive: Vec<u32>,
    /// The share that the prediction of an alarm which is held out would have left; the whole for all others.
    pub(crate) withheld: Vec<u32>,
    /// The weights that would follow if nothing bound them, nor were held out.
    pub(crate) weights: Vec<u32>,
}

/// Reads health and risk; remembers alarms and the newest predictions.
pub(crate) fn propose(state: &mut RouteState, scene: &Scene<'_>) -> Proposal {
    let limits = &scene.input.route.settings.limits;
    let facts = || scene.facts.iter();
    let reactive: Vec<u32> = facts()
        .map(|facts| reactive_keep(&facts.health, scene.floor))
        .collect();
    let mut predictive: Vec<u32> = state
        .targets
        .iter_mut()
        .zip(facts())
        .map(|(target, facts)| {
            if scene.usable {
                let risk = facts.risk.filter(|_| !facts.stale);
                observe_risk(target, risk, scene);
            } else {
                forget_risk(target);
            }
            let keep = decayed(target.risk_keep, target.risk_at, limits, scene.now());
            // An alarm ends with what it led to; a standing prediction ends it by its own threshold.
            if keep == WHOLE_BP && scene.now() > target.risk_at + limits.valid_for {
                forget_risk(target);
            }
            keep
        })
        .collect();
    let shares: Vec<Share> = scene.shares(state, |at| {
        let keep = |keeps: &[u32]| keeps.get(at).copied().unwrap_or(WHOLE_BP);
        let keep = keep(&reactive).min(keep(&predictive));
        (keep, keep, FULL_BP)
    });
    held_out::draw(state, scene);
    let mut withheld = vec![WHOLE_BP; predictive.len()];
    for (target, (keep, withheld)) in state.targets.iter().zip(predictive.iter_mut().zip(&mut withheld)) {
        if target.held_out() {
            *withheld = std::mem::replace(keep, WHOLE_BP);
        }
    }
    Proposal {
        weights: allocate(&shares).weights,
        reactive,
        predictive,
        withheld,
    }
}

/// A target that is down or degraded gives up share; what is unknown keeps it, since silence is no failure.
fn reactive_keep(view: &HealthView, floor: u32) -> u32 {
    match view.health {
        Some(Health::Down) if view.trial => floor.min(TRIAL_KEEP_BP),
        Some(Health::Down) if view.hard => 0,
        Some(Health::Down) => floor,
        Some(Health::Degraded) => DEGRADED_KEEP_BP.max(floor),
        Some(Health::Up) | None => WHOLE_BP,
    }
}

/// Takes in a prediction: the alarm by its two thresholds, the share by the line between exit and full.
fn observe_risk(target: &mut TargetState, risk: Option<f64>, scene: &Scene<'_>) {
    let Some(trigger) = &scene.input.route.settings.triggers.risk else {
        return forget_risk(target);
    };
    let Some(risk) = risk else { return };
    target.alarm = if target.alarm {
        risk >= trigger.exit
    } else {
        risk >= trigger.enter
    };
    target.risk_at = scene.input.predicted_at.unwrap_or(scene.now()).min(scene.now());
    target.risk_keep = if target.alarm {
        risk_keep(risk, trigger, scene.floor)
    } else {
        WHOLE_BP
    };
}

pub(crate) fn forget_risk(target: &mut TargetState) {
    target.alarm = false;
    target.risk_keep = WHOLE_BP;
}

/// Falls from the whole at `exit` to the floor at `full`, in a straight line.
fn risk_keep(risk: f64, trigger: &RiskTrigger, floor: u32) -> u32 {
    let depth = (risk - trigger.exit) / (trigger.full - trigger.exit);
    // Not a number when full is exit: then nothing lies between, and the floor holds.
    let depth = if depth.is_nan() {
        1.0
    } else {
        depth.clamp(0.0, 1.0)
    };
    let given_up = (f64::from(WHOLE_BP - floor) * depth).round() as u32;
    WHOLE_BP - given_up.min(WHOLE_BP - floor)
}

/// A share held since `since`: as it was for `valid_for`, then back to the whole within `decay`, in a straight line.
pub(crate) fn decayed(keep: u32, since: Timestamp, limits: &Limits, now: Timestamp) -> u32 {
    let over = now.since(since + limits.valid_for).as_micros();
    let decay = limits.decay.as_micros();
    if over <= 0 {
        return keep;
    }
    if over >= decay {
        return WHOLE_BP;
    }
    let back = i128::from(WHOLE_BP - keep.min(WHOLE_BP)) * i128::from(over) / i128::from(decay);
    (keep + u32::try_from(back).unwrap_or(0)).min(WHOLE_BP)
}

#[cfg(test)]
mod tests {
    use foreshift_domain::Duration;

    use super::*;

    const TRIGGER: RiskTrigger = RiskTrigger {
        horizon: Duration::HOUR,
        enter: 0.02,
        exit: 0.01,
        full: 0.21,
        budget_per_day: None,
    };

    #[test]
    fn the_share_falls_in_a_line_from_exit_to_full() {
        assert_eq!(risk_keep(0.01, &TRIGGER, 500), WHOLE_BP);
        assert_eq!(risk_keep(0.11, &TRIGGER, 500), 5_250);
        assert_eq!(risk_keep(0.21, &TRIGGER, 500), 500);
        assert_eq!(risk_keep(1.0, &TRIGGER, 500), 500);
    }

    #[test]
    fn thresholds_that_coincide_leave_the_floor() {
        let sharp = RiskTrigger {
            exit: 0.5,
            enter: 0.5,
            full: 0.5,
            ..TRIGGER
        };
        assert_eq!(risk_keep(0.5, &sharp, 500), 500);
    }
}
