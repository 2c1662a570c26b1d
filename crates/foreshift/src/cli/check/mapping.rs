//! What the sampled records are about: mapped and unmapped names, and what is missing of each target.

use std::collections::{BTreeMap, BTreeSet};

use foreshift_config::{Clock, ProcessConfig};
use foreshift_domain::fallback::{CapacityUnit, Fallback, TargetConfig};
use foreshift_domain::input::Input;
use foreshift_domain::signal::Observation;
use foreshift_domain::{Duration, GaugeName, TargetName, Timestamp};
use foreshift_ingest::sequencer::{Outbox, Settings};
use foreshift_ingest::source::Batch;
use foreshift_ingest::{ClockMode, Intake};

use crate::cli::render::{Finding, age};

/// The most unmapped names in one finding.
const MAX_NAMES: usize = 8;

/// The most targets, and gauges of one target, that are remembered: a sample of a runaway label has many.
const MAX_TARGETS: usize = 100_000;
const MAX_GAUGES: usize = 64;

/// The newest telemetry is old when it is older than this many times the staleness.
const OLD_STALENESSES: i64 = 2;

/// The records of a sample, mapped as `foreshift run` would map them.
pub(super) struct Sampled {
    intake: Intake,
    out: Outbox,
    heard: BTreeMap<TargetName, Heard>,
    newest: Timestamp,
    /// Refused for their time, and why the first one was.
    refused: u64,
    why_refused: String,
    is_live: bool,
}

#[derive(Default)]
struct Heard {
    items: u64,
    /// Outcomes or health: what failure is seen by.
    evidence: u64,
    gauges: BTreeSet<GaugeName>,
}

impl Sampled {
    pub(super) fn new(process: &ProcessConfig, fallback: &Fallback) -> Self {
        let time = &process.time;
        let settings = Settings {
            // Whatever drives the clock: the sample is to come out, not to be put in order.
            clock: ClockMode::Wall,
            bucket: fallback.timing.bucket,
            lateness: time.lateness,
            max_future: time.max_future,
            idle_timeout: time.idle_timeout,
        };
        Self {
            intake: Intake::new(settings, fallback),
            out: Outbox::default(),
            heard: BTreeMap::new(),
            newest: Timestamp::MIN,
            refused: 0,
            why_refused: String::new(),
            is_live: time.clock == Clock::Wall,
        }
    }

    pub(super) fn take(&mut self, batch: Batch, now: Timestamp) {
        self.intake.accept(batch, now, &mut self.out);
        for refused in self.out.refused.drain(..) {
            self.refused += 1;
            if self.why_refused.is_empty() {
                self.why_refused = refused.why.to_string();
            }
        }
        for sequenced in self.out.ordered.drain(..) {
            let (target, time) = match &sequenced.input {
                Input::Signal(signal) => (&signal.target, signal.time),
                Input::Log(event) => (&event.target, event.time),
                _ => continue,
            };
            self.newest = self.newest.max(time);
            if self.heard.len() >= MAX_TARGETS && !self.heard.contains_key(target) {
                continue;
            }
            let heard = self.heard.entry(target.clone()).or_default();
            heard.items += 1;
            let Input::Signal(signal) = &sequenced.input else {
                continue;
            };
            match &signal.observation {
                Observation::Gauge(gauge) if heard.gauges.len() < MAX_GAUGES => {
                    heard.gauges.insert(gauge.name.clone());
                }
                Observation::Outcome(_) | Observation::Window(_) | Observation::Health(_) => {
                    heard.evidence += 1
                }
                Observation::Gauge(_) | Observation::Event(_) => {}
            }
        }
    }

    pub(super) fn tell(&self, fallback: &Fallback, findings: &mut Vec<Finding>) {
        let counters = self.intake.counters().mapping;
        let about = "mapping";
        if counters.mapped + counters.discovered + counters.unmapped + counters.bad_names == 0 {
            let hint = "run the check again when there is telemetry";
            return findings.push(Finding::warn(
                about,
                "nothing was decoded: mapping cannot be checked",
                hint,
            ));
        }
        let mut told = format!("{} items of known targets", counters.mapped);
        if counters.discovered > 0 {
            told.push_str(&format!(", {} of discovered ones", counters.discovered));
        }
        if counters.duplicate_outcomes > 0 {
            told.push_str(&format!(
                ", {} outcomes from a second source dropped",
                counters.duplicate_outcomes
            ));
        }
        findings.push(Finding::ok(about, told));
        self.unmapped(findings);
        if counters.bad_names > 0 {
            let message = format!(
                "{} items have an empty name, or one that is too long",
                counters.bad_names
            );
            findings.push(Finding::warn(about, message, "is a payload in a label?"));
        }
        self.times(fallback, findings);
        for target in &fallback.targets {
            self.target(target, findings);
        }
    }

    fn unmapped(&self, findings: &mut Vec<Finding>) {
        let mut names: Vec<(&TargetName, u64)> = self
            .intake
            .mapping()
            .unmapped()
            .iter()
            .map(|(name, count)| (name, *count))
            .collect();
        if names.is_empty() {
            return;
        }
        names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let shown: Vec<String> = names
            .iter()
            .take(MAX_NAMES)
            .map(|(name, count)| format!("{name} ({count})"))
            .collect();
        let more = match names.len().checked_sub(MAX_NAMES) {
            Some(more) if more > 0 => format!(" and {more} more names"),
            _ => String::new(),
        };
        let message = format!(
            "{} items name no known target: {}{more}",
            self.intake.counters().mapping.unmapped,
            shown.join(", ")
        );
        let hint =
            "if one is a target, write its name into that target's telemetry.names; `discover` follows all";
        findings.push(Finding::warn("mapping", message, hint));
    }

    fn times(&self, fallback: &Fallback, findings: &mut Vec<Finding>) {
        if self.refused > 0 {
            let message = format!(
                "{} items are refused for their time: {}",
                self.refused, self.why_refused
            );
            findings.push(Finding::warn(
                "time",
                message,
                "look at the clocks of the senders, or at time.max_future",
            ));
        }
        if !self.is_live || self.newest == Timestamp::MIN {
            return;
        }
        let old = crate::cli::values::wall_clock()
            .since(self.newest)
            .max(Duration::ZERO);
        let told = format!("the newest item is {} old", age(old));
        findings.push(if old > fallback.timing.staleness * OLD_STALENESSES {
            let hint =
                "is telemetry still being written? stale telemetry holds weights, then lets them go back";
            Finding::warn("time", told, hint)
        } else {
            Finding::ok("time", told)
        });
    }

    fn target(&self, target: &TargetConfig, findings: &mut Vec<Finding>) {
        let about = format!("target {}", target.name);
        let Some(heard) = self.heard.get(&target.name) else {
            let names: Vec<&str> = std::iter::once(target.name.as_str())
                .chain(target.telemetry.names.iter().map(String::as_str))
                .collect();
            let message = format!(
                "nothing in the sample is about it; it is known as {}",
                names.join(", ")
            );
            let hint = "write the name that telemetry gives it into telemetry.names; an idle target needs probes or health";
            return findings.push(Finding::warn(about, message, hint));
        };
        if heard.evidence == 0 {
            let message = format!(
                "{} items, none an outcome or a health: its failures cannot be seen",
                heard.items
            );
            findings.push(Finding::warn(
                &about,
                message,
                "send access logs, request metrics or health signals of it",
            ));
        } else {
            findings.push(Finding::ok(
                &about,
                format!(
                    "{} items, {} of them outcomes or health",
                    heard.items, heard.evidence
                ),
            ));
        }
        let gauge_of_capacity = target.capacity.and_then(|capacity| match capacity.unit {
            CapacityUnit::RequestsPerSecond => None,
            CapacityUnit::ConcurrentRequests => Some("in_flight"),
            CapacityUnit::TokensPerMinute => Some("tokens_per_minute"),
        });
        if let Some(gauge) = gauge_of_capacity.filter(|gauge| !heard.gauges.contains(*gauge)) {
            let message =
                format!("its capacity is counted in the gauge {gauge}, which the sample does not hold");
            findings.push(Finding::warn(
                &about,
                message,
                "report the gauge, or declare the capacity in rps",
            ));
        }
        if let Some(sync) = target
            .sync
            .as_ref()
            .filter(|sync| !heard.gauges.contains(sync.gauge.as_str()))
        {
            let message = format!(
                "its sync gauge {} is not in the sample: it would receive no shifted traffic",
                sync.gauge
            );
            findings.push(Finding::warn(
                &about,
                message,
                "report the gauge more often than sync.max_age",
            ));
        }
    }
}
