//! Rows as columns of numbers, for training.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use foreshift_domain::Timestamp;
use polars::prelude::{ChunkCompareEq, DataFrame, ParquetReader, SerReader, StringChunked};

use super::{About, about};

/// Rows read at once: a row of another horizon is let go before the next are read.
const SLICE_ROWS: usize = 1 << 18;

/// The rows of one horizon, column by column. All columns have as many rows.
#[derive(Debug, PartialEq)]
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
    /// One column for each feature, in the order of [`About::set`]; NaN is missing.
    pub(crate) features: Vec<Vec<f64>>,
}

impl Rows {
    /// The rows of the horizon at `head` of [`About::horizons_s`], in the order of the file. They are held once, and
    /// those of other horizons are not.
    ///
    /// # Errors
    /// When the file cannot be read, is no file of rows of this build, or has no such horizon.
    pub(crate) fn read(path: &Path, head: usize) -> anyhow::Result<Self> {
        let open = || File::open(path).with_context(|| format!("cannot read {}", path.display()));
        let mut reader = ParquetReader::new(open()?);
        let about =
            about(&mut reader).with_context(|| format!("{} holds no rows to learn from", path.display()))?;
        let horizon_s = *about
            .horizons_s
            .get(head)
            .with_context(|| format!("{} has {} horizons", path.display(), about.horizons_s.len()))?;
        let (total, metadata) = (reader.num_rows()?, reader.get_metadata()?.clone());
        let set = about.set()?;
        let names: Vec<&str> = set.all().map(|feature| feature.name).collect();
        let mut rows = Self::empty(about, names.len());
        for begin in (0..total).step_by(SLICE_ROWS) {
            let mut slice = ParquetReader::new(open()?);
            slice.set_metadata(metadata.clone());
            let frame = slice.with_slice(Some((begin, SLICE_ROWS))).finish();
            let appended = frame.map_err(anyhow::Error::from).and_then(|frame| {
                let chosen = frame.column("horizon_s")?.f64()?.equal(horizon_s);
                rows.append(&frame.filter(&chosen)?, &names)
            });
            appended.with_context(|| format!("{} is damaged", path.display()))?;
        }
        Ok(rows)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.time.len()
    }

    fn empty(about: About, features: usize) -> Self {
        Self {
            about,
            time: Vec::new(),
            route: Vec::new(),
            target: Vec::new(),
            label: Vec::new(),
            known_at: Vec::new(),
            incident: Vec::new(),
            weight: Vec::new(),
            treated: Vec::new(),
            propensity: Vec::new(),
            held_out: Vec::new(),
            features: vec![Vec::new(); features],
        }
    }

    fn append(&mut self, frame: &DataFrame, names: &[&str]) -> anyhow::Result<()> {
        let texts = |name: &str| -> anyhow::Result<&StringChunked> { Ok(frame.column(name)?.str()?) };
        let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let times = |name: &str| -> anyhow::Result<Vec<Option<Timestamp>>> {
            let column = frame.column(name)?.datetime()?;
            let times = column.physical().iter();
            Ok(times.map(|time| time.map(Timestamp::from_micros)).collect())
        };
        let flags = |name: &str| -> anyhow::Result<Vec<bool>> {
            let column = frame.column(name)?.bool()?;
            Ok(column.iter().map(Option::unwrap_or_default).collect())
        };
        self.time
            .extend(times("time")?.into_iter().map(Option::unwrap_or_default));
        self.route.extend(texts("route")?.iter().map(owned));
        self.target.extend(texts("target")?.iter().map(owned));
        let labels = frame.column("label")?.i32()?;
        self.label
            .extend(labels.iter().map(|label| label.map(|label| label > 0)));
        self.known_at.extend(times("label_known_at")?);
        self.incident
            .extend(texts("incident_id")?.iter().map(|text| text.map(str::to_owned)));
        numbers(frame, "row_weight", &mut self.weight)?;
        self.treated.extend(flags("treated")?);
        numbers(frame, "propensity", &mut self.propensity)?;
        self.held_out.extend(flags("held_out")?);
        for (name, column) in names.iter().zip(&mut self.features) {
            numbers(frame, name, column)?;
        }
        Ok(())
    }
}

fn numbers(frame: &DataFrame, name: &str, to: &mut Vec<f64>) -> anyhow::Result<()> {
    let column = frame.column(name)?.f64()?;
    to.extend(column.iter().map(|value| value.unwrap_or(f64::NAN)));
    Ok(())
}
