use super::*;

fn primary(baseline: u32, keep: u32) -> Share {
    Share {
        baseline,
        keep,
        least: 0,
        most_kept: FULL_BP,
        planned: baseline,
        room: FULL_BP,
        role: Role::Primary,
        health: Some(Health::Up),
        stale: false,
    }
}

fn secondary(keep: u32, room: u32) -> Share {
    Share {
        room,
        role: Role::Secondary,
        ..primary(0, keep)
    }
}

fn down(baseline: u32) -> Share {
    Share {
        health: Some(Health::Down),
        ..primary(baseline, 0)
    }
}

fn weights(shares: &[Share]) -> Vec<u32> {
    allocate(shares).weights
}

#[test]
fn what_one_gives_up_goes_to_the_well_ones_by_their_baselines() {
    assert_eq!(
        weights(&[down(4_000), primary(4_000, 10_000), primary(2_000, 10_000)]),
        [0, 6_667, 3_333]
    );
}

#[test]
fn secondaries_wait_until_no_primary_has_room() {
    let mut well = primary(5_000, 10_000);
    assert_eq!(
        weights(&[down(5_000), well, secondary(10_000, 10_000)]),
        [0, 10_000, 0]
    );
    well.room = 7_000;
    assert_eq!(
        weights(&[down(5_000), well, secondary(10_000, 10_000)]),
        [0, 7_000, 3_000]
    );
}

#[test]
fn a_primary_at_full_risk_hands_over_to_an_idle_secondary() {
    assert_eq!(
        weights(&[primary(10_000, 500), secondary(10_000, 10_000)]),
        [500, 9_500]
    );
}

#[test]
fn without_anywhere_to_go_a_primary_at_risk_keeps_everything() {
    assert_eq!(weights(&[primary(10_000, 500)]), [10_000]);
    assert_eq!(
        weights(&[primary(5_000, 500), primary(5_000, 500)]),
        [5_000, 5_000]
    );
}

#[test]
fn a_little_more_risk_makes_a_little_less_weight_and_nothing_piles_up() {
    let shares = [down(3_334), primary(3_333, 500), primary(3_333, 600)];
    let weights = weights(&shares);
    assert!(
        weights[2] > weights[1] && weights[2] < 2 * weights[1],
        "{weights:?}"
    );
}

#[test]
fn a_silent_primary_receives_only_when_no_other_is_left() {
    let silent = Share {
        stale: true,
        ..primary(3_000, 10_000)
    };
    assert_eq!(
        weights(&[down(4_000), silent, primary(3_000, 10_000)]),
        [0, 3_000, 7_000]
    );
    assert_eq!(weights(&[down(7_000), silent]), [0, 10_000]);
}

#[test]
fn when_all_are_down_the_route_stays_at_baseline() {
    let allocation = allocate(&[
        down(7_000),
        down(3_000),
        Share {
            health: Some(Health::Down),
            ..secondary(0, 0)
        },
    ]);
    assert_eq!(
        (allocation.weights, allocation.no_target),
        (vec![7_000, 3_000, 0], true)
    );
}

#[test]
fn a_silent_target_last_seen_down_is_raised_after_all_others() {
    let silent_down = Share {
        stale: true,
        planned: 0,
        ..down(5_000)
    };
    let full = Share {
        planned: 10_000,
        room: 5_000,
        ..primary(5_000, 10_000)
    };
    assert_eq!(weights(&[silent_down, full]), [0, 10_000]);
}
