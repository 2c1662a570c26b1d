use foreshift_domain::signal::Observation;
use foreshift_domain::{Digest, Duration};

use super::*;
use crate::faults::FaultKind;
use crate::{BreakerSettings, Scenario};

fn bytes(emissions: impl Iterator<Item = Emission>) -> Vec<u8> {
    emissions
        .flat_map(|emission| serde_json::to_vec(&emission).expect("plain values"))
        .collect()
}

fn all_to(recording: &Recording, route: usize, target: usize, at: Timestamp) -> Policy {
    let spec = &recording.routes[route];
    let weights = vec![(spec.targets[target].name.clone(), 10_000)];
    Policy::Timeline(vec![WeightChange {
        time: at,
        route: spec.name.clone(),
        weights,
    }])
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let digest = |seed| Digest::of(&bytes(Scenario::Crash.recording(seed).run(Policy::Stay)));
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn emissions_come_in_the_order_of_time() {
    let recording = Scenario::Demo.recording(3);
    let mut last = recording.start;
    for emission in recording.run(Policy::Stay) {
        assert!(emission.time() >= last, "{:?} after {last:?}", emission.time());
        last = emission.time();
    }
}

#[test]
fn a_recording_of_minutes_holds_fifty_to_a_hundred_thousand_signals() {
    let recording = Scenario::Demo.recording(1);
    let count = recording
        .run(Policy::Stay)
        .filter(|emission| matches!(emission, Emission::Signal(_)))
        .count();
    assert!((50_000..=130_000).contains(&count), "{count}");
}

#[test]
fn every_policy_sees_the_same_requests() {
    let recording = Scenario::Crash.recording(5);
    let shifted = all_to(&recording, 0, 1, recording.start);
    let counts = [Policy::Stay, Policy::Breaker(BreakerSettings::default()), shifted]
        .map(|policy| recording.run(policy).finish().requests);
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0], counts[2]);
    let arrivals = Arrivals::new(&recording, 0, &recording.routes[0]).count() as u64;
    assert_eq!(counts[0], arrivals, "every request of a client is settled once");
}

#[test]
fn an_abrupt_fault_shows_nothing_before_its_onset() {
    for kind in FaultKind::ABRUPT {
        let mut recording = Scenario::Crash.recording(7);
        recording.faults[0].kind = kind;
        recording.episodes[0].failure = kind.failure();
        let onset = recording.faults[0].onset;
        let healthy = recording.without_faults();
        let before = |recording: &Recording| {
            bytes(
                recording
                    .run(Policy::Stay)
                    .take_while(|emission| emission.time() < onset),
            )
        };
        assert!(before(&recording) == before(&healthy), "{kind:?}");
        assert!(recording.run(Policy::Stay).finish().failed > 2 * healthy.run(Policy::Stay).finish().failed);
    }
}

#[test]
fn a_precursor_shows_before_its_onset_but_breaks_no_slo() {
    let recording = Scenario::Leak.recording(7);
    let fault = &recording.faults[0];
    let start = fault.precursor_start.expect("a leak has a precursor");
    let (mut sent, mut failed, mut slow) = (0_u32, 0_u32, 0_u32);
    for emission in recording.run(Policy::Stay) {
        if let Emission::Signal(Signal {
            time,
            observation: Observation::Outcome(ended),
            ..
        }) = emission
            && time >= start
            && time < fault.onset
        {
            sent += 1;
            failed += u32::from(ended.kind.is_failure());
            slow += u32::from(ended.latency > Some(recording.routes[0].slo_latency_p99));
        }
    }
    assert!(
        f64::from(failed) < 0.02 * f64::from(sent),
        "{failed} of {sent} fail"
    );
    assert!(
        f64::from(slow) < 0.01 * f64::from(sent),
        "{slow} of {sent} are slow"
    );
}

#[test]
fn moving_too_much_overloads_the_survivor() {
    let recording = Scenario::Crash.recording(1).without_faults();
    let stay = recording.run(Policy::Stay).finish();
    let moved = recording
        .run(all_to(
            &recording,
            0,
            1,
            recording.start + Duration::from_secs(60),
        ))
        .finish();
    assert!(stay.peak_survivor_load < 0.9, "{stay:?}");
    assert!(moved.peak_survivor_load > 1.2, "{moved:?}");
    assert!(
        moved.failed > stay.requests / 20,
        "the survivor fails too: {moved:?}"
    );
}

#[test]
fn the_idle_secondary_carries_what_the_leaking_primary_cannot() {
    let recording = Scenario::Leak.recording(1);
    let stay = recording.run(Policy::Stay).finish();
    let breaker = recording
        .run(Policy::Breaker(BreakerSettings::default()))
        .finish();
    let early = recording.faults[0].onset - Duration::from_secs(60);
    let shifted = recording.run(all_to(&recording, 0, 1, early)).finish();
    assert!(
        stay.failed > 20 * breaker.failed.max(1) / 10,
        "{} and {}",
        stay.failed,
        breaker.failed
    );
    assert!(
        shifted.failed < breaker.failed,
        "{} and {}",
        shifted.failed,
        breaker.failed
    );
    assert!(
        shifted.peak_survivor_load < 0.95,
        "{}",
        shifted.peak_survivor_load
    );
}

#[test]
fn weights_set_by_a_driver_in_the_loop_equal_the_recorded_timeline() {
    let recording = Scenario::Crash.recording(2);
    let at = recording.start + Duration::from_secs(30);
    let Policy::Timeline(changes) = all_to(&recording, 0, 2, at) else {
        panic!("a timeline was made");
    };
    let mut driven = recording.run(Policy::Stay);
    while driven.now() < at {
        driven.step();
    }
    driven.set_weights(&changes[0]);
    assert_eq!(driven.weights(&changes[0].route), [0, 0, 10_000]);
    let driven = bytes(driven);
    assert!(driven == bytes(recording.run(Policy::Timeline(changes))));
}

#[test]
fn a_death_breaks_every_request_under_way_at_once() {
    let recording = Scenario::Crash.recording(4);
    let fault = &recording.faults[0];
    let resets = recording
        .run(Policy::Stay)
        .filter(|emission| emission.target() == &fault.target)
        .filter(|emission| emission.time() >= fault.onset && emission.time() < fault.onset + STEP)
        .filter(|emission| {
            matches!(emission, Emission::Signal(Signal { observation: Observation::Outcome(ended), .. })
                if ended.kind == OutcomeKind::Reset)
        })
        .count();
    assert!(resets > 0);
}

#[test]
fn probes_tell_of_a_dead_target_and_of_its_return_even_without_traffic() {
    let recording = Scenario::Crash.recording(4);
    let fault = &recording.faults[0];
    let mut states = Vec::new();
    for emission in recording.run(all_to(&recording, 0, 1, recording.start)) {
        if let Emission::Signal(Signal {
            time,
            target,
            observation: Observation::Health(health),
            ..
        }) = emission
            && target == fault.target
        {
            states.push((time, health));
        }
    }
    let down = states
        .iter()
        .find(|(_, health)| *health == Health::Down)
        .expect("seen down");
    assert!(down.0 > fault.onset && down.0 < fault.onset + Duration::from_secs(20));
    assert_eq!(states.last().map(|(_, health)| *health), Some(Health::Up));
}

#[test]
fn a_fault_s_own_worried_lines_are_among_those_that_its_target_writes() {
    let fleet = crate::FleetSpec {
        seed: 11,
        hours: 2,
        targets: 4,
    };
    let recording = fleet.recording();
    let written: Vec<_> = recording
        .run(Policy::Stay)
        .filter(|emission| matches!(emission, Emission::Log(_)))
        .map(|emission| (emission.target().clone(), emission.time()))
        .collect();
    let mut found = 0;
    for fault in &recording.faults {
        let lines = recording.worried_lines(fault);
        assert!(lines.is_empty() || fault.kind.has_precursor());
        assert!(
            lines
                .iter()
                .all(|at| written.contains(&(fault.target.clone(), *at)))
        );
        found += lines.len();
    }
    assert!(found > 10, "{found}");
}
