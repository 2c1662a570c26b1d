//! What log lines said: tallied by target for people, and what of it survives a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration as Wait, Instant};

use foreshift_config::LogsConfig;
use foreshift_domain::log::LogEvent;
use foreshift_domain::published::{ClassLines, LogSummary, TemplateLines};
use foreshift_domain::{TargetName, Timestamp};
use foreshift_ingest::Logs;
use foreshift_logs::miner;
use foreshift_logs::tally::Tally;
use foreshift_logs::{LogReader, ReaderCounters, ReaderSettings, SampleSettings};
use foreshift_serve::{Metric, MetricKind};

use crate::storage::{LogState, StorageError};

/// People look at most so often: texts of templates are asked for no more.
const REFRESH_EVERY: Wait = Wait::from_secs(1);
/// Templates shown of one target.
const SHOWN: usize = 20;

/// The log reader of the process, as the storage left it.
pub(crate) fn reader(config: &LogsConfig, state: &LogState) -> anyhow::Result<Logs> {
    let settings = ReaderSettings {
        miner: miner::Settings {
            max_templates: config.max_templates as usize,
            masks: config.masks.clone(),
            ..miner::Settings::default()
        },
        overrides: config
            .classes
            .iter()
            .map(|(name, class)| (name.clone(), *class))
            .collect(),
        samples: config.samples.as_ref().map(|samples| SampleSettings {
            per_template: usize::from(samples.per_template),
            ttl: samples.ttl,
        }),
    };
    Ok(Logs::from(LogReader::restore(settings, state.read())?))
}

/// What people are told of log lines.
pub(crate) struct LogBook {
    logs: Logs,
    state: LogState,
    tally: Tally,
    summaries: Arc<BTreeMap<TargetName, Arc<LogSummary>>>,
    /// Targets about which lines came since the last look.
    news: BTreeSet<TargetName>,
    refreshed: Instant,
    metrics: LogMetrics,
}

impl LogBook {
    pub(crate) fn new(logs: Logs, state: LogState, metrics: LogMetrics) -> Self {
        Self {
            logs,
            state,
            tally: Tally::default(),
            summaries: Arc::default(),
            news: BTreeSet::new(),
            refreshed: Instant::now(),
            metrics,
        }
    }

    /// Counts the lines of an event.
    pub(crate) fn count(&mut self, event: &LogEvent) {
        self.tally.count(event);
        if !self.news.contains(&event.target) {
            self.news.insert(event.target.clone());
        }
    }

    /// What log lines said, by target; not older than a second.
    pub(crate) fn summaries(&mut self, now: Timestamp) -> Arc<BTreeMap<TargetName, Arc<LogSummary>>> {
        if self.refreshed.elapsed() >= REFRESH_EVERY {
            self.refreshed = Instant::now();
            self.refresh(now);
        }
        Arc::clone(&self.summaries)
    }

    fn refresh(&mut self, now: Timestamp) {
        let mut reader = self.logs.lock();
        reader.expire(now);
        self.metrics.set(reader.counters(), self.tally.untallied());
        if self.news.is_empty() {
            return;
        }
        // Copied only while a reader still holds the one before.
        let summaries = Arc::make_mut(&mut self.summaries);
        for target in std::mem::take(&mut self.news) {
            if let Some(summary) = summary(&self.tally, &target, &reader) {
                summaries.insert(target, Arc::new(summary));
            }
        }
    }

    /// Stores what may be stored.
    pub(crate) fn save(&self) -> Result<(), StorageError> {
        let snapshot = self.logs.lock().snapshot();
        self.state.write(&snapshot)
    }
}

/// What lines said of a target; `None` past the bound on targets.
fn summary(tally: &Tally, target: &TargetName, reader: &LogReader) -> Option<LogSummary> {
    let totals = tally.totals(target);
    let recent = tally.recent(target, |id| reader.current(id));
    let mut classes: Vec<ClassLines> = totals
        .iter()
        .map(|(class, total)| {
            ClassLines::new(*class, recent.classes.get(class).copied().unwrap_or(0), *total)
        })
        .collect();
    classes.sort_by_key(|one| (std::cmp::Reverse(one.lines), one.class));
    let templates = recent.templates.iter().filter(|(id, _, _)| *id != 0).take(SHOWN);
    let templates = templates.map(|(id, class, lines)| TemplateLines {
        id: format!("{id:016x}"),
        class: *class,
        lines: *lines,
        text: reader.text(*id),
        samples: reader.samples(*id).into_iter().map(str::to_owned).collect(),
    });
    (!classes.is_empty()).then(|| LogSummary {
        since: recent.since,
        classes,
        templates: templates.collect(),
    })
}

/// Counters of log lines, shared with scrapes.
#[derive(Clone, Default)]
pub(crate) struct LogMetrics(Arc<Mutex<(ReaderCounters, u64)>>);

impl LogMetrics {
    fn set(&self, reader: ReaderCounters, untallied: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (reader, untallied);
    }

    /// As metrics.
    pub(crate) fn export(&self) -> Vec<Metric> {
        use MetricKind::{Counter, Gauge};
        let (reader, untallied) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let metrics = [
            ("logs_lines_total", "Log lines read.", Counter, reader.lines),
            (
                "logs_templates",
                "Templates of log lines held.",
                Gauge,
                reader.templates,
            ),
            (
                "logs_templates_private",
                "Templates held whose text is not shown yet.",
                Gauge,
                reader.private,
            ),
            (
                "logs_templates_new_total",
                "Templates that were new, or became more general.",
                Counter,
                reader.new_templates,
            ),
            (
                "logs_templates_evicted_total",
                "Templates forgotten because there were too many.",
                Counter,
                reader.evicted,
            ),
            (
                "logs_untallied_lines_total",
                "Log lines of targets past the bound on what explain shows.",
                Counter,
                untallied,
            ),
        ];
        let metrics = metrics.into_iter().map(|(name, help, kind, value)| Metric {
            name: name.to_owned(),
            help: help.to_owned(),
            kind,
            labels: Vec::new(),
            value: value as f64,
        });
        metrics.collect()
    }
}
