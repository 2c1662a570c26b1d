use proptest::prelude::*;

use super::*;

fn heard(mode: v1::Mode, valid_until_s: i64, targets: &[(&str, u32, u32)]) -> v1::RouteWeights {
    let target = |&(name, baseline_bp, weight_bp): &(&str, u32, u32)| v1::TargetWeight {
        target: name.to_owned(),
        baseline_bp,
        weight_bp,
        ..v1::TargetWeight::default()
    };
    v1::RouteWeights {
        route: "r".to_owned(),
        mode: mode.into(),
        targets: targets.iter().map(target).collect(),
        valid_until_unix_us: valid_until_s * 1_000_000,
        ..v1::RouteWeights::default()
    }
}

fn at(secs: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(secs)
}

fn route() -> Route {
    Route::new("r", vec![("a".to_owned(), 3), ("b".to_owned(), 1)]).unwrap()
}

const OWN: &[(&str, u32)] = &[("a", 3), ("b", 1)];

#[test]
fn weights_are_in_force_until_they_are_no_longer_valid() {
    let route = route();
    assert_eq!(route.shares(at(0)), (OWN.to_vec(), false));
    let weights = heard(v1::Mode::Auto, 100, &[("a", 7_500, 2_000), ("b", 2_500, 8_000)]);
    route.hear(&weights).unwrap();
    assert_eq!(route.shares(at(99)), (vec![("a", 2_000), ("b", 8_000)], true));
    assert_eq!(route.shares(at(100)), (OWN.to_vec(), false));
    route.forget();
    assert_eq!(route.shares(at(99)), (OWN.to_vec(), false));
}

#[test]
fn in_shadow_ones_own_shares_hold_unless_a_person_fixed_others() {
    let route = route();
    for mode in [v1::Mode::Off, v1::Mode::Shadow, v1::Mode::Recommend] {
        let watched = heard(mode, 100, &[("a", 7_000, 7_000), ("b", 3_000, 3_000)]);
        route.hear(&watched).unwrap();
        assert_eq!(route.shares(at(0)), (OWN.to_vec(), false));
        let pinned = heard(mode, 100, &[("a", 7_000, 0), ("b", 3_000, 10_000)]);
        route.hear(&pinned).unwrap();
        assert_eq!(route.shares(at(0)), (vec![("a", 0), ("b", 10_000)], true));
    }
}

#[test]
fn what_cannot_be_applied_is_refused_and_changes_nothing() {
    let route = route();
    let good = heard(v1::Mode::Auto, 100, &[("a", 5_000, 4_000), ("b", 5_000, 6_000)]);
    route.hear(&good).unwrap();
    for (bad, why) in [
        (vec![("a", 0, 4_000), ("c", 0, 6_000)], "\"c\" is not known"),
        (vec![("a", 0, 4_000), ("b", 0, 5_999)], "sum to 9999"),
        (vec![], "sum to 0"),
        (vec![("a", 0, u32::MAX), ("b", 0, 10_001)], "sum to 4294977296"),
    ] {
        let error = route.hear(&heard(v1::Mode::Auto, 100, &bad)).unwrap_err();
        assert!(error.contains(why), "{error}");
        assert_eq!(route.shares(at(0)).0, [("a", 4_000), ("b", 6_000)]);
    }
    // A target without a share need not be known.
    let drained = heard(v1::Mode::Auto, 100, &[("a", 0, 10_000), ("c", 0, 0)]);
    route.hear(&drained).unwrap();
    assert_eq!(route.shares(at(0)).0, [("a", 10_000), ("b", 0)]);
}

#[test]
fn times_at_the_ends_of_what_can_be_said_do_no_harm() {
    let route = route();
    for until in [i64::MIN, -1, 0] {
        let mut weights = heard(v1::Mode::Auto, 0, &[("a", 0, 10_000)]);
        weights.valid_until_unix_us = until;
        route.hear(&weights).unwrap();
        assert!(!route.shares(at(0)).1, "{until}");
    }
    let mut weights = heard(v1::Mode::Auto, 0, &[("a", 0, 10_000)]);
    weights.valid_until_unix_us = i64::MAX;
    route.hear(&weights).unwrap();
    assert!(route.shares(at(4_000_000_000)).1);
}

#[test]
fn shares_that_cannot_be_drawn_from_are_refused() {
    let refused = |shares: &[(&str, u32)]| {
        let shares = shares.iter().map(|(name, share)| ((*name).to_owned(), *share));
        Route::new("r", shares.collect())
            .err()
            .map(|error| error.to_string())
    };
    assert!(refused(&[]).is_some());
    assert!(refused(&[("a", 0)]).is_some());
    assert!(refused(&[("a", u32::MAX), ("b", 1)]).is_some());
    assert!(refused(&[("a", 1), ("a", 1)]).is_some_and(|why| why.contains("twice")));
    assert_eq!(refused(&[("a", u32::MAX), ("b", 0)]), None);
}

proptest! {
    /// Over all draws each target is picked exactly as often as its share says.
    #[test]
    fn every_target_owns_as_many_draws_as_its_share(shares in prop::collection::vec(0_u32..50, 1..8)) {
        prop_assume!(shares.iter().sum::<u32>() > 0);
        let names: Vec<String> = (0..shares.len()).map(|at| format!("t{at}")).collect();
        let baseline = names.iter().cloned().zip(shares.iter().copied()).collect();
        let route = Route::new("r", baseline).unwrap();
        let mut picked = vec![0; shares.len()];
        for draw in 0..shares.iter().sum() {
            let target = route.pick(at(0), |_| draw);
            picked[names.iter().position(|name| name == target).unwrap()] += 1;
        }
        prop_assert_eq!(picked, shares);
    }
}
