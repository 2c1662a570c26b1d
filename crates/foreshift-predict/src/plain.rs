//! A plain logistic regression beside the weights over knots: one weight for each feature, standardised as rows are
//! learned, and one for where it is missing.
//!
//! Knots bend, and need incidents for every bend; a slope learns from all rows at once. Each learns from its own error,
//! knows nothing of the other, and the linear expert says the weighted mean of what both say: two models that err in
//! different ways are better together than the better one (a logarithmic opinion pool: Genest & Zidek, "Combining
//! probability distributions", 1986). It knows neither the hazard prior nor which target a row is of, so that what it
//! says holds on targets never seen, and it is heard the more the more positive rows it has learned from.

use serde::{Deserialize, Serialize};

use crate::encode::{InputSpec, Layout, Position, Seen, Touch, Touched};
use crate::ftrl::{Coordinate, Rates};
use crate::model::MAX_HEADS;
use crate::store::{ModelError, size};
use crate::{MAX_LOGIT, probability_of};

/// Slot of the bias; then follow two for each input, its slope and its absence.
const BIAS: usize = 0;
/// A value further from the mean than so many spreads counts as that far.
const FURTHEST: f64 = 20.0;
/// Rows of memory of means and spreads; then old rows fade, so that drift is followed.
const MAX_ROWS: f64 = 1e6;
/// Means and spreads are worked out anew when there are so many times the rows; until then a feature that is new says
/// nothing.
const MORE: f64 = 1.01;

/// What a plain regression was tuned to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainParams {
    /// Its share of what the linear expert says once it has learned from many positive rows. 0 to 1.
    share: f64,
    /// Positive rows after which it has half of that. > 0.
    half_at: f64,
    /// Of its weights, the same at every horizon.
    rates: Rates,
}

impl Default for PlainParams {
    fn default() -> Self {
        Self {
            share: 0.35,
            half_at: 50.0,
            rates: Rates {
                alpha: 0.05,
                beta: 1.0,
                l1: 0.0,
                l2: 0.0,
            },
        }
    }
}

impl PlainParams {
    fn are_sound(&self) -> bool {
        (0.0..=1.0).contains(&self.share) && (1e-9..=1e9).contains(&self.half_at) && self.rates.are_sound()
    }
}

/// Mean and spread of a feature over the rows that had it. Sums are taken of every row; what follows from them costs a
/// root and two quotients, and is worked out anew only where there is a hundredth more to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spread {
    rows: f64,
    sum: f64,
    squares: f64,
    mean: f64,
    /// One over the standard deviation; 0 where all values were the same.
    per_spread: f64,
}

impl Spread {
    #[inline]
    fn add(&mut self, value: f64, weight: f64) {
        self.rows += weight;
        self.sum += weight * value;
        self.squares += weight * value * value;
    }

    fn refresh(&mut self) {
        if self.rows > 0.0 {
            self.mean = self.sum / self.rows;
            let variance = self.squares / self.rows - self.mean * self.mean;
            // Below that it may be what rounding left of a difference.
            let least = 1e-9 * self.mean * self.mean;
            self.per_spread = if variance > least {
                1.0 / variance.sqrt()
            } else {
                0.0
            };
        }
    }

    /// How many spreads a value is above the mean.
    #[inline]
    fn of(&self, value: f64) -> f64 {
        ((value - self.mean) * self.per_spread).clamp(-FURTHEST, FURTHEST)
    }

    fn fade(&mut self) {
        for sum in [&mut self.rows, &mut self.sum, &mut self.squares] {
            *sum *= 0.5;
        }
    }

    fn is_sound(&self) -> bool {
        let Self {
            rows,
            sum,
            squares,
            mean,
            per_spread,
        } = *self;
        let finite = [rows, sum, squares, mean, per_spread];
        finite.iter().all(|number| number.is_finite()) && rows >= 0.0 && squares >= 0.0 && per_spread >= 0.0
    }
}

/// The regression, one head for each horizon.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plain {
    params: PlainParams,
    /// By input: the heads that read it, one bit each.
    reads: Vec<u8>,
    /// Rows learned from, as `spreads` count them, and how many they were when those were worked out.
    rows: f64,
    read_at: f64,
    spreads: Vec<Spread>,
    /// By head.
    positives: Vec<f64>,
    /// By slot, then head.
    coordinates: Vec<Coordinate>,
    weights: Vec<f64>,
    /// Room to learn in.
    touched: Touched,
}

/// What it says of a row, by head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Says {
    shares: [f64; MAX_HEADS],
    logits: [f64; MAX_HEADS],
}

impl Says {
    fn share(&self, head: usize) -> f64 {
        self.shares.get(head).copied().unwrap_or(0.0)
    }

    /// What the linear expert says, where the weights over knots say this.
    pub(crate) fn mixed(&self, head: usize, of_knots: f64) -> f64 {
        let share = self.share(head);
        (1.0 - share) * of_knots + share * self.logits.get(head).copied().unwrap_or(0.0)
    }
}

/// What it adds, by feature: beyond what each adds in the mean, which is part of the base.
pub(crate) struct PlainTerms {
    pub(crate) base: f64,
    pub(crate) of_features: Vec<f64>,
}

/// As it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredPlain {
    params: PlainParams,
    reads: Vec<u8>,
    rows: f64,
    read_at: f64,
    spreads: Vec<Spread>,
    positives: Vec<f64>,
    z: Vec<f64>,
    n: Vec<f64>,
}

impl StoredPlain {
    /// Whether it is one of a model of so many heads and inputs, and can say something.
    pub(crate) fn check(&self, heads: usize, inputs: usize) -> Result<(), ModelError> {
        let weights = slots(inputs) * heads;
        size("inputs of the plain part", inputs, self.reads.len())?;
        size("spreads", inputs, self.spreads.len())?;
        size("counts of positives", heads, self.positives.len())?;
        size("sums of gradients of the plain part", weights, self.z.len())?;
        size(
            "sums of squared gradients of the plain part",
            weights,
            self.n.len(),
        )?;
        let is_count = |rows: &f64| rows.is_finite() && *rows >= 0.0;
        let mut sums = self
            .z
            .iter()
            .zip(&self.n)
            .map(|(z, n)| Coordinate::from((*z, *n)));
        let is_sound = self.params.are_sound()
            && is_count(&self.rows)
            && is_count(&self.read_at)
            && self.read_at <= self.rows
            && self.positives.iter().all(is_count)
            && self.spreads.iter().all(Spread::is_sound)
            && sums.all(|sums| sums.is_sound());
        if is_sound {
            Ok(())
        } else {
            Err(ModelError::OutOfRange { what: "plain part" })
        }
    }
}

/// One that passed its check.
impl From<StoredPlain> for Plain {
    fn from(stored: StoredPlain) -> Self {
        let sums = stored.z.into_iter().zip(stored.n);
        let coordinates: Vec<Coordinate> = sums.map(Coordinate::from).collect();
        let weights = coordinates.iter().map(|known| known.weight(&stored.params.rates));
        Self {
            weights: weights.collect(),
            coordinates,
            params: stored.params,
            reads: stored.reads,
            rows: stored.rows,
            read_at: stored.read_at,
            spreads: stored.spreads,
            positives: stored.positives,
            touched: Touched::default(),
        }
    }
}

impl From<Plain> for StoredPlain {
    fn from(plain: Plain) -> Self {
        let sums = plain.coordinates.into_iter().map(<(f64, f64)>::from);
        let (z, n) = sums.unzip();
        Self {
            params: plain.params,
            reads: plain.reads,
            rows: plain.rows,
            read_at: plain.read_at,
            spreads: plain.spreads,
            positives: plain.positives,
            z,
            n,
        }
    }
}

impl Plain {
    /// One that has learned nothing. `reads` has the heads that read each input, one bit each.
    pub(crate) fn new(params: PlainParams, reads: Vec<u8>, heads: usize) -> Self {
        let (inputs, weights) = (reads.len(), slots(reads.len()) * heads);
        Self {
            params,
            reads,
            rows: 0.0,
            read_at: 0.0,
            spreads: vec![Spread::default(); inputs],
            positives: vec![0.0; heads],
            coordinates: vec![Coordinate::default(); weights],
            weights: vec![0.0; weights],
            touched: Touched::default(),
        }
    }

    /// One that has learned nothing, and reads of the inputs only these.
    pub(crate) fn reading(&self, read: &[bool]) -> Self {
        let reads = self.reads.iter().zip(read);
        let reads = reads.map(|(heads, read)| if *read { *heads } else { 0 });
        Self::new(self.params, reads.collect(), self.heads())
    }

    fn heads(&self) -> usize {
        self.positives.len()
    }

    fn weight(&self, slot: usize, head: usize) -> f64 {
        let place = slot * self.heads() + head;
        self.weights.get(place).copied().unwrap_or(0.0)
    }

    pub(crate) fn params(&self) -> &PlainParams {
        &self.params
    }

    /// Its share of what the linear expert says of a head.
    pub(crate) fn share(&self, head: usize) -> f64 {
        let positives = self.positives.get(head).copied().unwrap_or(0.0);
        self.params.share * positives / (positives + self.params.half_at)
    }

    /// What it says of a row.
    pub(crate) fn says(&self, layout: &Layout, placed: &[Position]) -> Says {
        let heads = self.heads();
        let mut says = Says::default();
        for (head, share) in says.shares.iter_mut().take(heads).enumerate() {
            *share = self.share(head);
        }
        let mut add = |slot: usize, input: f64| {
            let weights = self.weights.get(slot * heads..(slot + 1) * heads);
            for (logit, weight) in says.logits.iter_mut().zip(weights.unwrap_or_default()) {
                *logit += weight * input;
            }
        };
        add(BIAS, 1.0);
        // The weights of what a head does not read stay at zero.
        self.visit(|reads| reads != 0, layout, placed, &mut add);
        says
    }

    /// The touched slots of inputs whose heads `is_read` picks.
    #[inline]
    fn visit(
        &self,
        is_read: impl Fn(u8) -> bool,
        layout: &Layout,
        placed: &[Position],
        mut touch: impl FnMut(usize, f64),
    ) {
        let inputs = self.reads.iter().zip(&self.spreads).zip(layout.seen(placed));
        for (input, ((reads, spread), seen)) in inputs.enumerate() {
            match seen {
                _ if !is_read(*reads) => {}
                Seen::Value(value) => touch(slope_of(input), spread.of(value)),
                Seen::Missing => touch(absence_of(input), 1.0),
                Seen::Nothing => {}
            }
        }
    }

    /// Learns one matured row for one head. Means and spreads are those of the rows of the first head.
    pub(crate) fn learn(
        &mut self,
        head: usize,
        layout: &Layout,
        placed: &[Position],
        positive: f64,
        weight: f64,
    ) {
        if head == 0 {
            self.note(layout, placed, weight);
        }
        let reader = 1_u8.checked_shl(head as u32).unwrap_or(0);
        let mut touched = std::mem::take(&mut self.touched);
        touched.clear(slots(self.reads.len()));
        touched.push(BIAS, 1.0);
        self.visit(
            |reads| reads & reader != 0,
            layout,
            placed,
            |slot, input| touched.push(slot, input),
        );
        let heads = self.heads();
        let says = |touch: &Touch| self.weight(touch.slot, head) * touch.input;
        let logit: f64 = touched.all().iter().map(says).sum();
        let gradient = weight * (probability_of(logit.clamp(-MAX_LOGIT, MAX_LOGIT)) - positive);
        for touch in touched.all().iter().filter(|_| gradient.is_finite()) {
            let place = touch.slot * heads + head;
            if let (Some(known), Some(weight)) =
                (self.coordinates.get_mut(place), self.weights.get_mut(place))
            {
                *weight = known.step(*weight, gradient * touch.input, &self.params.rates);
            }
        }
        if let Some(positives) = self.positives.get_mut(head) {
            *positives += weight * positive;
        }
        self.touched = touched;
    }

    /// Counts a row into means and spreads.
    fn note(&mut self, layout: &Layout, placed: &[Position], weight: f64) {
        self.rows += weight;
        for (spread, seen) in self.spreads.iter_mut().zip(layout.seen(placed)) {
            if let Seen::Value(value) = seen {
                spread.add(value, weight);
            }
        }
        if self.rows > MAX_ROWS {
            self.rows *= 0.5;
            self.read_at = 0.0;
            self.spreads.iter_mut().for_each(Spread::fade);
        }
        if self.rows > MORE * self.read_at {
            self.read_at = self.rows;
            self.spreads.iter_mut().for_each(Spread::refresh);
        }
    }

    /// What it says of a row for one head, as a sum over features.
    pub(crate) fn explain(&self, head: usize, layout: &Layout, placed: &[Position]) -> PlainTerms {
        let weight = |slot: usize| self.weight(slot, head);
        let mut terms = PlainTerms {
            base: weight(BIAS),
            of_features: vec![0.0; self.reads.len()],
        };
        self.visit(
            |reads| reads != 0,
            layout,
            placed,
            |slot, input| {
                if let Some(of_feature) = terms.of_features.get_mut(input_of(slot)) {
                    *of_feature += weight(slot) * input;
                }
            },
        );
        for (input, (of_feature, spread)) in terms.of_features.iter_mut().zip(&self.spreads).enumerate() {
            // Of rows that had it, standardised values are zero in the mean.
            let missing = if self.rows > 0.0 {
                1.0 - spread.rows / self.rows
            } else {
                0.0
            };
            let mean = missing * weight(absence_of(input));
            *of_feature -= mean;
            terms.base += mean;
        }
        terms
    }

    /// A weight by what it belongs to: the bias, an input's slope and its absence.
    pub(crate) fn named<'a>(
        &'a self,
        inputs: &'a [InputSpec],
        head: usize,
    ) -> impl Iterator<Item = (String, f64)> + 'a {
        let of_inputs = inputs.iter().enumerate().flat_map(move |(at, input)| {
            [
                (format!("plain: {}", input.name), self.weight(slope_of(at), head)),
                (
                    format!("plain: {} missing", input.name),
                    self.weight(absence_of(at), head),
                ),
            ]
        });
        let bias = ("plain: bias".to_owned(), self.weight(BIAS, head));
        std::iter::once(bias).chain(of_inputs)
    }
}

const fn slots(inputs: usize) -> usize {
    1 + 2 * inputs
}

const fn slope_of(input: usize) -> usize {
    1 + 2 * input
}

const fn absence_of(input: usize) -> usize {
    2 + 2 * input
}

const fn input_of(slot: usize) -> usize {
    slot.saturating_sub(1) / 2
}

#[cfg(test)]
mod tests;
