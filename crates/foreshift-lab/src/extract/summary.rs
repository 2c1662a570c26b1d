//! What was extracted, in figures.

use serde::Serialize;

use foreshift_domain::fallback::Timing;
use foreshift_engine::Label;

/// Figures over all that was extracted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// Recordings, fleets and files read.
    pub(super) sources: u64,
    /// Incidents that began.
    pub(super) incidents: u64,
    /// Targets times prediction ticks.
    pub(super) target_ticks: u64,
    /// Those in an incident or the cool-down after it: they make no row.
    pub(super) masked: u64,
    /// Rows left out because people had expected their incident.
    pub(super) expected: u64,
    pub(crate) horizons: Vec<Horizon>,
    pub(super) seconds: f64,
}

/// Figures of one horizon.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Horizon {
    pub(crate) horizon_s: f64,
    pub(crate) rows: u64,
    pub(crate) positives: u64,
    pub(crate) negatives: u64,
    pub(crate) unknown: u64,
    /// Unknown over all rows.
    pub(crate) unknown_share: f64,
}

impl Summary {
    pub(super) fn new(timing: &Timing, pace: f64) -> Self {
        let horizons = timing.horizons.iter().map(|horizon| Horizon {
            horizon_s: horizon.as_secs_f64() * pace,
            ..Horizon::default()
        });
        Self {
            horizons: horizons.collect(),
            ..Self::default()
        }
    }

    pub(super) fn ticks(&mut self, at_risk: bool) {
        self.target_ticks += 1;
        self.masked += u64::from(!at_risk);
    }

    pub(super) fn row(&mut self, head: usize, label: Label) {
        let Some(horizon) = self.horizons.get_mut(head) else {
            return;
        };
        horizon.rows += 1;
        match label {
            Label::Positive => horizon.positives += 1,
            Label::Negative => horizon.negatives += 1,
            Label::Unknown => horizon.unknown += 1,
        }
        horizon.unknown_share = horizon.unknown as f64 / horizon.rows as f64;
    }

    pub(super) fn print(&self) {
        println!(
            "{:>10} {:>12} {:>12} {:>12} {:>10}",
            "horizon", "rows", "positives", "negatives", "unknown"
        );
        for horizon in &self.horizons {
            let Horizon {
                horizon_s,
                rows,
                positives,
                negatives,
                unknown_share,
                ..
            } = horizon;
            let name = format!("{horizon_s} s");
            println!(
                "{name:>10} {rows:>12} {positives:>12} {negatives:>12} {:>8.2} %",
                100.0 * unknown_share
            );
        }
        if self.expected > 0 {
            println!("{} rows of expected incidents were left out", self.expected);
        }
        println!(
            "{} incidents; {} of {} target-ticks were in one or cooling down, and make no row; {:.1} s",
            self.incidents, self.masked, self.target_ticks, self.seconds
        );
    }
}
