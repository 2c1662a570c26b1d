use foreshift_domain::weights::Version;
use proptest::prelude::*;

use super::world::cases;
use crate::next_version;

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn versions_strictly_increase_whatever_the_epoch(epochs in prop::collection::vec(any::<u64>(), 1..50), sequence: u64) {
        let mut latest = Version { epoch: 3, sequence };
        for epoch in epochs {
            let next = next_version(latest, epoch);
            prop_assert!(next > latest || latest.epoch == u64::MAX);
            latest = next;
        }
    }
}

#[test]
fn a_sequence_counts_on_within_its_epoch_and_starts_over_in_the_next() {
    let at = |epoch, sequence| Version { epoch, sequence };
    assert_eq!(next_version(at(2, 7), 2), at(2, 8));
    assert_eq!(next_version(at(2, 7), 3), at(3, 1));
    assert_eq!(next_version(at(2, 7), 1), at(2, 8));
    assert_eq!(next_version(at(2, u64::MAX), 2), at(3, 1));
}
