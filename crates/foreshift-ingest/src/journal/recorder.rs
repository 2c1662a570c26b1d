//! Writes a journal.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use foreshift_domain::Input;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use rustc_hash::FxHashMap;

use super::row::{JournalRow, flatten};
use super::schema::{ROW_GROUP_ROWS, properties, schema};
use super::segments::{sealed_path, segments, sync_dir, unsealed_path};
use super::{JournalError, file_error, parquet_error};
use crate::sequencer::PartitionKey;

/// How much of a journal is kept. The newest segment always stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Older segments are removed when all are larger than this; `None` keeps all.
    pub max_bytes: Option<u64>,
    /// Segments sealed longer ago than this are removed; `None` keeps all.
    pub max_age: Option<Duration>,
}

/// Records inputs. Nothing is durable before [`Recorder::seal`].
pub struct Recorder {
    dir: PathBuf,
    retention: Retention,
    next_seq: u64,
    columns: Columns,
    segment: Option<OpenSegment>,
}

struct OpenSegment {
    first_seq: u64,
    path: PathBuf,
    writer: SerializedFileWriter<File>,
}

impl Recorder {
    /// Records into a directory, made if missing, from this sequence number on. Call
    /// [`discard_after`](super::discard_after) before.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(dir: &Path, next_seq: u64, retention: Retention) -> Result<Self, JournalError> {
        fs::create_dir_all(dir).map_err(|cause| file_error(dir, cause))?;
        Ok(Self {
            dir: dir.to_owned(),
            retention,
            next_seq,
            columns: Columns::default(),
            segment: None,
        })
    }

    /// The sequence number that the next input gets.
    pub const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Records one input, gives its sequence number.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(
        &mut self,
        input: &Input,
        origin: Option<(&PartitionKey, i64)>,
    ) -> Result<u64, JournalError> {
        let origin = origin.map(|(key, offset)| (&*key.topic, key.partition, offset));
        self.push(input, origin)
    }

    /// Records a row as it was read.
    pub(super) fn record_row(&mut self, row: &JournalRow) -> Result<(), JournalError> {
        self.next_seq = row.seq;
        let origin = row
            .origin
            .as_ref()
            .map(|origin| (origin.topic.as_str(), origin.partition, origin.offset));
        self.push(&row.input, origin).map(|_| ())
    }

    fn push(&mut self, input: &Input, origin: Option<(&str, i32, i64)>) -> Result<u64, JournalError> {
        let seq = self.next_seq;
        self.columns.push(seq, input, origin)?;
        self.next_seq = seq.saturating_add(1);
        if self.columns.rows() >= ROW_GROUP_ROWS {
            self.flush()?;
        }
        Ok(seq)
    }

    /// Seals what was recorded since the last time as one segment, and removes what retention lets go. Does nothing
    /// when there is nothing new.
    ///
    /// # Errors
    /// When it cannot be written, synced or renamed.
    pub fn seal(&mut self) -> Result<(), JournalError> {
        self.flush()?;
        let Some(OpenSegment {
            first_seq,
            path,
            writer,
        }) = self.segment.take()
        else {
            return Ok(());
        };
        let file = writer.into_inner().map_err(|cause| parquet_error(&path, cause))?;
        file.sync_all().map_err(|cause| file_error(&path, cause))?;
        let sealed = sealed_path(&self.dir, first_seq);
        fs::rename(&path, &sealed).map_err(|cause| file_error(&sealed, cause))?;
        self.let_go()?;
        sync_dir(&self.dir)
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        if self.columns.rows() == 0 {
            return Ok(());
        }
        let segment = match &mut self.segment {
            Some(segment) => segment,
            None => self
                .segment
                .insert(open_segment(&self.dir, self.columns.first_seq())?),
        };
        let written = segment.writer.next_row_group().and_then(|mut group| {
            self.columns.write(&mut group)?;
            group.close()
        });
        written.map_err(|cause| parquet_error(&segment.path, cause))?;
        self.columns.clear();
        Ok(())
    }

    fn let_go(&self) -> Result<(), JournalError> {
        let found = segments(&self.dir)?;
        let mut total: u64 = found.iter().map(|segment| segment.bytes).sum();
        let old = found.split_last().map(|(_, old)| old).unwrap_or_default();
        for segment in old {
            let too_large = self.retention.max_bytes.is_some_and(|most| total > most);
            let too_old = self
                .retention
                .max_age
                .is_some_and(|most| age(&segment.path) > most);
            if !too_large && !too_old {
                break;
            }
            fs::remove_file(&segment.path).map_err(|cause| file_error(&segment.path, cause))?;
            total = total.saturating_sub(segment.bytes);
        }
        Ok(())
    }
}

/// Time since a segment was sealed; zero when that is not known.
fn age(path: &Path) -> Duration {
    let modified = fs::metadata(path).and_then(|meta| meta.modified());
    modified
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok())
        .unwrap_or_default()
}

fn open_segment(dir: &Path, first_seq: u64) -> Result<OpenSegment, JournalError> {
    let path = unsealed_path(dir, first_seq);
    let file = File::create(&path).map_err(|cause| file_error(&path, cause))?;
    let writer = schema().and_then(|schema| SerializedFileWriter::new(file, schema, properties()?));
    let writer = writer.map_err(|cause| parquet_error(&path, cause))?;
    Ok(OpenSegment {
        first_seq,
        path,
        writer,
    })
}

/// Rows that wait for their row group, by column.
#[derive(Default)]
struct Columns {
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
    fn rows(&self) -> usize {
        self.seq.len()
    }

    fn first_seq(&self) -> u64 {
        self.seq.first().map_or(0, |seq| seq.cast_unsigned())
    }

    fn push(
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
    fn write(&self, group: &mut SerializedRowGroupWriter<'_, File>) -> ParquetResult<()> {
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
    fn clear(&mut self) {
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
