//! A model as a file: JSON, fields in a fixed order, numbers that read back bit for bit. Nothing is taken on
//! trust: what is read is checked as a whole before it becomes a model.

use foreshift_domain::{Digest, Duration};
use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::encode::{InputSpec, Layout, MAX_INPUTS};
use crate::ensemble::{Ensemble, StoredEnsemble};
use crate::ftrl::Coordinate;
use crate::hazard::FleetHazard;
use crate::model::{MAX_HEADS, Model, Params, reserved_slots};
use crate::plain::{Plain, StoredPlain};

/// The version of the format of a linear model.
pub const FORMAT: u32 = 1;
/// The version of the format of a linear model with what stands beside it.
pub const ENSEMBLE_FORMAT: u32 = 3;
/// The most weights of a model, over all heads: 8 MiB of them. Larger comes from a mistake.
pub const MAX_WEIGHTS: usize = 1 << 20;
/// The most knots of one input: their places are kept in 16 bits, with room for missing.
pub const MAX_EDGES: usize = 4096;

/// Why a model cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// It is no JSON, or not the JSON of a model.
    #[error("the model does not parse: {reason}")]
    Json {
        /// With line and column.
        reason: String,
    },
    /// Written by another version of this code.
    #[error("the model has format {found}, this version reads formats {FORMAT} and {ENSEMBLE_FORMAT}")]
    Format {
        /// As read.
        found: u32,
    },
    /// A list has the wrong length.
    #[error("the model needs {expected} {what}, there are {found}")]
    Size {
        /// Of what.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A number is NaN, infinite or out of its range.
    #[error("the model's {what} holds a number that is not finite or out of its range")]
    OutOfRange {
        /// Where.
        what: &'static str,
    },
    /// An input's knots do not ascend.
    #[error("the knots of input {input:?} must be finite and strictly ascending, at most {MAX_EDGES}")]
    Edges {
        /// The input's name.
        input: String,
    },
    /// Two inputs have one name.
    #[error("input {input:?} appears twice")]
    TwoInputs {
        /// The input's name.
        input: String,
    },
    /// A cross of an input that does not exist, or with itself.
    #[error("the cross of inputs {a} and {b} is not possible, there are {inputs} inputs")]
    Cross {
        /// Index of one.
        a: u16,
        /// Index of the other.
        b: u16,
        /// How many there are.
        inputs: usize,
    },
    /// Too many weights or none.
    #[error(
        "the model would have {weights} weights over {heads} horizons, allowed are 1 to {MAX_WEIGHTS} over 1 to {MAX_HEADS}"
    )]
    TooLarge {
        /// How many.
        weights: usize,
        /// For how many horizons.
        heads: usize,
    },
    /// More inputs than fit.
    #[error("the model would have {inputs} inputs, allowed are {MAX_INPUTS}")]
    TooManyInputs {
        /// How many.
        inputs: usize,
    },
    /// Horizons that are not positive and ascending.
    #[error("horizons must be positive and strictly ascending, these are {horizons}")]
    BadHorizons {
        /// As read.
        horizons: String,
    },
    /// A feature is not where the model reads it.
    #[error("feature {place} of the model is {model}, of this build {running}")]
    Feature {
        /// Counted from 0.
        place: usize,
        /// The model's name of it.
        model: String,
        /// The build's.
        running: String,
    },
    /// A feature has other knots.
    #[error("the knots of feature {input} are not those that the model was made for")]
    Knots {
        /// The feature's name.
        input: String,
    },
    /// Features of the same names and knots mean something else, in their units.
    #[error("the model was made for features {model}, running are {running}")]
    Schema {
        /// The model's.
        model: Digest,
        /// The engine's.
        running: Digest,
    },
    /// Made for other horizons.
    #[error("the model looks ahead {model}, configured is {running}")]
    Horizons {
        /// The model's.
        model: String,
        /// The engine's.
        running: String,
    },
    /// A prediction came out as no number.
    #[error("the prediction of head {head} is not a finite number")]
    NotFinite {
        /// Index of the horizon.
        head: usize,
    },
}

/// A model as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    format: u32,
    name: String,
    schema: Digest,
    rows_learned: u64,
    horizons_us: Vec<Duration>,
    params: Params,
    inputs: Vec<InputSpec>,
    crosses: Vec<(u16, u16)>,
    fleet: FleetHazard,
    calibrations: Vec<Calibration>,
    /// By slot, then head.
    z: Vec<f64>,
    n: Vec<f64>,
    seen: Vec<f64>,
    /// Models of before have none.
    #[serde(default)]
    plain: Option<StoredPlain>,
}

/// An ensemble as it is written: a linear model, and what stands beside it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredWhole {
    format: u32,
    linear: Stored,
    ensemble: StoredEnsemble,
}

/// A model in a snapshot of the engine, whose format cannot leave fields out.
#[derive(Serialize, Deserialize)]
pub(crate) struct Parts(Stored, Option<StoredEnsemble>);

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl From<Model> for Stored {
    fn from(model: Model) -> Self {
        Self {
            format: FORMAT,
            z: model
                .coordinates
                .iter()
                .map(|coordinate| <(f64, f64)>::from(*coordinate).0)
                .collect(),
            n: model
                .coordinates
                .iter()
                .map(|coordinate| <(f64, f64)>::from(*coordinate).1)
                .collect(),
            name: model.name,
            schema: model.schema,
            rows_learned: model.rows_learned,
            horizons_us: model.horizons,
            params: model.params,
            inputs: model.inputs,
            crosses: model.crosses,
            fleet: model.fleet,
            calibrations: model.calibrations,
            seen: model.seen,
            plain: model.plain.map(StoredPlain::from),
        }
    }
}

impl From<Model> for Parts {
    fn from(mut model: Model) -> Self {
        let ensemble = model.ensemble.take().map(StoredEnsemble::from);
        Self(Stored::from(model), ensemble)
    }
}

impl TryFrom<Parts> for Model {
    type Error = ModelError;

    fn try_from(Parts(stored, ensemble): Parts) -> Result<Self, ModelError> {
        stored.check()?;
        let (heads, inputs) = (stored.horizons_us.len(), stored.inputs.len());
        let ensemble = ensemble.map(|stored| Ensemble::read(stored, heads, inputs));
        let (inputs, crosses) = (stored.inputs, stored.crosses);
        let mut model = Self::blank(
            stored.name,
            stored.schema,
            inputs,
            crosses,
            stored.horizons_us,
            stored.params,
        );
        let sums = stored.z.into_iter().zip(stored.n);
        model.coordinates = sums.map(Coordinate::from).collect();
        model.seen = stored.seen;
        model.calibrations = stored.calibrations;
        model.fleet = stored.fleet;
        model.rows_learned = stored.rows_learned;
        model.ensemble = ensemble.transpose()?;
        model.plain = stored.plain.map(Plain::from);
        model.refresh_weights();
        Ok(model)
    }
}

impl Stored {
    fn check(&self) -> Result<(), ModelError> {
        if self.format != FORMAT {
            return Err(ModelError::Format { found: self.format });
        }
        check_horizons(&self.horizons_us)?;
        check_params(&self.params)?;
        let heads = self.horizons_us.len();
        check_inputs(&self.inputs, &self.crosses, heads)?;
        let slots = Layout::new(reserved_slots(), &self.inputs, &self.crosses).slots();
        size("sums of gradients", slots * heads, self.z.len())?;
        size("sums of squared gradients", slots * heads, self.n.len())?;
        size("counts of touched slots", slots, self.seen.len())?;
        size("calibrations", heads, self.calibrations.len())?;
        let sound = |what, is_sound: bool| {
            if is_sound {
                Ok(())
            } else {
                Err(ModelError::OutOfRange { what })
            }
        };
        let mut sums = self
            .z
            .iter()
            .zip(&self.n)
            .map(|(z, n)| Coordinate::from((*z, *n)));
        sound("gradients", sums.all(|sums| sums.is_sound()))?;
        sound(
            "counts of touched slots",
            self.seen.iter().all(|seen| seen.is_finite() && *seen >= 0.0),
        )?;
        sound(
            "calibrations",
            self.calibrations.iter().all(Calibration::is_sound),
        )?;
        sound("fleet", self.fleet.is_sound())?;
        let plain = self.plain.as_ref();
        plain.map_or(Ok(()), |plain| plain.check(heads, self.inputs.len()))
    }
}

pub(crate) fn size(what: &'static str, expected: usize, found: usize) -> Result<(), ModelError> {
    if expected == found {
        Ok(())
    } else {
        Err(ModelError::Size {
            what,
            expected,
            found,
        })
    }
}

fn check_horizons(horizons: &[Duration]) -> Result<(), ModelError> {
    let ascending = horizons.is_sorted_by(|a, b| a < b);
    if ascending && horizons.first().is_some_and(|first| first.is_positive()) {
        return Ok(());
    }
    Err(ModelError::BadHorizons {
        horizons: list(horizons),
    })
}

pub(crate) fn check_params(params: &Params) -> Result<(), ModelError> {
    if params.shared.are_sound() && params.target.are_sound() && params.hazard.are_sound() {
        return Ok(());
    }
    Err(ModelError::OutOfRange { what: "params" })
}

pub(crate) fn check_inputs(
    inputs: &[InputSpec],
    crosses: &[(u16, u16)],
    heads: usize,
) -> Result<(), ModelError> {
    if inputs.len() > MAX_INPUTS {
        return Err(ModelError::TooManyInputs { inputs: inputs.len() });
    }
    let mut names = std::collections::BTreeSet::new();
    for input in inputs {
        let ascending = input.edges.is_sorted_by(|a, b| a < b);
        let finite = input.edges.iter().all(|edge| edge.is_finite());
        if !ascending || !finite || input.edges.len() > MAX_EDGES {
            return Err(ModelError::Edges {
                input: input.name.clone(),
            });
        }
        if !names.insert(&input.name) {
            return Err(ModelError::TwoInputs {
                input: input.name.clone(),
            });
        }
    }
    let slots_of = |index: u16| {
        inputs
            .get(usize::from(index))
            .map(|input| input.edges.len().max(1) + 1)
    };
    let mut slots = reserved_slots();
    slots = inputs.iter().fold(slots, |slots, input| {
        slots.saturating_add(input.edges.len().max(1) + 1)
    });
    for (a, b) in crosses.iter().copied() {
        let (Some(rows), Some(columns), true) = (slots_of(a), slots_of(b), a != b) else {
            return Err(ModelError::Cross {
                a,
                b,
                inputs: inputs.len(),
            });
        };
        slots = slots.saturating_add(rows * columns);
    }
    let weights = slots.saturating_mul(heads);
    if weights > MAX_WEIGHTS || heads == 0 || heads > MAX_HEADS {
        return Err(ModelError::TooLarge { weights, heads });
    }
    Ok(())
}

/// Horizons as people write them.
pub(crate) fn list(horizons: &[Duration]) -> String {
    let texts: Vec<String> = horizons.iter().map(Duration::to_string).collect();
    texts.join(", ")
}

impl Model {
    /// Reads a model.
    ///
    /// # Errors
    /// When the text is not the JSON of a model of this format, or any of its numbers, sizes, knots or
    /// horizons cannot be used.
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let json = |error: serde_json::Error| ModelError::Json {
            reason: error.to_string(),
        };
        let FormatOnly { format } = serde_json::from_str(text).map_err(json)?;
        match format {
            FORMAT => {
                let stored = serde_json::from_str::<Stored>(text).map_err(json)?;
                Parts(stored, None).try_into()
            }
            ENSEMBLE_FORMAT => {
                let whole = serde_json::from_str::<StoredWhole>(text).map_err(json)?;
                Parts(whole.linear, Some(whole.ensemble)).try_into()
            }
            found => Err(ModelError::Format { found }),
        }
    }

    /// Writes the model: the same model is the same text.
    ///
    /// # Errors
    /// When it could not be read again: a number in it is not finite, or its inputs or horizons cannot be used.
    pub fn to_json(&self) -> Result<String, ModelError> {
        let Parts(linear, ensemble) = Parts::from(self.clone());
        linear.check()?;
        let text = match ensemble {
            None => serde_json::to_string(&linear),
            Some(ensemble) => serde_json::to_string(&StoredWhole {
                format: ENSEMBLE_FORMAT,
                linear,
                ensemble,
            }),
        };
        text.map_err(|error| ModelError::Json {
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
