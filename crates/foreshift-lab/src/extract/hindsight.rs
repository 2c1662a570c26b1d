//! What people said of predictions and incidents, read before the rows are made: it often comes days after them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{bail, ensure};
use foreshift_domain::command::{Action, Command, Verdict};
use foreshift_domain::fallback::Timing;
use foreshift_domain::{Duration, Input, TargetName, Timestamp};

use crate::replay::driver;

/// The most verdicts and marks taken from one journal: a person gives a few a day.
const MAX_WORDS: usize = 1_000_000;

/// Verdicts and marked incidents of one recording.
#[derive(Debug, Default)]
pub(super) struct Hindsight {
    /// By target and tick in milliseconds, as predictions are named; the last word on one stands.
    verdicts: BTreeMap<TargetName, BTreeMap<i64, (Verdict, Timestamp)>>,
    marks: BTreeMap<TargetName, Vec<Mark>>,
}

/// An incident that a person marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// When it was said.
    pub(super) said_at: Timestamp,
}

impl Hindsight {
    /// Reads a recording through. Its time scales must be `timing` throughout, unless another configuration was
    /// given for all of it.
    pub(super) fn read(path: &Path, timing: &Timing, given: bool) -> anyhow::Result<Self> {
        let mut all = Self::default();
        let mut words = 0;
        driver::inputs(path, &mut |input| match input {
            Input::Command(command) => {
                words += usize::from(all.hear(command));
                ensure!(
                    words <= MAX_WORDS,
                    "more than {MAX_WORDS} verdicts and marked incidents"
                );
                Ok(())
            }
            Input::Fallback(fallback) if !given => {
                let theirs = &fallback.timing;
                if theirs.horizons != timing.horizons
                    || theirs.tick != timing.tick
                    || theirs.guard != timing.guard
                {
                    bail!(
                        "horizons, tick or guard change within it: name one configuration for all of it with --config"
                    );
                }
                Ok(())
            }
            _ => Ok(()),
        })?;
        all.marks
            .values_mut()
            .for_each(|marks| marks.sort_by_key(|mark| mark.start));
        Ok(all)
    }

    /// Whether the command said something about rows. What the engine refuses is not heard.
    fn hear(&mut self, command: &Command) -> bool {
        if command.reason.trim().is_empty() {
            return false;
        }
        let said_at = command.issued_at;
        match &command.action {
            Action::Verdict { prediction, verdict } if prediction.tick <= said_at => {
                let of_target = self.verdicts.entry(prediction.target.clone()).or_default();
                of_target.insert(prediction.tick.as_millis(), (*verdict, said_at));
                true
            }
            Action::MarkIncident { target, start, end } if end.is_none_or(|end| end > *start) => {
                let mark = Mark {
                    start: *start,
                    end: end.unwrap_or(said_at).max(*start),
                    said_at,
                };
                self.marks.entry(target.clone()).or_default().push(mark);
                true
            }
            _ => false,
        }
    }

    /// What was said of the prediction of a target at a tick, and when.
    pub(super) fn verdict(&self, target: &TargetName, tick: Timestamp) -> Option<(Verdict, Timestamp)> {
        self.verdicts.get(target)?.get(&tick.as_millis()).copied()
    }

    /// Whether an incident that began at `start` was expected: by the word on some prediction that looked at it.
    pub(super) fn expected(&self, target: &TargetName, start: Timestamp, longest: Duration) -> bool {
        self.verdicts.get(target).is_some_and(|verdicts| {
            let looked = verdicts.range((start - longest).as_millis()..start.as_millis());
            looked
                .into_iter()
                .any(|(_, (verdict, _))| *verdict == Verdict::Expected)
        })
    }

    /// The marked incidents of a target, by start.
    pub(super) fn marks(&self, target: &TargetName) -> &[Mark] {
        self.marks.get(target).map(Vec::as_slice).unwrap_or_default()
    }
}
