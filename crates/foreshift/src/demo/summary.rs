//! What a run came to. Nothing here is told by the demo itself: the recording knows its faults, the server said
//! which weights it gave, and the world is run again under them.

use foreshift_domain::{Duration, TargetName, Timestamp};
use foreshift_sim::{Comparison, Fault, Outcome, Recording, WeightChange, lead_time};
use serde::Serialize;

use super::moments::Alarm;
use super::stage::LATENESS;

/// What the viewer took down.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    /// Changes of weights, at the times of their decisions.
    pub(super) changes: Vec<WeightChange>,
    /// Alarms that were raised.
    pub(super) alarms: Vec<Alarm>,
    /// The model, as the server names it.
    pub(super) model: String,
    /// Signals and log lines produced.
    pub(super) produced: u64,
    /// Of those, how many the engine was given.
    pub(super) handled: u64,
}

/// What a run came to. Times are in seconds since the start of the recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    /// Who made the recording: it is simulated.
    pub(super) simulated_by: &'static str,
    pub(super) scenario: String,
    pub(super) seed: u64,
    pub(super) recorded_s: f64,
    pub(super) model: String,
    /// Signals and log lines that went into Kafka.
    pub(super) produced: u64,
    /// Of those, how many the engine was given.
    pub(super) handled: u64,
    pub(super) faults: Vec<FaultSummary>,
    /// Times that traffic was moved from a target that had no fault then.
    pub(super) shifts_without_fault: u32,
    pub(super) requests: u64,
    pub(super) staying_put: PolicySummary,
    pub(super) reactive_breaker: PolicySummary,
    pub(super) foreshift: PolicySummary,
    /// Requests that fail when staying put and not under Foreshift's weights; negative when it got worse.
    pub(super) saved_against_staying_put: i64,
    /// The same against the breaker.
    pub(super) saved_against_breaker: i64,
    /// The part of each route in this.
    pub(super) routes: Vec<RouteSummary>,
}

/// One fault of the recording, and what was done about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct FaultSummary {
    pub(super) target: String,
    pub(super) kind: &'static str,
    pub(super) has_precursor: bool,
    pub(super) onset_s: f64,
    /// When the alarm was raised that stood at the onset.
    pub(super) predicted_s: Option<f64>,
    /// Alarms since its first sign that were withdrawn before the onset.
    pub(super) withdrawn_alarms: u32,
    /// When the shift away from it began that was in force at the onset, else the first one after it, as gateways
    /// would have had it.
    pub(super) first_shift_s: Option<f64>,
    /// How long before the onset that was; negative when it came after.
    pub(super) lead_time_s: Option<f64>,
    /// Shifts since its first sign that were taken back before the onset.
    pub(super) shifts_taken_back: u32,
    /// Its share at rest and at the onset, in basis points of the route.
    pub(super) baseline_bp: u32,
    pub(super) weight_at_onset_bp: u32,
}

/// What came of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PolicySummary {
    /// Requests that failed, after retries.
    pub(super) failed: u64,
    /// Requests that succeeded, but slower than the SLO.
    pub(super) slow: u64,
    /// The highest load of a target that had no fault of its own then, over its capacity.
    pub(super) peak_survivor_load: f64,
}

/// Requests of one route that failed under each policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct RouteSummary {
    pub(super) route: String,
    pub(super) requests: u64,
    pub(super) failed_staying_put: u64,
    pub(super) failed_reactive_breaker: u64,
    pub(super) failed_foreshift: u64,
}

impl Summary {
    /// Runs the recorded world again under each policy, and sums up.
    pub(super) fn of(recording: &Recording, watched: Watched) -> Self {
        let changes = in_force(watched.changes);
        let comparison = recording.compare(changes.clone());
        let faults = recording.faults.iter();
        Self {
            simulated_by: "foreshift-sim",
            scenario: recording.scenario.clone(),
            seed: recording.seed,
            recorded_s: recording.length.as_secs_f64(),
            model: watched.model,
            produced: watched.produced,
            handled: watched.handled,
            faults: faults
                .map(|fault| fault_summary(recording, &changes, &watched.alarms, fault))
                .collect(),
            shifts_without_fault: shifts_without_fault(recording, &changes),
            requests: comparison.stay.requests,
            saved_against_staying_put: comparison.saved_against_stay(),
            saved_against_breaker: comparison.saved_against_breaker(),
            routes: routes(&comparison),
            staying_put: comparison.stay.into(),
            reactive_breaker: comparison.breaker.into(),
            foreshift: comparison.foreshift.into(),
        }
    }
}

/// Changes at the times at which gateways would have had them: the engine decides about a moment once it has seen
/// all that may still come of it.
fn in_force(mut changes: Vec<WeightChange>) -> Vec<WeightChange> {
    for change in &mut changes {
        change.time = change.time + LATENESS;
    }
    changes
}

impl From<Outcome> for PolicySummary {
    fn from(outcome: Outcome) -> Self {
        Self {
            failed: outcome.failed,
            slow: outcome.slow,
            peak_survivor_load: outcome.peak_survivor_load,
        }
    }
}

fn routes(comparison: &Comparison) -> Vec<RouteSummary> {
    let (stay, breaker, foreshift) = (&comparison.stay, &comparison.breaker, &comparison.foreshift);
    let routes = stay.routes.iter().zip(&breaker.routes).zip(&foreshift.routes);
    let routes = routes.map(|((stay, breaker), foreshift)| RouteSummary {
        route: stay.route.to_string(),
        requests: stay.requests,
        failed_staying_put: stay.failed,
        failed_reactive_breaker: breaker.failed,
        failed_foreshift: foreshift.failed,
    });
    routes.collect()
}

fn fault_summary(
    recording: &Recording,
    changes: &[WeightChange],
    alarms: &[Alarm],
    fault: &Fault,
) -> FaultSummary {
    let since = |time: Timestamp| time.since(recording.start).as_secs_f64();
    let from = fault.precursor_start.unwrap_or(fault.onset);
    let foretold =
        |alarm: &&Alarm| alarm.target == fault.target && alarm.began >= from && alarm.began < fault.onset;
    let stood = |alarm: &Alarm| alarm.withdrawn.is_none_or(|withdrawn| withdrawn > fault.onset);
    let standing = alarms.iter().filter(foretold).find(|alarm| stood(alarm));
    let withdrawn = alarms
        .iter()
        .filter(foretold)
        .filter(|alarm| !stood(alarm))
        .count();
    let baseline_bp = baseline_of(recording, &fault.target);
    let shift = shift_for(recording, changes, fault);
    FaultSummary {
        target: fault.target.to_string(),
        kind: fault.kind.as_str(),
        has_precursor: fault.precursor_start.is_some(),
        onset_s: since(fault.onset),
        predicted_s: standing.map(|alarm| since(alarm.began)),
        withdrawn_alarms: u32::try_from(withdrawn).unwrap_or(u32::MAX),
        first_shift_s: shift.began.map(since),
        lead_time_s: shift
            .began
            .map(|began| lead_time(began, fault.onset).as_secs_f64()),
        shifts_taken_back: shift.taken_back,
        baseline_bp,
        weight_at_onset_bp: weight_at(changes, &fault.target, fault.onset).unwrap_or(baseline_bp),
    }
}

/// The shift that met a fault, and those that were given up before it came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Shift {
    began: Option<Timestamp>,
    taken_back: u32,
}

/// A shift that was taken back before the onset saved nothing, so its lead is none.
fn shift_for(recording: &Recording, changes: &[WeightChange], fault: &Fault) -> Shift {
    let mut taken_back = 0;
    let mut rest = changes.to_vec();
    rest.sort_by_key(|change| change.time);
    loop {
        let began = recording.first_shift(&rest, fault);
        let Some(began) = began.filter(|began| *began < fault.onset) else {
            return Shift { began, taken_back };
        };
        let back = rest.iter().find(|change| {
            change.time > began && change.time < fault.onset && !is_reduced(recording, change, fault)
        });
        let Some(back) = back.map(|change| change.time) else {
            return Shift {
                began: Some(began),
                taken_back,
            };
        };
        taken_back += 1;
        rest.retain(|change| change.time >= back);
    }
}

/// Whether a change leaves the fault's target with less than at rest; changes of other routes do not put it back.
fn is_reduced(recording: &Recording, change: &WeightChange, fault: &Fault) -> bool {
    let route = recording
        .targets()
        .find(|(_, spec)| spec.name == fault.target)
        .map(|(route, _)| &route.name);
    let weight = change.weights.iter().find(|(name, _)| *name == fault.target);
    let weight = weight.map_or(0, |(_, weight)| *weight);
    route != Some(&change.route) || weight < baseline_of(recording, &fault.target)
}

fn baseline_of(recording: &Recording, target: &TargetName) -> u32 {
    let spec = recording.targets().find(|(_, spec)| spec.name == *target);
    spec.map_or(0, |(_, spec)| spec.baseline_bp)
}

/// The newest weight of a target that is in force at `time`; `None` before its first change.
fn weight_at(changes: &[WeightChange], target: &TargetName, time: Timestamp) -> Option<u32> {
    let before = changes.iter().filter(|change| change.time <= time);
    let of_target = before.filter_map(|change| {
        let weight = change.weights.iter().find(|(name, _)| name == target)?;
        Some((change.time, weight.1))
    });
    of_target.max_by_key(|(time, _)| *time).map(|(_, weight)| weight)
}

/// Times that a target's weight went below its baseline while no fault of its own was under way.
fn shifts_without_fault(recording: &Recording, changes: &[WeightChange]) -> u32 {
    let mut count = 0;
    for (route, spec) in recording.targets() {
        let mut reduced = false;
        for change in changes.iter().filter(|change| change.route == route.name) {
            let weight = change.weights.iter().find(|(name, _)| *name == spec.name);
            let now = weight.map_or(0, |(_, weight)| *weight) < spec.baseline_bp;
            if now && !reduced && !has_fault(recording, &spec.name, change.time) {
                count += 1;
            }
            reduced = now;
        }
    }
    count
}

/// A fault counts from its first sign to a while after its end, in which reactive rules may still act on it.
fn has_fault(recording: &Recording, target: &TargetName, time: Timestamp) -> bool {
    const AFTER: Duration = Duration::from_secs(10);
    recording.faults.iter().any(|fault| {
        let from = fault.precursor_start.unwrap_or(fault.onset);
        fault.target == *target && time >= from && time < fault.end + AFTER
    })
}

#[cfg(test)]
mod tests {
    use foreshift_sim::Scenario;

    use super::*;

    const PRIMARY: &str = "checkout-eu-west";
    const SECONDARY: &str = "checkout-eu-central";

    fn change(recording: &Recording, at_s: i64, primary_bp: u32) -> WeightChange {
        WeightChange {
            time: recording.start + Duration::from_secs(at_s),
            route: "checkout".into(),
            weights: vec![
                (PRIMARY.into(), primary_bp),
                (SECONDARY.into(), 10_000 - primary_bp),
            ],
        }
    }

    fn summary(recording: &Recording, changes: Vec<WeightChange>) -> Summary {
        Summary::of(
            recording,
            Watched {
                changes,
                ..Watched::default()
            },
        )
    }

    #[test]
    fn without_a_change_nothing_is_saved_and_nothing_is_claimed() {
        let recording = Scenario::Leak.recording(7);
        let summary = summary(&recording, Vec::new());
        assert_eq!(summary.saved_against_staying_put, 0);
        assert_eq!(summary.foreshift, summary.staying_put);
        let [fault] = summary.faults.as_slice() else {
            panic!()
        };
        assert_eq!(
            (fault.first_shift_s, fault.lead_time_s, fault.weight_at_onset_bp),
            (None, None, 10_000)
        );
    }

    #[test]
    fn a_shift_before_the_onset_has_its_lead_time_less_the_lateness_and_saves_requests() {
        let recording = Scenario::Leak.recording(7);
        let summary = summary(
            &recording,
            vec![change(&recording, 200, 500), change(&recording, 400, 10_000)],
        );
        let [fault] = summary.faults.as_slice() else {
            panic!()
        };
        assert_eq!(fault.onset_s, 300.0);
        assert_eq!(
            (fault.first_shift_s, fault.lead_time_s),
            (Some(200.1), Some(99.9))
        );
        assert_eq!(fault.weight_at_onset_bp, 500);
        assert_eq!(
            summary.saved_against_staying_put,
            summary.staying_put.failed as i64 - summary.foreshift.failed as i64
        );
        assert!(summary.saved_against_staying_put > 1_000, "{summary:?}");
        let by_route: u64 = summary.routes.iter().map(|route| route.failed_foreshift).sum();
        assert_eq!(by_route, summary.foreshift.failed);
    }

    #[test]
    fn a_shift_after_the_onset_is_reactive_with_a_negative_lead_time() {
        let recording = Scenario::Leak.recording(7);
        let summary = summary(&recording, vec![change(&recording, 304, 0)]);
        let [fault] = summary.faults.as_slice() else {
            panic!()
        };
        assert_eq!(
            (fault.lead_time_s, fault.weight_at_onset_bp),
            (Some(-4.1), 10_000)
        );
    }

    #[test]
    fn weights_that_make_it_worse_are_reported_as_such() {
        // The secondary is drained onto nothing: all traffic stays at the leaking primary's side and doubles there.
        let recording = Scenario::Crash.recording(7);
        let fault = recording.faults[0].target.clone();
        let worse = WeightChange {
            time: recording.start + Duration::from_secs(10),
            route: "search".into(),
            weights: vec![(fault, 10_000)],
        };
        let summary = summary(&recording, vec![worse]);
        assert!(
            summary.saved_against_staying_put < 0 && summary.saved_against_breaker < 0,
            "{summary:?}"
        );
    }

    #[test]
    fn shifts_from_a_healthy_target_are_counted_once_each() {
        let recording = Scenario::Leak.recording(7);
        let changes = vec![
            change(&recording, 20, 9_000),
            change(&recording, 21, 8_000),
            change(&recording, 40, 10_000),
            change(&recording, 60, 9_000),
            change(&recording, 70, 10_000),
            change(&recording, 200, 500),
        ];
        assert_eq!(summary(&recording, changes).shifts_without_fault, 2);
    }

    #[test]
    fn a_shift_that_was_taken_back_before_the_onset_is_no_lead() {
        let recording = Scenario::Leak.recording(7);
        let taken_back = [change(&recording, 200, 500), change(&recording, 210, 10_000)];
        let [fault] = summary(&recording, taken_back.to_vec())
            .faults
            .try_into()
            .unwrap();
        assert_eq!(
            (
                fault.first_shift_s,
                fault.shifts_taken_back,
                fault.weight_at_onset_bp
            ),
            (None, 1, 10_000)
        );
        let late = [taken_back.to_vec(), vec![change(&recording, 303, 0)]].concat();
        let [fault] = summary(&recording, late).faults.try_into().unwrap();
        assert_eq!((fault.lead_time_s, fault.shifts_taken_back), (Some(-3.1), 1));
        let again = [
            taken_back.to_vec(),
            vec![change(&recording, 280, 5_000), change(&recording, 285, 500)],
        ]
        .concat();
        let [fault] = summary(&recording, again).faults.try_into().unwrap();
        assert_eq!(
            (
                fault.lead_time_s,
                fault.shifts_taken_back,
                fault.weight_at_onset_bp
            ),
            (Some(19.9), 1, 500)
        );
    }

    #[test]
    fn only_an_alarm_that_stood_at_the_onset_foretold_the_fault() {
        let recording = Scenario::Leak.recording(7);
        let time = |second: i64| recording.start + Duration::from_secs(second);
        let alarm = |began, withdrawn: Option<i64>| Alarm {
            target: PRIMARY.into(),
            began: time(began),
            withdrawn: withdrawn.map(time),
        };
        let of = |alarms| {
            let watched = Watched {
                alarms,
                ..Watched::default()
            };
            let [fault] = Summary::of(&recording, watched).faults.try_into().unwrap();
            (fault.predicted_s, fault.withdrawn_alarms)
        };
        assert_eq!(of(vec![alarm(50, None), alarm(310, None)]), (None, 0));
        assert_eq!(
            of(vec![alarm(250, Some(260)), alarm(270, Some(302))]),
            (Some(270.0), 1)
        );
        assert_eq!(of(vec![alarm(250, Some(260))]), (None, 1));
    }
}
