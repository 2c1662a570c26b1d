//! Inputs as the columns of a row group.

use std::fs::File;

use foreshift_domain::Input;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::writer::SerializedRowGroupWriter;
use rustc_hash::FxHashMap;

use crate::journal::JournalError;
use crate::journal::row::flatten;

/// Rows that wait for their row group, by column.
#[derive(Default)]
pub(super) struct Columns {
    texts: Texts,
    seq: Vec<i64>,
    kind: TextColumn,
    time: Column<i64>,
    target: TextColumn,
    route: TextColumn,
    gateway: TextColumn,
    endpoint: TextColumn,
    outcome: TextColumn,
    count: Column<i64>,
    latency: Column<i64>,
    ttfb: Column<i64>,
    gauge: TextColumn,
    value: Column<f64>,
    limit: Column<f64>,
    health: TextColumn,
    event: TextColumn,
    template: Column<i64>,
    class: TextColumn,
    topic: TextColumn,
    partition: Column<i32>,
    offset: Column<i64>,
    payload: Column<ByteArray>,
}

impl Columns {
    pub(super) fn rows(&self) -> usize {
        self.seq.len()
    }

    pub(super) fn first_seq(&self) -> u64 {
        self.seq.first().map_or(0, |seq| seq.cast_unsigned())
    }

    pub(super) fn push(
        &mut self,
        seq: u64,
        input: &Input,
        origin: Option<(&str, i32, i64)>,
    ) -> Result<(), JournalError> {
        let (flat, payload) = flatten(input)?;
        let texts = &mut self.texts;
        self.seq.push(seq.cast_signed());
        self.kind.push(Some(flat.kind), texts);
        self.time.push(flat.time);
        self.target.push(flat.target, texts);
        self.route.push(flat.route, texts);
        self.gateway.push(flat.gateway, texts);
        self.endpoint.push(flat.endpoint, texts);
        self.outcome.push(flat.outcome, texts);
        self.count.push(flat.count);
        self.latency.push(flat.latency);
        self.ttfb.push(flat.ttfb);
        self.gauge.push(flat.gauge, texts);
        self.value.push(flat.value);
        self.limit.push(flat.limit);
        self.health.push(flat.health, texts);
        self.event.push(flat.event, texts);
        self.template.push(flat.template);
        self.class.push(flat.class, texts);
        self.topic.push(origin.map(|(topic, _, _)| topic), texts);
        self.partition.push(origin.map(|(_, partition, _)| partition));
        self.offset.push(origin.map(|(_, _, offset)| offset));
        self.payload
            .push(payload.map(|payload| ByteArray::from(payload.into_bytes())));
        Ok(())
    }

    /// In the order of the schema.
    pub(super) fn write(&self, group: &mut SerializedRowGroupWriter<'_, File>) -> ParquetResult<()> {
        write::<Int64Type>(group, &self.seq, None)?;
        self.kind.write(&self.texts, group)?;
        self.time.write::<Int64Type>(group)?;
        for column in [
            &self.target,
            &self.route,
            &self.gateway,
            &self.endpoint,
            &self.outcome,
        ] {
            column.write(&self.texts, group)?;
        }
        for column in [&self.count, &self.latency, &self.ttfb] {
            column.write::<Int64Type>(group)?;
        }
        self.gauge.write(&self.texts, group)?;
        self.value.write::<DoubleType>(group)?;
        self.limit.write::<DoubleType>(group)?;
        self.health.write(&self.texts, group)?;
        self.event.write(&self.texts, group)?;
        self.template.write::<Int64Type>(group)?;
        self.class.write(&self.texts, group)?;
        self.topic.write(&self.texts, group)?;
        self.partition.write::<Int32Type>(group)?;
        self.offset.write::<Int64Type>(group)?;
        self.payload.write::<ByteArrayType>(group)
    }

    /// Forgets the rows and keeps their room, which the next row group needs again.
    pub(super) fn clear(&mut self) {
        self.texts.make_room();
        self.seq.clear();
        self.payload.clear();
        for column in [
            &mut self.kind,
            &mut self.target,
            &mut self.route,
            &mut self.gateway,
            &mut self.endpoint,
            &mut self.outcome,
            &mut self.gauge,
            &mut self.health,
            &mut self.event,
            &mut self.class,
            &mut self.topic,
        ] {
            column.clear();
        }
        for column in [
            &mut self.time,
            &mut self.count,
            &mut self.latency,
            &mut self.ttfb,
            &mut self.template,
            &mut self.offset,
        ] {
            column.clear();
        }
        self.value.clear();
        self.limit.clear();
        self.partition.clear();
    }
}

/// A column whose cells may be missing: a level for each row, and the values that are there.
struct Column<T> {
    levels: Vec<i16>,
    values: Vec<T>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self {
            levels: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl<T> Column<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }

    fn clear(&mut self) {
        self.levels.clear();
        self.values.clear();
    }

    fn write<D: DataType<T = T>>(&self, group: &mut SerializedRowGroupWriter<'_, File>) -> ParquetResult<()> {
        write::<D>(group, &self.values, Some(&self.levels))
    }
}

/// A column of texts that come again and again, each as its place among [`Texts`]: a row group of the texts
/// themselves would not fit into the processor's caches.
#[derive(Default)]
struct TextColumn {
    levels: Vec<i16>,
    places: Vec<usize>,
}

/// Texts are looked up for so many rows at once when they are written.
const LOOKED_UP: usize = 1 << 10;

impl TextColumn {
    fn push(&mut self, text: Option<&str>, texts: &mut Texts) {
        self.levels.push(i16::from(text.is_some()));
        if let Some(text) = text {
            // Mostly it is that of the row before, which is found without a look-up.
            let before = self.places.last().copied();
            let place = before.filter(|place| texts.is(*place, text));
            self.places.push(place.unwrap_or_else(|| texts.place(text)));
        }
    }

    fn clear(&mut self) {
        self.levels.clear();
        self.places.clear();
    }

    fn write(&self, texts: &Texts, group: &mut SerializedRowGroupWriter<'_, File>) -> ParquetResult<()> {
        let mut column = group.next_column()?.ok_or_else(too_few_columns)?;
        let mut values = Vec::with_capacity(LOOKED_UP);
        let mut places = self.places.iter();
        for levels in self.levels.chunks(LOOKED_UP) {
            let present = levels.iter().filter(|level| **level > 0).count();
            values.clear();
            values.extend(
                places
                    .by_ref()
                    .take(present)
                    .filter_map(|place| texts.by_place.get(*place).cloned()),
            );
            column
                .typed::<ByteArrayType>()
                .write_batch(&values, Some(levels), None)?;
        }
        column.close()
    }
}

fn too_few_columns() -> ParquetError {
    ParquetError::General("the schema has fewer columns than a row".into())
}

fn write<D: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[D::T],
    levels: Option<&[i16]>,
) -> ParquetResult<()> {
    let mut column = group.next_column()?.ok_or_else(too_few_columns)?;
    column.typed::<D>().write_batch(values, levels, None)?;
    column.close()
}

/// Shares the bytes of texts that come again and again.
#[derive(Default)]
struct Texts {
    places: FxHashMap<Box<str>, usize>,
    by_place: Vec<ByteArray>,
}

/// Past this many all are forgotten after the row group, and met again. A row group adds at most its own.
const MAX_TEXTS: usize = 1 << 16;

impl Texts {
    fn place(&mut self, text: &str) -> usize {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.by_place.len();
        self.by_place.push(ByteArray::from(text.as_bytes().to_vec()));
        self.places.insert(text.into(), place);
        place
    }

    fn is(&self, place: usize, text: &str) -> bool {
        self.by_place
            .get(place)
            .is_some_and(|known| known.data() == text.as_bytes())
    }

    /// To be called when no row waits: places are valid until then.
    fn make_room(&mut self) {
        if self.by_place.len() >= MAX_TEXTS {
            self.places.clear();
            self.by_place.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_end_are_forgotten_once_no_row_waits_for_them() {
        let mut columns = Columns::default();
        for number in 0..=MAX_TEXTS {
            let text = format!("t{number}");
            columns.target.push(Some(&text), &mut columns.texts);
        }
        let last = columns.target.places.last().copied().unwrap();
        assert!(columns.texts.is(last, &format!("t{MAX_TEXTS}")));
        columns.clear();
        assert_eq!(columns.texts.by_place.len() + columns.texts.places.len(), 0);
        columns.target.push(Some("again"), &mut columns.texts);
        assert!(columns.texts.is(0, "again"));
    }
}
