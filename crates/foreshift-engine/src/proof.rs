//! What came of a route's alarms while predictions moved nothing: before they may, they must have come true here.
//!
//! An alarm during which predictions could move traffic is not counted, since what they avert cannot be told from what would
//! not have come.

use foreshift_domain::fallback::AutoAfter;
use serde::{Deserialize, Serialize};

use crate::alarms::Ended;

/// Past so many alarms both counts are halved: what counts is of late.
const MAX_ALARMS: u32 = 100;

/// The outcomes of a route's alarms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proof {
    alarms: u32,
    right: u32,
}

impl Proof {
    /// Whether alarms came true often enough. Where nothing else is asked for, that is half as often as predictions at
    /// `threshold`, from which on they are alarms, promise.
    pub(crate) fn suffices(&self, after: &AutoAfter, threshold: f64) -> bool {
        let precision = after.precision.unwrap_or(threshold / 2.0);
        self.alarms >= after.alarms && f64::from(self.right) >= precision * f64::from(self.alarms)
    }

    /// Alarms ended.
    pub(crate) fn follow(&mut self, ended: &[Ended]) {
        for alarm in ended.iter().filter(|alarm| !alarm.acted) {
            if self.alarms >= MAX_ALARMS {
                (self.alarms, self.right) = (self.alarms / 2, self.right / 2);
            }
            self.alarms += 1;
            self.right += u32::from(alarm.came_true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: AutoAfter = AutoAfter {
        alarms: 3,
        precision: Some(0.5),
    };

    fn ended(came_true: bool) -> Ended {
        Ended {
            came_true,
            treated: false,
            acted: false,
        }
    }

    #[test]
    fn alarms_that_came_true_often_enough_suffice_and_false_ones_take_it_back() {
        let mut proof = Proof::default();
        for _ in 0..3 {
            assert!(!proof.suffices(&AFTER, 0.3));
            proof.follow(&[ended(true)]);
        }
        assert!(proof.suffices(&AFTER, 0.3));
        proof.follow(&[ended(false); 4]);
        assert!(!proof.suffices(&AFTER, 0.3));
        let acted = Ended {
            acted: true,
            ..ended(true)
        };
        proof.follow(&[acted; 9]);
        assert_eq!((proof.alarms, proof.right), (7, 3));
    }

    #[test]
    fn half_of_what_the_threshold_in_force_promises_is_asked_for() {
        let asked = AutoAfter {
            precision: None,
            ..AFTER
        };
        let mut proof = Proof::default();
        proof.follow(&[ended(true), ended(false), ended(false), ended(false)]);
        assert!(!proof.suffices(&asked, 0.6));
        assert!(proof.suffices(&asked, 0.4));
    }

    #[test]
    fn counts_stay_bounded_and_follow_what_is_of_late() {
        let mut proof = Proof::default();
        (0..10_000).for_each(|_| proof.follow(&[ended(true)]));
        assert!(proof.alarms <= MAX_ALARMS);
        proof.follow(&[ended(false); 200]);
        assert!(!proof.suffices(&AFTER, 0.3));
    }
}
