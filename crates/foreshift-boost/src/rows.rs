//! What is learned from: feature values by column, labels, weights and offsets.

use crate::train::BoostError;

/// The values of the features, wherever they lie. NaN is missing.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    source: Source<'a>,
    rows: usize,
}

#[derive(Clone, Debug)]
enum Source<'a> {
    Slices(Vec<&'a [f64]>),
    RowMajor { values: &'a [f64], width: usize },
}

impl<'a> Columns<'a> {
    /// One slice for each feature.
    ///
    /// # Errors
    /// [`BoostError::Lengths`] if they are not equally long.
    pub fn from_slices(columns: Vec<&'a [f64]>) -> Result<Self, BoostError> {
        let rows = columns.first().map_or(0, |column| column.len());
        for column in &columns {
            same_length("a column", column.len(), rows)?;
        }
        let source = Source::Slices(columns);
        Ok(Self { source, rows })
    }

    /// One row of `width` values after the other.
    ///
    /// # Errors
    /// [`BoostError::Lengths`] if the last row is not whole.
    pub fn from_rows(values: &'a [f64], width: usize) -> Result<Self, BoostError> {
        let rows = values.len().checked_div(width).unwrap_or(0);
        same_length("the row-major values", values.len(), rows * width)?;
        let source = Source::RowMajor { values, width };
        Ok(Self { source, rows })
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many features there are.
    #[must_use]
    pub fn features(&self) -> usize {
        match &self.source {
            Source::Slices(columns) => columns.len(),
            Source::RowMajor { width, .. } => *width,
        }
    }

    /// The values of a feature, in the order of the rows.
    pub(crate) fn column(&self, feature: usize) -> impl Iterator<Item = f64> + '_ {
        let (values, step) = match &self.source {
            Source::Slices(columns) => (columns.get(feature).copied().unwrap_or_default(), 1),
            Source::RowMajor { values, width } => {
                (values.get(feature..).unwrap_or_default(), (*width).max(1))
            }
        };
        values.iter().copied().step_by(step).take(self.rows)
    }
}

/// Rows with what is known of them.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    /// The features.
    pub columns: Columns<'a>,
    /// 1 or 0 for each row. Rows whose label is unknown are left out by the caller.
    pub labels: &'a [f64],
    /// How much each row counts: finite, at least 0. None: 1 each.
    pub weights: Option<&'a [f64]>,
    /// Log-odds that the trees start from, row by row: what another model says. None: the log-odds of the
    /// weighted mean label, which becomes the base of the trees.
    pub offsets: Option<&'a [f64]>,
}

impl Rows<'_> {
    pub(crate) fn check(&self) -> Result<(), BoostError> {
        let rows = self.columns.rows();
        same_length("labels", self.labels.len(), rows)?;
        same_length("weights", self.weights.map_or(rows, <[f64]>::len), rows)?;
        same_length("offsets", self.offsets.map_or(rows, <[f64]>::len), rows)?;
        let bad = |what, row| Err(BoostError::Value { what, row });
        if let Some(row) = self
            .labels
            .iter()
            .position(|label| *label != 0.0 && *label != 1.0)
        {
            return bad("label", row);
        }
        let weights = self.weights.unwrap_or_default();
        if let Some(row) = weights
            .iter()
            .position(|weight| !(weight.is_finite() && *weight >= 0.0))
        {
            return bad("weight", row);
        }
        let offsets = self.offsets.unwrap_or_default();
        if let Some(row) = offsets.iter().position(|offset| !offset.is_finite()) {
            return bad("offset", row);
        }
        for feature in 0..self.columns.features() {
            if let Some(row) = self.columns.column(feature).position(f64::is_infinite) {
                return Err(BoostError::Infinite { feature, row });
            }
        }
        Ok(())
    }

    /// The weights, 1 where none are given.
    pub(crate) fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        let given = self.weights.unwrap_or_default().iter().copied();
        given.chain(std::iter::repeat(1.0)).take(self.labels.len())
    }
}

fn same_length(what: &'static str, found: usize, rows: usize) -> Result<(), BoostError> {
    if found == rows {
        Ok(())
    } else {
        Err(BoostError::Lengths { what, found, rows })
    }
}
