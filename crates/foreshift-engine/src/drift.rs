//! Whether the model still fits the targets it speaks of: its log-loss on matured labels, followed for each route and
//! horizon.
//!
//! What is followed is the log-loss less what the model itself expected of its prediction. Of a model that is right its
//! mean is zero whether incidents are rare or frequent, so a bad week that the model saw coming is no drift. Only one
//! row of a target in a horizon counts: rows that overlap tell the same story, and would make chance look like change.

use std::collections::BTreeMap;

use foreshift_domain::Duration;
use foreshift_predict::{Adwin, excess_loss};
use serde::{Deserialize, Serialize};

use crate::groups::GroupIndex;

/// The chance of a false alarm that is accepted for each look; there is one every 32 rows that count.
const DELTA: f64 = 1e-5;
/// Excess losses are held within plus and minus this, in nats: a surprise of one in 400 and a rarer one tell the same.
const MOST: f64 = 6.0;

/// Follows the loss of all routes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DriftWatch {
    by_group: BTreeMap<(GroupIndex, u8), Adwin>,
    /// What was found and not yet said.
    found: Vec<Drift>,
}

/// The loss of a route rose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drift {
    pub(crate) group: GroupIndex,
    pub(crate) horizon: Duration,
    /// Mean excess loss in nats, before and since.
    pub(crate) before: f64,
    pub(crate) now: f64,
}

impl DriftWatch {
    /// A row matured whose prediction was `probability`.
    pub(crate) fn add(
        &mut self,
        group: GroupIndex,
        (head, horizon): (usize, Duration),
        probability: f64,
        positive: bool,
    ) {
        let excess = excess_loss(probability, positive).clamp(-MOST, MOST);
        let adwin = self.by_group.entry((group, head as u8)).or_default();
        let scaled = 0.5 + excess / (2.0 * MOST);
        let Some(change) = adwin.add(scaled, DELTA) else {
            return;
        };
        let nats = |scaled: f64| (scaled - 0.5) * 2.0 * MOST;
        // A model that came to fit better is no cause for alarm.
        if change.now > change.before {
            // What came before is compared with nothing any more, so that one change is said once.
            *adwin = Adwin::default();
            self.found.push(Drift {
                group,
                horizon,
                before: nats(change.before),
                now: nats(change.now),
            });
        }
    }

    /// What was found since the last time.
    pub(crate) fn take(&mut self) -> Vec<Drift> {
        std::mem::take(&mut self.found)
    }

    /// Another model speaks from now on: what was said before is not its own.
    pub(crate) fn forget(&mut self) {
        self.by_group.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: (usize, Duration) = (0, Duration::from_secs(120));

    /// Rows of which every `each`th is positive, said at `probability`; how many drifts that makes.
    fn drifts(watch: &mut DriftWatch, rows: usize, each: usize, probability: f64) -> usize {
        for row in 0..rows {
            watch.add(3, HEAD, probability, row % each == 0);
        }
        watch.take().len()
    }

    #[test]
    fn more_incidents_that_were_foreseen_are_no_drift() {
        let mut watch = DriftWatch::default();
        assert_eq!(drifts(&mut watch, 4_000, 100, 0.01), 0);
        assert_eq!(drifts(&mut watch, 4_000, 10, 0.1), 0);
    }

    #[test]
    fn incidents_that_were_not_foreseen_are_drift_and_it_is_said_once() {
        let mut watch = DriftWatch::default();
        assert_eq!(drifts(&mut watch, 4_000, 100, 0.01), 0);
        for row in 0..2_000 {
            watch.add(3, HEAD, 0.01, row % 10 == 0);
        }
        let found = watch.take();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].group == 3 && found[0].now > found[0].before && found[0].before.abs() < 0.1);
    }

    #[test]
    fn another_model_begins_without_a_past() {
        let mut watch = DriftWatch::default();
        drifts(&mut watch, 4_000, 100, 0.01);
        watch.forget();
        assert_eq!(
            drifts(&mut watch, 2_000, 10, 0.01),
            0,
            "there is nothing to compare with"
        );
    }
}
