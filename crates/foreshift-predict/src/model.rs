//! The model: shared weights, the fleet's record and calibration, one head for each horizon.

use foreshift_domain::prediction::ModelVersion;
use foreshift_domain::{Digest, Duration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::encode::{Beside, Example, InputSpec, Layout, Said, SaidBeside, Scale, Touched};
use crate::ensemble::{Ensemble, EnsembleParams};
use crate::ftrl::{Coordinate, Rates};
use crate::hazard::{FleetHazard, HazardParams, TargetHazard};
use crate::mixture::Shares;
use crate::plain::{Plain, PlainParams};
use crate::store::{ModelError, Parts};
use crate::trees::Trees;
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
#[serde(try_from = "Parts", into = "Parts")]
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
    /// A plain regression that has a share of what the linear expert says, where there is one.
    pub(crate) plain: Option<Plain>,
    /// Trees beside the linear model, where there are any.
    pub(crate) ensemble: Option<Ensemble>,
    /// By slot, then head: the weights that `coordinates` stand for.
    weights: Vec<f64>,
    rates: Vec<HeadRates>,
    layout: Layout,
    hazard_scale: Scale,
    /// Places of rarities in a row.
    pub(crate) rarities: Vec<usize>,
    /// Room to learn in.
    touched: Touched,
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

/// What one row teaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lesson {
    /// Probability that an incident began: 1 or 0 where that was seen, between where nobody can say. A row that is
    /// half known is the same as two rows, one of each kind, with the weight shared.
    pub positive: f64,
    /// The row stands for so many.
    pub weight: f64,
    /// So many of them calibration is held to; none where our own action may have changed what came.
    pub calibration: f64,
}

/// What the model keeps of one target. Belongs to the target's state; starts with [`TargetModel::default`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetModel {
    biases: Vec<Coordinate>,
    hazard: TargetHazard,
    /// The experts' shares, by head; none before the first row was learned beside trees.
    shares: Vec<Shares>,
}

impl TargetModel {
    /// What holds whichever model reads it: when the target was seen and when it failed. Its bias corrects what one
    /// model says, and means nothing to another.
    #[must_use]
    pub fn record(&self) -> Self {
        Self {
            biases: Vec::new(),
            hazard: self.hazard.clone(),
            shares: Vec::new(),
        }
    }

    /// What one model knows of it beyond that.
    pub(crate) fn corrections(&self) -> Self {
        Self {
            biases: self.biases.clone(),
            hazard: TargetHazard::default(),
            shares: self.shares.clone(),
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

    /// The same model with these parameters, its weights as they follow from them. A plain regression keeps its own.
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
    pub fn with_crosses(mut self, crosses: &[(u16, u16)]) -> Result<Self, ModelError> {
        crate::store::check_inputs(&self.inputs, crosses, self.horizons.len())?;
        let everything = vec![true; self.inputs.len()];
        let plain = self.plain.take().map(|plain| plain.reading(&everything));
        let blank = Self::blank(
            self.name,
            self.schema,
            self.inputs,
            crosses.to_vec(),
            self.horizons,
            self.params,
        );
        Ok(Self { plain, ..blank })
    }

    /// The same model with a plain regression that has learned nothing, and will have a share of what the linear
    /// expert says. `reads` gives the heads that read each input, one bit each.
    #[must_use]
    pub fn with_plain(self, reads: impl Fn(&InputSpec) -> u8) -> Self {
        let reads = self.inputs.iter().map(reads).collect();
        let plain = Plain::new(PlainParams::default(), reads, self.horizons.len());
        Self {
            plain: Some(plain),
            ..self
        }
    }

    /// The same model without a plain regression.
    #[must_use]
    pub fn without_plain(self) -> Self {
        Self { plain: None, ..self }
    }

    /// A model that has learned nothing, which reads of its inputs only what `reads` names.
    #[must_use]
    pub fn reading(mut self, reads: impl Fn(&str) -> bool) -> Self {
        let read: Vec<bool> = self.inputs.iter().map(|input| reads(&input.name)).collect();
        let plain = self.plain.take().map(|plain| plain.reading(&read));
        for input in self.inputs.iter_mut().filter(|input| !reads(&input.name)) {
            input.heads = 0;
        }
        let blank = Self::blank(
            self.name,
            self.schema,
            self.inputs,
            self.crosses,
            self.horizons,
            self.params,
        );
        Self { plain, ..blank }
    }

    /// The same model with boosted trees beside it, one ensemble for each head, whose leaves it has not learned yet.
    /// Trees read the row as the model does; they do not learn. Where there were trees before, the new ones take over
    /// their shares and calibration.
    ///
    /// # Errors
    /// When there are not as many as heads, they read features that the model does not, or `params` are out of
    /// their range.
    pub fn with_trees(mut self, trees: Vec<Trees>, params: EnsembleParams) -> Result<Self, ModelError> {
        let new = Ensemble::new(trees, params, self.horizons.len(), self.inputs.len())?;
        self.ensemble = Some(match self.ensemble.take() {
            None => new,
            Some(before) => before.regrown(new),
        });
        for calibration in &mut self.calibrations {
            calibration.bend = None;
        }
        Ok(self)
    }

    /// The trees of each head; empty for a linear model.
    pub fn trees(&self) -> impl Iterator<Item = &Trees> {
        let heads = self.ensemble.iter().flat_map(|ensemble| &ensemble.heads);
        heads.map(|head| &head.trees)
    }

    /// The same model under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The same model under a new name, for another fleet than the one it learned on. How often that one failed is
    /// what it believes at first, until a target-day has been seen; the record itself, which fades from its last day
    /// on and knows the hours of that fleet, is left behind. Its count of rows learned starts at nothing.
    #[must_use]
    pub fn released(self, name: &str) -> Self {
        const BELIEF_DAYS: f64 = 1.0;
        let mut released = self.named(name);
        released.rows_learned = 0;
        released.params.hazard = released.params.hazard.believing(&released.fleet, BELIEF_DAYS);
        released.fleet = FleetHazard::default();
        released
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
            rarities: crate::anomaly::places(&inputs),
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
            plain: None,
            ensemble: None,
            weights: vec![0.0; slots * heads],
            layout,
            hazard_scale: Scale::new(&knots),
            touched: Touched::default(),
        }
    }

    /// Works out anew what follows from the parameters and what was learned.
    pub(crate) fn refresh_weights(&mut self) {
        self.rates = HeadRates::of(&self.params, &self.horizons);
        let rates = self.rates.iter().cycle();
        let known = self.coordinates.iter_mut().zip(&mut self.weights);
        for ((coordinate, weight), rates) in known.zip(rates) {
            *coordinate = coordinate.at_other_rates();
            *weight = coordinate.weight(&rates.shared);
        }
        if let Some(ensemble) = &mut self.ensemble {
            ensemble.refresh(self.rates.iter().map(|rates| rates.shared));
        }
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

    /// What its plain regression was tuned to, if it has one.
    #[must_use]
    pub fn plain_params(&self) -> Option<&PlainParams> {
        self.plain.as_ref().map(Plain::params)
    }

    /// Calibration of each head of the linear model.
    #[must_use]
    pub fn calibrations(&self) -> &[Calibration] {
        &self.calibrations
    }

    /// What stands beside the linear model, where it may speak of this tick.
    pub(crate) fn ensemble_at(&self, tick: Timestamp) -> Option<&Ensemble> {
        self.ensemble
            .as_ref()
            .filter(|ensemble| tick >= ensemble.params.speaks_from)
    }

    /// Calibration of what is said of this tick, by head.
    pub(crate) fn calibrations_at(&self, tick: Timestamp) -> impl Iterator<Item = &Calibration> {
        let beside = self.ensemble_at(tick).map(|ensemble| &ensemble.heads);
        let linear = self.calibrations.iter().enumerate();
        linear.map(move |(head, linear)| {
            let beside = beside.and_then(|heads| heads.get(head));
            beside.map_or(linear, |head| &head.calibration)
        })
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
        let logits = self.logits(target, tick, row, &placed, |_| {});
        let heads = out.iter_mut().zip(logits.raw).zip(self.calibrations_at(tick));
        for (head, ((slot, raw), calibration)) in heads.enumerate() {
            *slot = probability_of(calibration.apply(clamp_logit(raw)));
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
        let mut leaves = Vec::new();
        let logits = self.logits(target, tick, row, &placed, |leaf| leaves.push(leaf));
        let raws = logits
            .hazard
            .iter()
            .zip(&logits.raw)
            .zip(self.calibrations_at(tick));
        let said = raws.map(|((hazard, raw), calibration)| Said {
            hazard: *hazard as f32,
            raw: clamp_logit(*raw) as f32,
            logit: calibration.apply(clamp_logit(*raw)) as f32,
        });
        let beside = self.ensemble_at(tick).map(|ensemble| {
            let beside = logits.linear.iter().zip(&logits.trees).zip(&logits.anomaly);
            let beside = beside.map(|((linear, trees), anomaly)| SaidBeside {
                linear: *linear as f32,
                trees: *trees as f32,
                anomaly: *anomaly as f32,
            });
            Box::new(Beside {
                logits: beside.take(ensemble.heads.len()).collect(),
                rarity: logits.rarity as f32,
                leaves: leaves.into(),
            })
        });
        Example {
            said: said.collect(),
            placed: Box::from(&*placed),
            beside,
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

mod learn;
mod logits;
mod named;
pub use named::NamedWeight;
#[cfg(test)]
mod tests;
