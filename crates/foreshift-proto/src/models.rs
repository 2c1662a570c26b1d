//! The models at work, both ways.

use foreshift_domain::Digest;
use foreshift_domain::prediction::Comparison;
use foreshift_domain::published::{ChallengerState, ModelsState, ServedModel};

use crate::error::WireError;
use crate::field;
use crate::v1;

impl From<&ModelsState> for v1::ModelsState {
    fn from(models: &ModelsState) -> Self {
        Self {
            champion: Some((&models.champion).into()),
            challenger: models.challenger.as_ref().map(|challenger| v1::ChallengerState {
                model: Some((&challenger.model).into()),
                since_unix_us: challenger.since.as_micros(),
                comparison: Some((&challenger.comparison).into()),
            }),
        }
    }
}

impl TryFrom<v1::ModelsState> for ModelsState {
    type Error = WireError;

    fn try_from(wire: v1::ModelsState) -> Result<Self, WireError> {
        Ok(Self {
            champion: wire
                .champion
                .map(TryInto::try_into)
                .transpose()?
                .unwrap_or_default(),
            challenger: wire.challenger.map(TryInto::try_into).transpose()?,
        })
    }
}

impl TryFrom<v1::ChallengerState> for ChallengerState {
    type Error = WireError;

    fn try_from(wire: v1::ChallengerState) -> Result<Self, WireError> {
        let missing = |field| WireError::Missing { field };
        Ok(Self {
            model: wire
                .model
                .ok_or_else(|| missing("challenger_state.model"))?
                .try_into()?,
            since: field::time(wire.since_unix_us),
            comparison: wire
                .comparison
                .ok_or_else(|| missing("challenger_state.comparison"))?
                .try_into()?,
        })
    }
}

impl From<&ServedModel> for v1::ServedModel {
    fn from(model: &ServedModel) -> Self {
        Self {
            version: Some((&model.version).into()),
            sha256: model.digest.to_string(),
            simulated: model.simulated,
        }
    }
}

impl TryFrom<v1::ServedModel> for ServedModel {
    type Error = WireError;

    fn try_from(wire: v1::ServedModel) -> Result<Self, WireError> {
        Ok(Self {
            version: wire.version.unwrap_or_default().try_into()?,
            digest: Digest::parse(&wire.sha256).ok_or(WireError::Missing {
                field: "served_model.sha256",
            })?,
            simulated: wire.simulated,
        })
    }
}

impl From<&Comparison> for v1::Comparison {
    fn from(comparison: &Comparison) -> Self {
        Self {
            alpha: comparison.alpha,
            blocks: comparison.blocks,
            champion_log_loss: comparison.champion_log_loss,
            challenger_log_loss: comparison.challenger_log_loss,
            loss_e_value: comparison.loss_e_value,
            incidents: comparison.incidents,
            foretold_by_champion: comparison.foretold_by_champion,
            foretold_by_challenger: comparison.foretold_by_challenger,
            recall_margin: comparison.recall_margin,
            recall_e_value: comparison.recall_e_value,
            passed: comparison.passed,
        }
    }
}

impl TryFrom<v1::Comparison> for Comparison {
    type Error = WireError;

    fn try_from(wire: v1::Comparison) -> Result<Self, WireError> {
        let loss = |field, loss: Option<f64>| loss.map(|loss| field::finite(field, loss)).transpose();
        Ok(Self {
            alpha: field::finite("comparison.alpha", wire.alpha)?,
            blocks: wire.blocks,
            champion_log_loss: loss("comparison.champion_log_loss", wire.champion_log_loss)?,
            challenger_log_loss: loss("comparison.challenger_log_loss", wire.challenger_log_loss)?,
            loss_e_value: field::finite("comparison.loss_e_value", wire.loss_e_value)?,
            incidents: wire.incidents,
            foretold_by_champion: wire.foretold_by_champion,
            foretold_by_challenger: wire.foretold_by_challenger,
            recall_margin: field::finite("comparison.recall_margin", wire.recall_margin)?,
            recall_e_value: field::finite("comparison.recall_e_value", wire.recall_e_value)?,
            passed: wire.passed,
        })
    }
}
