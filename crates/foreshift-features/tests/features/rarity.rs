//! How unusual a target is by its own past.

use foreshift_domain::signal::OutcomeKind;
use foreshift_features::{Column, TargetFeatures};

use crate::world::*;

const RARITIES: [Column; 2] = [Column::FailureRarity, Column::LatencyRarity];

/// Twenty requests a second of 20 to 28 ms, of which one in about a hundred fails, in seconds `from..to`.
fn ordinary(target: &mut TargetFeatures, from: i64, to: i64) {
    let timing = live();
    for second in from..to {
        for n in 0..20 {
            let at = second * 20 + n;
            let odd = (at * 7_919) % 97 == 0;
            let kind = if odd {
                OutcomeKind::ServerError
            } else {
                OutcomeKind::Success
            };
            target.observe(
                &timing,
                &outcome(second * 1_000 + n, kind, 20 + (at * 31 + second) % 9),
            );
        }
        close(target, &timing, (second + 1) * 1_000);
    }
}

fn rarities(target: &TargetFeatures, second: i64) -> [f64; 2] {
    let row = row(target, &live(), second * 1_000);
    RARITIES.map(|column| of(&row, column))
}

#[test]
fn nothing_is_rare_before_there_is_a_past_and_little_is_in_an_ordinary_one() {
    let mut target = target();
    ordinary(&mut target, 0, 600);
    assert!(rarities(&target, 600).iter().all(|rarity| rarity.is_nan()));
    ordinary(&mut target, 600, 5_400);
    let rarities = rarities(&target, 5_400);
    assert!(
        rarities.iter().all(|rarity| (0.0..2.0).contains(rarity)),
        "{rarities:?}"
    );
}

#[test]
fn what_this_target_never_showed_is_rare_and_fades_with_the_second_window() {
    let (timing, mut target) = (live(), target());
    ordinary(&mut target, 0, 5_400);
    for second in 5_400..5_405 {
        for n in 0..40 {
            let kind = if n % 4 == 0 {
                OutcomeKind::Timeout
            } else {
                OutcomeKind::Success
            };
            target.observe(&timing, &outcome(second * 1_000 + n, kind, 400));
        }
    }
    close(&mut target, &timing, 5_405_000);
    let now = rarities(&target, 5_405);
    assert!(now.iter().all(|rarity| *rarity > 2.5), "{now:?}");
    let later = rarities(&target, 5_435);
    for (now, later) in now.iter().zip(later) {
        assert!((now / 2.0 - later).abs() < 1e-9, "{now} {later}");
    }
}

#[test]
fn silence_is_no_point_of_a_series() {
    let mut target = target();
    ordinary(&mut target, 0, 5_400);
    let before = postcard::to_stdvec(&target).unwrap();
    close(&mut target, &live(), 9_000_000);
    let rarities = rarities(&target, 9_000);
    assert!(rarities.iter().all(|rarity| *rarity < 0.01), "{rarities:?}");
    assert_eq!(postcard::to_stdvec(&target).unwrap().len(), before.len());
}

#[test]
fn a_target_without_requests_has_no_rarities() {
    let (timing, mut target) = (live(), target());
    for second in 0..5_400 {
        target.observe(&timing, &gauge(second * 1_000, "g", second as f64, None));
        close(&mut target, &timing, (second + 1) * 1_000);
    }
    assert!(rarities(&target, 5_400).iter().all(|rarity| rarity.is_nan()));
}

#[test]
fn a_target_that_comes_back_from_its_bytes_goes_on_the_same() {
    let mut target = target();
    ordinary(&mut target, 0, 2_003);
    let bytes = postcard::to_stdvec(&target).unwrap();
    let mut back: TargetFeatures = postcard::from_bytes(&bytes).unwrap();
    for second in [2_400, 3_000] {
        for target in [&mut target, &mut back] {
            ordinary(target, second - 300, second);
        }
        assert_eq!(rarities(&target, second), rarities(&back, second));
        assert!(rarities(&back, second).iter().all(|rarity| rarity.is_finite()));
    }
    assert_eq!(target, back);
}
