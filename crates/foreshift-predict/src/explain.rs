//! Why a model said what it said: the logit as an exact sum.
//!
//! A feature's contribution is what it adds compared to its mean over the rows learned from; the means
//! are part of the base. For a sum of functions of one feature each, these are its Shapley values. A cross
//! is shared equally by its two features. Of trees, and of the leaves that the linear model reads, the contributions
//! are the Shapley values of TreeSHAP: what the model has learned of leaves is a tree of the same splits with other
//! values. Every expert's terms count by its share.
//!
//! TreeSHAP costs about a hundred predictions, so not every prediction is explained when it is made. An [`Asked`] keeps
//! what a prediction was made from beside the model: as long as the model learns nothing, which a copy of it never does,
//! it can be explained later, bit for bit.

use foreshift_domain::Timestamp;
use foreshift_domain::prediction::{Contribution, Explanation};

use crate::encode::{Owner, Position};
use crate::mixture::Expert;
use crate::model::{MAX_HEADS, Model, TargetModel};
use crate::{MAX_LOGIT, probability_of};

/// What a prediction was made from beside the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    tick: Timestamp,
    row: Box<[f64]>,
    /// What the hazard prior said: the record that it follows from goes on.
    hazards: [f64; MAX_HEADS],
    /// Without that record.
    target: TargetModel,
}

impl Asked {
    /// When.
    #[must_use]
    pub fn tick(&self) -> Timestamp {
        self.tick
    }

    /// The feature vector.
    #[must_use]
    pub fn row(&self) -> &[f64] {
        &self.row
    }
}

/// How much of an explanation is worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What each feature added.
    Full,
    /// Trees are one term, `trees`: that costs a few predictions.
    Brief,
}

impl Model {
    /// Explains what [`Model::predict`] says for one head: the base and the contributions sum to the logit.
    /// Sorted by magnitude, ties in the order of the features. What the row lacks is missing. A head that does
    /// not exist has an explanation without contributions, at even odds and a horizon of zero. A model does not know
    /// whether it learned from simulation: whoever loaded it does.
    #[must_use]
    pub fn explain(&self, head: usize, target: &TargetModel, tick: Timestamp, row: &[f64]) -> Explanation {
        self.explain_asked(head, &self.asked(target, tick, row), Detail::Full)
    }

    /// Keeps what [`Model::explain_asked`] needs of what [`Model::predict`] is asked now.
    #[must_use]
    pub fn asked(&self, target: &TargetModel, tick: Timestamp, row: &[f64]) -> Asked {
        Asked {
            tick,
            row: Box::from(row),
            hazards: self.hazards(target, tick),
            target: target.corrections(),
        }
    }

    /// As [`Model::explain`], of what was asked before this model learned anything more.
    #[must_use]
    pub fn explain_asked(&self, head: usize, asked: &Asked, detail: Detail) -> Explanation {
        let (tick, row, target) = (asked.tick, &*asked.row, &asked.target);
        let (Some(horizon), Some(calibration)) =
            (self.horizons.get(head), self.calibrations_at(tick).nth(head))
        else {
            return Explanation {
                horizon: foreshift_domain::Duration::ZERO,
                probability: 0.5,
                logit: 0.0,
                base: 0.0,
                contributions: Vec::new(),
                simulated: false,
                thresholds: Vec::new(),
            };
        };
        let hazard = asked.hazards.get(head).copied().unwrap_or(0.0);
        let own = self.own_terms(head, target, hazard);
        let fleet = self.fleet.logit(*horizon, &self.params.hazard);
        let placed = self.layout().place(row);
        let (mean, mut of_features) = self.of_features(head, &placed);
        // Of the linear expert's two, the weights over knots have this share.
        let of_knots = 1.0 - self.plain.as_ref().map_or(0.0, |plain| plain.share(head));
        let mut base = of_knots * (own.bias + fleet + mean);
        let (mut of_target, mut of_hazard) = (of_knots * own.target_bias, of_knots * (own.hazard - fleet));
        of_features
            .iter_mut()
            .for_each(|of_feature| *of_feature *= of_knots);
        if let Some(plain) = &self.plain {
            let terms = plain.explain(head, self.layout(), &placed);
            base += (1.0 - of_knots) * terms.base;
            for (of_feature, plain) in of_features.iter_mut().zip(terms.of_features) {
                *of_feature += (1.0 - of_knots) * plain;
            }
        }
        let mut of_anomaly = 0.0;
        let mut all_trees = None;
        let beside = self
            .ensemble_at(tick)
            .and_then(|ensemble| ensemble.heads.get(head));
        if let Some(beside) = beside {
            let shares = target.shares(head, beside.shares);
            let (linear, prior) = (shares.of(Expert::Linear), shares.of(Expert::Hazard));
            let (trees, leaves) = (shares.of(Expert::Trees), linear * of_knots);
            let (of_trees, mean_of_trees) = match detail {
                Detail::Full => beside.contributions(trees, leaves, self.read_by_trees(row)),
                Detail::Brief => {
                    let (sum, mean) = beside.contribution(trees, leaves, self.read_by_trees(row));
                    all_trees = Some(sum);
                    (Vec::new(), mean)
                }
            };
            for (index, of_feature) in of_features.iter_mut().enumerate() {
                *of_feature = linear * *of_feature + of_trees.get(index).copied().unwrap_or(0.0);
            }
            let anomaly = shares.of(Expert::Anomaly);
            let added = self.of_anomaly(head, &beside.line, row);
            base = linear * base + (prior + anomaly) * fleet + anomaly * added.offset + mean_of_trees;
            of_target *= linear;
            of_hazard = linear * of_hazard + (prior + anomaly) * (hazard - fleet);
            of_anomaly = anomaly * added.by_rarity;
        }
        let of_trees = all_trees.unwrap_or(0.0);
        let raw = base + of_target + of_hazard + of_anomaly + of_trees + of_features.iter().sum::<f64>();
        let mixed = match beside {
            None => raw,
            Some(_) => {
                let said = self.logits_beside(asked.hazards, target, tick, row, &placed, |_| {});
                said.raw.get(head).copied().unwrap_or(raw)
            }
        };
        let logit = calibration.apply(mixed.clamp(-MAX_LOGIT, MAX_LOGIT));
        let term = |feature: &str, logit: f64| Contribution {
            feature: feature.to_owned(),
            value: None,
            logit,
        };
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        let features = self.inputs.iter().zip(values).zip(of_features);
        let mut contributions: Vec<Contribution> = features
            .map(|((input, value), logit)| Contribution {
                feature: input.name.clone(),
                value: Some(value),
                logit,
            })
            .collect();
        contributions.push(term("target_bias", of_target));
        contributions.push(term("hazard_prior", of_hazard));
        if beside.is_some() {
            contributions.push(term("anomaly", of_anomaly));
        }
        contributions.push(term("calibration", logit - raw));
        contributions.extend(all_trees.map(|sum| term("trees", sum)));
        contributions.sort_by(|a, b| b.logit.abs().total_cmp(&a.logit.abs()));
        Explanation {
            horizon: *horizon,
            probability: probability_of(logit),
            logit,
            base,
            contributions,
            simulated: false,
            thresholds: Vec::new(),
        }
    }

    /// The mean of what all features add over knots, and what each adds beyond its part of it.
    fn of_features(&self, head: usize, placed: &[Position]) -> (f64, Vec<f64>) {
        let mut of_slots = Vec::with_capacity(4 * placed.len());
        self.layout().visit(placed, |slot, value| {
            of_slots.push((slot, self.weight(slot, head) * value))
        });
        let mut of_features = vec![0.0; placed.len()];
        let mut all_means = 0.0;
        let mut give = |input: usize, logit: f64| {
            if let Some(of_feature) = of_features.get_mut(input) {
                *of_feature += logit;
            }
        };
        let mut touched = of_slots.iter().peekable();
        for (owner, run) in self.layout().owners() {
            let mean = self.mean_over(head, run.clone());
            let mut added = -mean;
            while let Some((_, logit)) = touched.next_if(|(slot, _)| run.contains(slot)) {
                added += logit;
            }
            all_means += mean;
            match owner {
                Owner::Input(input) => give(input, added),
                Owner::Cross(a, b) => {
                    give(a, added / 2.0);
                    give(b, added / 2.0);
                }
            }
        }
        (all_means, of_features)
    }

    /// What a run of slots added on average, over the rows learned from.
    fn mean_over(&self, head: usize, run: std::ops::Range<usize>) -> f64 {
        let all = self.seen.first().copied().unwrap_or(0.0);
        if all <= 0.0 {
            return 0.0;
        }
        let seen = self.seen.get(run.clone()).unwrap_or_default();
        run.zip(seen)
            .map(|(slot, seen)| self.weight(slot, head) * seen)
            .sum::<f64>()
            / all
    }
}
