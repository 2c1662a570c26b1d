//! The model: shared weights, the fleet's record and calibration, one head for each horizon.

use foreshift_domain::prediction::ModelVersion;
use foreshift_domain::{Digest, Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::encode::{Example, InputSpec, Layout, Position, Said, Scale};
use crate::ftrl::{Coordinate, Rates};
use crate::hazard::{FleetHazard, HazardParams, TargetHazard};
use crate::store::{ModelError, Stored};
use crate::{MAX_LOGIT, probability_of};

/// Slot of the bias that all targets share.
const BIAS: usize = 0;
/// Slot of the correction of the hazard prior's slope.
const HAZARD_SLOPE: usize = 1;
/// First slot of the correction of the hazard prior by its height.
const HAZARD_KNOTS: usize = 2;
/// The lowest knot of that correction and how many there are, one log-odd apart.
const LOWEST_HAZARD_KNOT: i32 = -15;
const HAZARD_KNOT_COUNT: i32 = 21;
/// No row counts more than this many times: it is far above any honest thinning of negatives.
const MAX_WEIGHT: f64 = 1e4;
/// Rows of memory of how often each slot is touched; then old rows fade, so that drift is followed.
const MAX_SEEN: f64 = 1e6;

/// What can be tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Of the weights that all targets share.
    pub shared: Rates,
    /// Of each target's own bias.
    pub target: Rates,
    /// Of the hazard prior.
    pub hazard: HazardParams,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            shared: Rates {
                alpha: 0.04,
                beta: 0.3,
                l1: 0.0,
                l2: 1.0,
            },
            target: Rates {
                alpha: 0.5,
                beta: 0.3,
                l1: 0.0,
                l2: 2.0,
            },
            hazard: HazardParams::default(),
        }
    }
}

/// An online model: a row to a calibrated probability for each horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Model {
    pub(crate) name: String,
    pub(crate) schema: Digest,
    pub(crate) inputs: Vec<InputSpec>,
    pub(crate) crosses: Vec<(u16, u16)>,
    pub(crate) horizons: Vec<Duration>,
    pub(crate) params: Params,
    pub(crate) rows_learned: u64,
    pub(crate) fleet: FleetHazard,
    pub(crate) calibrations: Vec<Calibration>,
    /// By slot, then head.
    pub(crate) coordinates: Vec<Coordinate>,
    /// By slot: the weight of the rows that touched it.
    pub(crate) seen: Vec<f64>,
    /// By slot, then head: the weights that `coordinates` stand for.
    weights: Vec<f64>,
    rates: Vec<HeadRates>,
    layout: Layout,
    hazard_scale: Scale,
}

/// The learning rates of one head.
#[derive(Clone, Copy, Debug, PartialEq)]
struct HeadRates {
    shared: Rates,
    target: Rates,
    /// Rows overlap by as much as the horizon is longer than the shortest: one row is that much less evidence.
    share: f64,
}

fn overlap(shortest: Duration, horizon: Duration) -> f64 {
    let ratio = shortest.as_secs_f64() / horizon.as_secs_f64();
    if ratio > 0.0 { ratio.min(1.0) } else { 1.0 }
}

impl HeadRates {
    fn of(params: &Params, horizons: &[Duration]) -> Vec<Self> {
        let shortest = horizons.first().copied().unwrap_or_default();
        let of = |horizon: &Duration| Self {
            shared: params.shared.for_horizon(shortest, *horizon),
            target: params.target.for_horizon(shortest, *horizon),
            share: overlap(shortest, *horizon),
        };
        horizons.iter().map(of).collect()
    }
}

/// What the model keeps of one target. Belongs to the target's state; starts with [`TargetModel::default`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetModel {
    biases: Vec<Coordinate>,
    hazard: TargetHazard,
}

impl TargetModel {
    /// What holds whichever model reads it: when the target was seen and when it failed. Its bias corrects what one
    /// model says, and means nothing to another.
    #[must_use]
    pub fn record(&self) -> Self {
        Self {
            biases: Vec::new(),
            hazard: self.hazard.clone(),
        }
    }
}

/// The terms of one head's raw logit that are not features.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnTerms {
    pub(crate) bias: f64,
    pub(crate) target_bias: f64,
    /// The hazard prior with its learned correction.
    pub(crate) hazard: f64,
}

impl OwnTerms {
    fn sum(&self) -> f64 {
        self.bias + self.target_bias + self.hazard
    }
}

impl Model {
    /// A model that has learned nothing: it says what the hazard prior says. Knots that do not ascend and horizons
    /// out of bounds are not looked at here, but such a model is refused by [`Model::to_json`] and never read back.
    #[must_use]
    pub fn fresh(name: &str, schema: Digest, inputs: Vec<InputSpec>, horizons: &[Duration]) -> Self {
        Self::blank(
            name.to_owned(),
            schema,
            inputs,
            Vec::new(),
            horizons.to_vec(),
            Params::default(),
        )
    }

    /// The same model with these parameters, its weights as they follow from them.
    ///
    /// # Errors
    /// When a parameter is not finite or out of its range.
    pub fn with_params(mut self, params: Params) -> Result<Self, ModelError> {
        crate::store::check_params(&params)?;
        self.params = params;
        self.refresh_weights();
        Ok(self)
    }

    /// A model that has learned nothing, with pairs of inputs (by index) crossed.
    ///
    /// # Errors
    /// When a pair names an input that does not exist, or there would be too many weights.
    pub fn with_crosses(self, crosses: &[(u16, u16)]) -> Result<Self, ModelError> {
        crate::store::check_inputs(&self.inputs, crosses, self.horizons.len())?;
        let crosses = crosses.to_vec();
        Ok(Self::blank(
            self.name,
            self.schema,
            self.inputs,
            crosses,
            self.horizons,
            self.params,
        ))
    }

    /// The same model under a new name, for another fleet than the one it learned on. How often that one failed is
    /// what it believes at first, until a target-day has been seen; the record itself, which fades from its last day
    /// on and knows the hours of that fleet, is left behind. Its count of rows learned starts at nothing.
    #[must_use]
    pub fn released(mut self, name: &str) -> Self {
        const BELIEF_DAYS: f64 = 1.0;
        name.clone_into(&mut self.name);
        self.rows_learned = 0;
        self.params.hazard = self.params.hazard.believing(&self.fleet, BELIEF_DAYS);
        self.fleet = FleetHazard::default();
        self
    }

    /// The same model with what `before` recorded of how often this fleet fails, where it recorded anything: that is
    /// about the fleet, whichever model reads it.
    #[must_use]
    pub fn with_record_of(mut self, before: &Self) -> Self {
        if before.fleet != FleetHazard::default() {
            self.fleet = before.fleet.clone();
        }
        self
    }

    /// The same model for a world in which everything happens `pace` times as fast: horizons and half-lives are that
    /// much shorter, and incidents that much more often. Features are relative to the windows of the configuration,
    /// so their weights stay. `pace` is above 0.
    #[must_use]
    pub fn at_pace(mut self, pace: f64) -> Self {
        for horizon in &mut self.horizons {
            *horizon = Duration::from_secs_f64(horizon.as_secs_f64() / pace);
        }
        self.params.hazard = self.params.hazard.at_pace(pace);
        self.fleet = self.fleet.at_pace(pace);
        self
    }

    pub(crate) fn blank(
        name: String,
        schema: Digest,
        inputs: Vec<InputSpec>,
        crosses: Vec<(u16, u16)>,
        horizons: Vec<Duration>,
        params: Params,
    ) -> Self {
        let layout = Layout::new(reserved_slots(), &inputs, &crosses);
        let (slots, heads) = (layout.slots(), horizons.len());
        let knots: Vec<f64> = (0..HAZARD_KNOT_COUNT)
            .map(|knot| f64::from(LOWEST_HAZARD_KNOT + knot))
            .collect();
        Self {
            rates: HeadRates::of(&params, &horizons),
            name,
            schema,
            inputs,
            crosses,
            horizons,
            params,
            rows_learned: 0,
            fleet: FleetHazard::default(),
            calibrations: vec![Calibration::default(); heads],
            coordinates: vec![Coordinate::default(); slots * heads],
            seen: vec![0.0; slots],
            weights: vec![0.0; slots * heads],
            layout,
            hazard_scale: Scale::new(&knots),
        }
    }

    /// Works out anew what follows from the parameters and what was learned.
    pub(crate) fn refresh_weights(&mut self) {
        self.rates = HeadRates::of(&self.params, &self.horizons);
        let heads = self.rates.iter().cycle();
        let weights = self.coordinates.iter().zip(heads);
        self.weights = weights
            .map(|(coordinate, rates)| coordinate.weight(&rates.shared))
            .collect();
    }

    /// Its name and how many rows it learned since it was loaded; a row counts once for each horizon.
    #[must_use]
    pub fn version(&self) -> ModelVersion {
        ModelVersion {
            name: self.name.clone(),
            rows_learned: self.rows_learned,
        }
    }

    /// Digest of the names and meanings of the features it was made for, which are its inputs.
    #[must_use]
    pub fn schema(&self) -> Digest {
        self.schema
    }

    /// What it looks ahead, one head each.
    #[must_use]
    pub fn horizons(&self) -> &[Duration] {
        &self.horizons
    }

    /// What it reads, in the order of the row.
    #[must_use]
    pub fn inputs(&self) -> &[InputSpec] {
        &self.inputs
    }

    /// What it was tuned to.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Calibration of each head.
    #[must_use]
    pub fn calibrations(&self) -> &[Calibration] {
        &self.calibrations
    }

    /// Whether its inputs are the first of these features, and it looks ahead this far. Features that came after
    /// the model was made are behind its own in a row, and it does not read them. `schema` is the digest of as many
    /// features as it has inputs.
    ///
    /// # Errors
    /// When a feature has another name, other knots or another meaning, or the horizons are others; the message
    /// names both.
    pub fn check_against(
        &self,
        features: &[InputSpec],
        schema: Digest,
        horizons: &[Duration],
    ) -> Result<(), ModelError> {
        let mut running = features.iter();
        for (place, input) in self.inputs.iter().enumerate() {
            let feature = running.next();
            if feature.is_none_or(|feature| feature.name != input.name) {
                return Err(ModelError::Feature {
                    place,
                    model: input.name.clone(),
                    running: feature.map_or_else(|| "none".to_owned(), |feature| feature.name.clone()),
                });
            }
            if feature.is_none_or(|feature| feature.edges != input.edges) {
                return Err(ModelError::Knots {
                    input: input.name.clone(),
                });
            }
        }
        if self.schema != schema {
            return Err(ModelError::Schema {
                model: self.schema,
                running: schema,
            });
        }
        if self.horizons != horizons {
            return Err(ModelError::Horizons {
                model: crate::store::list(&self.horizons),
                running: crate::store::list(horizons),
            });
        }
        Ok(())
    }

    /// Notes that a target was seen up to `until`. The time since the last call counts as time in which an
    /// incident could have begun when `at_risk`: not while in an incident, its cool-down, or unknown.
    /// To be called once for each target and prediction tick, before the prediction.
    pub fn observe(&mut self, target: &mut TargetModel, until: Timestamp, at_risk: bool) {
        target
            .hazard
            .observe(&mut self.fleet, until, at_risk, &self.params.hazard);
    }

    /// Notes that an incident of a target began.
    pub fn incident_began(&mut self, target: &mut TargetModel, at: Timestamp) {
        target
            .hazard
            .incident_began(&mut self.fleet, at, &self.params.hazard);
    }

    /// The calibrated probability for each head, in (0, 1). NaN and infinite features are missing.
    ///
    /// # Errors
    /// When the row is shorter than the inputs, `out` has the wrong length, or the model's or target's state is broken so that the
    /// result is no number. Then `out` is not to be used, and the reactive rules stand alone.
    pub fn predict(
        &self,
        target: &TargetModel,
        tick: Timestamp,
        row: &[f64],
        out: &mut [f64],
    ) -> Result<(), ModelError> {
        self.check_row(row)?;
        if out.len() != self.horizons.len() {
            return Err(ModelError::Size {
                what: "probabilities",
                expected: self.horizons.len(),
                found: out.len(),
            });
        }
        let placed = self.layout.place(row);
        let hazards = self.hazards(target, tick);
        self.raw_logits(target, &hazards, &placed, out);
        for (head, (slot, calibration)) in out.iter_mut().zip(&self.calibrations).enumerate() {
            *slot = probability_of(calibration.apply(clamp_logit(*slot)));
            if !slot.is_finite() {
                return Err(ModelError::NotFinite { head });
            }
        }
        Ok(())
    }

    /// Keeps what is needed of a row to learn from it when its labels are known.
    #[must_use]
    pub fn encode(&self, target: &TargetModel, tick: Timestamp, row: &[f64]) -> Example {
        let placed = self.layout.place(row);
        let hazards = self.hazards(target, tick);
        let mut raws = vec![0.0; self.horizons.len()];
        self.raw_logits(target, &hazards, &placed, &mut raws);
        let heads = hazards.iter().zip(&raws).zip(&self.calibrations);
        let said = heads.map(|((hazard, raw), calibration)| Said {
            hazard: *hazard as f32,
            raw: clamp_logit(*raw) as f32,
            logit: calibration.apply(clamp_logit(*raw)) as f32,
        });
        Example {
            said: said.collect(),
            placed,
        }
    }

    /// Learns one matured row for one head. `weight` undoes thinning: the row stands for that many.
    /// A row of another model, a head that does not exist and a weight that is no positive number are left out.
    pub fn learn(
        &mut self,
        head: usize,
        target: &mut TargetModel,
        example: &Example,
        positive: bool,
        weight: f64,
    ) {
        let (Some(said), Some(calibration)) = (example.said.get(head), self.calibrations.get_mut(head))
        else {
            return;
        };
        if example.placed.len() != self.layout.inputs() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        let weight = weight.min(MAX_WEIGHT);
        calibration.learn(
            f64::from(said.raw),
            positive,
            weight * self.rates.get(head).map_or(1.0, |rates| rates.share),
        );
        let raw = self.raw_logit(head, target, f64::from(said.hazard), &example.placed);
        if !raw.is_finite() {
            return;
        }
        let probability = probability_of(clamp_logit(raw));
        let gradient = weight * (probability - f64::from(u8::from(positive)));
        self.step(head, target, said, &example.placed, gradient);
        if head == 0 {
            self.note_seen(&example.placed, weight);
        }
        self.rows_learned = self.rows_learned.saturating_add(1);
    }

    fn step(
        &mut self,
        head: usize,
        target: &mut TargetModel,
        said: &Said,
        placed: &[Position],
        gradient: f64,
    ) {
        let heads = self.horizons.len();
        let Some(rates) = self.rates.get(head) else {
            return;
        };
        let per_alpha = 1.0 / rates.shared.alpha;
        let (coordinates, weights) = (&mut self.coordinates, &mut self.weights);
        let mut touch = |slot: usize, value: f64| {
            let at = slot * heads + head;
            if let (Some(coordinate), Some(weight)) = (coordinates.get_mut(at), weights.get_mut(at)) {
                *weight = coordinate.step(*weight, gradient * value, &rates.shared, per_alpha);
            }
        };
        touch(BIAS, 1.0);
        visit_hazard(&self.hazard_scale, f64::from(said.hazard), &mut touch);
        self.layout.visit_head(head, placed, &mut touch);
        target.step(head, heads, gradient, &rates.target);
    }

    fn note_seen(&mut self, placed: &[Position], weight: f64) {
        let seen = &mut self.seen;
        let mut touch = |slot: usize, value: f64| {
            if let Some(seen) = seen.get_mut(slot) {
                *seen += weight * value;
            }
        };
        touch(BIAS, 1.0);
        self.layout.visit(placed, &mut touch);
        if self.seen.first().is_some_and(|all| *all > MAX_SEEN) {
            self.seen.iter_mut().for_each(|seen| *seen *= 0.5);
        }
    }
}

/// The most horizons that one model looks ahead.
pub const MAX_HEADS: usize = 8;

/// Slots that belong to the model itself, in front of those of the inputs.
pub(crate) const fn reserved_slots() -> usize {
    HAZARD_KNOTS + HAZARD_KNOT_COUNT as usize + 1
}

fn clamp_logit(logit: f64) -> f64 {
    logit.clamp(-MAX_LOGIT, MAX_LOGIT)
}

/// The slots that correct the hazard prior, with their input values within [-1, 1].
#[inline]
fn visit_hazard(scale: &Scale, hazard: f64, touch: &mut impl FnMut(usize, f64)) {
    touch(HAZARD_SLOPE, (hazard + 5.0) / 10.0);
    for (slot, share) in scale.place(hazard).touched() {
        if share > 0.0 {
            touch(HAZARD_KNOTS + slot, share);
        }
    }
}

mod logits;
mod named;
pub use named::NamedWeight;
#[cfg(test)]
mod tests;
