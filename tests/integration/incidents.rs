//! The recorded incidents of datasets/ replay with the engine of today, and show what their scenario says.

use std::path::{Path, PathBuf};
use std::process::Command;

use foreshift_tests::binary;
use serde_json::Value;

fn folders() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/incidents");
    let entries = std::fs::read_dir(&folder).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.is_dir()).collect()
}

fn replayed(journal: &Path) -> Value {
    let output = Command::new(binary("foreshift-lab"))
        .args(["replay", "-o", "json", "--input"])
        .arg(journal)
        .output()
        .expect("the binary starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", journal.display());
    serde_json::from_slice(&output.stdout).expect("a summary")
}

#[test]
fn every_recorded_incident_replays_and_only_the_quiet_one_has_none() {
    let folders = folders();
    assert!(folders.len() >= 10, "{folders:?}");
    for folder in folders {
        let text = std::fs::read_to_string(folder.join("scenario.json")).expect("a scenario");
        let scenario: Value = serde_json::from_str(&text).expect("a scenario");
        let summary = replayed(&folder);
        let begun = summary["incidents"].as_u64().expect("a count");
        assert_eq!(
            begun == 0,
            scenario["class"] == "quiet",
            "{}: {summary}",
            folder.display()
        );
        assert!(summary["signals"].as_u64().expect("a count") > 1_000, "{summary}");
        assert_eq!(summary["rows_refused"], 0, "{}", folder.display());
    }
}
