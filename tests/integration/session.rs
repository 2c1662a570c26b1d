//! A person at the command line, and what the process does when it is told to stop or given a bad file.

use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foreshift_domain::Timestamp;
use foreshift_domain::signal::Signal;
use foreshift_tests::{Foreshift, Kafka, Settings, batch_bytes, eventually, success};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

const FALLBACK: &str = "
defaults: {mode: auto, limits: {auto_after: off}}
routes:
  - name: checkout
    targets:
      - {name: eu, role: primary, baseline: 60%}
      - {name: us, role: primary, baseline: 40%}
";

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn run(foreshift: &Foreshift, line: &[&str]) -> String {
    let output = foreshift.cli(line);
    assert_eq!(output.status.code(), Some(0), "{line:?}: {}", text(&output));
    text(&output)
}

fn json(foreshift: &Foreshift, line: &[&str]) -> Value {
    let output = foreshift.cli(line);
    assert_eq!(output.status.code(), Some(0), "{line:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
}

fn refused(foreshift: &Foreshift, line: &[&str], code: i32, says: &str) {
    let output = foreshift.cli(line);
    assert_eq!(output.status.code(), Some(code), "{line:?}: {}", text(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(says), "{line:?} says {stderr:?}, not {says:?}");
    assert!(output.stdout.is_empty(), "{line:?}: errors go to standard error");
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a time"))
}

/// A process that reads a few requests a second, with its first predictions made.
fn start(name: &str) -> Foreshift {
    let kafka = Kafka::shared();
    let topic = kafka.topic("session", 1);
    let settings = Settings {
        brokers: kafka.brokers(),
        topics: vec![(topic.clone(), "native_proto")],
        dead_letter: None,
        time: "{clock: wall, lateness: 1s}".to_owned(),
        snapshot_interval: "1s",
        fallback: FALLBACK.to_owned(),
        more: "",
    };
    let foreshift = Foreshift::start(name, &settings);
    let producer = kafka.producer();
    eventually("both targets are predicted", PATIENCE, || {
        let signals: Vec<Signal> = ["eu", "us"]
            .iter()
            .map(|name| success(&(*name).into(), now()))
            .collect();
        producer
            .send(&topic, 0, &batch_bytes(&signals))
            .expect("produced");
        producer.flush(PATIENCE).expect("delivered");
        let published = foreshift.status()?;
        let predicted = published
            .targets
            .values()
            .filter(|state| state.prediction.is_some())
            .count();
        (predicted == 2).then_some(())
    });
    foreshift
}

fn weights(foreshift: &Foreshift) -> Vec<u64> {
    let status = json(foreshift, &["status", "-o", "json"]);
    let targets = status["routes"]["checkout"]["targets"]
        .as_array()
        .expect("targets")
        .iter();
    targets
        .map(|target| target["weight_bp"].as_u64().expect("a weight"))
        .collect()
}

#[test]
fn a_command_line_session_works_against_a_running_process() {
    let mut foreshift = start("session");
    let status = run(&foreshift, &["status"]);
    assert!(status.contains("checkout") && status.contains("auto"), "{status}");
    assert_eq!(weights(&foreshift), [6_000, 4_000]);

    let pin = [
        "pin", "checkout", "eu=10%", "us=90%", "--for", "10m", "--reason", "INC-1", "-o", "json",
    ];
    let receipt = json(&foreshift, &pin);
    assert!(receipt["version"]["sequence"].is_u64(), "{receipt}");
    assert_eq!(weights(&foreshift), [1_000, 9_000]);
    let explained = run(&foreshift, &["explain", "--route", "checkout"]);
    assert!(explained.contains("INC-1"), "{explained}");
    let target = json(&foreshift, &["explain", "eu", "-o", "json"]);
    assert!(target.to_string().contains("probabilit"), "{target}");
    run(&foreshift, &["unpin", "checkout", "--reason", "over"]);

    run(
        &foreshift,
        &["freeze", "checkout", "--for", "5m", "--reason", "INC-2"],
    );
    assert!(run(&foreshift, &["status"]).contains("INC-2"));
    run(&foreshift, &["unfreeze", "checkout", "--reason", "over"]);
    assert!(!run(&foreshift, &["status"]).contains("INC-2"));
    run(
        &foreshift,
        &["mode", "checkout", "shadow", "--reason", "watching"],
    );
    let status = json(&foreshift, &["status", "-o", "json"]);
    assert_eq!(status["overrides"]["checkout"]["mode"], "shadow");

    refused(
        &foreshift,
        &["pin", "nowhere", "eu=100%", "--for", "1m", "--reason", "x"],
        1,
        "nowhere",
    );
    refused(
        &foreshift,
        &["unfreeze", "checkout", "--reason", "x"],
        1,
        "freeze",
    );
    refused(&foreshift, &["freeze", "checkout", "--for", "1m"], 2, "--reason");
    refused(&foreshift, &["explain", "nobody"], 1, "nobody");

    let status = foreshift.terminate(Duration::from_secs(20));
    assert_eq!(status.code(), Some(0), "{}", foreshift.log());
    refused(&foreshift, &["status"], 1, "foreshift run");
    foreshift.start_again();
    let status = json(&foreshift, &["status", "-o", "json"]);
    assert_eq!(
        status["overrides"]["checkout"]["mode"], "shadow",
        "an orderly stop keeps commands too"
    );
}

#[test]
fn a_bad_fallback_file_keeps_the_old_one_and_says_so() {
    let foreshift = start("reload");
    let path = foreshift.dir().join("fallback.yaml");
    std::fs::write(&path, FALLBACK.replace("60%", "90%")).expect("a file");
    eventually("the log says why", PATIENCE, || {
        foreshift.log().contains("the old one stays").then_some(())
    });
    let log = foreshift.log();
    assert!(
        log.contains("fallback.yaml:") && log.contains("checkout"),
        "with the place:\n{log}"
    );
    assert_eq!(weights(&foreshift), [6_000, 4_000], "the old one is in force");
    std::fs::write(&path, FALLBACK.replace("60%", "70%").replace("40%", "30%")).expect("a file");
    eventually("a good one is taken over", PATIENCE, || {
        (weights(&foreshift) == [7_000, 3_000]).then_some(())
    });
}
