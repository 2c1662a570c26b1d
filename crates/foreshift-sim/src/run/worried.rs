//! Which log lines come of a fault before it begins: truth for those who ask how early logs can tell.

use foreshift_domain::Timestamp;

use super::STEP;
use super::target::{WORRIED_BY_EPISODE, line_at};
use crate::effects::Schedule;
use crate::faults::Fault;
use crate::recording::Recording;
use crate::rng::{Purpose, Stream};

impl Recording {
    /// When a fault of this recording writes its own worried log lines before its onset, whatever else its target
    /// writes then. None for a fault without signs.
    pub fn worried_lines(&self, fault: &Fault) -> Vec<Timestamp> {
        let index = self.targets().position(|(_, spec)| spec.name == fault.target);
        let (Some(index), Some(begins)) = (index, fault.precursor_start) else {
            return Vec::new();
        };
        let draws = Stream::of(self.seed, Purpose::LogLine, index as u64).child(WORRIED_BY_EPISODE);
        let mut schedule = Schedule::of(&self.episodes, index);
        let first = begins.since(self.start).as_micros() / STEP.as_micros();
        let steps = (first.max(0)..).map(|step| (step as u64, self.start + STEP * step));
        let written = steps
            .take_while(|(_, now)| *now < fault.onset)
            .filter_map(|(step, now)| {
                schedule.advance(now);
                let signs = schedule.effects(now, self.seed).signs;
                line_at(draws, signs.log_per_s, now, step).map(|(at, _)| at)
            });
        written.collect()
    }
}
