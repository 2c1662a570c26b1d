//! The raw logit, for all heads at once or for one: a sparse sum of weights.

use foreshift_domain::{Duration, Timestamp};

use super::{BIAS, Model, OwnTerms, TargetModel, visit_hazard};
use crate::encode::{Layout, Position};
use crate::ftrl::{Coordinate, Rates};
use crate::store::ModelError;

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

    /// Logits of the hazard prior, one for each head, rounded as a waiting row keeps them.
    pub(crate) fn hazards(&self, target: &TargetModel, tick: Timestamp) -> Vec<f64> {
        let params = &self.params.hazard;
        let rates = target.hazard.rates_per_day(&self.fleet, tick, params);
        let logit = |span: &Duration| {
            target
                .hazard
                .logit_at_rates(&rates, &self.fleet, tick, *span, params)
        };
        self.horizons
            .iter()
            .map(|horizon| f64::from(logit(horizon) as f32))
            .collect()
    }

    /// Raw logits of all heads. `out` is as long as there are heads.
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

    /// Raw logit of one head.
    pub(super) fn raw_logit(
        &self,
        head: usize,
        target: &TargetModel,
        hazard: f64,
        placed: &[Position],
    ) -> f64 {
        let mut logit = self.own_terms(head, target, hazard).sum();
        self.layout
            .visit(placed, |slot, value| logit += self.weight(slot, head) * value);
        logit
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
            coordinate.step(weight, gradient, rates, 1.0 / rates.alpha);
        }
    }
}
