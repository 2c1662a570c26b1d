//! What the engine says.

use std::sync::Arc;

use foreshift_domain::command::{Command, CommandResult};
use foreshift_domain::decision::Decision;
use foreshift_domain::prediction::Served;
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Digest, Duration, RouteName, TargetName, Timestamp};
use serde::Serialize;

use crate::rows::Row;

/// One output of the engine, in the order in which things happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// What a target looked like at a prediction tick; only when [`Engine::give_rows`](crate::Engine::give_rows) asked.
    Row(Box<Row>),
    /// What a prediction was made from; only when [`Engine::give_samples`](crate::Engine::give_samples) asked.
    Served(Box<Served>),
    /// All predictions of one prediction tick.
    Predictions(PredictionTick),
    /// A decision, and the digest of its canonical bytes.
    Decision(Arc<Decision>, Digest),
    /// New weights of a route; follows the decision of the same sequence number.
    Weights(Arc<RouteWeights>),
    /// An incident began or ended.
    Incident(IncidentChange),
    /// A command was carried out or refused.
    Command(Arc<Command>, CommandResult),
    /// Another model serves, or is scored in the shadow.
    Model(ModelChange),
    /// Something a person should know.
    Alert(Alert),
}

/// Another model serves, or is scored in the shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelChange {
    /// When, by the engine's clock.
    pub time: Timestamp,
    /// Which place it took.
    pub place: ModelPlace,
    /// The model before; `None`: there was none.
    pub from: Option<String>,
    /// The model from now on; `None`: there is none.
    pub to: Option<String>,
    /// Whether it goes on with all that it learned in the shadow.
    pub warm: bool,
    /// Who wanted it, and why.
    pub why: String,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelPlace {
    /// Its predictions are used.
    Champion,
    /// It is scored.
    Challenger,
}

/// All predictions of one prediction tick.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionTick {
    /// The tick.
    pub time: Timestamp,
    /// One for each known target, in the order in which targets became known.
    pub targets: Vec<TargetPrediction>,
}

/// The predictions of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetPrediction {
    /// The target.
    pub target: TargetName,
    /// Its first route.
    pub route: RouteName,
    /// Calibrated probabilities, one for each horizon; `None` when the model failed on this target.
    pub probabilities: Option<[f64; MAX_HORIZONS]>,
}

/// The most horizons. The configuration refuses more.
pub const MAX_HORIZONS: usize = 4;

/// An incident began or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentChange {
    /// The target.
    pub target: TargetName,
    /// Its beginning.
    pub start: Timestamp,
    /// Whether maintenance was announced then: what begins in it, nothing could have shown.
    pub planned: bool,
    /// Its end; `None` when it has just begun.
    pub end: Option<Timestamp>,
}

/// Something a person should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Alert {
    /// A target was refused for want of room.
    #[error("more than {limit} targets: {target:?} is not followed; is a label running away?")]
    TooManyTargets {
        /// The first one refused.
        target: TargetName,
        /// The limit in force.
        limit: u32,
    },
    /// A route was refused for want of room.
    #[error("more than {limit} routes: {route:?} is not followed")]
    TooManyRoutes {
        /// The first one refused.
        route: RouteName,
        /// The limit in force.
        limit: u32,
    },
    /// Predictions are not used.
    #[error("predictions are not used, the reactive rules alone propose: {reason}")]
    PredictionsUnusable {
        /// Why.
        reason: String,
    },
    /// All targets of a route are down.
    #[error("route {route:?} has no target that is well")]
    NoTarget {
        /// The route.
        route: RouteName,
    },
    /// The model's log-loss rose: it no longer fits what it speaks of.
    #[error(
        "the model fits route {route:?} no longer at {horizon}: its log-loss is {now_millinats} thousandths of a nat above what it expects, {before_millinats} before{shifted}"
    )]
    Drift {
        /// The route.
        route: RouteName,
        /// The horizon.
        horizon: Duration,
        /// Mean log-loss above what the model expected of itself, in thousandths of a nat, before the change.
        before_millinats: i64,
        /// The same since.
        now_millinats: i64,
        /// Which features have shifted, in words: where to look. Empty where none has.
        shifted: String,
    },
    /// A model could not be taken over; the one before stays.
    #[error("model {name:?} was refused, the one before stays: {reason}")]
    ModelRefused {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}
