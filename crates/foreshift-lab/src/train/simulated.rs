//! A simulated fleet through the engine that serves: a source as every other one.

use std::sync::{Arc, Mutex};
use std::time::Duration as Wait;

use foreshift_domain::Duration;
use foreshift_domain::fallback::{Fallback, Mode, OutcomeSource};
use foreshift_domain::log::LogEvent;
use foreshift_engine::Engine;
use foreshift_ingest::Decoded;
use foreshift_ingest::sequencer::PartitionKey;
use foreshift_ingest::source::{Batch, Item, Positions, Run, Source, SourceError};
use foreshift_logs::{Arrival, LogLine, LogReader, ReaderSettings, Severity};
use foreshift_predict::Model;
use foreshift_sim::{Emission, FleetSpec, Policy, Recording, WeightChange};

use crate::replay::driver::{Given, Recording as Watched, Replay, Sink};
use crate::replay::progress::Progress;

/// Features of what we did to a target.
pub(crate) const OWN_DOING: [&str; 2] = ["weight_share", "since_shift"];

/// A fleet with its configuration, weights left alone: the recorded world does not answer to them.
pub(crate) struct Fleet {
    pub(crate) recording: Recording,
    pub(crate) fallback: Arc<Fallback>,
}

impl Fleet {
    /// `learns` says whether a model may change on it.
    pub(crate) fn of(spec: FleetSpec, learns: bool) -> anyhow::Result<Self> {
        Self::recorded(spec.recording(), learns)
    }

    pub(crate) fn recorded(recording: Recording, learns: bool) -> anyhow::Result<Self> {
        let yaml = recording.fallback_yaml();
        let mut fallback = foreshift_config::parse_fallback(&yaml, "fleet.yaml")?.value;
        fallback.learning.online = learns;
        fallback
            .routes
            .iter_mut()
            .for_each(|route| route.settings.mode = Mode::Off);
        Ok(Self {
            recording,
            fallback: Arc::new(fallback),
        })
    }

    /// A fresh model that reads what `reads` names, and not what we did to a target. In a recorded world nothing was
    /// ever done: those features are constant there, and what a model made of the constant would mislead it once it acts.
    /// It has no plain regression: slopes that some fleets agree on carry less far than knots and trees do. Trained as
    /// `live` is, 2 min ahead on a fleet held out, it has 0.47 of average precision with one and 0.48 without.
    pub(crate) fn fresh_model(&self, reads: impl Fn(&str) -> bool) -> Model {
        let fresh = foreshift_engine::fresh_model(&self.fallback).without_plain();
        fresh.reading(|feature| !OWN_DOING.contains(&feature) && reads(feature))
    }

    /// The whole recording through an engine with this model; gives the model as it is then.
    pub(crate) fn play(&self, model: Model, sink: &mut dyn Sink) -> anyhow::Result<Model> {
        let engine = Engine::new(1, Arc::clone(&self.fallback), model);
        let mut replay = Replay::new(engine, &self.fallback, Duration::ZERO, Duration::DAY, Given::ALL);
        replay.run(&mut Simulated::new(&self.recording)?, sink)?;
        Ok(replay.engine.model().clone())
    }

    /// The whole recording through an engine that gives its rows.
    pub(crate) fn play_rows(&self, sink: &mut dyn Sink) -> anyhow::Result<()> {
        let model = foreshift_engine::fresh_model(&self.fallback);
        let mut engine = Engine::new(1, Arc::clone(&self.fallback), model);
        engine.give_rows(true);
        let mut replay = Replay::new(engine, &self.fallback, Duration::ZERO, Duration::DAY, Given::ALL);
        replay.run(&mut Simulated::new(&self.recording)?, sink)
    }
}

/// Changes of weights that a world has not been told yet.
pub(crate) type Fresh = Arc<Mutex<Vec<WeightChange>>>;

/// The run of a recording.
pub(crate) struct Simulated<'a> {
    run: foreshift_sim::Run<'a>,
    /// Where the weights come from that the world answers to; `None` leaves them alone.
    steered: Option<Fresh>,
    logs: LogReader,
    partition: PartitionKey,
    next: i64,
}

impl<'a> Simulated<'a> {
    fn new(recording: &'a Recording) -> anyhow::Result<Self> {
        Ok(Self {
            run: recording.run(Policy::Stay),
            steered: None,
            logs: LogReader::new(ReaderSettings::default())?,
            partition: PartitionKey {
                topic: "simulated".into(),
                partition: 0,
            },
            next: 0,
        })
    }

    /// A world that is told changes of weights as they are decided.
    pub(crate) fn steered(recording: &'a Recording, fresh: Fresh) -> anyhow::Result<Self> {
        let mut simulated = Self::new(recording)?;
        simulated.steered = Some(fresh);
        Ok(simulated)
    }

    /// What the run came to so far.
    pub(crate) fn outcome(&self) -> foreshift_sim::Outcome {
        self.run.outcome()
    }

    /// The next emissions: as many as asked for, or those of a moment where the world answers to what comes of them.
    fn emissions(&mut self, max: usize) -> (Vec<Emission>, bool) {
        let Some(fresh) = &self.steered else {
            let emissions: Vec<Emission> = self.run.by_ref().take(max).collect();
            let finished = emissions.len() < max;
            return (emissions, finished);
        };
        if let Ok(mut fresh) = fresh.lock() {
            fresh.drain(..).for_each(|change| self.run.set_weights(&change));
        }
        // Up to the first of the next step, which the world takes under the weights it has: a tenth of a second is what
        // gateways need to follow.
        let step = self.run.now();
        let mut emissions = Vec::new();
        while self.run.now() == step {
            match self.run.next() {
                Some(emission) => emissions.push(emission),
                None => return (emissions, true),
            }
        }
        (emissions, false)
    }

    fn decode(&mut self, emission: Emission) -> Decoded {
        match emission {
            Emission::Signal(signal) => Decoded::Signal {
                signal,
                aliases: Vec::new(),
                source: OutcomeSource::Native,
            },
            Emission::Log(line) => {
                let read = self.logs.read(&Arrival {
                    line: LogLine {
                        message: &line.message,
                        severity: severity(line.severity),
                        http_status: line.status,
                        ..LogLine::default()
                    },
                    error: None,
                    time: line.time,
                    source: 0,
                });
                let (time, target) = (line.time, line.target);
                let event = LogEvent {
                    time,
                    target,
                    template: read.template,
                    class: read.class,
                    count: 1,
                };
                Decoded::Log {
                    event,
                    aliases: Vec::new(),
                }
            }
        }
    }
}

fn severity(of: foreshift_sim::Severity) -> Option<Severity> {
    Some(match of {
        foreshift_sim::Severity::Info => Severity::Info,
        foreshift_sim::Severity::Warn => Severity::Warn,
        foreshift_sim::Severity::Error => Severity::Error,
    })
}

impl Source for Simulated<'_> {
    fn poll(&mut self, max: usize, _timeout: Wait) -> Result<Batch, SourceError> {
        let (emissions, finished) = self.emissions(max);
        let mut items = Vec::with_capacity(emissions.len());
        for emission in emissions {
            let decoded = self.decode(emission);
            items.push(Item {
                offset: self.next,
                decoded,
            });
            self.next += 1;
        }
        let partition = self.partition.clone();
        let run = Run {
            partition,
            next_offset: self.next,
            items,
            refused: Vec::new(),
            caught_up: false,
        };
        Ok(Batch {
            runs: vec![run],
            finished,
        })
    }

    fn positions(&self) -> Positions {
        Positions::from([(self.partition.clone(), self.next)])
    }

    fn seek(&mut self, _to: &Positions) -> Result<(), SourceError> {
        Ok(()) // a simulated run begins where it is made
    }

    fn partitions(&self) -> Vec<PartitionKey> {
        vec![self.partition.clone()]
    }
}

impl Watched for Simulated<'_> {
    fn progress(&self) -> Progress {
        Progress::spinner()
    }
}
