//! Health within one bucket: a bounded list of states by event time.

use foreshift_domain::Timestamp;
use foreshift_domain::signal::Health;
use serde::{Deserialize, Serialize};

/// The most moments of health kept in one bucket. A target that reports more often than this within one
/// bucket flaps faster than anything acts on it; older moments are merged into their worst.
pub const MAX_HEALTH_CHANGES: usize = 32;

/// States within one bucket, sorted by time, one for each moment: at ties the worse wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChanges {
    list: Vec<(Timestamp, Health)>,
    merged: Option<MergedHealth>,
}

/// What is left of moments beyond [`MAX_HEALTH_CHANGES`]: they are the oldest of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedHealth {
    /// The worst of them.
    pub worst: Health,
    /// The first moment among them.
    pub first: Timestamp,
    /// The first moment among them at which the target was down.
    pub first_down: Option<Timestamp>,
}

impl HealthChanges {
    /// The moments that are kept, ascending.
    pub fn list(&self) -> &[(Timestamp, Health)] {
        &self.list
    }

    /// What was merged because there was too much, all of it older than the list.
    pub const fn merged(&self) -> Option<MergedHealth> {
        self.merged
    }

    /// The newest state.
    pub fn newest(&self) -> Option<(Timestamp, Health)> {
        self.list.last().copied()
    }

    /// The worst state of the bucket.
    pub fn worst(&self) -> Option<Health> {
        let listed = self.list.iter().map(|(_, health)| *health);
        listed.chain(self.merged.map(|merged| merged.worst)).max()
    }

    pub(crate) fn add(&mut self, time: Timestamp, health: Health) {
        match self.list.binary_search_by_key(&time, |(at, _)| *at) {
            Ok(found) => {
                if let Some((_, known)) = self.list.get_mut(found) {
                    *known = (*known).max(health);
                }
            }
            Err(place) => self.list.insert(place, (time, health)),
        }
        if self.list.len() > MAX_HEALTH_CHANGES {
            let (time, health) = self.list.remove(0);
            self.merge(time, health);
        }
    }

    fn merge(&mut self, time: Timestamp, health: Health) {
        let down = (health == Health::Down).then_some(time);
        self.merged = Some(match self.merged {
            None => MergedHealth {
                worst: health,
                first: time,
                first_down: down,
            },
            Some(merged) => MergedHealth {
                worst: merged.worst.max(health),
                first: merged.first.min(time),
                first_down: match (merged.first_down, down) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                },
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn more_moments_than_the_bound_are_merged_into_their_worst() {
        let mut changes = HealthChanges::default();
        for second in 0..100 {
            let health = if second == 3 { Health::Down } else { Health::Up };
            changes.add(Timestamp::from_secs(second), health);
        }
        assert_eq!(changes.list().len(), MAX_HEALTH_CHANGES);
        assert_eq!(changes.worst(), Some(Health::Down));
        assert_eq!(changes.newest(), Some((Timestamp::from_secs(99), Health::Up)));
        let merged = changes.merged().map(|m| (m.first, m.first_down));
        assert_eq!(
            merged,
            Some((Timestamp::from_secs(0), Some(Timestamp::from_secs(3))))
        );
    }

    fn health() -> impl Strategy<Value = Health> {
        prop_oneof![Just(Health::Up), Just(Health::Degraded), Just(Health::Down)]
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_changes_nothing(
            lists in proptest::collection::vec((0i64..60, health()), 0..120)
                .prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
        ) {
            let fold = |list: &[(i64, Health)]| {
                let mut changes = HealthChanges::default();
                for (second, health) in list { changes.add(Timestamp::from_secs(*second), *health); }
                changes
            };
            prop_assert_eq!(fold(&lists.0), fold(&lists.1));
        }
    }
}
