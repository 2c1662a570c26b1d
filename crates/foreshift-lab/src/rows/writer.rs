//! Writes rows in groups, so that memory stays bounded however many there are.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Context;
use foreshift_domain::Timestamp;
use polars::prelude::{
    BatchedWriter, BooleanChunked, Column, DataFrame, DataType, Float64Chunked, Int32Chunked, Int64Chunked,
    IntoColumn, IntoSeries, KeyValueMetadata, NewChunkedArray, ParquetWriter, PlSmallStr, Schema,
    StringChunked, TimeUnit, TimeZone,
};

use super::{ABOUT_KEY, About, META};

/// Rows of one group: about 45 MB of features in memory.
const GROUP_ROWS: usize = 1 << 16;

/// One row, as it is written.
pub(crate) struct LabelledRow<'a> {
    /// The prediction tick.
    pub(crate) time: Timestamp,
    pub(crate) route: &'a str,
    pub(crate) target: &'a str,
    pub(crate) horizon_s: f64,
    /// Whether an incident began; `None` is unknown.
    pub(crate) label: Option<bool>,
    /// Event time at which the label was known; `None` when it never was.
    pub(crate) known_at: Option<Timestamp>,
    /// The incident the row looks at.
    pub(crate) incident: Option<&'a str>,
    pub(crate) weight: f64,
    /// Whether we had moved traffic away from the target.
    pub(crate) treated: bool,
    /// Probability with which we did what we did, 0 to 1.
    pub(crate) propensity: f64,
    /// Whether the alarm episode was held out from action.
    pub(crate) held_out: bool,
    pub(crate) weight_bp: Option<u32>,
    /// In the order of the catalogue; NaN is missing.
    pub(crate) features: &'a [f64],
}

/// Writes a file of rows.
pub(crate) struct RowWriter {
    writer: BatchedWriter<BufWriter<File>>,
    group: Group,
    /// Of the features.
    names: Vec<PlSmallStr>,
}

impl RowWriter {
    /// Begins a file; what was there before is gone.
    pub(crate) fn create(path: &Path, about: &About) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let names: Vec<PlSmallStr> = (about.set()?.all()).map(|feature| feature.name.into()).collect();
        let about = vec![(ABOUT_KEY.to_owned(), serde_json::to_string(about)?)];
        let writer = ParquetWriter::new(BufWriter::new(file))
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(about)))
            .batched(&schema(&names))?;
        Ok(Self {
            writer,
            group: Group::default(),
            names,
        })
    }

    /// Takes one row; writes a group when it is full.
    pub(crate) fn push(&mut self, row: &LabelledRow<'_>) -> anyhow::Result<()> {
        self.group.push(row);
        if self.group.time.len() >= GROUP_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is left, and the end of the file.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        self.writer.finish().context("cannot write the rows")?;
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let group = std::mem::take(&mut self.group);
        if !group.time.is_empty() {
            self.writer
                .write_batch(&group.frame(&self.names)?)
                .context("cannot write the rows")?;
        }
        Ok(())
    }
}

const TIME: DataType = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));

fn schema(names: &[PlSmallStr]) -> Schema {
    let types = [
        TIME,
        DataType::String,
        DataType::String,
        DataType::Float64,
        DataType::Int32,
        TIME,
        DataType::String,
        DataType::Float64,
        DataType::Boolean,
        DataType::Float64,
        DataType::Boolean,
        DataType::Int32,
    ];
    let named = META
        .iter()
        .zip(types)
        .map(|(name, kind)| (PlSmallStr::from(*name), kind));
    let features = names.iter().map(|name| (name.clone(), DataType::Float64));
    named.chain(features).collect()
}

/// A group being filled, column by column.
#[derive(Default)]
struct Group {
    time: Vec<i64>,
    route: Vec<String>,
    target: Vec<String>,
    horizon_s: Vec<f64>,
    label: Vec<Option<i32>>,
    known_at: Vec<Option<i64>>,
    incident: Vec<Option<String>>,
    weight: Vec<f64>,
    treated: Vec<bool>,
    propensity: Vec<f64>,
    held_out: Vec<bool>,
    weight_bp: Vec<Option<i32>>,
    features: Vec<Vec<f64>>,
}

impl Group {
    fn push(&mut self, row: &LabelledRow<'_>) {
        self.time.push(row.time.as_micros());
        self.route.push(row.route.to_owned());
        self.target.push(row.target.to_owned());
        self.horizon_s.push(row.horizon_s);
        self.label.push(row.label.map(i32::from));
        self.known_at.push(row.known_at.map(Timestamp::as_micros));
        self.incident.push(row.incident.map(str::to_owned));
        self.weight.push(row.weight);
        self.treated.push(row.treated);
        self.propensity.push(row.propensity);
        self.held_out.push(row.held_out);
        // A weight is at most 10,000.
        self.weight_bp
            .push(row.weight_bp.and_then(|bp| i32::try_from(bp).ok()));
        self.features.resize_with(row.features.len(), Vec::new);
        for (column, value) in self.features.iter_mut().zip(row.features) {
            column.push(*value);
        }
    }

    fn frame(self, names: &[PlSmallStr]) -> anyhow::Result<DataFrame> {
        let rows = self.time.len();
        let times = |name: usize, values: Int64Chunked| {
            let zone = Some(TimeZone::UTC);
            let column = values.into_datetime(TimeUnit::Microseconds, zone).into_column();
            column.with_name(meta(name))
        };
        let mut columns: Vec<Column> = vec![
            times(0, Int64Chunked::from_vec(meta(0), self.time)),
            StringChunked::from_iter_values(meta(1), self.route.iter().map(String::as_str)).into_column(),
            StringChunked::from_iter_values(meta(2), self.target.iter().map(String::as_str)).into_column(),
            Float64Chunked::from_vec(meta(3), self.horizon_s).into_column(),
            Int32Chunked::from_slice_options(meta(4), &self.label).into_column(),
            times(5, Int64Chunked::from_slice_options(meta(5), &self.known_at)),
            StringChunked::from_iter_options(meta(6), self.incident.iter().map(Option::as_deref))
                .into_column(),
            Float64Chunked::from_vec(meta(7), self.weight).into_column(),
            BooleanChunked::from_slice(meta(8), &self.treated).into_column(),
            Float64Chunked::from_vec(meta(9), self.propensity).into_column(),
            BooleanChunked::from_slice(meta(10), &self.held_out).into_column(),
            Int32Chunked::from_slice_options(meta(11), &self.weight_bp).into_column(),
        ];
        let features = names.iter().zip(self.features);
        columns.extend(features.map(|(name, values)| {
            Float64Chunked::from_vec(name.clone(), values)
                .into_series()
                .into_column()
        }));
        Ok(DataFrame::new(rows, columns)?)
    }
}

fn meta(at: usize) -> PlSmallStr {
    META.get(at).copied().unwrap_or_default().into()
}
