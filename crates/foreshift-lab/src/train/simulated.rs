//! A simulated recording as a source, so that it takes the way of every other one.

use std::time::Duration as Wait;

use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::log::LogEvent;
use foreshift_ingest::Decoded;
use foreshift_ingest::sequencer::PartitionKey;
use foreshift_ingest::source::{Batch, Item, Positions, Run, Source, SourceError};
use foreshift_logs::{Arrival, LogLine, LogReader, ReaderSettings, Severity};
use foreshift_sim::{Emission, Policy, Recording};

use crate::replay::driver::Recording as Watched;
use crate::replay::progress::Progress;

/// The run of a recording.
pub(super) struct Simulated<'a> {
    run: foreshift_sim::Run<'a>,
    logs: LogReader,
    partition: PartitionKey,
    next: i64,
}

impl<'a> Simulated<'a> {
    pub(super) fn new(recording: &'a Recording) -> anyhow::Result<Self> {
        Ok(Self {
            run: recording.run(Policy::Stay),
            logs: LogReader::new(ReaderSettings::default())?,
            partition: PartitionKey {
                topic: "simulated".into(),
                partition: 0,
            },
            next: 0,
        })
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
        let mut items = Vec::with_capacity(max);
        while items.len() < max {
            let Some(emission) = self.run.next() else { break };
            let decoded = self.decode(emission);
            items.push(Item {
                offset: self.next,
                decoded,
            });
            self.next += 1;
        }
        let finished = items.len() < max;
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
