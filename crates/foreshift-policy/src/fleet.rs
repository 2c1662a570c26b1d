//! Rules over all routes: how many may begin to move (rule 3), and what alarms together (rule 11).

use std::collections::BTreeMap;

use foreshift_domain::fallback::FleetLimits;
use foreshift_domain::{RouteName, Timestamp};
use serde::{Deserialize, Serialize};

/// The most routes remembered as having begun to move. When it is full no further route may begin: far above any
/// sensible `max_routes_shifted`, and failing closed costs predictions only.
pub const MAX_SHIFTS_KEPT: usize = 4_096;

/// What holds over all routes, as one route sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetView {
    /// Too many targets alarm together: no shift on predictions begins or deepens (rule 11).
    pub predictive_frozen: bool,
    /// Whether this route may begin a shift on predictions (rule 3).
    pub may_begin_shift: bool,
}

impl FleetView {
    /// Nothing over all routes binds.
    pub const FREE: Self = Self {
        predictive_frozen: false,
        may_begin_shift: true,
    };
}

/// Routes that began to move on predictions, with the time of the newest beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FleetState {
    begun: BTreeMap<RouteName, Timestamp>,
}

/// A target as the count of alarms sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetTarget {
    /// Whether it alarms on a prediction, on any route.
    pub alarm: bool,
    /// Whether it is up as far as is known: neither down nor degraded.
    pub well: bool,
    /// Index of its failure domain.
    pub domain: Option<u32>,
}

/// How many alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmCount {
    /// Targets that alarm.
    pub alarming: u32,
    /// Alarms, where those that share a failure domain with a healthy alternative outside it are one.
    pub alarms: u32,
    /// All targets.
    pub targets: u32,
}

impl FleetState {
    /// Remembers that a route began to move on predictions; call it when a plan says so.
    pub fn record(&mut self, route: &RouteName, now: Timestamp, limits: &FleetLimits) {
        self.expire(now, limits);
        if self.begun.len() < MAX_SHIFTS_KEPT || self.begun.contains_key(route) {
            self.begun.insert(route.clone(), now);
        }
    }

    /// What holds for this route now. A route that began within the window is counted already and may begin again.
    pub fn view(
        &mut self,
        route: &RouteName,
        now: Timestamp,
        limits: &FleetLimits,
        alarms: AlarmCount,
    ) -> FleetView {
        self.expire(now, limits);
        let most = (limits.max_routes_shifted as usize).min(MAX_SHIFTS_KEPT);
        FleetView {
            predictive_frozen: alarms.freezes(limits),
            may_begin_shift: self.begun.contains_key(route) || self.begun.len() < most,
        }
    }

    /// How many routes began to move within the window.
    pub fn routes_shifted(&self) -> usize {
        self.begun.len()
    }

    fn expire(&mut self, now: Timestamp, limits: &FleetLimits) {
        self.begun.retain(|_, at| now.since(*at) < limits.blast_window);
    }
}

impl AlarmCount {
    /// Whether so many alarms together are a measurement fault or a common cause (rule 11).
    pub fn freezes(&self, limits: &FleetLimits) -> bool {
        self.targets >= limits.alarm_freeze_min_targets
            && f64::from(self.alarms) > limits.alarm_freeze_share * f64::from(self.targets)
    }
}

/// Counts alarms over all targets. `routes` lists, for each route, the indices of its targets.
///
/// A target has a healthy alternative when on one of its routes another target is well, does not alarm, and
/// is not in its failure domain. Alarms of a domain that have one are one alarm: the domain is failing, and
/// there is somewhere to go. All others count by themselves.
pub fn count_alarms<'a>(
    targets: &[FleetTarget],
    routes: impl IntoIterator<Item = &'a [usize]>,
) -> AlarmCount {
    let mut alternative = vec![false; targets.len()];
    for route in routes {
        mark_alternatives(targets, route, &mut alternative);
    }
    let mut domains: Vec<u32> = Vec::new();
    let (mut alarming, mut alone) = (0, 0);
    for (target, alternative) in targets.iter().zip(alternative) {
        if !target.alarm {
            continue;
        }
        alarming += 1;
        match target.domain {
            Some(domain) if alternative => domains.push(domain),
            _ => alone += 1,
        }
    }
    domains.sort_unstable();
    domains.dedup();
    AlarmCount {
        alarming,
        alarms: alone + saturated(domains.len()),
        targets: saturated(targets.len()),
    }
}

/// Marks the targets of a route that alarm while another, outside their domain, is well.
fn mark_alternatives(targets: &[FleetTarget], route: &[usize], alternative: &mut [bool]) {
    let of = |at: &usize| targets.get(*at);
    let healthy = || {
        route
            .iter()
            .filter_map(of)
            .filter(|target| target.well && !target.alarm)
    };
    // Whether all healthy ones share one domain decides it: then only that domain has no alternative here.
    let Some(first) = healthy().next() else { return };
    let only = first
        .domain
        .filter(|domain| healthy().all(|target| target.domain == Some(*domain)));
    for at in route {
        if let (Some(target), Some(mark)) = (targets.get(*at), alternative.get_mut(*at)) {
            *mark |= target.alarm && (only.is_none() || only != target.domain);
        }
    }
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use foreshift_domain::Duration;

    use super::*;

    fn limits() -> FleetLimits {
        FleetLimits {
            max_routes_shifted: 2,
            blast_window: Duration::from_secs(600),
            alarm_freeze_share: 0.5,
            alarm_freeze_min_targets: 5,
            max_targets: 100,
            max_routes: 100,
        }
    }

    fn target(alarm: bool, domain: Option<u32>) -> FleetTarget {
        FleetTarget {
            alarm,
            well: true,
            domain,
        }
    }

    #[test]
    fn a_third_route_waits_until_the_first_has_left_the_window() {
        let (mut fleet, limits) = (FleetState::default(), limits());
        let at = Timestamp::from_secs;
        fleet.record(&"a".into(), at(0), &limits);
        fleet.record(&"b".into(), at(100), &limits);
        let mut may = |route: &str, secs| {
            fleet
                .view(&route.into(), at(secs), &limits, AlarmCount::default())
                .may_begin_shift
        };
        assert!(!may("c", 200));
        assert!(may("a", 200), "a route in the window is counted already");
        assert!(may("c", 600));
    }

    #[test]
    fn past_its_bound_the_memory_of_shifts_fails_closed() {
        let (mut fleet, mut limits) = (FleetState::default(), limits());
        limits.max_routes_shifted = u32::MAX;
        for route in 0..MAX_SHIFTS_KEPT + 10 {
            fleet.record(
                &format!("r{route}").as_str().into(),
                Timestamp::default(),
                &limits,
            );
        }
        assert_eq!(fleet.routes_shifted(), MAX_SHIFTS_KEPT);
        let view = fleet.view(
            &"late".into(),
            Timestamp::default(),
            &limits,
            AlarmCount::default(),
        );
        assert!(!view.may_begin_shift);
    }

    #[test]
    fn alarms_of_one_domain_with_a_way_out_are_one_alarm() {
        let mut targets = vec![target(true, Some(1)); 6];
        targets.extend([target(false, Some(2)), target(false, None)]);
        let all: Vec<usize> = (0..8).collect();
        let count = count_alarms(&targets, [all.as_slice()]);
        assert_eq!((count.alarming, count.alarms, count.targets), (6, 1, 8));
        assert!(!count.freezes(&limits()));
    }

    #[test]
    fn alarms_without_a_way_out_of_their_domain_count_one_by_one() {
        let mut targets = vec![target(true, Some(1)); 6];
        targets.push(target(false, Some(1)));
        let all: Vec<usize> = (0..7).collect();
        let count = count_alarms(&targets, [all.as_slice()]);
        assert_eq!(count.alarms, 6);
        assert!(count.freezes(&limits()));
    }

    #[test]
    fn below_the_least_number_of_targets_nothing_freezes() {
        let targets = vec![target(true, None); 4];
        let count = count_alarms(&targets, [[0_usize, 1, 2, 3].as_slice()]);
        assert_eq!(count.alarms, 4);
        assert!(!count.freezes(&limits()));
    }
}
