//! Rows as columns of numbers, for training.

use std::path::Path;

use anyhow::Context;
use foreshift_domain::Timestamp;
use foreshift_features::FEATURES;
use polars::prelude::{ChunkCompareEq, DataFrame, StringChunked};

use super::{About, read_frame};

/// The rows of one horizon, column by column. All columns have as many rows.
pub(crate) struct Rows {
    pub(crate) about: About,
    /// Prediction ticks.
    pub(crate) time: Vec<Timestamp>,
    pub(crate) route: Vec<String>,
    pub(crate) target: Vec<String>,
    /// `Some(true)` where an incident began, `None` where nobody knows.
    pub(crate) label: Vec<Option<bool>>,
    pub(crate) known_at: Vec<Option<Timestamp>>,
    /// The incident a row looks at.
    pub(crate) incident: Vec<Option<String>>,
    pub(crate) weight: Vec<f64>,
    pub(crate) treated: Vec<bool>,
    pub(crate) propensity: Vec<f64>,
    pub(crate) held_out: Vec<bool>,
    /// One column for each feature of the catalogue, in its order; NaN is missing.
    pub(crate) features: Vec<Vec<f64>>,
}

impl Rows {
    /// The rows of the horizon at `head` of [`About::horizons_s`], in the order of the file.
    ///
    /// # Errors
    /// When the file cannot be read, is no file of rows of this build, or has no such horizon.
    pub(crate) fn read(path: &Path, head: usize) -> anyhow::Result<Self> {
        let (about, frame) = read_frame(path, None)?;
        let horizon_s = *about
            .horizons_s
            .get(head)
            .with_context(|| format!("{} has {} horizons", path.display(), about.horizons_s.len()))?;
        let chosen = frame.column("horizon_s")?.f64()?.equal(horizon_s);
        let mut frame = frame.filter(&chosen)?;
        Self::of(about, &mut frame).with_context(|| format!("{} is damaged", path.display()))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.time.len()
    }

    fn of(about: About, frame: &mut DataFrame) -> anyhow::Result<Self> {
        let features = FEATURES.iter().map(|spec| {
            // Columns are taken out as they are copied: the rows are not held twice.
            let column = frame.drop_in_place(spec.name)?;
            let values = column.f64()?.iter().map(|value| value.unwrap_or(f64::NAN));
            Ok(values.collect())
        });
        let features = features.collect::<anyhow::Result<Vec<Vec<f64>>>>()?;
        let times = |name: &str| -> anyhow::Result<Vec<Option<Timestamp>>> {
            let column = frame.column(name)?.datetime()?;
            let times = column.physical().iter();
            Ok(times.map(|time| time.map(Timestamp::from_micros)).collect())
        };
        let texts = |name: &str| -> anyhow::Result<&StringChunked> { Ok(frame.column(name)?.str()?) };
        let owned = |all: &StringChunked| -> Vec<String> {
            all.iter()
                .map(|text| text.unwrap_or_default().to_owned())
                .collect()
        };
        let numbers = |name: &str| -> anyhow::Result<Vec<f64>> {
            let column = frame.column(name)?.f64()?;
            Ok(column.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
        };
        let flags = |name: &str| -> anyhow::Result<Vec<bool>> {
            let column = frame.column(name)?.bool()?;
            Ok(column.iter().map(|flag| flag.unwrap_or_default()).collect())
        };
        let labels = frame.column("label")?.i32()?;
        Ok(Self {
            time: times("time")?
                .into_iter()
                .map(Option::unwrap_or_default)
                .collect(),
            route: owned(texts("route")?),
            target: owned(texts("target")?),
            label: labels.iter().map(|label| label.map(|label| label > 0)).collect(),
            known_at: times("label_known_at")?,
            incident: texts("incident_id")?
                .iter()
                .map(|text| text.map(str::to_owned))
                .collect(),
            weight: numbers("row_weight")?,
            treated: flags("treated")?,
            propensity: numbers("propensity")?,
            held_out: flags("held_out")?,
            features,
            about,
        })
    }
}
