//! What HAProxy asked, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::answer::Answer;
use crate::metrics::{Metric, MetricKind};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct HaproxyCounters {
    weight: AtomicU64,
    lapsed: AtomicU64,
    unknown: AtomicU64,
    broken: AtomicU64,
    refused: AtomicU64,
}

impl HaproxyCounters {
    pub(super) fn add(&self, question: &str, answer: Answer) {
        match answer {
            Answer::Weight(_) => drop(self.weight.fetch_add(1, Ordering::Relaxed)),
            Answer::Lapsed(_) => drop(self.lapsed.fetch_add(1, Ordering::Relaxed)),
            Answer::Unknown => {
                // It is asked again every other second: the log is to hear of it, not to drown in it.
                if self.unknown.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
                    tracing::warn!(question, "HAProxy asks for a route and target that are not known");
                }
            }
        }
    }

    pub(super) fn add_broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// For `/metrics`.
    pub fn export(&self) -> Vec<Metric> {
        let metric = |name: &str, help: &str, labels: &[(&str, &str)], counter: &AtomicU64| Metric {
            name: String::from(name),
            help: String::from(help),
            kind: MetricKind::Counter,
            labels: labels
                .iter()
                .map(|(name, value)| (String::from(*name), String::from(*value)))
                .collect(),
            value: counter.load(Ordering::Relaxed) as f64,
        };
        let answers = [
            ("weight", &self.weight),
            ("lapsed", &self.lapsed),
            ("unknown", &self.unknown),
        ];
        let mut all: Vec<_> = answers
            .into_iter()
            .map(|(what, counter)| {
                let help = "Answers to HAProxy: the weight in force, what is configured since the weights lapsed, or \
                            since route or target are not known.";
                metric("haproxy_answers_total", help, &[("answer", what)], counter)
            })
            .collect();
        all.push(metric(
            "haproxy_broken_total",
            "Connections to HAProxy's agent without a whole question in time.",
            &[],
            &self.broken,
        ));
        all.push(metric(
            "haproxy_refused_total",
            "Connections to HAProxy's agent closed at once: too many, or not ready yet.",
            &[],
            &self.refused,
        ));
        all
    }
}
