//! `foreshift-lab classify` as a user runs it, and the pages that its classes lead to.

use std::path::Path;
use std::process::{Command, Output};

use foreshift_domain::log::{ErrorClass, Meaning};

fn classify(dir: &Path, input: &str) -> std::io::Result<Output> {
    std::fs::write(dir.join("in.tsv"), input)?;
    Command::new(env!("CARGO_BIN_EXE_foreshift-lab"))
        .args(["classify", "--input", "in.tsv", "--output", "out.tsv"])
        .current_dir(dir)
        .output()
}

#[test]
fn a_file_comes_back_with_class_confidence_and_template_behind_its_own_columns() {
    let dir = tempfile::tempdir().expect("a folder");
    let input = "id\tmessage\tstatus\tnote\n\
        1\tdial tcp 10.0.0.1:5432: connect: connection refused\t\ta\n\
        2\t\"GET / HTTP/1.1\" 503 UO 0 91\t503\tb\n\
        3\t\"say \"\"timed out\"\"\tthen\"\t\tc\n";
    let ran = classify(dir.path(), input).expect("it runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = std::fs::read_to_string(dir.path().join("out.tsv")).expect("the output is there");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "id\tmessage\tstatus\tnote\tclass\tconfidence\ttemplate");
    assert_eq!(lines.len(), 4);
    for ((line, before), class) in
        lines
            .iter()
            .skip(1)
            .zip(input.lines().skip(1))
            .zip(["conn_fail", "overload", "timeout"])
    {
        let behind = line.strip_prefix(before).expect("the input comes first");
        let columns: Vec<&str> = behind.split('\t').collect();
        assert_eq!(columns[1], class, "{line}");
        let confidence: f32 = columns[2].parse().expect("a number");
        assert!((0.0..=1.0).contains(&confidence));
    }
    assert!(lines[1].ends_with("\tdial tcp <*>: connect: connection refused"));
}

#[test]
fn bad_input_is_refused_with_file_and_line_and_writes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let ran = classify(dir.path(), "message\tstatus\nfine\t200\nbroken\tteapot\n").expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(!ran.status.success());
    assert!(
        said.contains("in.tsv") && said.contains("line 3") && said.contains("teapot"),
        "{said}"
    );
    assert!(!dir.path().join("out.tsv").exists());
}

#[test]
fn every_class_has_a_runbook_that_says_what_it_means_for_failover() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks");
    let index = std::fs::read_to_string(folder.join("README.md")).expect("there is an index");
    for class in ErrorClass::ALL
        .into_iter()
        .filter(|class| *class != ErrorClass::None)
    {
        let name = class.as_str();
        let page = std::fs::read_to_string(folder.join(format!("{name}.md"))).expect(name);
        let meaning = match class.meaning() {
            Meaning::Failure => "Counts as a **failure**",
            Meaning::EarlySign => "Counts as an **early sign**",
            Meaning::Never => "**Never counts**",
        };
        assert!(page.contains(meaning), "{name}");
        assert!((15..=30).contains(&page.lines().count()), "{name}");
        assert!(index.contains(&format!("[{name}]({name}.md)")), "{name}");
    }
}
