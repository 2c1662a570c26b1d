//! Learning from a matured row: calibration, the experts' shares, the weights of the linear model.

use super::{BIAS, Lesson, MAX_SEEN, MAX_WEIGHT, Model, TargetModel, clamp_logit, visit_hazard};
use crate::encode::{Beside, Example, Position, Said, SaidBeside, Touch, Touched};
use crate::mixture::EXPERTS;
use crate::probability_of;

/// So many rows the calibration of the linear model takes one for, whatever its horizon. Rows weigh as much as fit into
/// their horizon weigh one; the few numbers of a calibration need fewer incidents than that.
const CALIBRATION_ROWS: f64 = 5.0;
/// Each row matures once for each head; what it touches is counted with this one, as `Layout::visit_left` has it.
const FIRST_HEAD: usize = 0;

impl Model {
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
        let lesson = Lesson {
            positive: f64::from(u8::from(positive)),
            weight,
            calibration: weight,
        };
        self.teach(head, target, example, lesson);
    }

    /// Learns one row for one head, of which more is to be said than a label. Calibration and the experts' shares are
    /// held to what came where we did nothing.
    /// What [`Model::learn`] leaves out is left out here too, and so is a probability that is none.
    pub fn teach(&mut self, head: usize, target: &mut TargetModel, example: &Example, lesson: Lesson) {
        let Lesson {
            positive,
            weight,
            calibration: held_to,
        } = lesson;
        let (Some(said), Some(calibration)) = (example.said.get(head), self.calibrations.get_mut(head))
        else {
            return;
        };
        let sound = weight.is_finite() && weight > 0.0 && (0.0..=1.0).contains(&positive);
        if example.placed.len() != self.layout.inputs() || !sound {
            return;
        }
        let weight = weight.min(MAX_WEIGHT);
        let held_to = held_to.min(MAX_WEIGHT);
        let came = positive > 0.5;
        let beside = example.beside.as_deref();
        let of_linear = beside.and_then(|beside| beside.logits.get(head));
        let of_linear = of_linear.map_or(said.raw, |said| said.linear);
        calibration.learn(
            f64::from(of_linear),
            came,
            (CALIBRATION_ROWS * held_to).min(MAX_WEIGHT),
        );
        let held_to = held_to * self.rates.get(head).map_or(1.0, |rates| rates.share);
        if let Some(beside) = beside.filter(|_| held_to > 0.0) {
            self.learn_mixture(head, target, said, beside, came, held_to);
        }
        if let Some(plain) = &mut self.plain {
            plain.learn(head, &self.layout, &example.placed, positive, weight);
        }
        let leaves = self.leaves_of(head, beside);
        let mut touched = std::mem::take(&mut self.touched);
        self.touch(head, said, &example.placed, &mut touched);
        let raw = self.raw_logit(head, target, f64::from(said.hazard), &touched, leaves);
        if raw.is_finite() {
            let gradient = weight * (probability_of(clamp_logit(raw)) - positive);
            self.step(head, target, &touched, gradient, weight);
            self.step_leaves(head, leaves, gradient);
            if head == FIRST_HEAD {
                self.note_left(&example.placed, weight);
            }
            self.rows_learned = self.rows_learned.saturating_add(1);
        }
        self.touched = touched;
    }

    /// Gathers the slots that a row touches for one head: the model's own first.
    fn touch(&self, head: usize, said: &Said, placed: &[Position], into: &mut Touched) {
        self.layout.gather(head, placed, into);
        into.push(BIAS, 1.0);
        visit_hazard(&self.hazard_scale, f64::from(said.hazard), &mut |slot, value| {
            into.push(slot, value)
        });
    }

    /// The leaves of one head among those that wait with a row.
    fn leaves_of<'a>(&self, head: usize, beside: Option<&'a Beside>) -> &'a [u8] {
        let (Some(ensemble), Some(beside)) = (&self.ensemble, beside) else {
            return &[];
        };
        let read = |heads: &[crate::ensemble::HeadTrees]| heads.iter().map(|head| head.read_trees()).sum();
        let first: usize = ensemble.heads.get(..head).map_or(0, read);
        let count = ensemble.heads.get(head).map_or(0, |head| head.read_trees());
        beside.leaves.get(first..first + count).unwrap_or_default()
    }

    fn learn_mixture(
        &mut self,
        head: usize,
        target: &mut TargetModel,
        said: &Said,
        beside: &Beside,
        positive: bool,
        weight: f64,
    ) {
        let (Some(ensemble), Some(experts), Some(learned)) =
            (&mut self.ensemble, beside.logits.get(head), self.rates.get(head))
        else {
            return;
        };
        let home = ensemble.home();
        let rates = ensemble.params;
        let Some(of_head) = ensemble.heads.get_mut(head) else {
            return;
        };
        of_head.calibration.learn(f64::from(said.raw), positive, weight);
        let (hazard, rarity) = (f64::from(said.hazard), f64::from(beside.rarity));
        let added = of_head.line.at(rarity, &learned.shared);
        let now = probability_of(clamp_logit(hazard + added.offset + added.by_rarity));
        let error = now - f64::from(u8::from(positive));
        of_head.line.step(rarity, weight * error, &learned.shared);
        let SaidBeside {
            linear,
            trees,
            anomaly,
        } = *experts;
        let logits: [f64; EXPERTS] = [linear, trees, said.hazard, anomaly].map(f64::from);
        of_head
            .shares
            .learn(&logits, positive, weight, &rates.head, &home);
        if target.shares.is_empty() {
            target.shares = ensemble.heads.iter().map(|head| head.shares).collect();
        }
        let of_head = ensemble.heads.get(head).map(|head| head.shares);
        if let (Some(own), Some(of_head)) = (target.shares.get_mut(head), of_head) {
            own.learn(&logits, positive, weight, &rates.target, &of_head);
        }
    }

    /// Takes one gradient at every touched slot. What the first head touches of inputs is counted on the way.
    fn step(&mut self, head: usize, target: &mut TargetModel, touched: &Touched, gradient: f64, weight: f64) {
        let heads = self.horizons.len();
        let Some(rates) = self.rates.get(head) else {
            return;
        };
        // Slices and rates in hand: behind `self` they would be looked up again after each write.
        let (coordinates, weights) = (self.coordinates.as_mut_slice(), self.weights.as_mut_slice());
        let shared = rates.shared;
        let mut step = |touch: &Touch| {
            let place = touch.slot * heads + head;
            if let (Some(coordinate), Some(weight)) = (coordinates.get_mut(place), weights.get_mut(place)) {
                *weight = coordinate.step(*weight, gradient * touch.input, &shared);
            }
        };
        let seen = self.seen.as_mut_slice();
        for touch in touched.of_layout() {
            step(touch);
            if head == FIRST_HEAD
                && let Some(seen) = seen.get_mut(touch.slot)
            {
                *seen += weight * touch.input;
            }
        }
        touched.of_model().iter().for_each(step);
        target.step(head, heads, gradient, &rates.target);
    }

    fn step_leaves(&mut self, head: usize, leaves: &[u8], gradient: f64) {
        let of_head = self
            .ensemble
            .as_mut()
            .and_then(|ensemble| ensemble.heads.get_mut(head));
        if let (Some(of_head), Some(rates)) = (of_head, self.rates.get(head)) {
            of_head.step(leaves, gradient, &rates.shared);
        }
    }

    /// Counts what a row touches beside the inputs of the first head: the bias, and inputs that it does not read.
    fn note_left(&mut self, placed: &[Position], weight: f64) {
        let seen = self.seen.as_mut_slice();
        let mut touch = |slot: usize, input: f64| {
            if let Some(seen) = seen.get_mut(slot) {
                *seen += weight * input;
            }
        };
        touch(BIAS, 1.0);
        self.layout.visit_left(placed, &mut touch);
        if self.seen.first().is_some_and(|all| *all > MAX_SEEN) {
            self.seen.iter_mut().for_each(|seen| *seen *= 0.5);
        }
    }
}
