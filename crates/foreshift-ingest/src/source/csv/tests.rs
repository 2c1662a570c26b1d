use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::decoded::Decoded;

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(content).expect("written");
    file
}

fn zipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("zipped");
    encoder.finish().expect("zipped")
}

/// Lines of what was taken and of what was refused.
fn read(source: &mut CsvSource, max: usize) -> (Vec<i64>, Vec<i64>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    loop {
        let batch = source.poll(max, Duration::ZERO).expect("a batch");
        for run in batch.runs {
            good.extend(run.items.iter().map(|item| item.offset));
            bad.extend(run.refused.iter().map(|record| record.offset));
        }
        if batch.finished {
            return (good, bad);
        }
    }
}

const FILE: &[u8] = b"time,target,status\n1700000000,a,200\nnonsense,a,200\n1700000001,b,500\n\n1700000002,c\n1700000003,\"d,e\",200\r\n";

#[test]
fn bad_rows_are_named_by_their_line_and_the_good_around_them_are_read() {
    let file = file(FILE);
    let mut source = CsvSource::open(file.path()).expect("opened");
    assert_eq!(read(&mut source, 100), (vec![2, 4, 7], vec![3, 6]));
    assert_eq!(source.progress().read_bytes(), FILE.len() as u64);
}

#[test]
fn a_zipped_file_gives_the_same_and_so_do_small_batches() {
    let plain = file(FILE);
    let zip = file(&zipped(FILE));
    let expected = read(&mut CsvSource::open(plain.path()).expect("opened"), 100);
    assert_eq!(
        read(&mut CsvSource::open(zip.path()).expect("opened"), 1),
        expected
    );
}

#[test]
fn a_truncated_zip_is_an_error_and_what_came_before_is_not_lost() {
    let mut content = b"time,target,status\n".to_vec();
    for second in 0..100_000 {
        content.extend(format!("{},t{},200\n", 1_700_000_000 + second, second % 977).into_bytes());
    }
    let whole = zipped(&content);
    let file = file(&whole[..whole.len() / 2]);
    let mut source = CsvSource::open(file.path()).expect("opened");
    let mut rows = 0;
    let error = loop {
        match source.poll(1_000, Duration::ZERO) {
            Ok(batch) => rows += batch.items(),
            Err(error) => break error,
        }
    };
    assert!(rows > 1_000, "{rows}");
    assert!(matches!(error, SourceError::File { .. }));
}

#[test]
fn a_source_reads_on_from_where_it_was() {
    let file = file(FILE);
    let mut source = CsvSource::open(file.path()).expect("opened");
    source.poll(1, Duration::ZERO).expect("a batch");
    let positions = source.positions();
    let mut again = CsvSource::open(file.path()).expect("opened");
    again.seek(&positions).expect("sought");
    assert_eq!(read(&mut again, 100), (vec![4, 7], vec![3, 6]));
}

#[test]
fn a_line_without_end_is_skipped_and_the_rest_is_read() {
    let mut content = b"time,target,status\n1700000000,a,200\n".to_vec();
    content.extend(vec![b'x'; 3 * MAX_LINE_BYTES]);
    content.extend(b"\n1700000001,a,200\n");
    let file = file(&content);
    let mut source = CsvSource::open(file.path()).expect("opened");
    assert_eq!(read(&mut source, 100), (vec![2, 4], vec![3]));
}

#[test]
fn one_lost_quote_costs_one_row() {
    let file = file(b"time,target,status\n1700000000,\"a,200\n1700000001,\"say \"\"b\"\"\",200\n");
    let mut source = CsvSource::open(file.path()).expect("opened");
    let batch = source.poll(10, Duration::ZERO).expect("a batch");
    let run = &batch.runs[0];
    assert_eq!(run.refused.len(), 1);
    let Decoded::Signal { signal, .. } = &run.items[0].decoded else {
        panic!("a signal")
    };
    assert_eq!(signal.target.as_str(), "say \"b\"");
}

#[test]
fn a_byte_order_mark_and_a_quoted_header_are_understood() {
    let file = file(b"\xef\xbb\xbf\"time\",\"target\",\"status\"\n1700000000,a,200\n");
    let mut source = CsvSource::open(file.path()).expect("opened");
    assert_eq!(read(&mut source, 10), (vec![2], vec![]));
}

#[test]
fn what_is_no_signal_csv_is_said_to_be_none() {
    for content in [&b""[..], b"\n", b"a,b,c\n1,2,3\n", &[0x1f, 0x8b, 8, 0, 1, 2, 3]] {
        let file = file(content);
        assert!(CsvSource::open(file.path()).is_err());
    }
    assert!(CsvSource::open(Path::new("/nonexistent/x.csv")).is_err());
}
