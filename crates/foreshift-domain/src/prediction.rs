//! Predictions and their explanation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::TargetName;
use crate::time::{Duration, Timestamp};

/// Names the predictions of one target at one prediction tick. Written `target@unix_ms`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PredictionId {
    /// The target.
    pub target: TargetName,
    /// The prediction tick.
    pub tick: Timestamp,
}

/// The text is not `target@unix_ms`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no prediction id: expected target@unix_ms")]
pub struct NoPredictionId {
    /// As given.
    pub text: String,
}

impl fmt::Display for PredictionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.target, self.tick.as_millis())
    }
}

impl FromStr for PredictionId {
    type Err = NoPredictionId;

    fn from_str(text: &str) -> Result<Self, NoPredictionId> {
        let refused = || NoPredictionId {
            text: text.to_owned(),
        };
        let (target, millis) = text.rsplit_once('@').ok_or_else(refused)?;
        let millis = millis.parse().map_err(|_| refused())?;
        Ok(Self {
            target: target.into(),
            tick: Timestamp::from_millis(millis),
        })
    }
}

/// The predictions of one target at one prediction tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Which.
    pub id: PredictionId,
    /// One for each horizon, in the order of the configuration.
    pub risks: Vec<Risk>,
    /// Which model made it.
    pub model: ModelVersion,
    /// Whether the target was in an incident at the tick.
    pub in_incident: bool,
}

/// The probability that the target's next incident begins in (tick + guard, tick + horizon].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// How far it looks ahead.
    pub horizon: Duration,
    /// Calibrated probability, 0 to 1.
    pub probability: f64,
}

/// What a prediction was made from. A sample of them is kept, so that it can be checked afterwards that the same
/// features come out of the same records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Served {
    /// Which prediction.
    pub id: PredictionId,
    /// The feature vector, in the order of the catalogue; `None` is missing.
    pub features: Vec<Option<f64>>,
    /// What the model made of it, for each horizon; contributions of nothing are left out.
    pub explanations: Vec<Explanation>,
}

/// Why a model said what it said: `base` plus the contributions is the logit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Which horizon.
    pub horizon: Duration,
    /// Calibrated probability, 0 to 1.
    pub probability: f64,
    /// Log-odds of the probability.
    pub logit: f64,
    /// Log-odds before any feature is looked at.
    pub base: f64,
    /// What each feature added, in log-odds; largest magnitude first.
    pub contributions: Vec<Contribution>,
    /// Whether the model learned from simulation.
    #[serde(default)]
    pub simulated: bool,
}

/// What one feature added to the logit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// The feature's name; `target_bias`, `hazard_prior`, `anomaly` and `calibration` are terms of the model itself.
    pub feature: String,
    /// Its value; NaN is missing. `None` for terms of the model itself.
    #[serde(with = "nan_as_null")]
    pub value: Option<f64>,
    /// What it added, in log-odds.
    pub logit: f64,
}

/// Names a model: `name@version`, with the number of rows learned online since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// Name and version as in models/.
    pub name: String,
    /// Rows learned online since it was loaded.
    pub rows_learned: u64,
}

/// A challenger compared with the champion, on the same rows and incidents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The chance of a promotion that was not earned, whenever one looks.
    pub alpha: f64,
    /// Pieces of evidence on log-loss: a failure domain and a period each.
    pub blocks: u64,
    /// Mean log-loss of the champion in nats; `None` before the first row.
    pub champion_log_loss: Option<f64>,
    /// Mean log-loss of the challenger in nats; `None` before the first row.
    pub challenger_log_loss: Option<f64>,
    /// Evidence that the challenger's log-loss is lower: 1 is none, `1 / alpha` is enough.
    pub loss_e_value: f64,
    /// Incidents that something could have shown.
    pub incidents: u64,
    /// Those that the champion foretold at the alarm budget.
    pub foretold_by_champion: u64,
    /// Those that the challenger foretold at the same budget.
    pub foretold_by_challenger: u64,
    /// By how much less recall still counts as no worse, a share of the incidents.
    pub recall_margin: f64,
    /// Evidence that the challenger's recall is no worse than that: 1 is none, `1 / alpha` is enough.
    pub recall_e_value: f64,
    /// Whether the challenger may be promoted.
    pub passed: bool,
}

impl fmt::Display for Comparison {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loss = |loss: Option<f64>| loss.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.4}"));
        write!(
            f,
            "{}: log-loss {} against {} over {} blocks (e-value {:.3}), foretold {} against {} of {} incidents (e-value {:.3}); \
             both e-values must reach {:.0}",
            if self.passed { "passed" } else { "not passed" },
            loss(self.challenger_log_loss),
            loss(self.champion_log_loss),
            self.blocks,
            self.loss_e_value,
            self.foretold_by_challenger,
            self.foretold_by_champion,
            self.incidents,
            self.recall_e_value,
            1.0 / self.alpha.max(1e-9),
        )
    }
}

impl fmt::Display for ModelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.name, self.rows_learned)
    }
}

/// JSON has no NaN: a missing value is written as null.
mod nan_as_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.filter(|value| value.is_finite()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        Option::<f64>::deserialize(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_id_survives_its_text_even_with_an_at_sign_in_the_name() {
        let id = PredictionId {
            target: "a@b".into(),
            tick: Timestamp::from_millis(17),
        };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("a@b".parse::<PredictionId>().is_err());
    }
}
