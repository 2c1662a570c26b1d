//! Log lines of one bucket while it is open. Everything in it merges commutatively and associatively.

use foreshift_domain::log::{ErrorClass, LogEvent, Meaning};
use serde::{Deserialize, Serialize};

use crate::mix::{MIX_SLOTS, slot_of};

/// The most log templates told apart in one bucket, those with the smallest ids. It bounds what
/// a runaway template costs; a bucket with this many new templates is as alarming as one with more.
pub const MAX_BUCKET_TEMPLATES: usize = 32;

/// Classes of lines that come from the same faults. Lines of the other classes say nothing about the target, or
/// only that requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum LogGroup {
    /// Connections refused, broken, timed out or not resolved.
    Connectivity,
    /// Pools, memory, disks and workers that are used up.
    Saturation,
    /// Rate and quota.
    Limits,
    /// Configuration and certificates.
    Configuration,
    /// Instances that stop, stores that lose their leader or their replicas.
    Instances,
}

pub(crate) const LOG_GROUPS: usize = 5;

impl LogGroup {
    const fn of(class: ErrorClass) -> Option<Self> {
        use ErrorClass as C;
        match class {
            C::ConnFail | C::ConnReset | C::Timeout | C::Dns => Some(Self::Connectivity),
            C::Oom | C::DiskFd | C::PoolExhausted | C::Overload => Some(Self::Saturation),
            C::RateLimit | C::QuotaBilling => Some(Self::Limits),
            C::Config | C::Tls => Some(Self::Configuration),
            C::InstanceDown | C::StoreRole => Some(Self::Instances),
            C::None | C::Auth | C::Upstream5xx | C::BadRequest | C::NotFound => None,
        }
    }
}

/// Lines by what they mean, by group and by template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lines {
    pub(crate) all: u64,
    pub(crate) failure: u64,
    pub(crate) early: u64,
    /// In the order of [`LogGroup`].
    pub(crate) groups: [u64; LOG_GROUPS],
    /// Ids of templates, ascending, without 0.
    pub(crate) templates: Vec<u64>,
    /// Lines with a template, by its slot.
    pub(crate) mix: [u32; MIX_SLOTS],
}

impl Lines {
    pub(crate) fn add(&mut self, event: &LogEvent) {
        let lines = event.count.max(1);
        let count = |counted: &mut u64| *counted = counted.saturating_add(u64::from(lines));
        count(&mut self.all);
        match event.class.meaning() {
            Meaning::Failure => count(&mut self.failure),
            Meaning::EarlySign => count(&mut self.early),
            Meaning::Never => {}
        }
        if let Some(counted) = LogGroup::of(event.class).and_then(|group| self.groups.get_mut(group as usize))
        {
            count(counted);
        }
        if event.template != 0 {
            self.template(event.template, lines);
        }
    }

    fn template(&mut self, template: u64, lines: u32) {
        if let Some(counted) = self.mix.get_mut(slot_of(template)) {
            *counted = counted.saturating_add(lines);
        }
        if let Err(place) = self.templates.binary_search(&template)
            && place < MAX_BUCKET_TEMPLATES
        {
            self.templates.insert(place, template);
            self.templates.truncate(MAX_BUCKET_TEMPLATES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshift_domain::Timestamp;

    fn event(template: u64, class: ErrorClass, count: u32) -> LogEvent {
        LogEvent {
            time: Timestamp::default(),
            target: "t".into(),
            template,
            class,
            count,
        }
    }

    #[test]
    fn more_templates_than_the_bound_keeps_the_smallest_ids() {
        let (mut up, mut down) = (Lines::default(), Lines::default());
        for template in 0..500 {
            up.add(&event(template, ErrorClass::Oom, 2));
            down.add(&event(499 - template, ErrorClass::Oom, 2));
        }
        assert_eq!(up, down);
        assert_eq!(up.templates.len(), MAX_BUCKET_TEMPLATES);
        assert_eq!((up.all, up.early), (1_000, 1_000));
    }

    #[test]
    fn every_class_but_those_that_only_tell_of_requests_is_in_one_group() {
        let ungrouped = ErrorClass::ALL
            .iter()
            .filter(|class| LogGroup::of(**class).is_none());
        let names: Vec<_> = ungrouped.map(|class| class.as_str()).collect();
        assert_eq!(
            names,
            ["none", "auth", "upstream_5xx", "bad_request", "not_found"]
        );
        let mut lines = Lines::default();
        ErrorClass::ALL
            .iter()
            .for_each(|class| lines.add(&event(1, *class, 1)));
        assert_eq!((lines.all, lines.groups), (19, [4, 4, 2, 2, 2]));
    }

    #[test]
    fn counts_saturate() {
        let mut lines = Lines::default();
        for _ in 0..3 {
            lines.add(&event(1, ErrorClass::Dns, u32::MAX));
        }
        assert_eq!(lines.mix.iter().copied().max(), Some(u32::MAX));
        assert_eq!(lines.all, 3 * u64::from(u32::MAX));
    }
}
