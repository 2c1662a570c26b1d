//! The same recording decides the same, to the byte.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use foreshift_tests::{Seed, binary};
use tempfile::TempDir;

const LATENESS_S: u64 = 30;
const TARGETS: u64 = 12;
const SECONDS: u64 = 1_800;
const BEGIN: u64 = 1_767_225_600;

fn fallback() -> String {
    let mut text = "defaults:\n  mode: auto\n  limits: {auto_after: off}\n  triggers: {min_requests: 5, risk: {horizon: 2m, enter: 0.2, exit: 0.1, full: 0.5}}\nroutes:\n".to_owned();
    for route in 0..3 {
        let _ = writeln!(text, "  - name: route-{route}\n    targets:");
        for target in (0..TARGETS).filter(|target| target % 3 == route) {
            let _ = writeln!(
                text,
                "      - {{name: target-{target}, role: primary, baseline: 25%}}"
            );
        }
    }
    text
}

/// Half an hour of requests, in order of time; targets slow down, and then fail for a minute or two.
fn rows(seed: &mut Seed) -> Vec<(f64, String)> {
    let mut rows = Vec::new();
    let mut failing = vec![(0, 0); TARGETS as usize];
    for second in 0..SECONDS {
        for target in 0..TARGETS {
            let phase = &mut failing[target as usize];
            if second > phase.1 && seed.below(400) == 0 {
                let begin = second + 20 + seed.below(40);
                *phase = (begin, begin + 30 + seed.below(90));
            }
            let (fails, slow) = ((phase.0..phase.1).contains(&second), second < phase.1);
            for _ in 0..2 {
                let time = (BEGIN + second) as f64 + seed.below(1_000) as f64 / 1_000.0;
                let status = if fails && seed.below(10) < 8 { 503 } else { 200 };
                let latency = if slow {
                    200 + seed.below(600)
                } else {
                    20 + seed.below(40)
                };
                rows.push((time, format!("{time:.3},target-{target},{status},{latency}")));
            }
        }
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows
}

fn write(path: &Path, rows: &[(f64, String)]) {
    let mut text = "time,target,status,latency_ms\n".to_owned();
    rows.iter().for_each(|(_, row)| text.extend([row, "\n"]));
    std::fs::write(path, text).expect("a file");
}

/// Predictions, weights and decisions of a replay, as bytes.
fn replay(input: &Path, name: &str) -> [Vec<u8>; 3] {
    let dir = input.parent().expect("a directory");
    let [predictions, weights, decisions] =
        ["P.csv", "W.csv", "D.jsonl"].map(|end| dir.join(format!("{name}-{end}")));
    let output = Command::new(binary("foreshift-lab"))
        .args(["replay", "--lateness", &LATENESS_S.to_string(), "--config"])
        .arg(dir.join("fallback.yaml"))
        .arg("--input")
        .arg(input)
        .arg("--predictions")
        .arg(&predictions)
        .arg("--weights")
        .arg(&weights)
        .arg("--decisions")
        .arg(&decisions)
        .output()
        .expect("the binary starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(summary.contains("0 late, 0 rows refused"), "{summary}");
    [predictions, weights, decisions].map(|path| std::fs::read(path).expect("written"))
}

fn recording(seed: &mut Seed) -> (TempDir, Vec<(f64, String)>) {
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("fallback.yaml"), fallback()).expect("a file");
    let rows = rows(seed);
    write(&dir.path().join("signals.csv"), &rows);
    (dir, rows)
}

fn same(what: &str, a: &[Vec<u8>; 3], b: &[Vec<u8>; 3]) {
    for (name, (a, b)) in ["predictions", "weights", "decisions"]
        .iter()
        .zip(a.iter().zip(b))
    {
        let line = a
            .split(|byte| *byte == b'\n')
            .zip(b.split(|byte| *byte == b'\n'))
            .position(|(a, b)| a != b);
        assert!(a == b, "{what}: {name} differ at line {line:?}");
    }
}

#[test]
fn the_same_journal_gives_the_same_bytes() {
    let (dir, _) = recording(&mut Seed::of("replays", 7));
    let input = dir.path().join("signals.csv");
    let first = replay(&input, "first");
    let decisions = first[2].iter().filter(|byte| **byte == b'\n').count();
    assert!(
        decisions > 50,
        "a recording on which something is decided, not {decisions} decisions"
    );
    same("a second replay", &first, &replay(&input, "second"));
}

#[test]
fn shuffling_inside_the_lateness_changes_nothing() {
    let mut seed = Seed::of("shuffles", 8);
    let (dir, rows) = recording(&mut seed);
    let first = replay(&dir.path().join("signals.csv"), "first");
    for round in 0..3 {
        // A row moves back by less than the lateness, so no row stands behind one that is younger by more.
        let mut shuffled: Vec<_> = rows
            .iter()
            .map(|row| (row.0 + seed.below(LATENESS_S * 1_000) as f64 / 1_000.0, row))
            .collect();
        shuffled.sort_by(|a, b| a.0.total_cmp(&b.0));
        let shuffled: Vec<_> = shuffled.into_iter().map(|(_, row)| row.clone()).collect();
        assert_ne!(shuffled, rows);
        let path = dir.path().join(format!("shuffled-{round}.csv"));
        write(&path, &shuffled);
        same(
            &format!("shuffle {round}"),
            &first,
            &replay(&path, &format!("shuffled-{round}")),
        );
    }
}
