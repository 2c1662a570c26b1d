//! How many lines of which template and class came about each target of late: what people are shown. The engine's
//! features are counted elsewhere, from the same events.

use std::collections::BTreeMap;

use foreshift_domain::log::{ErrorClass, LogEvent};
use foreshift_domain::{Duration, TargetName, Timestamp};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

/// Targets that are tallied; lines of further ones are only counted.
pub const MAX_TARGETS: usize = 10_000;
/// Templates of one target that are tallied in one span; lines of further ones are counted by class only.
pub const MAX_TEMPLATES: usize = 64;
/// The recent time is the span that runs and the one before it.
pub const SPAN: Duration = Duration::from_secs(600);

/// Lines of one target.
#[derive(Clone, Debug, Default)]
struct Target {
    spans: [Span; 2],
    totals: BTreeMap<ErrorClass, u64>,
}

/// Lines of one span of time.
#[derive(Clone, Debug, Default)]
struct Span {
    since: Option<Timestamp>,
    templates: IndexMap<(u64, ErrorClass), u64, FxBuildHasher>,
    classes: BTreeMap<ErrorClass, u64>,
}

/// What came about one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// Since when, by the clock of the lines.
    pub since: Option<Timestamp>,
    /// Lines by class.
    pub classes: BTreeMap<ErrorClass, u64>,
    /// Lines by template and class, most lines first.
    pub templates: Vec<(u64, ErrorClass, u64)>,
}

/// Counts lines by target.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    targets: BTreeMap<TargetName, Target>,
    untallied: u64,
}

impl Tally {
    /// Counts the lines of an event.
    pub fn count(&mut self, event: &LogEvent) {
        if !self.targets.contains_key(&event.target) && self.targets.len() >= MAX_TARGETS {
            self.untallied += u64::from(event.count);
            return;
        }
        let target = self.targets.entry(event.target.clone()).or_default();
        let lines = u64::from(event.count);
        *target.totals.entry(event.class).or_default() += lines;
        let [newest, older] = &mut target.spans;
        let since = *newest.since.get_or_insert(event.time);
        if event.time.since(since) >= SPAN {
            *older = std::mem::take(newest);
            newest.since = Some(event.time);
        }
        *newest.classes.entry(event.class).or_default() += lines;
        let key = (event.template, event.class);
        if newest.templates.len() < MAX_TEMPLATES || newest.templates.contains_key(&key) {
            *newest.templates.entry(key).or_default() += lines;
        }
    }

    /// Lines of a target since the start, by class.
    pub fn totals(&self, target: &TargetName) -> BTreeMap<ErrorClass, u64> {
        self.targets
            .get(target)
            .map(|target| target.totals.clone())
            .unwrap_or_default()
    }

    /// What came about a target of late; templates go by the id that `current` gives them.
    pub fn recent(&self, target: &TargetName, current: impl Fn(u64) -> u64) -> Recent {
        let Some(target) = self.targets.get(target) else {
            return Recent::default();
        };
        let mut recent = Recent::default();
        let mut templates: BTreeMap<(u64, ErrorClass), u64> = BTreeMap::new();
        for span in target.spans.iter().filter(|span| span.since.is_some()) {
            recent.since = recent.since.into_iter().chain(span.since).min();
            for (class, lines) in &span.classes {
                *recent.classes.entry(*class).or_default() += lines;
            }
            for ((template, class), lines) in &span.templates {
                *templates.entry((current(*template), *class)).or_default() += lines;
            }
        }
        recent.templates = templates
            .into_iter()
            .map(|((id, class), lines)| (id, class, lines))
            .collect();
        recent
            .templates
            .sort_by_key(|(id, _, lines)| (std::cmp::Reverse(*lines), *id));
        recent
    }

    /// Lines of targets past the bound.
    pub const fn untallied(&self) -> u64 {
        self.untallied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(target: &str, template: u64, at_s: i64) -> LogEvent {
        LogEvent {
            time: Timestamp::from_secs(at_s),
            target: target.into(),
            template,
            class: ErrorClass::Timeout,
            count: 2,
        }
    }

    #[test]
    fn recent_lines_are_those_of_two_spans() {
        let mut tally = Tally::default();
        for (template, at_s) in [(1, 1_000), (2, 1_599), (2, 1_600), (3, 2_300), (1, 1_500)] {
            tally.count(&event("a", template, at_s));
        }
        let recent = tally.recent(&"a".into(), |id| id);
        assert_eq!(recent.since, Some(Timestamp::from_secs(1_600)));
        let ids: Vec<u64> = recent.templates.iter().map(|(id, _, _)| *id).collect();
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!(tally.totals(&"a".into())[&ErrorClass::Timeout], 10);
    }

    #[test]
    fn templates_that_became_one_are_counted_as_one() {
        let mut tally = Tally::default();
        for template in [1, 2, 2, 9] {
            tally.count(&event("a", template, 1_000));
        }
        let recent = tally.recent(&"a".into(), |id| if id == 1 { 2 } else { id });
        assert_eq!(
            recent.templates,
            [(2, ErrorClass::Timeout, 6), (9, ErrorClass::Timeout, 2)]
        );
    }

    #[test]
    fn what_overflows_is_counted_and_not_kept() {
        let mut tally = Tally::default();
        for number in 0..MAX_TARGETS as u64 + 5 {
            tally.count(&event(&format!("t{number}"), 1, 1_000));
        }
        assert_eq!(tally.targets.len(), MAX_TARGETS);
        assert_eq!(tally.untallied(), 10);
        for template in 0..2 * MAX_TEMPLATES as u64 {
            tally.count(&event("t1", template, 1_000));
        }
        let recent = tally.recent(&"t1".into(), |id| id);
        assert_eq!(recent.templates.len(), MAX_TEMPLATES);
        assert_eq!(recent.classes[&ErrorClass::Timeout], 2 + 4 * MAX_TEMPLATES as u64);
    }
}
