//! How well predictions said what came.

use std::collections::BTreeMap;
use std::fmt;

use foreshift_domain::fallback::Fallback;
use foreshift_domain::{Duration, TargetName, Timestamp};
use foreshift_engine::{Output, PredictionTick};
use foreshift_predict::metrics::rank;
use serde::Serialize;

use crate::replay::driver::Sink;

/// One tick in this many is kept for the figures: neighbours say the same.
const KEEP_EVERY: i64 = 5;

/// Figures of one fleet.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Evaluation {
    horizons: Vec<HorizonFigures>,
}

#[derive(Clone, Debug, Serialize)]
struct HorizonFigures {
    horizon_s: f64,
    rows: usize,
    base_rate: f64,
    average_precision: f64,
    auc: f64,
    /// Predicted over observed positives.
    expected_over_observed: f64,
}

/// Collects predictions as they are made.
pub(super) struct Watcher {
    horizons: Vec<Duration>,
    guard: Duration,
    tick: Duration,
    cooldown: Duration,
    /// Incidents as the engine saw them.
    began: BTreeMap<TargetName, Vec<Timestamp>>,
    ended: BTreeMap<TargetName, Timestamp>,
    down: BTreeMap<TargetName, bool>,
    rows: Vec<(TargetName, Timestamp, [f64; 4])>,
    from: Timestamp,
    end: Timestamp,
}

/// Predictions with what came, over one or several recordings: by head.
#[derive(Default)]
pub(super) struct Figures {
    rows: [Vec<(f64, bool)>; 4],
}

impl Watcher {
    pub(super) fn new(fallback: &Fallback) -> Self {
        Self {
            horizons: fallback.timing.horizons.clone(),
            guard: fallback.timing.guard,
            tick: fallback.timing.tick,
            began: BTreeMap::new(),
            ended: BTreeMap::new(),
            down: BTreeMap::new(),
            rows: Vec::new(),
            cooldown: fallback.timing.cooldown,
            from: Timestamp::MIN,
            end: Timestamp::MIN,
        }
    }

    /// Keeps predictions from this time on alone, and every one of them where ticks are far apart.
    pub(super) fn from(self, from: Timestamp) -> Self {
        Self { from, ..self }
    }

    fn keep(&mut self, tick: &PredictionTick) {
        self.end = tick.time;
        if tick.time < self.from || (tick.time.as_micros() / self.tick.as_micros().max(1)) % KEEP_EVERY != 0 {
            return;
        }
        for target in &tick.targets {
            let cooling = self
                .ended
                .get(&target.target)
                .is_some_and(|at| tick.time.since(*at) < self.cooldown);
            let down = self.down.get(&target.target).copied().unwrap_or_default();
            if let Some(probabilities) = target.probabilities
                && !down
                && !cooling
            {
                self.rows.push((target.target.clone(), tick.time, probabilities));
            }
        }
    }

    /// Adds its predictions to the figures, with what came of them where that is known.
    pub(super) fn finish(self, figures: &mut Figures) {
        for ((head, horizon), rows) in self.horizons.iter().enumerate().zip(&mut figures.rows) {
            let known = self.rows.iter().filter(|(_, at, _)| *at + *horizon <= self.end);
            rows.extend(known.map(|(target, at, all)| (all[head.min(3)], self.label(target, *at, *horizon))));
        }
    }

    fn label(&self, target: &TargetName, at: Timestamp, horizon: Duration) -> bool {
        let onsets = self.began.get(target).map(Vec::as_slice).unwrap_or_default();
        let next = onsets.partition_point(|onset| *onset <= at + self.guard);
        onsets.get(next).is_some_and(|onset| *onset <= at + horizon)
    }
}

impl Sink for Watcher {
    fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        match output {
            Output::Predictions(tick) => self.keep(tick),
            Output::Incident(change) => {
                self.down.insert(change.target.clone(), change.end.is_none());
                match change.end {
                    None => self
                        .began
                        .entry(change.target.clone())
                        .or_default()
                        .push(change.start),
                    Some(end) => {
                        self.ended.insert(change.target.clone(), end);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Figures {
    /// The figures, by horizon.
    pub(super) fn evaluate(self, horizons: &[Duration]) -> Evaluation {
        let of = |(horizon, mut rows): (&Duration, Vec<(f64, bool)>)| {
            let positives = rows.iter().filter(|(_, positive)| *positive).count() as f64;
            let expected: f64 = rows.iter().map(|(probability, _)| probability).sum();
            let ranking = rank(&mut rows);
            HorizonFigures {
                horizon_s: horizon.as_secs_f64(),
                rows: rows.len(),
                base_rate: positives / rows.len().max(1) as f64,
                average_precision: ranking
                    .as_ref()
                    .map_or(f64::NAN, |ranking| ranking.average_precision),
                auc: ranking.as_ref().map_or(f64::NAN, |ranking| ranking.auc),
                expected_over_observed: expected / positives.max(1.0),
            }
        };
        Evaluation {
            horizons: horizons.iter().zip(self.rows).map(of).collect(),
        }
    }
}

impl Evaluation {
    /// As a table of Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = "| horizon | rows | base rate | average precision | AUC | expected / observed |\n|---|---|---|---|---|---|\n".to_owned();
        for row in self.horizons.iter().filter(|row| row.rows > 0) {
            let HorizonFigures {
                horizon_s,
                rows,
                base_rate,
                average_precision,
                auc,
                expected_over_observed,
            } = row;
            text += &format!(
                "| {horizon_s} s | {rows} | {base_rate:.4} | {average_precision:.3} | {auc:.3} | {expected_over_observed:.2} |\n"
            );
        }
        text
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.horizons.iter().filter(|row| row.rows > 0) {
            let HorizonFigures {
                horizon_s,
                base_rate,
                average_precision,
                auc,
                expected_over_observed,
                ..
            } = row;
            write!(
                f,
                "[{horizon_s} s: AP {average_precision:.3}, AUC {auc:.3}, base {base_rate:.4}, e/o {expected_over_observed:.2}] "
            )?;
        }
        Ok(())
    }
}
