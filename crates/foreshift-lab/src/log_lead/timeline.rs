//! What a model said, second by second, and when nothing was about to happen.

use std::collections::BTreeMap;

use foreshift_domain::{Duration, TargetName, Timestamp};
use foreshift_engine::{MAX_HORIZONS, Output, PredictionTick};
use foreshift_sim::Recording;

use crate::replay::driver::Sink;
use crate::train::simulated::Fleet;

/// In the first quarter of an hour models learn what is usual; nothing happens in it.
const WARM_UP: Duration = Duration::from_secs(900);

/// What follows a fault is not quiet for so long.
const AFTERMATH: Duration = Duration::from_secs(300);

/// Listens to nothing.
pub(super) struct Unheard;

impl Sink for Unheard {
    fn take(&mut self, _output: &Output) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Probabilities of a fleet by target and second, NaN in incidents and while they cool down.
pub(super) struct Timelines {
    start: Timestamp,
    seconds: usize,
    cooldown: Duration,
    masked: BTreeMap<TargetName, Masked>,
    targets: BTreeMap<TargetName, Vec<[f32; MAX_HORIZONS]>>,
}

#[derive(Clone, Copy)]
enum Masked {
    Until(Timestamp),
    ForNow,
}

impl Timelines {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let recording = &fleet.recording;
        Self {
            start: recording.start,
            seconds: second(recording.start, recording.end()),
            cooldown: fleet.fallback.timing.cooldown,
            masked: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    /// One probability for each second of a target, for one horizon; none for a target never seen.
    pub(super) fn of(&self, target: &TargetName, head: usize) -> impl Iterator<Item = f32> + '_ {
        let seconds = self.targets.get(target).map(Vec::as_slice).unwrap_or_default();
        seconds
            .iter()
            .map(move |all| all.get(head).copied().unwrap_or(f32::NAN))
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &TargetName> {
        self.targets.keys()
    }

    fn keep(&mut self, tick: &PredictionTick) {
        let at = second(self.start, tick.time);
        for said in &tick.targets {
            let masked = match self.masked.get(&said.target) {
                Some(Masked::ForNow) => true,
                Some(Masked::Until(end)) => tick.time < *end,
                None => false,
            };
            let all = said.probabilities.filter(|_| !masked);
            let seconds = self
                .targets
                .entry(said.target.clone())
                .or_insert_with(|| vec![[f32::NAN; MAX_HORIZONS]; self.seconds]);
            if let (Some(slot), Some(all)) = (seconds.get_mut(at), all) {
                *slot = all.map(|probability| probability as f32);
            }
        }
    }
}

impl Sink for Timelines {
    fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        match output {
            Output::Predictions(tick) => self.keep(tick),
            Output::Incident(change) => {
                let masked = match change.end {
                    None => Masked::ForNow,
                    Some(end) => Masked::Until(end + self.cooldown),
                };
                self.masked.insert(change.target.clone(), masked);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whole seconds from the start of a recording.
pub(super) fn second(start: Timestamp, at: Timestamp) -> usize {
    usize::try_from(at.since(start).as_micros().div_euclid(1_000_000)).unwrap_or(0)
}

/// Seconds of each target in which no fault shows, nor has just been.
pub(super) struct Quiet {
    seconds: usize,
    busy: BTreeMap<TargetName, Vec<(usize, usize)>>,
}

impl Quiet {
    pub(super) fn of(recording: &Recording) -> Self {
        let mut busy: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for fault in &recording.faults {
            let begins = fault.precursor_start.unwrap_or(fault.onset);
            let span = [begins, fault.end + AFTERMATH].map(|at| second(recording.start, at));
            busy.entry(fault.target.clone())
                .or_default()
                .push((span[0], span[1]));
        }
        Self {
            seconds: second(recording.start, recording.end()),
            busy,
        }
    }

    /// By second.
    pub(super) fn mask(&self, target: &TargetName) -> Vec<bool> {
        let warm_up = second(Timestamp::default(), Timestamp::default() + WARM_UP);
        let mut quiet: Vec<bool> = (0..self.seconds).map(|second| second >= warm_up).collect();
        for (from, to) in self.busy.get(target).into_iter().flatten() {
            let to = (*to).min(quiet.len());
            quiet
                .get_mut(*from..to)
                .into_iter()
                .flatten()
                .for_each(|second| *second = false);
        }
        quiet
    }
}
