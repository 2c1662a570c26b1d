//! Whole basis points: proportional shares by the largest remainder, ties to the earlier target.

use foreshift_domain::weights::FULL_BP;

/// Splits `amount` in proportion to `wants`, in whole numbers that sum to exactly `amount`.
///
/// Largest remainder; at ties the earlier one gets more. When nothing is wanted all shares are zero. No share
/// is larger than what was wanted as long as `amount` is at most the sum of `wants`.
pub fn share_out(amount: u32, wants: &[u64]) -> Vec<u32> {
    let total: u128 = wants.iter().map(|want| u128::from(*want)).sum();
    if total == 0 || amount == 0 {
        return vec![0; wants.len()];
    }
    let exact = |want: &u64| u128::from(*want) * u128::from(amount);
    let mut shares: Vec<u32> = wants.iter().map(|want| narrow(exact(want) / total)).collect();
    let given: u32 = shares.iter().sum();
    let mut order: Vec<usize> = (0..wants.len()).collect();
    // A stable sort: equal remainders keep the order of the configuration.
    order.sort_by_key(|at| std::cmp::Reverse(wants.get(*at).map_or(0, |want| exact(want) % total)));
    for at in order.into_iter().take((amount - given) as usize) {
        if let Some(share) = shares.get_mut(at) {
            *share += 1;
        }
    }
    shares
}

/// Splits `amount` in proportion to `wants`, none above its room. Returns the shares and what did not fit.
pub(crate) fn fill(amount: u32, wants: &[u64], rooms: &[u32]) -> (Vec<u32>, u32) {
    let mut given = vec![0_u32; wants.len()];
    let mut open: Vec<u64> = wants
        .iter()
        .zip(rooms)
        .map(|(want, room)| if *room > 0 { *want } else { 0 })
        .collect();
    let mut left = amount;
    // Each round either places everything or closes at least one target for good.
    for _ in 0..=wants.len() {
        let shares = share_out(left, &open);
        let mut closed = false;
        for (at, share) in shares.iter().enumerate() {
            let (Some(have), Some(room), Some(want)) = (given.get_mut(at), rooms.get(at), open.get_mut(at))
            else {
                continue;
            };
            if *want > 0 && *share > room - *have {
                left -= room - *have;
                *have = *room;
                *want = 0;
                closed = true;
            }
        }
        if closed {
            continue;
        }
        for (have, share) in given.iter_mut().zip(&shares) {
            *have += share;
            left -= share;
        }
        break;
    }
    (given, left)
}

/// Weights in the same proportions that sum to exactly 10,000; what sums to it already is kept as it is.
///
/// All zeros become equal weights, since a route's traffic has to go somewhere; an empty slice stays empty.
pub fn normalize(weights: &[u32]) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if sum == u64::from(FULL_BP) {
        return weights.to_vec();
    }
    let wants: Vec<u64> = match sum {
        0 => vec![1; weights.len()],
        _ => weights.iter().map(|weight| u64::from(*weight)).collect(),
    };
    share_out(FULL_BP, &wants)
}

/// `part` / `whole` of `amount`, rounded up; `amount` when `whole` is zero.
pub(crate) fn portion_up(amount: u32, part: u32, whole: u32) -> u32 {
    match whole {
        0 => amount,
        _ => narrow((u128::from(amount) * u128::from(part)).div_ceil(u128::from(whole))),
    }
}

/// `part` / `whole` of `amount`, rounded down; zero when `whole` is zero.
pub(crate) fn portion_down(amount: u32, part: u64, whole: u64) -> u32 {
    match whole {
        0 => 0,
        _ => narrow(u128::from(amount) * u128::from(part) / u128::from(whole)),
    }
}

fn narrow(value: u128) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_remainders_go_to_the_earlier_target() {
        assert_eq!(share_out(10_000, &[1, 1, 1]), [3_334, 3_333, 3_333]);
    }

    #[test]
    fn weights_that_sum_already_are_left_alone_and_zeros_become_equal() {
        assert_eq!(normalize(&[10_000, 0]), [10_000, 0]);
        assert_eq!(normalize(&[0, 0]), [5_000, 5_000]);
        assert_eq!(normalize(&[]), Vec::<u32>::new());
    }

    proptest! {
        #[test]
        fn shares_sum_exactly_and_stay_within_what_was_wanted(wants in prop::collection::vec(0_u64..20_000, 1..40), cut in 0.0_f64..1.0) {
            let total: u64 = wants.iter().sum();
            let amount = (total as f64 * cut) as u32;
            let shares = share_out(amount, &wants);
            prop_assert_eq!(shares.iter().sum::<u32>(), if total == 0 { 0 } else { amount });
            for (share, want) in shares.iter().zip(&wants) {
                prop_assert!(u64::from(*share) <= *want);
            }
        }

        #[test]
        fn filling_loses_nothing_and_leaves_something_only_when_all_is_full(
            parts in prop::collection::vec((0_u64..1_000, 0_u32..5_000), 1..12), amount in 0_u32..20_000,
        ) {
            let wants: Vec<u64> = parts.iter().map(|part| part.0).collect();
            let rooms: Vec<u32> = parts.iter().map(|part| part.1).collect();
            let (given, left) = fill(amount, &wants, &rooms);
            prop_assert_eq!(given.iter().sum::<u32>() + left, amount);
            for ((have, room), want) in given.iter().zip(&rooms).zip(&wants) {
                prop_assert!(have <= room && (*want > 0 || *have == 0));
                prop_assert!(left == 0 || *want == 0 || have == room);
            }
        }
    }
}
