//! Training boosted trees on what was seen, in several ways.

use anyhow::Context;
use foreshift_boost::{Columns, Params, Rows};
use foreshift_engine::{Label, inverse_propensity};
use foreshift_predict::Model;
use foreshift_predict::ensemble::EnsembleParams;
use foreshift_predict::trees::Trees;
use serde::Serialize;

use super::floor::Floor;
use super::play::{Event, Outcome, Played};

/// What is made of rows that we treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// A treated row without an incident is a negative.
    Naive,
    /// Hidden outcomes are learned as both, less what floor traffic would have shown of rows like them; alarms are held
    /// out.
    Ours,
    /// The same without a hold-out.
    OursActingOnAll,
    /// As if floor traffic showed the same share of whatever is predicted; alarms are held out.
    OneShare,
    /// Hidden outcomes are learned as both, as if floor traffic showed nothing; alarms are held out.
    Both,
    /// Hidden outcomes are left out; alarms are held out.
    Leave,
    /// All treated rows are left out, and what was held out counts for them.
    HeldOutAlone,
    /// Nobody ever acts: what a simulation alone can show.
    Bound,
}

impl Way {
    pub(super) const MAIN: [Self; 3] = [Self::Naive, Self::Ours, Self::Bound];
    pub(super) const ALL: [Self; 8] = [
        Self::Naive,
        Self::Ours,
        Self::OursActingOnAll,
        Self::OneShare,
        Self::Both,
        Self::Leave,
        Self::HeldOutAlone,
        Self::Bound,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Ours => "ours",
            Self::OursActingOnAll => "ours, nothing held out",
            Self::OneShare => "one share",
            Self::Both => "both",
            Self::Leave => "left out",
            Self::HeldOutAlone => "held-out alone",
            Self::Bound => "bound",
        }
    }

    pub(super) fn holds_out(self) -> bool {
        !matches!(self, Self::Naive | Self::OursActingOnAll | Self::Bound)
    }

    /// The probability that a row was positive, and how many it stands for; `None` is left out.
    pub(super) fn target(self, outcome: &Outcome, averted: Averted) -> Option<(f64, f64)> {
        if self == Self::HeldOutAlone && outcome.treated {
            return None;
        }
        let stands_for = match self {
            Self::HeldOutAlone => inverse_propensity(outcome.propensity),
            _ => 1.0,
        };
        let positive = match outcome.label {
            Label::Positive => 1.0,
            Label::Negative => 0.0,
            Label::Unknown if !outcome.hidden => return None,
            Label::Unknown => match self {
                Self::Naive => 0.0,
                Self::Ours | Self::OursActingOnAll => averted.by_likes,
                Self::OneShare => averted.by_all,
                Self::Both => outcome.predicted,
                Self::Leave | Self::HeldOutAlone | Self::Bound => return None,
            },
        };
        Some((positive, stands_for))
    }
}

/// The probability that an incident was averted, where none was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Averted {
    /// By what floor traffic shows of rows like this one.
    pub(super) by_likes: f64,
    /// By what it shows of all.
    pub(super) by_all: f64,
}

/// Rows as the trainer takes them: one that is half known is there twice, with its weight shared.
#[derive(Default)]
pub(super) struct Table {
    values: Vec<f64>,
    labels: Vec<f64>,
    weights: Vec<f64>,
    offsets: Vec<f64>,
}

impl Table {
    /// A row that counts `weight`; rows without any are left out.
    pub(super) fn add(&mut self, features: &[f32], label: f64, weight: f64, unread: &[usize]) {
        if weight <= 0.0 {
            return;
        }
        let from = self.values.len();
        self.values.extend(features.iter().map(|value| f64::from(*value)));
        for column in unread {
            if let Some(value) = self.values.get_mut(from + column) {
                *value = f64::NAN;
            }
        }
        self.labels.push(label);
        self.weights.push(weight);
    }

    /// The same, from these log-odds on.
    pub(super) fn add_from(&mut self, logit: f64, features: &[f32], label: f64, unread: &[usize]) {
        self.add(features, label, 1.0, unread);
        self.offsets.push(logit);
    }

    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn trees(&self, inputs: usize, params: Params) -> anyhow::Result<Trees> {
        let rows = Rows {
            columns: Columns::from_rows(&self.values, inputs)?,
            labels: &self.labels,
            weights: Some(&self.weights),
            offsets: Some(self.offsets.as_slice()).filter(|offsets| !offsets.is_empty()),
        };
        let params = Params {
            min_rows: 200,
            lambda: 5.0,
            bins: 64,
            ..params
        };
        let trained =
            foreshift_boost::train(&rows, None, &params, |_| {}).context("the trees cannot be grown")?;
        Ok(trained.trees)
    }
}

/// A model trained on these fleets: `fresh`, with trees that alone have the say.
pub(super) fn train(fresh: &Model, fleets: &[&Played], way: Way, seed: u64) -> anyhow::Result<Model> {
    let inputs = fresh.inputs();
    let unread: Vec<usize> = (0..inputs.len())
        .filter(|at| inputs.get(*at).is_some_and(|input| input.heads == 0))
        .collect();
    let floor = Floor::of(fleets, inputs.len(), &unread, seed)?;
    let mut table = Table::default();
    for event in fleets.iter().flat_map(|fleet| &fleet.events) {
        let Event::Row(row) = event else { continue };
        let Some(outcome) = &row.outcome else { continue };
        let averted = match outcome.hidden {
            true => floor.averted(row, outcome),
            false => Averted::default(),
        };
        if let Some((positive, weight)) = way.target(outcome, averted) {
            table.add(&row.features, 1.0, positive * weight, &unread);
            table.add(&row.features, 0.0, (1.0 - positive) * weight, &unread);
        }
    }
    let params = Params {
        trees: 60,
        leaves: 15,
        seed,
        ..Params::default()
    };
    let alone = EnsembleParams {
        home: [0.0, 1.0, 0.0, 0.0],
        ..EnsembleParams::default()
    };
    let trees = table.trees(inputs.len(), params)?;
    Ok(fresh.clone().with_trees(vec![trees], alone)?)
}
