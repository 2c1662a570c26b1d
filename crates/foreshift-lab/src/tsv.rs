//! Tab-separated files with a header.
//!
//! One rule for quotes: a field is quoted when it starts with `"` and ends, before a tab or the end of a line, with a `"`,
//! and every `"` between is doubled; inside, tabs and line breaks are text. Every other field is taken as it stands,
//! so that `"GET / HTTP/1.1" 503` needs no quoting. Text that is not UTF-8 is read with replacement characters.

use anyhow::{Context, bail};

/// A quoted field longer than this is taken as text with a stray quote: a log line is cut long before.
const MAX_QUOTED_BYTES: usize = 64 << 10;

/// A file as read: its header and records.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) header: Record,
    pub(crate) records: Vec<Record>,
}

/// One record.
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    /// As it stands in the file, without its line end.
    pub(crate) raw: String,
    pub(crate) fields: Vec<String>,
}

impl Table {
    /// Reads a file.
    pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let mut rest = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut line = 1;
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (record, taken) = record(rest, line);
            line += rest.get(..taken).map_or(0, |text| text.matches('\n').count());
            rest = rest.get(taken..).unwrap_or_default();
            if !record.raw.is_empty() {
                records.push(record);
            }
        }
        let mut records = records.into_iter();
        let header = records.next().context("the file is empty: a header is needed")?;
        let records: Vec<Record> = records.collect();
        let columns = header.fields.len();
        if let Some(record) = records.iter().find(|record| record.fields.len() != columns) {
            bail!(
                "line {}: {} fields where the header has {columns}",
                record.line,
                record.fields.len()
            );
        }
        Ok(Self { header, records })
    }

    /// Where a column stands.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.fields.iter().position(|field| field == name)
    }

    /// Where a column stands that must be there.
    pub(crate) fn required(&self, name: &str) -> anyhow::Result<usize> {
        let columns = self.header.fields.join(", ");
        self.column(name)
            .with_context(|| format!("line 1: there is no column `{name}` among {columns}"))
    }
}

impl Record {
    /// The field of a column; empty where there is none.
    pub(crate) fn field(&self, column: usize) -> &str {
        self.fields.get(column).map_or("", String::as_str)
    }
}

/// The record at the start, and how many bytes it and its line end take.
fn record(text: &str, line: usize) -> (Record, usize) {
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let (field, taken) = quoted(rest).unwrap_or_else(|| plain(rest));
        fields.push(field);
        at += taken;
        let rest = text.get(at..).unwrap_or_default();
        if rest.starts_with('\t') {
            at += 1;
            continue;
        }
        let end = ["\r\n", "\n"].iter().find(|end| rest.starts_with(*end));
        let raw = text.get(..at).unwrap_or_default().to_owned();
        return (Record { line, raw, fields }, at + end.map_or(0, |end| end.len()));
    }
}

/// Up to a tab or the end of the line.
fn plain(text: &str) -> (String, usize) {
    let end = text.find(['\t', '\n']).unwrap_or(text.len());
    let field = text.get(..end).unwrap_or_default();
    let ends_line = !text.get(end..).is_some_and(|rest| rest.starts_with('\t'));
    let field = if ends_line {
        field.strip_suffix('\r').unwrap_or(field)
    } else {
        field
    };
    (field.to_owned(), field.len())
}

/// The quoted field at the start, if it is one.
fn quoted(text: &str) -> Option<(String, usize)> {
    let inside = text.strip_prefix('"')?;
    let mut field = String::new();
    let mut at = 0;
    loop {
        let rest = inside.get(at..)?;
        let quote = rest.find('"')?;
        field.push_str(rest.get(..quote)?);
        let behind = rest.get(quote + 1..)?;
        if behind.starts_with('"') {
            field.push('"');
            at += quote + 2;
        } else {
            let ends = behind.is_empty() || ["\t", "\n", "\r\n"].iter().any(|end| behind.starts_with(end));
            return ends.then_some((field, at + quote + 2));
        }
        if at > MAX_QUOTED_BYTES {
            return None;
        }
    }
}

/// A field as it is written: quoted only where it would be read as something else.
pub(crate) fn written(field: &str) -> String {
    if field.starts_with('"') || field.contains(['\t', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<Vec<String>> {
        let table = Table::parse(text.as_bytes()).expect("it parses");
        table.records.into_iter().map(|record| record.fields).collect()
    }

    #[test]
    fn fields_are_taken_as_they_stand_unless_they_are_quoted_throughout() {
        assert_eq!(
            fields("a\tb\n\"GET / HTTP/1.1\" 503\t\"x\"\n"),
            [["\"GET / HTTP/1.1\" 503", "x"]]
        );
        assert_eq!(
            fields("a\tb\r\n\"say \"\"no\"\"\ttwice\"\tz\r\n"),
            [["say \"no\"\ttwice", "z"]]
        );
        assert_eq!(fields("a\tb\n\"two\nlines\"\tz"), [["two\nlines", "z"]]);
        assert_eq!(fields("a\tb\n\"open\tz\nx\ty"), [["\"open", "z"], ["x", "y"]]);
        assert_eq!(fields("a\tb\n\t\n"), [["", ""]]);
    }

    #[test]
    fn a_record_of_another_width_is_refused_with_its_line() {
        let error = Table::parse(b"a\tb\n\"1\n1\"\t2\n3\n").expect_err("it is refused");
        assert_eq!(error.to_string(), "line 4: 1 fields where the header has 2");
        let error = Table::parse(b"").expect_err("it is refused");
        assert!(error.to_string().contains("empty"));
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "plain",
            "\"GET /\" 503",
            "a\tb",
            "two\nlines",
            "say \"no\"",
            "",
            "\"\"",
        ] {
            assert_eq!(
                fields(&format!("a\tb\n{}\tend\n", written(text))),
                [[text, "end"]]
            );
        }
    }
}
