//! Growing trees on rows that `foreshift-lab extract` has written.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use foreshift_boost::{Columns, Params, Rows as Given, train};
use foreshift_domain::{Duration, RouteName, Timestamp};
use foreshift_predict::trees::{Link, Tree, Trees};
use foreshift_predict::{EnsembleParams, InputSpec, Model};

use crate::replay::progress::Progress;
use crate::rows::Rows;

/// Of the rows and features that each tree is grown on.
pub(crate) const SEED: u64 = 1;

/// How trees are grown: few leaves, each of many rows and drawn towards none, since incidents are rare and those of one
/// target are alike. Found on recorded outages before 2024 by what it said of 2024; nothing was tuned to a target.
pub(crate) fn params() -> Params {
    Params {
        trees: 200,
        leaves: 15,
        learning_rate: 0.05,
        lambda: 20.0,
        min_rows: 500,
        row_fraction: 0.5,
        feature_fraction: 0.3,
        seed: SEED,
        threads: 2,
        ..Params::default()
    }
}

/// Which rows trees are grown on.
pub(crate) struct Part<'a> {
    /// The files.
    pub(crate) rows: &'a [PathBuf],
    /// Rows whose horizon ends by then.
    pub(crate) until: Timestamp,
    /// Rows of routes that none of these matches.
    pub(crate) without: &'a [Pattern],
    /// Which features. Trees are grown for each of these, and their mean is taken.
    pub(crate) views: &'a [Reads<'a>],
}

/// Which features trees read.
#[derive(Clone, Copy)]
pub(crate) enum Reads<'a> {
    /// Those that the linear model reads, but for these.
    AllBut(&'a [&'a str]),
    /// These alone.
    Only(&'a [&'a str]),
}

impl Reads<'_> {
    fn takes(self, input: &InputSpec, head: usize) -> bool {
        let name = input.name.as_str();
        match self {
            Self::AllBut(names) => input.heads & (1 << head) != 0 && !names.contains(&name),
            Self::Only(names) => names.contains(&name),
        }
    }
}

/// The name of a route, or the beginning of names before a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl std::str::FromStr for Pattern {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Pattern {
    /// All routes whose names begin so.
    pub(crate) fn below(prefix: &str) -> Self {
        Self(format!("{prefix}*"))
    }

    pub(crate) fn matches(&self, route: &RouteName) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => route.as_str().starts_with(prefix),
            None => route.as_str() == self.0,
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Trees for each horizon of the model. They read the features of this build.
pub(crate) fn grow(part: &Part<'_>, model: &Model) -> anyhow::Result<Vec<Trees>> {
    let heads = model.horizons().iter().enumerate();
    heads
        .map(|(head, horizon)| one(part, model, head, *horizon))
        .collect()
}

fn one(part: &Part<'_>, model: &Model, head: usize, horizon: Duration) -> anyhow::Result<Trees> {
    let mut taken = Taken::default();
    for path in part.rows {
        taken.add(part, path, head, horizon)?;
    }
    let progress = Progress::steps(&format!("trees for {horizon}"), part.views.len() * params().trees);
    let mut views = Vec::new();
    for reads in part.views {
        let grown = taken.grow(*reads, model, head, |trees| {
            progress.reach(views.len() * params().trees + trees);
        });
        views
            .push(grown.with_context(|| format!("no trees for {horizon} from {} rows", taken.labels.len()))?);
    }
    progress.finish();
    mean(views)
}

/// Trees that say the mean of what these say.
fn mean(views: Vec<Trees>) -> anyhow::Result<Trees> {
    let share = 1.0 / views.len() as f64;
    let features = views.first().context("trees that read nothing")?.features();
    let base = views.iter().map(|trees| share * trees.base()).sum();
    let mut all: Vec<Tree> = views.iter().flat_map(Trees::trees).collect();
    for leaf in all.iter_mut().flat_map(|tree| &mut tree.leaves) {
        leaf.value *= share;
    }
    Ok(Trees::new(features, base, Link::Logit, &all)?)
}

/// The rows of one horizon.
#[derive(Default)]
struct Taken {
    columns: Vec<Vec<f64>>,
    labels: Vec<f64>,
    weights: Vec<f64>,
}

impl Taken {
    fn grow(
        &self,
        reads: Reads<'_>,
        model: &Model,
        head: usize,
        mut grown: impl FnMut(usize),
    ) -> anyhow::Result<Trees> {
        let blank = vec![f64::NAN; self.labels.len()];
        let columns = self.columns.iter().zip(model.inputs());
        let columns = columns.map(|(column, input)| if reads.takes(input, head) { column } else { &blank });
        let given = Given {
            columns: Columns::from_slices(columns.map(Vec::as_slice).collect())?,
            labels: &self.labels,
            weights: Some(&self.weights),
            offsets: None,
        };
        let trained = train(&given, None, &params(), |round| grown(round.trees))?;
        Ok(trained.trees)
    }

    fn add(&mut self, part: &Part<'_>, path: &Path, head: usize, horizon: Duration) -> anyhow::Result<()> {
        let rows = Rows::read(path, head)?;
        let horizon_s = rows.about.horizons_s.get(head).copied().unwrap_or_default();
        ensure!(
            (horizon_s - horizon.as_secs_f64()).abs() < 1e-6,
            "{} looks ahead {horizon_s} s where the model looks ahead {horizon}",
            path.display()
        );
        let taken = (0..rows.len()).filter(|row| {
            let route = RouteName::from(rows.route[*row].as_str());
            rows.label[*row].is_some()
                && rows.time[*row] + horizon <= part.until
                && !part.without.iter().any(|pattern| pattern.matches(&route))
        });
        let taken: Vec<usize> = taken.collect();
        let positive = |row: &usize| rows.label[*row] == Some(true);
        // Where a recording is shorter than the horizon only incidents are known of: what they are told from is not.
        if taken.iter().all(positive) {
            return Ok(());
        }
        // Rows overlap by as much as the horizon is longer than the tick, and weigh that much less: the square root of
        // it undoes half, as for the learning rates of the linear model.
        let overlap = (horizon_s / rows.about.tick_s).max(1.0).sqrt();
        self.labels
            .extend(taken.iter().map(|row| f64::from(u8::from(positive(row)))));
        self.weights
            .extend(taken.iter().map(|row| rows.weight[*row] * overlap));
        self.columns.resize(rows.features.len(), Vec::new());
        for (column, feature) in self.columns.iter_mut().zip(&rows.features) {
            column.extend(taken.iter().map(|row| feature[*row]));
        }
        Ok(())
    }
}

/// A model with trees beside it that speak of what comes from `speaks_from` on.
pub(crate) fn beside(model: Model, trees: Vec<Trees>, speaks_from: Timestamp) -> anyhow::Result<Model> {
    let params = EnsembleParams {
        speaks_from,
        ..EnsembleParams::default()
    };
    Ok(model.with_trees(trees, params)?)
}

#[cfg(test)]
mod tests {
    use foreshift_predict::trees::Leaf;

    use super::*;

    #[test]
    fn the_mean_of_trees_says_the_mean_of_what_they_say() {
        let one = |base: f64, value: f64| {
            let leaf = Leaf { value, cover: 1.0 };
            let tree = Tree {
                splits: Vec::new(),
                leaves: vec![leaf],
            };
            Trees::new(2, base, Link::Logit, &[tree]).unwrap()
        };
        let (a, b) = (one(-4.0, 1.0), one(-2.0, 0.5));
        let both = mean(vec![a.clone(), b.clone()]).unwrap();
        let row = [0.0, 1.0];
        assert_eq!(both.logit(&row), (a.logit(&row) + b.logit(&row)) / 2.0);
        assert_eq!(mean(vec![a.clone()]).unwrap(), a);
        assert!(mean(Vec::new()).is_err());
    }
}
