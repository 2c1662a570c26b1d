//! The files that a replay writes. Their columns are fixed: others score them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{RouteName, Timestamp};
use foreshift_engine::{Alert, Output, PredictionTick};

use super::Args;
use super::driver::Sink;

/// How many alerts are shown in full; all are counted.
const ALERTS_SHOWN: u64 = 5;

type Csv = csv::Writer<BufWriter<File>>;

/// Writers for what was asked for.
pub(super) struct Outputs {
    predictions: Option<Csv>,
    weights: Option<Csv>,
    decisions: Option<BufWriter<File>>,
    /// Horizons as they are written.
    horizons: Vec<String>,
    /// Alerts so far.
    pub(super) alerts: u64,
    /// Weights as last written: those that did not change are not repeated.
    written: BTreeMap<RouteName, Vec<u32>>,
}

impl Outputs {
    pub(super) fn create(args: &Args, fallback: &Fallback) -> anyhow::Result<Self> {
        let csv = |path: &Path, columns: &[&str]| -> anyhow::Result<Csv> {
            let mut writer = csv::Writer::from_writer(create(path)?);
            writer.write_record(columns)?;
            Ok(writer)
        };
        let predictions = args.predictions.as_deref();
        let predictions =
            predictions.map(|path| csv(path, &["time", "route", "target", "horizon_s", "probability"]));
        let weights = args
            .weights
            .as_deref()
            .map(|path| csv(path, &["time", "route", "target", "weight_bp"]));
        Ok(Self {
            predictions: predictions.transpose()?,
            weights: weights.transpose()?,
            decisions: args.decisions.as_deref().map(create).transpose()?,
            horizons: fallback
                .timing
                .horizons
                .iter()
                .map(|horizon| seconds(horizon.as_micros()))
                .collect(),
            alerts: 0,
            written: BTreeMap::new(),
        })
    }

    fn alert(&mut self, alert: &Alert) {
        self.alerts += 1;
        if self.alerts <= ALERTS_SHOWN {
            eprintln!("alert: {alert}");
        }
    }

    fn write_predictions(&mut self, tick: &PredictionTick) -> anyhow::Result<()> {
        let Some(writer) = &mut self.predictions else {
            return Ok(());
        };
        let time = timestamp(tick.time);
        let mut text = String::new();
        for target in &tick.targets {
            let Some(probabilities) = target.probabilities else {
                continue;
            };
            for (horizon, probability) in self.horizons.iter().zip(probabilities) {
                text.clear();
                std::fmt::Write::write_fmt(&mut text, format_args!("{probability:.9}"))?;
                let fields = [
                    &time,
                    target.route.as_str(),
                    target.target.as_str(),
                    horizon,
                    &text,
                ];
                writer.write_record(fields)?;
            }
        }
        Ok(())
    }

    fn write_weights(&mut self, weights: &RouteWeights) -> anyhow::Result<()> {
        let Some(writer) = &mut self.weights else {
            return Ok(());
        };
        let now: Vec<u32> = weights.targets.iter().map(|target| target.weight_bp).collect();
        if self.written.get(&weights.route) == Some(&now) {
            return Ok(());
        }
        let time = timestamp(weights.decided_at);
        for target in &weights.targets {
            let weight = target.weight_bp.to_string();
            writer.write_record([&time, weights.route.as_str(), target.target.as_str(), &weight])?;
        }
        self.written.insert(weights.route.clone(), now);
        Ok(())
    }

    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        for writer in [&mut self.predictions, &mut self.weights].into_iter().flatten() {
            writer.flush()?;
        }
        self.decisions.as_mut().map_or(Ok(()), Write::flush)?;
        Ok(())
    }
}

impl Sink for Outputs {
    fn take(&mut self, output: &Output) -> anyhow::Result<()> {
        match output {
            Output::Predictions(tick) => self.write_predictions(tick)?,
            Output::Weights(weights) => self.write_weights(weights)?,
            Output::Decision(decision, _) => {
                if let Some(writer) = &mut self.decisions {
                    serde_json::to_writer(&mut *writer, decision.as_ref())?;
                    writer.write_all(b"\n")?;
                }
            }
            Output::Alert(alert) => self.alert(alert),
            Output::Incident(_)
            | Output::Command(..)
            | Output::Row(_)
            | Output::Model(_)
            | Output::Served(_) => {}
        }
        Ok(())
    }
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}

/// Unix seconds. What is decided before anything was seen, at the start, is of time 0.
fn timestamp(time: Timestamp) -> String {
    seconds(time.as_micros().max(0))
}

/// Microseconds as seconds: whole where they are, else with as many digits as needed.
fn seconds(micros: i64) -> String {
    let (whole, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    if rest == 0 {
        whole.to_string()
    } else {
        format!("{whole}.{rest:06}").trim_end_matches('0').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_unix_seconds_with_a_fraction_only_where_there_is_one() {
        assert_eq!(timestamp(Timestamp::from_secs(17)), "17");
        assert_eq!(timestamp(Timestamp::from_micros(17_250_000)), "17.25");
        assert_eq!(timestamp(Timestamp::MIN), "0");
    }
}
