//! Route weights and what gateways say of them, both ways.

use foreshift_domain::names::MAX_NAME_BYTES;
use foreshift_domain::weights::{FULL_BP, RouteWeights, TargetWeight, Version};
use foreshift_domain::{Applied, GatewayName, Timestamp};

use crate::enums;
use crate::error::WireError;
use crate::field::{self, MAX_SHARES};
use crate::prediction;
use crate::v1;

/// The longest error of a gateway that is kept, in bytes.
pub(crate) const MAX_ERROR_BYTES: usize = 1_024;

impl From<Version> for v1::Version {
    fn from(version: Version) -> Self {
        Self {
            epoch: version.epoch,
            sequence: version.sequence,
        }
    }
}

impl From<v1::Version> for Version {
    fn from(wire: v1::Version) -> Self {
        Self {
            epoch: wire.epoch,
            sequence: wire.sequence,
        }
    }
}

impl From<&RouteWeights> for v1::RouteWeights {
    fn from(weights: &RouteWeights) -> Self {
        Self {
            route: weights.route.as_str().to_owned(),
            version: Some(weights.version.into()),
            mode: v1::Mode::from(weights.mode).into(),
            targets: weights.targets.iter().map(Into::into).collect(),
            reason: v1::Reason::from(weights.reason).into(),
            decision_id: weights.decision,
            model: Some((&weights.model).into()),
            decided_at_unix_us: weights.decided_at.as_micros(),
            valid_until_unix_us: weights.valid_until.as_micros(),
            baseline_confirmed: weights.baseline_confirmed,
            propensity: weights.propensity,
        }
    }
}

impl TryFrom<v1::RouteWeights> for RouteWeights {
    type Error = WireError;

    fn try_from(wire: v1::RouteWeights) -> Result<Self, WireError> {
        field::at_most_entries("route_weights.targets", wire.targets.len(), MAX_SHARES)?;
        let version = wire.version.ok_or(WireError::Missing {
            field: "route_weights.version",
        })?;
        let targets = wire
            .targets
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<Vec<TargetWeight>, WireError>>()?;
        if targets.iter().map(|target| target.weight_bp).sum::<u32>() != FULL_BP {
            return Err(WireError::OutOfRange {
                field: "route_weights.targets.weight_bp",
                expected: "10000 basis points in sum",
            });
        }
        Ok(Self {
            route: field::name("route_weights.route", wire.route)?,
            version: version.into(),
            mode: enums::mode("route_weights.mode", wire.mode)?,
            targets,
            reason: enums::reason("route_weights.reason", wire.reason)?,
            decision: wire.decision_id,
            model: wire.model.unwrap_or_default().try_into()?,
            decided_at: field::time(wire.decided_at_unix_us),
            valid_until: field::time(wire.valid_until_unix_us),
            baseline_confirmed: wire.baseline_confirmed,
            propensity: propensity(wire.propensity)?,
        })
    }
}

/// Absence is a server that knows of no hold-out.
fn propensity(wire: f64) -> Result<f64, WireError> {
    match wire {
        0.0 => Ok(1.0),
        drawn if drawn > 0.0 && drawn <= 1.0 => Ok(drawn),
        _ => Err(WireError::OutOfRange {
            field: "route_weights.propensity",
            expected: "above 0 and at most 1",
        }),
    }
}

impl From<&TargetWeight> for v1::TargetWeight {
    fn from(weight: &TargetWeight) -> Self {
        Self {
            target: weight.target.as_str().to_owned(),
            role: v1::Role::from(weight.role).into(),
            baseline_bp: weight.baseline_bp,
            weight_bp: weight.weight_bp,
            planned_bp: weight.planned_bp,
            health: enums::health_number(weight.health),
            risks: weight.risks.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::TargetWeight> for TargetWeight {
    type Error = WireError;

    fn try_from(wire: v1::TargetWeight) -> Result<Self, WireError> {
        Ok(Self {
            target: field::name("target_weight.target", wire.target)?,
            role: enums::role("target_weight.role", wire.role)?,
            baseline_bp: field::share("target_weight.baseline_bp", wire.baseline_bp)?,
            weight_bp: field::share("target_weight.weight_bp", wire.weight_bp)?,
            planned_bp: field::share("target_weight.planned_bp", wire.planned_bp)?,
            health: enums::known_health("target_weight.health", wire.health)?,
            risks: prediction::risks(wire.risks)?,
        })
    }
}

impl v1::AppliedReport {
    /// What `gateway` says, taken at `time` by our clock.
    ///
    /// # Errors
    /// When route or version are missing, or the name is too long.
    pub fn into_applied(self, gateway: GatewayName, time: Timestamp) -> Result<Applied, WireError> {
        field::at_most("reports.gateway", gateway.as_str(), MAX_NAME_BYTES)?;
        let version = self.version.ok_or(WireError::Missing {
            field: "reports.version",
        })?;
        Ok(Applied {
            time,
            gateway,
            route: field::name("reports.route", self.route)?,
            version: version.into(),
            error: (!self.error.is_empty()).then(|| field::cut(self.error, MAX_ERROR_BYTES)),
        })
    }
}

impl From<&Applied> for v1::AppliedReport {
    fn from(applied: &Applied) -> Self {
        Self {
            route: applied.route.as_str().to_owned(),
            version: Some(applied.version.into()),
            error: applied.error.clone().unwrap_or_default(),
        }
    }
}
