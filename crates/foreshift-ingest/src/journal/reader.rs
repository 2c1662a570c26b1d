//! Reads a journal.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

use foreshift_domain::prediction::Served;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::statistics::Statistics;

use super::row::{Flat, JournalRow, Names, RowOrigin, SERVED, restore, restore_served};
use super::schema::schema;
use super::segments::segments;
use super::{JournalError, file_error, parquet_error};

/// Reads the sealed segments of a directory, or one file, a row group at a time.
pub struct JournalReader {
    waiting: VecDeque<PathBuf>,
    open: Option<OpenFile>,
    from_seq: u64,
    names: Names,
}

struct OpenFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    next_group: usize,
}

impl JournalReader {
    /// Reads rows from a sequence number on.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(path: &Path, from_seq: u64) -> Result<Self, JournalError> {
        let waiting = if path.is_dir() {
            let found = segments(path)?;
            // Segments whole before the first row asked for are passed over by the name of their successor.
            let begin = found
                .iter()
                .rposition(|segment| segment.first_seq <= from_seq)
                .unwrap_or(0);
            found
                .into_iter()
                .skip(begin)
                .map(|segment| segment.path)
                .collect()
        } else {
            VecDeque::from([path.to_owned()])
        };
        Ok(Self {
            waiting,
            open: None,
            from_seq,
            names: Names::default(),
        })
    }

    /// The rows of the next row group, in order; `None` at the end.
    ///
    /// # Errors
    /// When a segment is damaged.
    pub fn next_rows(&mut self) -> Result<Option<Vec<JournalRow>>, JournalError> {
        let from_seq = self.from_seq;
        while let Some((group, names)) = self.next_group()? {
            let mut rows = group.rows(names)?;
            rows.retain(|row| row.seq >= from_seq);
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    /// The samples of what was served that the next row group with some holds, in order; `None` at the end. Read
    /// either these or the inputs with one reader.
    ///
    /// # Errors
    /// When a segment is damaged.
    pub fn next_served(&mut self) -> Result<Option<Vec<Served>>, JournalError> {
        while let Some((group, _)) = self.next_group()? {
            let served = group.served()?;
            if !served.is_empty() {
                return Ok(Some(served));
            }
        }
        Ok(None)
    }

    fn next_group(&mut self) -> Result<Option<(Group, &mut Names)>, JournalError> {
        loop {
            let file = match &mut self.open {
                Some(file) if file.next_group < file.reader.num_row_groups() => file,
                _ => match self.waiting.pop_front() {
                    Some(path) => self.open.insert(open(path)?),
                    None => return Ok(None),
                },
            };
            if file.next_group >= file.reader.num_row_groups() {
                continue;
            }
            let group = file
                .reader
                .get_row_group(file.next_group)
                .and_then(|group| Group::read(&*group));
            file.next_group += 1;
            let group = group.map_err(|cause| parquet_error(&file.path, cause))?;
            return Ok(Some((group, &mut self.names)));
        }
    }

    /// Sequence number of the last row of a segment; `None` when it has none.
    ///
    /// # Errors
    /// When the segment is damaged.
    pub fn last_seq(path: &Path) -> Result<Option<u64>, JournalError> {
        let file = open(path.to_owned())?;
        let groups = file.reader.metadata().row_groups();
        let statistics = groups
            .last()
            .and_then(|group| group.columns().first())
            .and_then(|column| column.statistics());
        match statistics {
            Some(Statistics::Int64(values)) => Ok(values.max_opt().map(|seq| seq.cast_unsigned())),
            _ => Ok(None),
        }
    }
}

fn open(path: PathBuf) -> Result<OpenFile, JournalError> {
    let file = File::open(&path).map_err(|cause| file_error(&path, cause))?;
    let reader = SerializedFileReader::new(file).map_err(|cause| parquet_error(&path, cause))?;
    let ours = schema().map_err(|cause| parquet_error(&path, cause))?;
    if reader.metadata().file_metadata().schema() != ours.as_ref() {
        let why = ParquetError::General("its columns are not those of a journal".into());
        return Err(parquet_error(&path, why));
    }
    Ok(OpenFile {
        path,
        reader,
        next_group: 0,
    })
}

/// The columns of a row group.
struct Group {
    seq: Column<i64>,
    kind: Column<ByteArray>,
    time: Column<i64>,
    target: Column<ByteArray>,
    route: Column<ByteArray>,
    gateway: Column<ByteArray>,
    endpoint: Column<ByteArray>,
    outcome: Column<ByteArray>,
    count: Column<i64>,
    latency: Column<i64>,
    ttfb: Column<i64>,
    gauge: Column<ByteArray>,
    value: Column<f64>,
    limit: Column<f64>,
    health: Column<ByteArray>,
    event: Column<ByteArray>,
    template: Column<i64>,
    class: Column<ByteArray>,
    topic: Column<ByteArray>,
    partition: Column<i32>,
    offset: Column<i64>,
    payload: Column<ByteArray>,
    rows: usize,
}

impl Group {
    /// In the order of the schema, which was checked.
    fn read(group: &dyn RowGroupReader) -> ParquetResult<Self> {
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        let mut cells = Cells { group, rows, next: 0 };
        Ok(Self {
            seq: cells.required::<Int64Type>()?,
            kind: cells.required::<ByteArrayType>()?,
            time: cells.optional::<Int64Type>()?,
            target: cells.optional::<ByteArrayType>()?,
            route: cells.optional::<ByteArrayType>()?,
            gateway: cells.optional::<ByteArrayType>()?,
            endpoint: cells.optional::<ByteArrayType>()?,
            outcome: cells.optional::<ByteArrayType>()?,
            count: cells.optional::<Int64Type>()?,
            latency: cells.optional::<Int64Type>()?,
            ttfb: cells.optional::<Int64Type>()?,
            gauge: cells.optional::<ByteArrayType>()?,
            value: cells.optional::<DoubleType>()?,
            limit: cells.optional::<DoubleType>()?,
            health: cells.optional::<ByteArrayType>()?,
            event: cells.optional::<ByteArrayType>()?,
            template: cells.optional::<Int64Type>()?,
            class: cells.optional::<ByteArrayType>()?,
            topic: cells.optional::<ByteArrayType>()?,
            partition: cells.optional::<Int32Type>()?,
            offset: cells.optional::<Int64Type>()?,
            payload: cells.optional::<ByteArrayType>()?,
            rows,
        })
    }

    fn rows(mut self, names: &mut Names) -> Result<Vec<JournalRow>, JournalError> {
        (0..self.rows)
            .filter_map(|row| self.row(row, names).transpose())
            .collect()
    }

    /// Samples of what was served; each row's cells are taken in order, as columns want.
    fn served(mut self) -> Result<Vec<Served>, JournalError> {
        let mut found = Vec::new();
        for row in 0..self.rows {
            let seq = self.seq.cell(row).copied().unwrap_or_default().cast_unsigned();
            let served = utf8(self.kind.cell(row)) == Some(SERVED);
            let payload = utf8(self.payload.cell(row));
            if served {
                found.push(restore_served(payload).map_err(|why| JournalError::Row { seq, why })?);
            }
        }
        Ok(found)
    }

    /// The input of a row; `None` when it is none.
    fn row(&mut self, row: usize, names: &mut Names) -> Result<Option<JournalRow>, JournalError> {
        let seq = self.seq.cell(row).copied().unwrap_or_default().cast_unsigned();
        let flat = Flat {
            kind: utf8(self.kind.cell(row)).unwrap_or_default(),
            time: self.time.cell(row).copied(),
            target: utf8(self.target.cell(row)),
            route: utf8(self.route.cell(row)),
            gateway: utf8(self.gateway.cell(row)),
            endpoint: utf8(self.endpoint.cell(row)),
            outcome: utf8(self.outcome.cell(row)),
            count: self.count.cell(row).copied(),
            latency: self.latency.cell(row).copied(),
            ttfb: self.ttfb.cell(row).copied(),
            gauge: utf8(self.gauge.cell(row)),
            value: self.value.cell(row).copied(),
            limit: self.limit.cell(row).copied(),
            health: utf8(self.health.cell(row)),
            event: utf8(self.event.cell(row)),
            template: self.template.cell(row).copied(),
            class: utf8(self.class.cell(row)),
        };
        let payload = utf8(self.payload.cell(row));
        let input = match flat.kind {
            SERVED => None,
            _ => Some(restore(&flat, payload, names).map_err(|why| JournalError::Row { seq, why })?),
        };
        let place = (
            utf8(self.topic.cell(row)),
            self.partition.cell(row),
            self.offset.cell(row),
        );
        let origin = match place {
            (Some(topic), Some(&partition), Some(&offset)) => Some(RowOrigin {
                topic: topic.to_owned(),
                partition,
                offset,
            }),
            _ => None,
        };
        Ok(input.map(|input| JournalRow { seq, input, origin }))
    }
}

fn utf8(cell: Option<&ByteArray>) -> Option<&str> {
    cell.and_then(|bytes| bytes.as_utf8().ok())
}

/// A column read whole. Cells must be asked for in order of rows.
struct Column<T> {
    values: Vec<T>,
    /// Where each row's value stands, with none for a missing one.
    levels: Option<Vec<i16>>,
    next: usize,
}

impl<T> Column<T> {
    fn cell(&mut self, row: usize) -> Option<&T> {
        let present = match &self.levels {
            Some(levels) => levels.get(row).is_some_and(|level| *level > 0),
            None => true,
        };
        if !present {
            return None;
        }
        self.next += 1;
        self.values.get(self.next - 1)
    }
}

struct Cells<'a> {
    group: &'a dyn RowGroupReader,
    rows: usize,
    next: usize,
}

impl Cells<'_> {
    fn required<D: DataType>(&mut self) -> ParquetResult<Column<D::T>> {
        self.column::<D>(None)
    }

    fn optional<D: DataType>(&mut self) -> ParquetResult<Column<D::T>> {
        self.column::<D>(Some(Vec::new()))
    }

    fn column<D: DataType>(&mut self, mut levels: Option<Vec<i16>>) -> ParquetResult<Column<D::T>> {
        let mut reader = get_typed_column_reader::<D>(self.group.get_column_reader(self.next)?);
        self.next += 1;
        let mut values = Vec::new();
        let mut read = 0;
        while read < self.rows {
            let (records, _, _) =
                reader.read_records(self.rows - read, levels.as_mut(), None, &mut values)?;
            if records == 0 {
                return Err(ParquetError::General(
                    "a column has fewer rows than its group".into(),
                ));
            }
            read += records;
        }
        Ok(Column {
            values,
            levels,
            next: 0,
        })
    }
}
