//! What a lane's clients got, in figures.

use foreshift_domain::weights::FULL_BP;
use serde::{Deserialize, Serialize};

use crate::lane::Setup;
use crate::load::{Ending, Seen};
use crate::scenario::{Class, Fault, Scenario};
use crate::shifts::Shift;
use crate::stages::Stages;

/// A target whose weight is so much below its baseline has been shifted away from.
const SHIFTED_BP: u32 = 500;
/// Loads are looked at over so many seconds of the story.
const LOAD_WINDOW_S: f64 = 10.0;
/// Weights may take so long to come back after a fault before they count as needlessly away: the dwell and a walk back.
const AFTER_S: f64 = 240.0;
/// Traffic on a target just before it fails: over so many seconds of the story.
const BEFORE_S: f64 = 10.0;

/// Figures of one lane of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    pub(crate) class: Class,
    pub(crate) seed: u64,
    pub(crate) setup: Setup,
    pub(crate) requests: usize,
    pub(crate) failed: usize,
    pub(crate) slow: usize,
    /// From the first shift away from the target that fails to its failure, in seconds of the story; negative after it.
    pub(crate) lead_s: Option<f64>,
    /// Share of the answers that the failing target gave just before it failed, against its baseline; 1 is all of it.
    pub(crate) left_on_target: Option<f64>,
    /// How often Foreshift began to move traffic from a target that has no fault, while others have one too.
    pub(crate) needless_shifts: usize,
    /// The highest load of a target that has no fault, against its capacity.
    pub(crate) peak_load: f64,
    /// The highest load that Foreshift's weights gave such a target, against its capacity. What the gateway's own
    /// detection takes from others comes on top.
    #[serde(default)]
    pub(crate) given_load: f64,
    /// Where there is a Foreshift.
    #[serde(default)]
    pub(crate) stages: Stages,
}

pub(crate) fn judge(
    setup: Setup,
    scenario: &Scenario,
    seed: u64,
    seen: &[Seen],
    shifts: &[Shift],
) -> Outcome {
    let count = |ending| seen.iter().filter(|one| one.ending == ending).count();
    let failing = scenario.faults.iter().find(|fault| fault.kind.fails());
    let failing = failing.filter(|_| scenario.class != Class::Brownout);
    Outcome {
        scenario: scenario.name.clone(),
        class: scenario.class,
        seed,
        setup,
        requests: seen.len(),
        failed: count(Ending::Failed),
        slow: count(Ending::Slow),
        lead_s: failing.and_then(|fault| lead_s(fault, scenario, shifts)),
        left_on_target: failing.and_then(|fault| left_on_target(fault, scenario, seen)),
        needless_shifts: needless_shifts(scenario, shifts),
        peak_load: peak_load(scenario, seen),
        given_load: given_load(scenario, shifts),
        stages: Stages::default(),
    }
}

fn baseline_bp(scenario: &Scenario, index: usize) -> u32 {
    scenario
        .targets
        .get(index)
        .map_or(0, |target| target.baseline_pct * 100)
}

fn is_away(scenario: &Scenario, shift: &Shift, index: usize) -> bool {
    let weight = shift.weights_bp.get(index).copied().unwrap_or_default();
    weight + SHIFTED_BP <= baseline_bp(scenario, index)
}

/// When the shift began that was in force at the failure, or the first one after it.
fn lead_s(fault: &Fault, scenario: &Scenario, shifts: &[Shift]) -> Option<f64> {
    let index = scenario
        .targets
        .iter()
        .position(|target| target.name == fault.target)?;
    let mut away_since = None;
    for shift in shifts {
        if shift.at_s >= fault.fails_at_s && away_since.is_some() {
            break;
        }
        if !is_away(scenario, shift, index) {
            away_since = None;
        } else if away_since.is_none() && shift.at_s < fault.ends_at_s {
            away_since = Some(shift.at_s);
        }
    }
    away_since.map(|since| fault.fails_at_s - since)
}

fn left_on_target(fault: &Fault, scenario: &Scenario, seen: &[Seen]) -> Option<f64> {
    let spec = scenario
        .targets
        .iter()
        .find(|target| target.name == fault.target)?;
    let before = fault.fails_at_s - BEFORE_S..fault.fails_at_s;
    let answers = seen
        .iter()
        .filter(|one| before.contains(&one.sent_s) && one.target.is_some());
    let (mut all, mut theirs) = (0.0, 0.0);
    for one in answers {
        all += 1.0;
        theirs += f64::from(u8::from(one.target.as_deref() == Some(fault.target.as_str())));
    }
    (all > 0.0 && spec.baseline_pct > 0).then(|| theirs / all / (f64::from(spec.baseline_pct) / 100.0))
}

/// Whether a target is failing or about to, so that it is right to move traffic from it. In a brown-out it is not: there
/// is nowhere to go.
fn has_fault(scenario: &Scenario, name: &str, at_s: f64) -> bool {
    let failing = scenario
        .faults
        .iter()
        .filter(|fault| fault.kind.fails() && fault.target == name && scenario.class != Class::Brownout);
    failing
        .into_iter()
        .any(|fault| (fault.signs_at_s..fault.ends_at_s + AFTER_S).contains(&at_s))
}

fn needless_shifts(scenario: &Scenario, shifts: &[Shift]) -> usize {
    let mut needless = 0;
    for (index, target) in scenario.targets.iter().enumerate() {
        let mut was_away = false;
        for shift in shifts {
            let away = is_away(scenario, shift, index);
            if away && !was_away && !has_fault(scenario, &target.name, shift.at_s) {
                needless += 1;
            }
            was_away = away;
        }
    }
    needless
}

fn given_load(scenario: &Scenario, shifts: &[Shift]) -> f64 {
    let load = |shift: &Shift, index: usize| {
        let target = scenario.targets.get(index)?;
        let weight = f64::from(*shift.weights_bp.get(index)?) / f64::from(FULL_BP);
        let sound = !has_fault(scenario, &target.name, shift.at_s);
        sound.then(|| weight * scenario.rate_rps(shift.at_s) / target.capacity_rps)
    };
    let targets = 0..scenario.targets.len();
    let loads = shifts
        .iter()
        .flat_map(|shift| targets.clone().filter_map(|index| load(shift, index)));
    loads.fold(0.0, f64::max)
}

fn peak_load(scenario: &Scenario, seen: &[Seen]) -> f64 {
    let windows = (scenario.length_s / LOAD_WINDOW_S).ceil() as usize;
    let real_s = LOAD_WINDOW_S / scenario.pace;
    let mut peak: f64 = 0.0;
    for target in &scenario.targets {
        let mut counts = vec![0.0; windows];
        let theirs = seen
            .iter()
            .filter(|one| one.target.as_deref() == Some(target.name.as_str()));
        for one in theirs.filter(|one| !has_fault(scenario, &target.name, one.sent_s)) {
            if let Some(count) = counts.get_mut((one.sent_s / LOAD_WINDOW_S) as usize) {
                *count += 1.0;
            }
        }
        let most = counts.into_iter().fold(0.0, f64::max);
        peak = peak.max(most / real_s / target.capacity_rps);
    }
    peak
}
