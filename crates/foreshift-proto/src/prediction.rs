//! Predictions and their explanation, both ways.

use foreshift_domain::prediction::{
    AlarmThreshold, Contribution, Explanation, ModelVersion, Prediction, PredictionId, Risk,
};

use crate::error::WireError;
use crate::field;
use crate::v1;

/// The most horizons of one prediction: the configuration allows four, a newer one may allow more.
const MAX_RISKS: usize = 64;

/// The most contributions of one explanation: models have about 50 features.
const MAX_CONTRIBUTIONS: usize = 4_096;

/// The most thresholds of one explanation: a target serves few routes.
const MAX_THRESHOLDS: usize = 4_096;

impl From<&Prediction> for v1::Prediction {
    fn from(prediction: &Prediction) -> Self {
        Self {
            id: prediction.id.to_string(),
            target: prediction.id.target.as_str().to_owned(),
            tick_unix_us: prediction.id.tick.as_micros(),
            risks: prediction.risks.iter().map(Into::into).collect(),
            model: Some((&prediction.model).into()),
            in_incident: prediction.in_incident,
        }
    }
}

impl TryFrom<v1::Prediction> for Prediction {
    type Error = WireError;

    /// The id is made of target and tick: its text has milliseconds only.
    fn try_from(wire: v1::Prediction) -> Result<Self, WireError> {
        Ok(Self {
            id: PredictionId {
                target: field::name("prediction.target", wire.target)?,
                tick: field::time(wire.tick_unix_us),
            },
            risks: risks(wire.risks)?,
            model: wire.model.unwrap_or_default().try_into()?,
            in_incident: wire.in_incident,
        })
    }
}

/// The risks of a prediction or of a target's weight.
pub(crate) fn risks(wire: Vec<v1::Risk>) -> Result<Vec<Risk>, WireError> {
    field::at_most_entries("risks", wire.len(), MAX_RISKS)?;
    wire.into_iter().map(TryInto::try_into).collect()
}

impl From<&Risk> for v1::Risk {
    fn from(risk: &Risk) -> Self {
        Self {
            horizon_us: risk.horizon.as_micros(),
            probability: risk.probability,
        }
    }
}

impl TryFrom<v1::Risk> for Risk {
    type Error = WireError;

    fn try_from(wire: v1::Risk) -> Result<Self, WireError> {
        Ok(Self {
            horizon: field::positive_span("risk.horizon_us", wire.horizon_us)?,
            probability: field::probability("risk.probability", wire.probability)?,
        })
    }
}

impl From<&ModelVersion> for v1::ModelVersion {
    fn from(model: &ModelVersion) -> Self {
        Self {
            name: model.name.clone(),
            rows_learned: model.rows_learned,
        }
    }
}

impl TryFrom<v1::ModelVersion> for ModelVersion {
    type Error = WireError;

    fn try_from(wire: v1::ModelVersion) -> Result<Self, WireError> {
        field::at_most("model.name", &wire.name, foreshift_domain::names::MAX_NAME_BYTES)?;
        Ok(Self {
            name: wire.name,
            rows_learned: wire.rows_learned,
        })
    }
}

impl From<&Explanation> for v1::Explanation {
    fn from(explanation: &Explanation) -> Self {
        Self {
            horizon_us: explanation.horizon.as_micros(),
            probability: explanation.probability,
            logit: explanation.logit,
            base: explanation.base,
            contributions: explanation.contributions.iter().map(Into::into).collect(),
            simulated: explanation.simulated,
            thresholds: explanation.thresholds.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Explanation> for Explanation {
    type Error = WireError;

    fn try_from(wire: v1::Explanation) -> Result<Self, WireError> {
        let (contributions, thresholds) = (wire.contributions, wire.thresholds);
        field::at_most_entries("explanation.thresholds", thresholds.len(), MAX_THRESHOLDS)?;
        field::at_most_entries(
            "explanation.contributions",
            contributions.len(),
            MAX_CONTRIBUTIONS,
        )?;
        Ok(Self {
            horizon: field::positive_span("explanation.horizon_us", wire.horizon_us)?,
            probability: field::probability("explanation.probability", wire.probability)?,
            logit: field::finite("explanation.logit", wire.logit)?,
            base: field::finite("explanation.base", wire.base)?,
            contributions: contributions
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, WireError>>()?,
            simulated: wire.simulated,
            thresholds: thresholds
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, WireError>>()?,
        })
    }
}

impl From<&AlarmThreshold> for v1::AlarmThreshold {
    fn from(threshold: &AlarmThreshold) -> Self {
        Self {
            route: threshold.route.as_str().to_owned(),
            probability: threshold.probability,
            budget_per_day: threshold.budget_per_day,
        }
    }
}

impl TryFrom<v1::AlarmThreshold> for AlarmThreshold {
    type Error = WireError;

    fn try_from(wire: v1::AlarmThreshold) -> Result<Self, WireError> {
        let budget_per_day = wire.budget_per_day;
        Ok(Self {
            route: field::name("threshold.route", wire.route)?,
            probability: field::probability("threshold.probability", wire.probability)?,
            budget_per_day: budget_per_day
                .map(|budget| field::finite("threshold.budget_per_day", budget))
                .transpose()?,
        })
    }
}

impl From<&Contribution> for v1::Contribution {
    fn from(contribution: &Contribution) -> Self {
        Self {
            feature: contribution.feature.clone(),
            // NaN is how the domain writes a missing value; on the wire it is left out.
            value: contribution.value.filter(|value| value.is_finite()),
            logit: contribution.logit,
        }
    }
}

impl TryFrom<v1::Contribution> for Contribution {
    type Error = WireError;

    fn try_from(wire: v1::Contribution) -> Result<Self, WireError> {
        Ok(Self {
            feature: field::name("contribution.feature", wire.feature)?,
            value: wire
                .value
                .map(|value| field::finite("contribution.value", value))
                .transpose()?,
            logit: field::finite("contribution.logit", wire.logit)?,
        })
    }
}
