//! Consecutive errors: those after the newest success by event time.

use std::collections::VecDeque;

use foreshift_domain::Timestamp;
use serde::{Deserialize, Serialize};

/// The most moments with errors that are kept: a run is exact up to this many moments (each with all
/// its errors) and saturates there. Thresholds in use are 3 to 20; a higher one than this cannot be told.
pub const MAX_CONSECUTIVE: usize = 64;

/// The newest success, and the errors that are not older. Whatever the order of arrival, it holds the
/// newest [`MAX_CONSECUTIVE`] moments of error that are not before the newest success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorRun {
    last_success: Option<Timestamp>,
    errors: VecDeque<(Timestamp, u32)>,
}

impl ErrorRun {
    pub(crate) fn success(&mut self, time: Timestamp) {
        if self.last_success.is_none_or(|newest| time > newest) {
            self.last_success = Some(time);
            while self.errors.front().is_some_and(|(at, _)| *at < time) {
                self.errors.pop_front();
            }
        }
    }

    /// Errors at the moment of the newest success count: at ties the worse wins.
    pub(crate) fn failures(&mut self, time: Timestamp, count: u32) {
        if self.last_success.is_some_and(|newest| time < newest) {
            return;
        }
        if self.errors.back().is_none_or(|(newest, _)| *newest < time) {
            self.errors.push_back((time, count));
        } else {
            match self.errors.binary_search_by_key(&time, |(at, _)| *at) {
                Ok(found) => {
                    if let Some((_, errors)) = self.errors.get_mut(found) {
                        *errors = errors.saturating_add(count);
                    }
                }
                Err(place) => self.errors.insert(place, (time, count)),
            }
        }
        if self.errors.len() > MAX_CONSECUTIVE {
            self.errors.pop_front();
        }
    }

    pub(crate) const fn last_success(&self) -> Option<Timestamp> {
        self.last_success
    }

    pub(crate) fn count(&self) -> u32 {
        let counts = self.errors.iter().map(|(_, count)| *count);
        counts.fold(0, u32::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn at_ties_the_worse_wins_in_either_order() {
        let (mut a, mut b) = (ErrorRun::default(), ErrorRun::default());
        a.success(at(5));
        a.failures(at(5), 1);
        b.failures(at(5), 1);
        b.success(at(5));
        assert_eq!((a.count(), &a), (1, &b));
    }

    #[test]
    fn an_error_older_than_the_newest_success_does_not_count() {
        let mut run = ErrorRun::default();
        run.failures(at(1), 2);
        run.success(at(3));
        run.failures(at(2), 1);
        assert_eq!(run.count(), 0);
        run.failures(at(4), 3);
        assert_eq!(run.count(), 3);
    }

    #[test]
    fn a_run_is_bounded_and_saturates() {
        let mut run = ErrorRun::default();
        for second in 0..10_000 {
            run.failures(at(second), 1);
        }
        assert_eq!(run.errors.len(), MAX_CONSECUTIVE);
        assert_eq!(run.count() as usize, MAX_CONSECUTIVE);
        run.failures(at(10_000), u32::MAX);
        assert_eq!(run.count(), u32::MAX);
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_changes_nothing(
            arrivals in proptest::collection::vec((0i64..200, any::<bool>()), 0..200)
                .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
        ) {
            let fold = |list: &[(i64, bool)]| {
                let mut run = ErrorRun::default();
                for (second, ok) in list {
                    if *ok { run.success(at(*second)) } else { run.failures(at(*second), 1) }
                }
                run
            };
            prop_assert_eq!(fold(&arrivals.0), fold(&arrivals.1));
        }
    }
}
