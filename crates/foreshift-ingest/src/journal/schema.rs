//! The columns of a segment. Their order here is their order in the file.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};

/// Rows are written and read in groups of this many: about 10 MB in memory.
pub(super) const ROW_GROUP_ROWS: usize = 1 << 16;

const SCHEMA: &str = "
message foreshift_journal {
  required int64 seq (integer(64, false));
  required binary kind (utf8);
  optional int64 time_us;
  optional binary target (utf8);
  optional binary route (utf8);
  optional binary gateway (utf8);
  optional binary endpoint (utf8);
  optional binary outcome (utf8);
  optional int64 count;
  optional int64 latency_us;
  optional int64 ttfb_us;
  optional binary gauge (utf8);
  optional double value;
  optional double limit;
  optional binary health (utf8);
  optional binary event (utf8);
  optional int64 template (integer(64, false));
  optional binary class (utf8);
  optional binary topic (utf8);
  optional int32 partition;
  optional int64 offset;
  optional binary payload (utf8);
}
";

/// Columns whose values hardly repeat: a dictionary of them would be built, found too large and thrown away.
const NUMBERS: [&str; 6] = ["seq", "time_us", "latency_us", "ttfb_us", "template", "offset"];
/// Nobody looks for rows by the range of a text, and to know it each text would be compared with two others.
const TEXTS: [&str; 12] = [
    "kind", "target", "route", "gateway", "endpoint", "outcome", "gauge", "health", "event", "class",
    "topic", "payload",
];

/// The schema.
pub(super) fn schema() -> Result<TypePtr> {
    Ok(Arc::new(parse_message_type(SCHEMA)?))
}

/// Fast rather than small: the recorder must not dominate.
pub(super) fn properties() -> Result<WriterPropertiesPtr> {
    let mut builder = WriterProperties::builder();
    for column in NUMBERS {
        builder = builder
            .set_column_dictionary_enabled(ColumnPath::from(column), false)
            .set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BINARY_PACKED);
    }
    for column in TEXTS {
        builder = builder.set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
    }
    let properties = builder
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_write_batch_size(ROW_GROUP_ROWS / 8)
        .set_created_by("foreshift".to_owned())
        .build();
    Ok(Arc::new(properties))
}
