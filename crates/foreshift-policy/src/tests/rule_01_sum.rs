use proptest::prelude::*;

use super::world::*;
use crate::*;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn weights_sum_to_ten_thousand_whatever_is_known(route in any_route(), history in history(Allow::ALL)) {
        for seen in run(&route, &history) {
            for weights in [&seen.plan.weights, &seen.plan.planned, &seen.plan.goal, &seen.plan.proposed] {
                prop_assert_eq!(weights.len(), route.targets.len());
                prop_assert_eq!(weights.iter().sum::<u32>(), 10_000);
            }
        }
    }

    #[test]
    fn a_baseline_that_does_not_sum_is_mended(
        shares in prop::collection::vec(0_u32..30_000, 1..5), history in history(Allow::ALL),
    ) {
        let mut route = route(shares.len(), 0);
        for (target, share) in route.targets.iter_mut().zip(&shares) {
            target.baseline_bp = *share;
        }
        for seen in run(&route, &history) {
            prop_assert_eq!(seen.plan.planned.iter().sum::<u32>(), 10_000);
        }
    }

    #[test]
    fn a_changed_set_of_targets_keeps_the_sum_and_the_weights_of_those_that_stay(
        history in history(Allow::NOBODY), drop in 0_usize..6, more in 0_usize..4,
    ) {
        let old = route(6, 0);
        let last = run(&old, &history).pop().map(|seen| seen.after);
        let mut state = last.unwrap_or_else(|| RouteState::new(&old, START));
        let kept = state.planned();
        let mut new = route(6 + more, 0);
        new.targets.remove(drop);
        state.reshape(&old, &new, START);
        let planned = state.planned();
        prop_assert_eq!(planned.iter().sum::<u32>(), 10_000);
        let left: Vec<u32> = kept.iter().enumerate().filter(|(at, _)| *at != drop).map(|(_, weight)| *weight).collect();
        if left.iter().sum::<u32>() > 0 {
            for (now, before) in planned.iter().zip(&left) {
                prop_assert!(now >= before);
            }
            prop_assert!(planned[5..].iter().all(|weight| *weight == 0), "a new target starts at zero");
        }
    }
}

#[test]
fn a_route_without_targets_has_no_weights_and_needs_no_look() {
    let route = route(0, 0);
    let mut state = RouteState::new(&route, START);
    let plan = Given::new(&route).plan(&route, &mut state);
    assert_eq!((plan.weights.len(), plan.next_look), (0, None));
}
