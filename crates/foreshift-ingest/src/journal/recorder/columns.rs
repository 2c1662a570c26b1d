//! Inputs as the columns of a row group.

use std::fs::File;

use foreshift_domain::Input;
use foreshift_domain::prediction::Served;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::writer::SerializedRowGroupWriter;
use rustc_hash::FxHashMap;

use crate::journal::JournalError;
use crate::journal::row::{Flat, flatten, flatten_served};

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
        self.push_flat(seq, &flat, payload, origin);
        Ok(())
    }

    pub(super) fn push_served(&mut self, seq: u64, served: &Served) -> Result<(), JournalError> {
        let (flat, payload) = flatten_served(served)?;
        self.push_flat(seq, &flat, Some(payload), None);
        Ok(())
    }

    fn push_flat(
        &mut self,
        seq: u64,
        flat: &Flat<'_>,
        payload: Option<String>,
        origin: Option<(&str, i32, i64)>,
    ) {
        let (row, texts) = (self.rows(), &mut self.texts);
        self.seq.push(seq.cast_signed());
        self.kind.push_again(row, Some(flat.kind), texts);
        self.time.push(row, flat.time);
        self.target.push(row, flat.target, texts);
        self.route.push(row, flat.route, texts);
        self.gateway.push(row, flat.gateway, texts);
        self.endpoint.push(row, flat.endpoint, texts);
        self.outcome.push_again(row, flat.outcome, texts);
        self.count.push(row, flat.count);
        self.latency.push(row, flat.latency);
        self.ttfb.push(row, flat.ttfb);
        self.gauge.push(row, flat.gauge, texts);
        self.value.push(row, flat.value);
        self.limit.push(row, flat.limit);
        self.health.push_again(row, flat.health, texts);
        self.event.push_again(row, flat.event, texts);
        self.template.push(row, flat.template);
        self.class.push_again(row, flat.class, texts);
        self.topic
            .push_again(row, origin.map(|(topic, _, _)| topic), texts);
        self.partition
            .push(row, origin.map(|(_, partition, _)| partition));
        self.offset.push(row, origin.map(|(_, _, offset)| offset));
        let payload = payload.map(|payload| ByteArray::from(payload.into_bytes()));
        self.payload.push(row, payload);
    }

    /// In the order of the schema.
    pub(super) fn write(&mut self, group: &mut SerializedRowGroupWriter<'_, File>) -> ParquetResult<()> {
        let (rows, texts) = (self.rows(), &self.texts);
        write::<Int64Type>(group, &self.seq, None)?;
        self.kind.write(rows, texts, group)?;
        self.time.write::<Int64Type>(rows, group)?;
        for column in [
            &mut self.target,
            &mut self.route,
            &mut self.gateway,
            &mut self.endpoint,
            &mut self.outcome,
        ] {
            column.write(rows, texts, group)?;
        }
        for column in [&mut self.count, &mut self.latency, &mut self.ttfb] {
            column.write::<Int64Type>(rows, group)?;
        }
        self.gauge.write(rows, texts, group)?;
        self.value.write::<DoubleType>(rows, group)?;
        self.limit.write::<DoubleType>(rows, group)?;
        self.health.write(rows, texts, group)?;
        self.event.write(rows, texts, group)?;
        self.template.write::<Int64Type>(rows, group)?;
        self.class.write(rows, texts, group)?;
        self.topic.write(rows, texts, group)?;
        self.partition.write::<Int32Type>(rows, group)?;
        self.offset.write::<Int64Type>(rows, group)?;
        self.payload.write::<ByteArrayType>(rows, group)
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

/// Which rows of a column have a value: a level for each, up to the last that has one. So a cell that is missing, as
/// most are, costs nothing.
#[derive(Default)]
struct Levels(Vec<i16>);

impl Levels {
    fn present(&mut self, row: usize) {
        self.0.resize(row, 0);
        self.0.push(1);
    }

    fn of(&mut self, rows: usize) -> &[i16] {
        self.0.resize(rows, 0);
        &self.0
    }
}

/// A column whose cells may be missing.
struct Column<T> {
    levels: Levels,
    values: Vec<T>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self {
            levels: Levels::default(),
            values: Vec::new(),
        }
    }
}

impl<T> Column<T> {
    fn push(&mut self, row: usize, value: Option<T>) {
        if let Some(value) = value {
            self.levels.present(row);
            self.values.push(value);
        }
    }

    fn clear(&mut self) {
        self.levels.0.clear();
        self.values.clear();
    }

    fn write<D: DataType<T = T>>(
        &mut self,
        rows: usize,
        group: &mut SerializedRowGroupWriter<'_, File>,
    ) -> ParquetResult<()> {
        write::<D>(group, &self.values, Some(self.levels.of(rows)))
    }
}

/// A column of texts that come again and again, each as its place among [`Texts`]: a row group of the texts
/// themselves would not fit into the processor's caches.
#[derive(Default)]
struct TextColumn {
    levels: Levels,
    places: Vec<usize>,
}

/// Texts are looked up for so many rows at once when they are written.
const LOOKED_UP: usize = 1 << 10;

impl TextColumn {
    fn push(&mut self, row: usize, text: Option<&str>, texts: &mut Texts) {
        if let Some(text) = text {
            self.levels.present(row);
            self.places.push(texts.place(text));
        }
    }

    /// As `push`, for a text that mostly is that of the row before: it is found without a look-up.
    fn push_again(&mut self, row: usize, text: Option<&str>, texts: &mut Texts) {
        let before = self.places.last().copied();
        match (text, before) {
            (Some(text), Some(before)) if texts.is(before, text) => {
                self.levels.present(row);
                self.places.push(before);
            }
            _ => self.push(row, text, texts),
        }
    }

    fn clear(&mut self) {
        self.levels.0.clear();
        self.places.clear();
    }

    fn write(
        &mut self,
        rows: usize,
        texts: &Texts,
        group: &mut SerializedRowGroupWriter<'_, File>,
    ) -> ParquetResult<()> {
        let mut column = group.next_column()?.ok_or_else(too_few_columns)?;
        let mut window = Window::default();
        let mut places = self.places.as_slice();
        for levels in self.levels.of(rows).chunks(LOOKED_UP) {
            let present = levels.iter().filter(|level| **level > 0).count();
            let (now, rest) = places.split_at_checked(present).unwrap_or((places, &[]));
            places = rest;
            column
                .typed::<ByteArrayType>()
                .write_batch(window.look_up(now, texts), Some(levels), None)?;
        }
        column.close()
    }
}

/// Texts of the rows that are written next. What stands where it stood for the rows before is not looked up again,
/// which in a column of few texts is nearly all.
#[derive(Default)]
struct Window {
    places: Vec<usize>,
    values: Vec<ByteArray>,
}

impl Window {
    fn look_up(&mut self, places: &[usize], texts: &Texts) -> &[ByteArray] {
        let known = self.places.len().min(places.len());
        let (again, new) = places.split_at(known);
        for ((value, at), place) in self.values.iter_mut().zip(&mut self.places).zip(again) {
            if at != place {
                *at = *place;
                *value = texts.get(*place);
            }
        }
        self.places.truncate(known);
        self.values.truncate(known);
        self.places.extend_from_slice(new);
        self.values.extend(new.iter().map(|place| texts.get(*place)));
        &self.values
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

    fn get(&self, place: usize) -> ByteArray {
        let known = self.by_place.get(place).cloned();
        known.unwrap_or_else(|| ByteArray::from(""))
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
            columns.target.push(number, Some(&text), &mut columns.texts);
        }
        let last = columns.target.places.last().copied().unwrap();
        assert!(columns.texts.is(last, &format!("t{MAX_TEXTS}")));
        columns.clear();
        assert_eq!(columns.texts.by_place.len() + columns.texts.places.len(), 0);
        columns.target.push(0, Some("again"), &mut columns.texts);
        assert!(columns.texts.is(0, "again"));
    }
}
