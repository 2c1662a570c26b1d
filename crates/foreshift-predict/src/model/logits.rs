//! The raw logit, for all heads at once or for one: a sparse sum of weights.

use foreshift_domain::Timestamp;

use super::{BIAS, MAX_HEADS, Model, OwnTerms, TargetModel, clamp_logit, visit_hazard};
use crate::anomaly::{Added, Line};
use crate::encode::{Layout, Position, Touch, Touched};
use crate::ftrl::{Coordinate, Rates};
use crate::mixture::Shares;
use crate::plain::{Plain, Says};
use crate::store::ModelError;

/// What was said of a row, by head.
#[derive(Default)]
pub(crate) struct Logits {
    /// By the hazard prior.
    pub(crate) hazard: [f64; MAX_HEADS],
    /// By the linear expert: the linear model, which corrects the prior, and the plain regression by its share.
    pub(crate) linear: [f64; MAX_HEADS],
    /// By the trees; 0 where there are none.
    pub(crate) trees: [f64; MAX_HEADS],
    /// By the anomaly expert; 0 where there are no trees either.
    pub(crate) anomaly: [f64; MAX_HEADS],
    /// The strongest rarity of the row, where there are experts; NaN where none is known.
    pub(crate) rarity: f64,
    /// By the mixture, or by the linear model where there is nothing else.
    pub(crate) raw: [f64; MAX_HEADS],
}

impl Model {
    pub(super) fn check_row(&self, row: &[f64]) -> Result<(), ModelError> {
        // What came after the model was made is behind what it reads.
        if row.len() >= self.layout.inputs() {
            return Ok(());
        }
        Err(ModelError::Size {
            what: "features",
            expected: self.layout.inputs(),
            found: row.len(),
        })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What all experts say of a row. `leaf` gets the leaves that the linear model reads: by head, then tree.
    pub(crate) fn logits(
        &self,
        target: &TargetModel,
        tick: Timestamp,
        row: &[f64],
        placed: &[Position],
        leaf: impl FnMut(u8),
    ) -> Logits {
        self.logits_beside(self.hazards(target, tick), target, tick, row, placed, leaf)
    }

    /// The same, where the hazard prior has spoken.
    pub(crate) fn logits_beside(
        &self,
        hazard: [f64; MAX_HEADS],
        target: &TargetModel,
        tick: Timestamp,
        row: &[f64],
        placed: &[Position],
        mut leaf: impl FnMut(u8),
    ) -> Logits {
        let mut logits = Logits {
            hazard,
            ..Logits::default()
        };
        let heads = self.horizons.len().min(MAX_HEADS);
        let linear = logits.linear.get_mut(..heads).unwrap_or_default();
        self.raw_logits(target, &logits.hazard, placed, linear);
        let plain = self.plain_says(placed);
        let Some(ensemble) = self.ensemble_at(tick) else {
            for (head, linear) in linear.iter_mut().enumerate() {
                *linear = plain.mixed(head, *linear);
            }
            logits.raw = logits.linear;
            return logits;
        };
        logits.rarity = self.rarity(row);
        let linear = logits.linear.iter_mut().zip(&mut logits.trees);
        let said = linear
            .zip(&mut logits.anomaly)
            .zip(&mut logits.raw)
            .zip(logits.hazard);
        let heads = ensemble.heads.iter().zip(&self.rates).zip(said).enumerate();
        for (number, ((head, rates), ((((linear, trees), anomaly), raw), hazard))) in heads {
            let added = head.line.at(logits.rarity, &rates.shared);
            *anomaly = clamp_logit(hazard + added.offset + added.by_rarity);
            let (of_trees, of_leaves) = head.says(self.read_by_trees(row), &mut leaf);
            *linear = clamp_logit(plain.mixed(number, *linear + of_leaves));
            *trees = clamp_logit(of_trees);
            *raw = target
                .shares(number, head.shares)
                .mix(&[*linear, *trees, hazard, *anomaly]);
        }
        logits
    }

    /// What the plain regression says, where there is one.
    pub(crate) fn plain_says(&self, placed: &[Position]) -> Says {
        let says = |plain: &Plain| plain.says(&self.layout, placed);
        self.plain.as_ref().map_or_else(Says::default, says)
    }

    /// What trees read of a row: what the model reads.
    pub(crate) fn read_by_trees<'a>(&self, row: &'a [f64]) -> &'a [f64] {
        row.get(..self.inputs.len()).unwrap_or(row)
    }

    /// The strongest rarity of a row that the model reads, in decades; NaN where none is known.
    pub(crate) fn rarity(&self, row: &[f64]) -> f64 {
        crate::anomaly::strongest(row, &self.rarities)
    }

    /// What the anomaly expert adds to the hazard prior, for one head.
    pub(crate) fn of_anomaly(&self, head: usize, line: &Line, row: &[f64]) -> Added {
        let rates = self.rates.get(head);
        rates.map_or_else(Added::default, |rates| line.at(self.rarity(row), &rates.shared))
    }

    /// Logits of the hazard prior, one for each head, rounded as a waiting row keeps them.
    pub(crate) fn hazards(&self, target: &TargetModel, tick: Timestamp) -> [f64; MAX_HEADS] {
        let params = &self.params.hazard;
        let rates = target.hazard.rates_per_day(&self.fleet, tick, params);
        let mut logits = [0.0; MAX_HEADS];
        for (logit, horizon) in logits.iter_mut().zip(&self.horizons) {
            let exact = target
                .hazard
                .logit_at_rates(&rates, &self.fleet, tick, *horizon, params);
            *logit = f64::from(exact as f32);
        }
        logits
    }

    /// Logits of all heads of the linear model, without leaves and plain regression. `out` is as long as there are heads.
    pub(super) fn raw_logits(
        &self,
        target: &TargetModel,
        hazards: &[f64],
        placed: &[Position],
        out: &mut [f64],
    ) {
        for (head, (logit, hazard)) in out.iter_mut().zip(hazards).enumerate() {
            *logit = self.own_terms(head, target, *hazard).sum();
        }
        let heads = self.horizons.len();
        self.layout.visit(placed, |slot, value| {
            let weights = self
                .weights
                .get(slot * heads..(slot + 1) * heads)
                .unwrap_or_default();
            for (logit, weight) in out.iter_mut().zip(weights) {
                *logit += weight * value;
            }
        });
    }

    /// Logit of one head of the linear model, with the leaves it reads and without plain regression.
    pub(super) fn raw_logit(
        &self,
        head: usize,
        target: &TargetModel,
        hazard: f64,
        touched: &Touched,
        leaves: &[u8],
    ) -> f64 {
        let bias = self
            .rates
            .get(head)
            .map_or(0.0, |rates| target.bias(head, &rates.target));
        let trees = self
            .ensemble
            .as_ref()
            .and_then(|ensemble| ensemble.heads.get(head));
        let of_leaves = trees.map_or(0.0, |trees| trees.leaves_add(leaves));
        hazard + bias + of_leaves + self.sum_over(head, touched)
    }

    /// What the touched slots add, in four sums side by side: one alone would wait for each addition.
    fn sum_over(&self, head: usize, touched: &Touched) -> f64 {
        let mut sums = [0.0; 4];
        let says = |touch: &Touch| self.weight(touch.slot, head) * touch.input;
        let mut fours = touched.all().chunks_exact(4);
        for four in &mut fours {
            for (sum, touch) in sums.iter_mut().zip(four) {
                *sum += says(touch);
            }
        }
        for (sum, touch) in sums.iter_mut().zip(fours.remainder()) {
            *sum += says(touch);
        }
        sums.iter().sum()
    }

    /// The terms of the raw logit that belong to the model itself.
    pub(crate) fn own_terms(&self, head: usize, target: &TargetModel, hazard: f64) -> OwnTerms {
        let mut corrected = hazard;
        visit_hazard(&self.hazard_scale, hazard, &mut |slot, value| {
            corrected += self.weight(slot, head) * value;
        });
        OwnTerms {
            bias: self.weight(BIAS, head),
            target_bias: self
                .rates
                .get(head)
                .map_or(0.0, |rates| target.bias(head, &rates.target)),
            hazard: corrected,
        }
    }

    pub(crate) fn weight(&self, slot: usize, head: usize) -> f64 {
        let at = slot * self.horizons.len() + head;
        self.weights.get(at).copied().unwrap_or(0.0)
    }
}

impl TargetModel {
    /// The experts' shares for a head, which are those of all targets as long as nothing was learned of this one.
    pub(crate) fn shares(&self, head: usize, of_all: Shares) -> Shares {
        self.shares.get(head).copied().unwrap_or(of_all)
    }

    fn bias(&self, head: usize, rates: &Rates) -> f64 {
        self.biases
            .get(head)
            .map_or(0.0, |coordinate| coordinate.weight(rates))
    }

    pub(super) fn step(&mut self, head: usize, heads: usize, gradient: f64, rates: &Rates) {
        if self.biases.len() < heads {
            self.biases.resize(heads, Coordinate::default());
        }
        if let Some(coordinate) = self.biases.get_mut(head) {
            let weight = coordinate.weight(rates);
            coordinate.step(weight, gradient, rates);
        }
    }
}
