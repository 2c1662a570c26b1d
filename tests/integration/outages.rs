//! Recorded outages of real endpoints, through a real Kafka: live serving decides as a replay does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use foreshift_domain::signal::Signal;
use foreshift_domain::weights::RouteWeights;
use foreshift_tests::{
    Foreshift, Kafka, RecordBatches, Settings, Watcher, binary, eventually, signals_of_csv, workspace,
};
use serde_json::Value;
use tempfile::TempDir;

/// A partition that is silent for so long no longer holds the others back. Long enough for a busy machine to fill
/// all partitions in, short enough to wait for at the end.
const IDLE: Duration = Duration::from_secs(10);

/// The rows of the routes that traffic can move on, as a CSV; `None` where the data is not there.
fn frontends(dir: &Path) -> Option<PathBuf> {
    let recorded = workspace().join("../shared/datasets/outages/signals.csv.gz");
    let Ok(file) = std::fs::File::open(&recorded) else {
        println!("skipped: the recorded outages are not at {}", recorded.display());
        return None;
    };
    let lines = BufReader::new(MultiGzDecoder::new(BufReader::new(file))).lines();
    let mut kept = String::new();
    for (at, line) in lines.enumerate() {
        let line = line.expect("text");
        if at == 0
            || line
                .split(',')
                .nth(1)
                .is_some_and(|route| route.starts_with("frontends/"))
        {
            kept.push_str(&line);
            kept.push('\n');
        }
    }
    let path = dir.join("frontends.csv");
    std::fs::write(&path, kept).expect("a file");
    Some(path)
}

/// The example that replays outages, with the routes of these signals configured instead of discovered.
fn fallback(signals: &[Signal]) -> String {
    let example =
        std::fs::read_to_string(workspace().join("docs/examples/outages.yaml")).expect("the example");
    let mut text = String::new();
    let mut skipping = false;
    for line in example.lines() {
        if line.starts_with(|first: char| first.is_ascii_lowercase()) {
            skipping = line.starts_with("discover:");
        }
        if !skipping {
            let _ = writeln!(text, "{line}");
        }
    }
    let mut routes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for signal in signals {
        let route = signal.route.as_ref().expect("the rows name routes");
        routes
            .entry(route.as_str())
            .or_default()
            .insert(signal.target.as_str());
    }
    text.push_str("routes:\n");
    for (route, targets) in routes {
        let _ = writeln!(text, "  - name: {route:?}\n    mode: auto\n    targets:");
        for (at, target) in targets.iter().enumerate() {
            let baseline_bp = 10_000 / targets.len() + usize::from(at < 10_000 % targets.len());
            let _ = writeln!(
                text,
                "      - {{name: {target:?}, role: primary, baseline_bp: {baseline_bp}}}"
            );
        }
    }
    text
}

/// The decisions of `foreshift-lab replay`, line by line.
fn replay(input: &Path, config: Option<&Path>, out: &Path) -> Vec<String> {
    let mut command = Command::new(binary("foreshift-lab"));
    command
        .args(["replay", "--input"])
        .arg(input)
        .arg("--decisions")
        .arg(out.with_extension("jsonl"));
    command.arg("--weights").arg(out.with_extension("csv"));
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let output = command.output().expect("the binary starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    lines(&out.with_extension("jsonl"))
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

/// What a version of a route says: its targets and their weights.
type Weights = Vec<(String, u64)>;
/// Routes, versions, weights.
type History = BTreeMap<String, BTreeMap<(u64, u64), Weights>>;

fn decided(lines: &[String]) -> History {
    let mut history = History::new();
    for line in lines {
        let decision: Value = serde_json::from_str(line).expect("a decision");
        let version = &decision["version"];
        let version = (
            version["epoch"].as_u64().expect("epoch"),
            version["sequence"].as_u64().expect("sequence"),
        );
        let targets = decision["targets"].as_array().expect("targets").iter();
        let weights = targets.map(|target| {
            (
                target["target"].as_str().expect("name").to_owned(),
                target["weight_bp"].as_u64().expect("weight"),
            )
        });
        let route = decision["route"].as_str().expect("route").to_owned();
        history
            .entry(route)
            .or_default()
            .insert(version, weights.collect());
    }
    history
}

fn seen(all: &[RouteWeights]) -> History {
    let mut history = History::new();
    for weights in all {
        let targets = weights.targets.iter();
        let told = targets.map(|target| (target.target.as_str().to_owned(), u64::from(target.weight_bp)));
        let version = (weights.version.epoch, weights.version.sequence);
        history
            .entry(weights.route.as_str().to_owned())
            .or_default()
            .insert(version, told.collect());
    }
    history
}

/// Serves these signals from a topic of so many partitions; what a client saw, and the decisions on disk.
fn serve(
    signals: &[Signal],
    fallback: &str,
    partitions: i32,
    expected: &History,
) -> (History, Vec<String>, Foreshift) {
    let kafka = Kafka::shared();
    let topic = kafka.topic("outages", partitions);
    let settings = Settings {
        brokers: kafka.brokers(),
        topics: vec![(topic.clone(), "native_proto")],
        dead_letter: None,
        time: format!(
            "{{clock: event, lateness: 5m, max_future: 365d, idle_timeout: {}s}}",
            IDLE.as_secs()
        ),
        snapshot_interval: "1s",
        fallback: fallback.to_owned(),
        more: "",
    };
    let mut foreshift = Foreshift::start(&format!("outages-{partitions}"), &settings);
    let watcher = Watcher::start(foreshift.server());
    eventually("the client is connected", IDLE, || {
        (watcher.snapshots() > 0).then_some(())
    });
    eventually("Kafka is read", Duration::from_secs(30), || {
        (foreshift.metric("foreshift_ingest_connected") > 0.0).then_some(())
    });
    let producer = kafka.producer();
    let mut batches = RecordBatches::new(partitions as usize, 10);
    for signal in signals {
        if let Some((partition, bytes)) = batches.add(signal.clone()) {
            producer.send(&topic, partition, &bytes).expect("produced");
        }
    }
    for (partition, bytes) in batches.rest() {
        producer.send(&topic, partition, &bytes).expect("produced");
    }
    producer.flush(Duration::from_secs(30)).expect("delivered");
    eventually("all signals are folded", Duration::from_secs(180), || {
        let published = foreshift.status()?;
        let count = |name| published.counters.get(name).copied().unwrap_or_default();
        (count("signals") + count("late_signals") >= signals.len() as u64).then_some(())
    });
    let last = |history: &History| -> BTreeMap<String, (u64, u64)> {
        let last = history
            .iter()
            .filter_map(|(route, versions)| Some((route.clone(), *versions.keys().last()?)));
        last.collect()
    };
    let wanted = last(expected);
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while last(&seen(&watcher.seen())) != wanted && std::time::Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = foreshift.terminate(Duration::from_secs(30));
    assert!(status.success(), "{status}: {}", foreshift.log());
    let mut files: Vec<_> = std::fs::read_dir(foreshift.dir().join("state/decisions"))
        .expect("decisions")
        .collect();
    files.sort_unstable_by_key(|file| file.as_ref().map(std::fs::DirEntry::path).ok());
    let decisions = files
        .into_iter()
        .flat_map(|file| lines(&file.expect("an entry").path()))
        .collect();
    (seen(&watcher.seen()), decisions, foreshift)
}

/// Every version that a client saw is one of the replay, with its weights; and the last one of every route.
fn agree(what: &str, client: &History, expected: &History) {
    for (route, versions) in client {
        for (version, weights) in versions {
            let decided = expected.get(route).and_then(|versions| versions.get(version));
            assert_eq!(
                Some(weights),
                decided,
                "{what}: {route} at version {version:?}, seen and replayed"
            );
        }
    }
    for (route, versions) in expected {
        let last = client.get(route).and_then(|seen| seen.last_key_value());
        assert_eq!(
            last,
            versions.last_key_value(),
            "{what}: the last version of {route}, seen and replayed"
        );
    }
    let count = |history: &History| history.values().map(BTreeMap::len).sum::<usize>();
    let (saw, all) = (count(client), count(expected));
    println!("{what}: the client saw {saw} of {all} versions");
    assert!(
        saw * 100 >= all * 95,
        "{what}: a client that reads sees nearly all versions, not {saw} of {all}"
    );
}

#[test]
fn what_a_client_sees_over_kafka_is_what_a_replay_decides() {
    let dir = TempDir::new().expect("a directory");
    let Some(csv) = frontends(dir.path()) else { return };
    let signals = signals_of_csv(&csv);
    let fallback = fallback(&signals);
    let config = dir.path().join("fallback.yaml");
    std::fs::write(&config, &fallback).expect("a file");
    let replayed = replay(&csv, Some(&config), &dir.path().join("replayed"));
    let expected = decided(&replayed);
    assert_eq!(expected.len(), 10, "all routes of the recording are planned");

    for partitions in [1, 3] {
        let what = format!("{partitions} partition(s)");
        let (client, decisions, foreshift) = serve(&signals, &fallback, partitions, &expected);
        agree(&what, &client, &expected);
        let first = decisions
            .iter()
            .zip(&replayed)
            .position(|(served, replayed)| served != replayed);
        assert_eq!(
            first, None,
            "{what}: served and replayed differ at decision {first:?}"
        );
        assert_eq!(decisions.len(), replayed.len(), "{what}: decisions");
        // What the process recorded decides the same again, to the byte.
        let recorded = replay(
            &foreshift.dir().join("state/journal"),
            None,
            &dir.path().join("recorded"),
        );
        let first = recorded
            .iter()
            .zip(&decisions)
            .position(|(again, first)| again != first);
        assert_eq!(
            first, None,
            "{what}: the journal decides otherwise at decision {first:?}"
        );
        assert_eq!(
            recorded.len(),
            decisions.len(),
            "{what}: decisions of the journal"
        );
    }
}
