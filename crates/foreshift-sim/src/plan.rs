//! Puts faults and decoys into a recording.

use foreshift_domain::signal::EventKind;
use foreshift_domain::{Duration, Timestamp};

use crate::effects::{Episode, Shape, Signs, Spike};
use crate::faults::{Decoy, DecoyKind, Fault, FaultKind};
use crate::recording::{Recording, RouteSpec};
use crate::rng::{Draws, Purpose, Stream};

/// When all recordings begin: 2 March 2026, 09:00 UTC, a Monday.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_772_442_000);

/// A recording in the making.
pub(crate) struct Plan {
    recording: Recording,
    pub(crate) draws: Draws,
}

/// Where and when a fault happens, in seconds from the start of the recording.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultAt {
    /// Position of the target among all targets of the recording.
    pub(crate) target: usize,
    pub(crate) kind: FaultKind,
    /// First sign; looked at for kinds with a precursor only.
    pub(crate) precursor_s: f64,
    pub(crate) onset_s: f64,
    pub(crate) end_s: f64,
}

impl Plan {
    pub(crate) fn new(scenario: String, seed: u64, length: Duration, routes: Vec<RouteSpec>) -> Self {
        Self {
            recording: Recording {
                scenario,
                seed,
                start: START,
                length,
                routes,
                faults: Vec::new(),
                decoys: Vec::new(),
                episodes: Vec::new(),
                spikes: Vec::new(),
            },
            draws: Draws::new(Stream::of(seed, Purpose::Plan, 0)),
        }
    }

    /// A moment of the recording. Whole steps, so that an onset falls between two steps and never into one.
    fn at(&self, second: f64) -> Timestamp {
        self.recording.start + Duration::from_millis((second * 10.0).round() as i64 * 100)
    }

    /// A fault whose signs vary by `low` to `high` times, some of them missing.
    pub(crate) fn fault(&mut self, fault: FaultAt, low: f64, high: f64, missing: f64) {
        let FaultAt { target, kind, .. } = fault;
        let Some(name) = self
            .recording
            .targets()
            .nth(target)
            .map(|(_, spec)| spec.name.clone())
        else {
            return;
        };
        let signs = kind.signs().varied(&mut self.draws, low, high, missing);
        let bend = self.draws.range(0.5, 1.1);
        let (onset, end) = (self.at(fault.onset_s), self.at(fault.end_s));
        let precursor_start = kind.has_precursor().then(|| self.at(fault.precursor_s));
        self.recording.faults.push(Fault {
            target: name,
            kind,
            precursor_start,
            onset,
            end,
        });
        self.recording.episodes.push(Episode {
            target,
            start: precursor_start.unwrap_or(onset),
            onset,
            end,
            fault: Some(kind),
            shape: Shape::Ramp,
            bend,
            signs,
            failure: kind.failure(),
            topic: kind.topic(),
            event: None,
            tag: self.recording.episodes.len() as u64,
        });
    }

    /// A decoy at a target.
    pub(crate) fn decoy(&mut self, target: usize, kind: DecoyKind, start_s: f64, end_s: f64) {
        let found = self.recording.targets().nth(target);
        let Some((route, name)) = found.map(|(route, spec)| (route.name.clone(), spec.name.clone())) else {
            return;
        };
        let (start, end) = (self.at(start_s), self.at(end_s));
        let signs = kind.signs().varied(&mut self.draws, 0.6, 1.2, 0.0);
        let topic = kind.topic(&mut self.draws);
        self.recording.decoys.push(Decoy {
            route,
            target: Some(name),
            kind,
            start,
            end,
        });
        self.recording.episodes.push(Episode {
            target,
            start,
            onset: end,
            end,
            fault: None,
            shape: kind.shape(),
            bend: 1.0,
            signs,
            failure: Signs::default(),
            topic,
            event: (kind == DecoyKind::DeployBump).then_some(EventKind::Deploy),
            tag: self.recording.episodes.len() as u64,
        });
    }

    /// More traffic on a route for a while.
    pub(crate) fn spike(&mut self, route: usize, factor: f64, start_s: f64, end_s: f64) {
        let Some(name) = self.recording.routes.get(route).map(|spec| spec.name.clone()) else {
            return;
        };
        let (start, end) = (self.at(start_s), self.at(end_s));
        self.recording.decoys.push(Decoy {
            route: name,
            target: None,
            kind: DecoyKind::TrafficSpike,
            start,
            end,
        });
        self.recording.spikes.push(Spike {
            route,
            start,
            end,
            factor,
        });
    }

    /// The recording, with what happens in the order of time.
    pub(crate) fn finish(mut self) -> Recording {
        self.recording.faults.sort_by_key(|fault| fault.onset);
        self.recording.decoys.sort_by_key(|decoy| decoy.start);
        self.recording
    }
}
