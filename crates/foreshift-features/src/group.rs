//! What the members of a route, of a failure domain or of the fleet have in common.

use foreshift_domain::fallback::Timing;
use foreshift_domain::{Duration, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::decay::{DecayedCounts, HALF_LIVES};
use crate::fill::nearest_and_farthest;
use crate::recurrence::{DayProfile, Onsets};
use crate::target::TargetFeatures;

/// Beginnings of incidents that wait for [`GroupFeatures::settle`]. A burst over a whole fleet fits; beyond
/// it the oldest is folded at once.
pub const MAX_PENDING_ONSETS: usize = 1_024;

/// Incidents over a group of targets. One target may be in several groups.
///
/// Beginnings are kept until [`settle`](Self::settle) folds them in event time, so that the order in which the
/// members are gone through changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupFeatures {
    members: u32,
    in_incident: u32,
    pending: Vec<Timestamp>,
    counts: DecayedCounts,
    onsets: Onsets,
    by_day: DayProfile,
    /// The newest onset of each of the two members that had one last, the newer first.
    newest: [Option<(Timestamp, TargetName)>; 2],
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    #[serde(skip)]
    prepared: Prepared,
}

/// When the incidents of a group come, as seen from one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Habits {
    /// Share of days on which one began within the horizon; half-lives 14 and 28 days.
    pub(crate) days: [f64; 2],
    /// log2 of the coming time of day against the mean, with hard and with soft edges.
    pub(crate) within: f64,
    pub(crate) around: f64,
}

/// [`Habits`] for the nearest and the farthest horizon at a tick. Computed once for all members; never part of
/// the state, and the same when it is not there.
#[derive(Clone, Debug, Default)]
struct Prepared(Option<(Timestamp, [Habits; 2])>);

impl PartialEq for Prepared {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A group as one of its members sees it: without that member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerView<'a> {
    /// Members besides this one.
    pub peers: u32,
    /// How many of them are in an incident.
    pub in_incident: u32,
    /// Their incidents, fading with each of [`HALF_LIVES`]; divide by `peers` for a rate.
    pub counts: [f64; HALF_LIVES.len()],
    /// Time since the newest incident of another member began.
    pub since_onset: Option<Duration>,
    /// Time since anything was heard of any member, this one included.
    pub since_seen: Option<Duration>,
    group: &'a GroupFeatures,
}

/// Spans over which the onsets of a group are counted.
pub(crate) const SPANS: [Duration; 4] = [
    Duration::HOUR,
    Duration::from_secs(6 * 3_600),
    Duration::DAY,
    Duration::from_secs(7 * 86_400),
];

impl PeerView<'_> {
    /// Incidents of the whole group, this member included, that began within each of [`SPANS`]: of the newest
    /// [`MAX_ONSETS`](crate::MAX_ONSETS).
    pub(crate) fn onsets(&self, tick: Timestamp) -> [usize; SPANS.len()] {
        self.group.onsets.within(tick, SPANS)
    }

    /// Habits of the whole group, this member included, for the nearest and the farthest horizon.
    pub(crate) fn habits(&self, timing: &Timing, tick: Timestamp) -> [Habits; 2] {
        match self.group.prepared {
            Prepared(Some((at, habits))) if at == tick => habits,
            _ => self.group.habits(timing, tick),
        }
    }
}

impl GroupFeatures {
    /// A target joined at `at`.
    pub fn member_joined(&mut self, at: Timestamp) {
        self.members = self.members.saturating_add(1);
        self.first_seen = Some(self.first_seen.map_or(at, |first| first.min(at)));
    }

    /// A target was forgotten; `in_incident` says whether it was in one. Its history stays with the group.
    pub fn member_left(&mut self, in_incident: bool) {
        self.members = self.members.saturating_sub(1);
        if in_incident {
            self.in_incident = self.in_incident.saturating_sub(1);
        }
    }

    /// An incident of a member began. Call it with the same time as [`TargetFeatures::incident_began`].
    pub fn incident_began(&mut self, at: Timestamp, member: &TargetName) {
        self.in_incident = self.in_incident.saturating_add(1);
        self.note(at, member);
        let place = self.pending.partition_point(|pending| *pending <= at);
        self.pending.insert(place, at);
        if self.pending.len() > MAX_PENDING_ONSETS {
            let oldest = self.pending.remove(0);
            self.fold(oldest);
        }
    }

    /// An incident of a member ended.
    pub fn incident_ended(&mut self) {
        self.in_incident = self.in_incident.saturating_sub(1);
    }

    /// A bucket of a member was closed, and this is its newest event time.
    pub fn seen(&mut self, newest: Timestamp) {
        self.last_seen = self.last_seen.max(Some(newest));
    }

    /// Folds what began until `tick`. Call it once a prediction tick, before the members' views.
    pub fn settle(&mut self, tick: Timestamp) {
        let due = self.pending.partition_point(|at| *at <= tick);
        if due > 0 {
            let pending = std::mem::take(&mut self.pending);
            for at in pending.iter().take(due) {
                self.fold(*at);
            }
            self.pending = pending;
            self.pending.drain(..due);
        }
    }

    /// [`settle`](Self::settle), and computes once what all members share at this tick. Changes no value,
    /// only how long [`TargetFeatures::fill`] takes.
    pub fn prepare(&mut self, timing: &Timing, tick: Timestamp) {
        self.settle(tick);
        self.prepared = Prepared(Some((tick, self.habits(timing, tick))));
    }

    /// Members, whether in an incident or not.
    pub const fn members(&self) -> u32 {
        self.members
    }

    /// Members in an incident now.
    pub const fn in_incident(&self) -> u32 {
        self.in_incident
    }

    /// The group as `own`, a member named `name`, sees it at `tick`: its own incidents are taken out.
    pub fn view(&self, tick: Timestamp, name: &TargetName, own: &TargetFeatures) -> PeerView<'_> {
        let own_incidents = own.incidents();
        let others = self.newest.iter().flatten().find(|(_, member)| member != name);
        PeerView {
            peers: self.members.saturating_sub(1),
            in_incident: self
                .in_incident
                .saturating_sub(u32::from(own_incidents.current().is_some())),
            counts: without(self.counts.at_time(tick), own_incidents.counts_at(tick)),
            since_onset: others.map(|(at, _)| tick.since(*at)),
            since_seen: self.last_seen.map(|at| tick.since(at)),
            group: self,
        }
    }

    /// The group without all members of another group that lies within it: the fleet without a route, say.
    pub fn view_without(&self, tick: Timestamp, inner: &Self) -> PeerView<'_> {
        PeerView {
            peers: self.members.saturating_sub(inner.members),
            in_incident: self.in_incident.saturating_sub(inner.in_incident),
            counts: without(self.counts.at_time(tick), inner.counts.at_time(tick)),
            since_onset: None,
            since_seen: self.last_seen.map(|at| tick.since(at)),
            group: self,
        }
    }

    fn habits(&self, timing: &Timing, tick: Timestamp) -> [Habits; 2] {
        let since = self.first_seen.unwrap_or(tick);
        nearest_and_farthest(timing).map(|ahead| Habits {
            days: self.onsets.days(tick, ahead, since),
            within: self.by_day.within(tick, ahead),
            around: self.by_day.around(tick, ahead),
        })
    }

    fn fold(&mut self, at: Timestamp) {
        self.counts.add(at);
        self.onsets.add(at);
        self.by_day.add(at);
        self.prepared = Prepared(None);
    }

    /// Keeps the newest onset of the two members that had one last: enough to leave any one member out.
    fn note(&mut self, at: Timestamp, member: &TargetName) {
        let onset = Some((at, member.clone()));
        let [first, second] = &mut self.newest;
        let known =
            |slot: &Option<(Timestamp, TargetName)>| slot.as_ref().is_some_and(|(_, name)| name == member);
        let slot = if known(first) { first } else { second };
        if *slot < onset {
            *slot = onset;
        }
        if self.newest[0] < self.newest[1] {
            self.newest.swap(0, 1);
        }
    }
}

/// A part taken out of sums. What is left of rounding is taken for nothing.
fn without<const N: usize>(mut sums: [f64; N], part: [f64; N]) -> [f64; N] {
    for (sum, part) in sums.iter_mut().zip(part) {
        let rest = *sum - part;
        *sum = if rest < 1e-9 * sum.max(1.0) { 0.0 } else { rest };
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn fail(group: &mut GroupFeatures, target: &mut TargetFeatures, name: &str, hour: i64) {
        let at = START + Duration::HOUR * hour;
        target.incident_began(at);
        group.incident_began(at, &name.into());
        target.incident_ended(at + Duration::from_secs(60));
        group.incident_ended();
    }

    #[test]
    fn a_member_does_not_see_itself() {
        let mut group = GroupFeatures::default();
        let mut own = TargetFeatures::new(START);
        let mut other = TargetFeatures::new(START);
        group.member_joined(START);
        group.member_joined(START);
        for hour in [1, 2, 3] {
            fail(&mut group, &mut own, "own", hour);
        }
        let tick = START + Duration::HOUR * 4;
        group.settle(tick);
        let view = group.view(tick, &"own".into(), &own);
        assert_eq!(
            (view.peers, view.in_incident, view.counts),
            (1, 0, [0.0; HALF_LIVES.len()])
        );
        assert_eq!(view.since_onset, None);
        let seen_by_other = group.view(tick, &"other".into(), &other);
        assert_eq!(seen_by_other.since_onset, Some(Duration::HOUR));
        assert!(seen_by_other.counts[3] > 2.7);
        fail(&mut group, &mut other, "other", 2);
        group.settle(tick);
        let view = group.view(tick, &"own".into(), &own);
        assert_eq!(view.since_onset, Some(Duration::HOUR * 2));
        assert!((view.counts[3] - 1.0).abs() < 0.1, "{view:?}");
    }

    #[test]
    fn plain_counts_are_of_the_whole_group_the_member_included() {
        let mut group = GroupFeatures::default();
        let (mut own, mut other) = (TargetFeatures::new(START), TargetFeatures::new(START));
        fail(&mut group, &mut own, "own", 1);
        fail(&mut group, &mut other, "other", 20);
        let tick = START + Duration::HOUR * 24;
        group.settle(tick);
        assert_eq!(group.view(tick, &"own".into(), &own).onsets(tick), [0, 1, 2, 2]);
    }

    #[test]
    fn the_order_in_which_members_are_gone_through_changes_nothing() {
        let names = ["a", "b", "c", "d"];
        let fold = |order: [usize; 4]| {
            let mut group = GroupFeatures::default();
            for _ in names {
                group.member_joined(START);
            }
            for index in order {
                let at = START + Duration::from_secs(977) * index as i64;
                group.incident_began(at, &names[index].into());
            }
            group.settle(START + Duration::DAY);
            group
        };
        let expected = postcard::to_stdvec(&fold([0, 1, 2, 3])).unwrap();
        for order in [[3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            assert_eq!(postcard::to_stdvec(&fold(order)).unwrap(), expected);
        }
    }

    #[test]
    fn onsets_that_wait_are_bounded_and_none_is_lost() {
        let mut group = GroupFeatures::default();
        for second in 0..MAX_PENDING_ONSETS as i64 + 500 {
            group.incident_began(START + Duration::from_secs(second), &"t".into());
        }
        assert_eq!(group.pending.len(), MAX_PENDING_ONSETS);
        let tick = START + Duration::HOUR;
        group.settle(tick);
        let counted = group.view_without(tick, &GroupFeatures::default()).counts[3];
        assert!(
            (counted - (MAX_PENDING_ONSETS + 500) as f64).abs() < 60.0,
            "{counted}"
        );
    }

    #[test]
    fn members_that_leave_are_no_peers() {
        let mut group = GroupFeatures::default();
        let own = TargetFeatures::new(START);
        group.member_joined(START);
        group.member_joined(START);
        group.incident_began(START, &"gone".into());
        group.member_left(true);
        let view = group.view(START + Duration::HOUR, &"own".into(), &own);
        assert_eq!((view.peers, view.in_incident, group.members()), (0, 0, 1));
        group.member_left(false);
        group.member_left(false);
        assert_eq!(group.members(), 0, "never below nothing");
    }

    #[test]
    fn preparing_changes_no_value() {
        let timing = crate::target::test_timing();
        let mut group = GroupFeatures::default();
        let mut other = TargetFeatures::new(START);
        group.member_joined(START);
        for hour in 0..60 {
            fail(&mut group, &mut other, "other", 8 * hour);
        }
        let tick = START + Duration::HOUR * 600;
        group.settle(tick);
        let mut prepared = group.clone();
        prepared.prepare(&timing, tick);
        assert!(prepared.prepared.0.is_some());
        for at in [tick, tick + Duration::HOUR * 3] {
            let own = |group: &GroupFeatures| group.view(at, &"other".into(), &other).habits(&timing, at);
            assert_eq!(own(&group), own(&prepared));
        }
        let bytes = |group: &GroupFeatures| postcard::to_stdvec(group).unwrap();
        assert_eq!(bytes(&group), bytes(&prepared));
        fail(&mut prepared, &mut other, "other", 600);
        prepared.settle(tick);
        assert!(prepared.prepared.0.is_none(), "what was prepared is out of date");
    }
}
