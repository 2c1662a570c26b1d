//! Every field, value, message, service and call of the protos is described.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::fs;
use std::path::{Path, PathBuf};

fn proto_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/foreshift/v1");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder of the protos is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    files
}

/// Whether a line declares something that people want to know about.
fn declares(line: &str) -> bool {
    let ends_a_field = line.ends_with(';') && line.contains('=') && !line.starts_with("syntax");
    let opens = ["message ", "enum ", "service ", "rpc ", "oneof "];
    ends_a_field || opens.iter().any(|word| line.starts_with(word))
}

/// Declarations without a comment on the line before them.
fn undescribed(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| declares(pair[1]) && !pair[0].starts_with("//"))
        .map(|pair| pair[1])
        .collect()
}

#[test]
fn every_declaration_has_a_comment() {
    let files = proto_files();
    assert_eq!(files.len(), 6);
    for file in files {
        let text = fs::read_to_string(&file).expect("it can be read");
        assert_eq!(undescribed(&text), Vec::<&str>::new(), "{}", file.display());
    }
}

#[test]
fn every_time_span_and_share_names_its_unit() {
    for file in proto_files() {
        let text = fs::read_to_string(&file).expect("it can be read");
        for line in text.lines().map(str::trim).filter(|line| declares(line)) {
            let named = [
                "time", "horizon", "latency", "ttfb", "length", "expires", "weight",
            ];
            let scalar = ["int64", "uint32", "double"]
                .iter()
                .any(|word| line.contains(word));
            let about_a_quantity = named.iter().any(|word| line.contains(&format!(" {word}")));
            if scalar && about_a_quantity {
                assert!(
                    line.contains("_us =") || line.contains("_bp ="),
                    "{}: {line}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn a_field_without_a_comment_would_be_found() {
    let text = "// Described.\nmessage A {\n  // Described.\n  string a = 1;\n  string b = 2;\n}";
    assert_eq!(undescribed(text), ["string b = 2;"]);
}
