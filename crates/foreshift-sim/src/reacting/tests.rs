use foreshift_domain::signal::{Observation, OutcomeKind};

use super::trouble::Kind;
use super::*;

const SPEC: ReactingSpec = ReactingSpec {
    seed: 7,
    hours: 24,
    routes: 4,
    induced_share: 0.5,
};

/// Target-steps in which most requests failed, by target, when all targets carry this share of their load.
fn failing(fleet: &ReactingFleet, weight_bp: u32) -> Vec<usize> {
    let mut run = fleet.begin();
    for route in 0..SPEC.routes {
        run.set_weights(&WeightChange {
            time: run.now(),
            route: route_name(route),
            weights: (0..TARGETS)
                .map(|place| (target_name(route, place), weight_bp))
                .collect(),
        });
    }
    let mut failing = vec![0; fleet.troubles.len()];
    while let Some(signals) = run.step() {
        for signal in signals {
            if let Observation::Window(window) = &signal.observation
                && window.counts.failures() * 3 > window.counts.total()
                && window.counts.total() > 2
            {
                let at = run.targets.iter().position(|target| target.name == signal.target);
                failing[at.unwrap()] += 1;
            }
        }
    }
    failing
}

#[test]
fn what_load_brings_about_heals_when_relieved_and_the_rest_shows_on_floor_traffic() {
    let fleet = SPEC.fleet();
    let (full, floor) = (failing(&fleet, BASELINE_BP), failing(&fleet, BASELINE_BP / 20));
    let mut healed = 0;
    for (troubles, (full, floor)) in fleet.troubles.iter().zip(full.iter().zip(&floor)) {
        let ends = |wanted: Kind| troubles.iter().any(|trouble| trouble.kind == wanted);
        let own = ends(Kind::Own) || ends(Kind::Abrupt);
        if ends(Kind::Induced) && !own && *full > 20 {
            assert!(floor * 10 < *full, "{floor} of {full} steps");
            healed += 1;
        }
        if own {
            assert!(*floor > 0, "a fault of its own comes all the same");
        }
    }
    assert!(healed > 0);
}

#[test]
fn the_same_weights_give_the_same_signals() {
    let fleet = SPEC.fleet();
    let (mut one, mut other) = (fleet.begin(), fleet.begin());
    for _ in 0..500 {
        assert_eq!(one.step(), other.step());
    }
}

#[test]
fn a_drained_target_is_sent_the_floor_and_nothing_is_lost_in_the_count() {
    let fleet = SPEC.fleet();
    let mut run = fleet.begin();
    run.set_weights(&WeightChange {
        time: run.now(),
        route: route_name(0),
        weights: vec![(target_name(0, 0), 125)],
    });
    let mut requests = [0_u64; 2];
    for _ in 0..100 {
        for signal in run.step().unwrap() {
            let (Observation::Window(window), Some(at)) = (
                &signal.observation,
                [target_name(0, 0), target_name(1, 0)]
                    .iter()
                    .position(|name| *name == signal.target),
            ) else {
                continue;
            };
            requests[at] += window.counts.total();
            assert!(window.counts.of(OutcomeKind::Success) > 0 || window.counts.total() < 10);
        }
    }
    assert!((400..600).contains(&requests[0]), "{requests:?}");
    assert!((9_700..10_300).contains(&requests[1]), "{requests:?}");
}
