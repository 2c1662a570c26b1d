//! What targets share: the histories of their route and of their failure domain.

use std::collections::BTreeMap;

use foreshift_domain::fallback::Timing;
use foreshift_domain::{FailureDomain, RouteName, TargetName, Timestamp};
use foreshift_features::GroupFeatures;
use serde::{Deserialize, Serialize};

/// Place of a group.
pub(crate) type GroupIndex = u32;

/// The histories of all groups. There are never more of them than routes and targets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Groups {
    routes: BTreeMap<RouteName, GroupIndex>,
    domains: BTreeMap<FailureDomain, GroupIndex>,
    groups: Vec<GroupFeatures>,
    /// All targets together.
    pub(crate) fleet: GroupFeatures,
    /// Time of the newest signal of any target.
    pub(crate) newest_signal: Timestamp,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            routes: BTreeMap::new(),
            domains: BTreeMap::new(),
            groups: Vec::new(),
            fleet: GroupFeatures::default(),
            newest_signal: Timestamp::MIN,
        }
    }
}

impl Groups {
    /// The group of a route; targets without one share a group of their own.
    pub(crate) fn of_route(&mut self, route: Option<&RouteName>) -> GroupIndex {
        let name = route.cloned().unwrap_or_else(|| RouteName::from(""));
        let next = self.groups.len() as GroupIndex;
        let index = *self.routes.entry(name).or_insert(next);
        self.grow_to(index)
    }

    /// The route whose group this is.
    pub(crate) fn route_of(&self, group: GroupIndex) -> Option<&RouteName> {
        let mut routes = self.routes.iter();
        routes.find(|(_, index)| **index == group).map(|(name, _)| name)
    }

    /// The group of a failure domain.
    pub(crate) fn of_domain(&mut self, domain: &FailureDomain) -> GroupIndex {
        let next = self.groups.len() as GroupIndex;
        let index = *self.domains.entry(domain.clone()).or_insert(next);
        self.grow_to(index)
    }

    pub(crate) fn get(&self, index: GroupIndex) -> Option<&GroupFeatures> {
        self.groups.get(index as usize)
    }

    /// A target joined its groups.
    pub(crate) fn joined(&mut self, route: GroupIndex, domain: Option<GroupIndex>, at: Timestamp) {
        self.each(route, domain, |group| group.member_joined(at));
    }

    /// A bucket of a member was closed, and this is its newest event time.
    pub(crate) fn seen(&mut self, route: GroupIndex, domain: Option<GroupIndex>, newest: Timestamp) {
        self.each(route, domain, |group| group.seen(newest));
    }

    /// An incident of a member began.
    pub(crate) fn incident_began(
        &mut self,
        route: GroupIndex,
        domain: Option<GroupIndex>,
        at: Timestamp,
        member: &TargetName,
    ) {
        self.each(route, domain, |group| group.incident_began(at, member));
    }

    /// An incident of a member ended.
    pub(crate) fn incident_ended(&mut self, route: GroupIndex, domain: Option<GroupIndex>) {
        self.each(route, domain, GroupFeatures::incident_ended);
    }

    /// A target fell silent for so long that nothing is known of it.
    pub(crate) fn left(&mut self, route: GroupIndex, domain: Option<GroupIndex>, in_incident: bool) {
        self.each(route, domain, |group| group.member_left(in_incident));
    }

    /// Folds what began until the tick, and computes what members share, before they look.
    pub(crate) fn prepare(&mut self, timing: &Timing, tick: Timestamp) {
        self.groups
            .iter_mut()
            .for_each(|group| group.prepare(timing, tick));
        self.fleet.settle(tick);
    }

    fn each(
        &mut self,
        route: GroupIndex,
        domain: Option<GroupIndex>,
        mut apply: impl FnMut(&mut GroupFeatures),
    ) {
        for index in [Some(route), domain].into_iter().flatten() {
            if let Some(group) = self.groups.get_mut(index as usize) {
                apply(group);
            }
        }
        apply(&mut self.fleet);
    }

    fn grow_to(&mut self, index: GroupIndex) -> GroupIndex {
        if index as usize >= self.groups.len() {
            self.groups.push(GroupFeatures::default());
        }
        index
    }
}
