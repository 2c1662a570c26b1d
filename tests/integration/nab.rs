//! The Numenta Anomaly Benchmark: `foreshift-lab anomaly` on all its series, by the benchmark's own rules.

use std::path::Path;
use std::process::Command;

use foreshift_tests::{binary, workspace};

/// What the best detector of the benchmark's authors reaches on the standard profile.
const NUMENTA_HTM: f64 = 70.5;

fn points(scores: &Path, judge: &Path) -> Vec<(String, f64)> {
    let out = Command::new("python3")
        .arg(judge)
        .arg(scores)
        .output()
        .expect("python3");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("text");
    let rows = text.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.map(|row| (row[0].to_owned(), row[1].parse().expect("points")))
        .collect()
}

#[test]
fn anomalies_of_the_numenta_benchmark_are_found_better_than_by_numenta() {
    let nab = workspace().join("../shared/datasets/nab");
    if !nab.join("data").is_dir() {
        println!("skipped: the benchmark is not at {}", nab.display());
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let scores = dir.path().join("scores");
    let status = Command::new(binary("foreshift-lab"))
        .arg("anomaly")
        .args([
            Path::new("--input"),
            &nab.join("data"),
            Path::new("--output"),
            &scores,
        ])
        .status()
        .expect("foreshift-lab");
    assert!(status.success());
    let reached = points(&scores, &nab.join("score.py"));
    println!("{reached:?}");
    let (profile, standard) = reached.first().expect("a profile");
    assert_eq!(profile, "standard");
    assert!(*standard > NUMENTA_HTM, "{standard}");
}
