//! What came of retraining, for people and for programs.

use std::fmt;

use foreshift_domain::prediction::Comparison;
use foreshift_domain::rfc3339;
use foreshift_registry::ModelName;
use serde::Serialize;

use super::course::Times;
use crate::evaluate::figures::Figures;
use crate::extract::Summary;

/// What happened to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The version is champion.
    Promoted,
    /// The version is challenger, to be scored in the shadow: the gate has not passed.
    Challenger,
    /// Nothing was written.
    DryRun,
    /// Nothing was trained.
    TooFewIncidents {
        /// As many incidents must teach, at each horizon.
        needed: usize,
    },
}

/// Everything about it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    /// The version that was written.
    pub(super) version: Option<ModelName>,
    /// What it was made from, and compared with.
    parent: ModelName,
    taught_from: String,
    taught_until: String,
    judged_from: String,
    judged_until: String,
    horizons: Vec<Horizon>,
    pub(super) held_out: Vec<HeldOut>,
    /// On the part that taught nothing.
    pub(super) gate: Option<Comparison>,
}

/// The rows of one horizon.
#[derive(Debug, Serialize)]
struct Horizon {
    horizon_s: f64,
    rows: u64,
    positives: u64,
    unknown_share: f64,
    /// Incidents that taught the first trees.
    incidents_taught: usize,
    incidents_judged: usize,
}

/// Both models on rows of one horizon that taught nothing.
#[derive(Debug, Serialize)]
pub(super) struct HeldOut {
    pub(super) horizon_s: f64,
    pub(super) rows: usize,
    pub(super) positives: usize,
    pub(super) base_rate: f64,
    pub(super) champion: OfModel,
    pub(super) challenger: OfModel,
}

/// How good one model is there.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct OfModel {
    average_precision: f64,
    auc: f64,
    log_loss: f64,
    brier_skill: f64,
    expected_over_observed: f64,
}

impl OfModel {
    pub(super) fn new(figures: &Figures) -> Self {
        Self {
            average_precision: figures.average_precision.value,
            auc: figures.auc.value,
            log_loss: figures.log_loss.value,
            brier_skill: figures.brier_skill.value,
            expected_over_observed: figures.expected_over_observed.value,
        }
    }
}

/// The retrained model's figures, as `metrics.json` has them.
#[derive(Serialize)]
pub(super) struct OfChallenger {
    horizon_s: f64,
    rows: usize,
    base_rate: f64,
    #[serde(flatten)]
    figures: OfModel,
}

impl Report {
    /// Of rows, before anything was trained. `incidents` are those that teach and those that are judged, by horizon.
    pub(super) fn new(
        parent: &ModelName,
        times: &Times,
        summary: &Summary,
        incidents: Vec<(usize, usize)>,
    ) -> Self {
        let horizons = summary
            .horizons
            .iter()
            .zip(incidents)
            .map(|(horizon, (taught, judged))| Horizon {
                horizon_s: horizon.horizon_s,
                rows: horizon.rows,
                positives: horizon.positives,
                unknown_share: horizon.unknown_share,
                incidents_taught: taught,
                incidents_judged: judged,
            });
        Self {
            outcome: Outcome::DryRun,
            version: None,
            parent: parent.clone(),
            taught_from: rfc3339::format(times.since),
            taught_until: rfc3339::format(times.cut),
            judged_from: rfc3339::format(times.judged),
            judged_until: rfc3339::format(times.end),
            horizons: horizons.collect(),
            held_out: Vec::new(),
            gate: None,
        }
    }

    /// Incidents that teach, where they are fewest.
    pub(super) fn least_incidents(&self) -> usize {
        let counts = self.horizons.iter().map(|horizon| horizon.incidents_taught);
        counts.min().unwrap_or(0)
    }

    pub(super) fn challenger_figures(&self) -> Vec<OfChallenger> {
        let of = |held: &HeldOut| OfChallenger {
            horizon_s: held.horizon_s,
            rows: held.rows,
            base_rate: held.base_rate,
            figures: held.challenger,
        };
        self.held_out.iter().map(of).collect()
    }

    /// `CARD.md` of the version.
    pub(super) fn card(&self, name: &ModelName, parent: &ModelName, simulated: bool) -> String {
        let mut text = format!(
            "# {name}\n\n\
            {parent}, retrained on a journal: boosted trees beside the linear model, which learned on in the shadow of what was\n\
            served, from {} to {}.{}\n\n\
            From {} to {} nothing was learned; there, beside what served:\n\n{}",
            self.taught_from,
            self.taught_until,
            if simulated {
                " What it began from had learned from simulation."
            } else {
                ""
            },
            self.judged_from,
            self.judged_until,
            self.table()
        );
        if let Some(gate) = &self.gate {
            text += &format!("\nThe gate has {gate}.\n");
        }
        text
    }

    fn table(&self) -> String {
        let mut text = format!(
            "| horizon | rows | base rate | average precision ({0}) | AUC ({0}) | log-loss ({0}) |\n|---|---|---|---|---|---|\n",
            self.parent
        );
        for held in &self.held_out {
            let (new, old) = (&held.challenger, &held.champion);
            text += &format!(
                "| {} s | {} | {:.4} | {:.3} ({:.3}) | {:.3} ({:.3}) | {:.4} ({:.4}) |\n",
                held.horizon_s,
                held.rows,
                held.base_rate,
                new.average_precision,
                old.average_precision,
                new.auc,
                old.auc,
                new.log_loss,
                old.log_loss
            );
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for horizon in &self.horizons {
            writeln!(
                f,
                "{} s: {} rows, {} positive, {:.1} % unknown; {} incidents teach, {} are judged",
                horizon.horizon_s,
                horizon.rows,
                horizon.positives,
                100.0 * horizon.unknown_share,
                horizon.incidents_taught,
                horizon.incidents_judged
            )?;
        }
        if !self.held_out.is_empty() {
            write!(
                f,
                "\nFrom {} to {}, which taught nothing:\n\n{}\n",
                self.judged_from,
                self.judged_until,
                self.table()
            )?;
        }
        if let Some(gate) = &self.gate {
            writeln!(f, "the gate has {gate}")?;
        }
        let parent = &self.parent;
        let version = self.version.as_ref().map(ToString::to_string).unwrap_or_default();
        match self.outcome {
            Outcome::Promoted => writeln!(
                f,
                "{version} is champion; {parent} serves again with `foreshift-lab models rollback`"
            ),
            Outcome::Challenger => writeln!(
                f,
                "{version} stays challenger: it is scored in the shadow of {parent}, and replaces it with `foreshift-lab models \
                 promote --shadow` once the gate has passed"
            ),
            Outcome::DryRun => writeln!(f, "nothing was written (--dry-run)"),
            Outcome::TooFewIncidents { needed } => writeln!(
                f,
                "nothing was trained: {} incidents may teach, and {needed} are needed at each horizon. Wait for more, or take \
                 a longer span",
                self.least_incidents()
            ),
        }
    }
}
