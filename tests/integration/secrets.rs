//! Planted secrets go in by every way there is, and come out by none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foreshift_domain::Timestamp;
use foreshift_ingest::source::{JournalSource, Source};
use foreshift_tests::{Foreshift, Kafka, Planted, Settings, batch_bytes, eventually, planted, success};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(120);
/// Instances that write each line; enough for its template to be shown.
const INSTANCES: [&str; 3] = ["a", "b", "c"];

const LOGS: &str = "/v1/logs";

const FALLBACK: &str = "
discover: true
routes:
  - name: checkout
    targets:
      - {name: good-a, role: primary, baseline: 50%}
      - {name: good-b, role: primary, baseline: 50%}
";

fn settings() -> Settings {
    Settings {
        brokers: String::new(),
        topics: Vec::new(),
        dead_letter: None,
        time: "{clock: wall, lateness: 1s, idle_timeout: 2s}".to_owned(),
        snapshot_interval: "1s",
        fallback: FALLBACK.to_owned(),
        more: "logs: {samples: {per_template: 2}}\n",
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_micros()).expect("a time")
}

fn native(target: &str, line: &str, instance: &str) -> Vec<u8> {
    let record = json!({
        "time": now_us() as f64 / 1e6, "target": target, "severity": "error", "body": line,
        "attributes": {"host.name": instance, "error": line},
    });
    record.to_string().into_bytes()
}

fn otlp(target: &str, line: &str, instance: &str) -> Vec<u8> {
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let record = json!({"resourceLogs": [{
        "resource": {"attributes": [attribute("foreshift.target", target), attribute("host.name", instance)]},
        "scopeLogs": [{"logRecords": [{
            "timeUnixNano": (now_us() * 1_000).to_string(),
            "severityNumber": 17,
            "body": {"stringValue": line},
            "attributes": [attribute("exception.message", line), attribute("http.request.header.authorization", line)],
        }]}],
    }]});
    record.to_string().into_bytes()
}

fn gauge(target: &str) -> Vec<u8> {
    let attribute = json!({"key": "foreshift.target", "value": {"stringValue": target}});
    let point = json!({"timeUnixNano": (now_us() * 1_000).to_string(), "asDouble": 1.0});
    let record = json!({"resourceMetrics": [{
        "resource": {"attributes": [attribute]},
        "scopeMetrics": [{"metrics": [{"name": "in_flight", "gauge": {"dataPoints": [point]}}]}],
    }]});
    record.to_string().into_bytes()
}

/// All that the process shows, says and keeps, as text by where it is.
fn outputs(foreshift: &mut Foreshift, targets: &[&str]) -> Vec<(String, String)> {
    let mut outputs = Vec::new();
    for target in targets {
        for args in [
            &["explain", target, "--all"][..],
            &["explain", target, "-o", "json"],
        ] {
            let said = foreshift.cli(args);
            let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
            assert!(said.status.success(), "{args:?}: {text}");
            outputs.push((args.join(" "), text));
        }
    }
    let status = foreshift.cli(&["status", "-o", "json"]);
    outputs.push((
        "status".into(),
        String::from_utf8_lossy(&status.stdout).into_owned(),
    ));
    outputs.push((
        "metrics".into(),
        foreshift.get("/metrics").expect("they are there").1,
    ));
    foreshift.terminate(PATIENCE);
    files(foreshift.dir(), &mut outputs);
    let mut journal = JournalSource::open(&foreshift.dir().join("state/journal")).expect("a journal");
    let mut rows = 0;
    loop {
        let batch = journal.poll(10_000, Duration::ZERO).expect("rows");
        rows += batch.items();
        outputs.push(("journal".into(), format!("{batch:?}")));
        if batch.finished {
            break;
        }
    }
    assert!(rows > planted().len(), "{rows} rows are recorded");
    outputs
}

/// Every file of the directory, as it lies there: state, decisions, the log of the process.
fn files(dir: &Path, outputs: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, outputs);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            outputs.push((
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
    }
}

fn none_is_in(planted: &[Planted], outputs: &[(String, String)]) {
    for Planted { shape, needle, .. } in planted {
        for (place, text) in outputs {
            assert!(
                !text.contains(needle.as_str()),
                "{shape} {needle:?} is in {place}"
            );
        }
    }
}

/// What is not secret is there: the test would pass on nothing at all otherwise.
fn templates_are_shown(outputs: &[(String, String)]) {
    let explained: String = outputs
        .iter()
        .filter(|(place, _)| place.starts_with("explain"))
        .map(|(_, text)| text.as_str())
        .collect();
    for shown in ["<redacted>", "docs/runbooks/", "samples"] {
        assert!(explained.contains(shown), "{shown:?} is not in {explained}");
    }
    let kept = outputs.iter().find(|(place, _)| place.ends_with("logs.bin"));
    assert!(
        kept.is_some_and(|(_, text)| text.contains("upstream rejected key")),
        "texts are kept"
    );
}

/// Waits for a prediction of each target, which explain needs.
fn predicted(foreshift: &Foreshift, targets: &[&str], mut send: impl FnMut(&[u8])) {
    eventually("predictions", PATIENCE, || {
        for target in targets {
            send(&batch_bytes(&[success(
                &(*target).into(),
                Timestamp::from_micros(now_us()),
            )]));
        }
        let published = foreshift.status()?;
        targets
            .iter()
            .all(|target| {
                published
                    .targets
                    .get(*target)
                    .is_some_and(|state| state.prediction.is_some())
            })
            .then_some(())
    });
}

#[test]
fn no_planted_secret_comes_out_of_what_came_by_kafka() {
    let kafka = Kafka::shared();
    let [logs, signals, json_signals, guessed, dead] =
        ["logs", "signals", "json", "guessed", "dead"].map(|name| kafka.topic(&format!("secrets-{name}"), 1));
    let results = ["weights", "predictions", "audit"].map(|name| kafka.topic(&format!("secrets-{name}"), 1));
    let [weights, predictions, audit] = &results;
    let mut foreshift = Foreshift::start(
        "secrets-kafka",
        &Settings {
            brokers: kafka.brokers(),
            topics: vec![
                (logs.clone(), "auto"),
                (signals.clone(), "native_proto"),
                (json_signals.clone(), "native_json"),
                (guessed.clone(), "auto"),
            ],
            // The next key of the same section.
            dead_letter: Some(format!(
                "{dead}\n  output: {{weights: {weights}, predictions: {predictions}, audit: {audit}}}"
            )),
            ..settings()
        },
    );
    let producer = kafka.producer();
    let send = |topic: &str, bytes: &[u8]| producer.send(topic, 0, bytes).expect("produced");
    let all = planted();
    for Planted { line, .. } in &all {
        for instance in INSTANCES {
            send(&logs, &native("good-a", line, instance));
            send(&logs, &otlp("good-b", line, instance));
        }
        // By ways that are not meant for text: as it is, as a record of logs, and cut off.
        for topic in [&signals, &json_signals, &guessed] {
            send(topic, line.as_bytes());
        }
        let record = native("good-a", line, "a");
        send(&signals, &record);
        send(&json_signals, &record);
        send(&logs, &record[..record.len() - 2]);
    }
    producer.flush(PATIENCE).expect("delivered");
    let lines = (2 * INSTANCES.len() * all.len()) as f64;
    eventually("all lines are read", PATIENCE, || {
        (foreshift.metric("foreshift_logs_lines_total") >= lines).then_some(())
    });
    predicted(&foreshift, &["good-a", "good-b"], |bytes| send(&signals, bytes));
    eventually("most of what is bad is buried", PATIENCE, || {
        (kafka.records(&dead, 0) >= 4 * all.len() as i64).then_some(())
    });
    let mut outputs = outputs(&mut foreshift, &["good-a", "good-b"]);
    for topic in results.iter().chain([&dead]) {
        let records = kafka.dead_letters(topic);
        outputs.push((
            topic.clone(),
            records
                .iter()
                .map(|letter| format!("{:?}", letter.headers))
                .collect(),
        ));
        let payloads = records
            .iter()
            .map(|letter| String::from_utf8_lossy(&letter.payload));
        outputs.push((topic.clone(), payloads.collect()));
    }
    none_is_in(&all, &outputs);
    templates_are_shown(&outputs);
}

#[test]
fn no_planted_secret_comes_out_of_what_was_sent_to_the_receivers() {
    let mut foreshift = Foreshift::start("secrets-received", &settings());
    let all = planted();
    for Planted { line, needle, .. } in &all {
        for instance in INSTANCES {
            let answer = post(foreshift.receive_port(), LOGS, &otlp("good-a", line, instance));
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        // No export: some are refused, and some are JSON of which nothing is known.
        let answer = post(foreshift.receive_port(), LOGS, line.as_bytes());
        assert!(!answer.contains(needle.as_str()), "{answer}");
    }
    let lines = (INSTANCES.len() * all.len()) as f64;
    eventually("all lines are read", PATIENCE, || {
        (foreshift.metric("foreshift_logs_lines_total") >= lines).then_some(())
    });
    eventually("a prediction", PATIENCE, || {
        post(foreshift.receive_port(), "/v1/metrics", &gauge("good-a"));
        let published = foreshift.status()?;
        published.targets.get("good-a")?.prediction.as_ref().map(|_| ())
    });
    let outputs = outputs(&mut foreshift, &["good-a"]);
    none_is_in(&all, &outputs);
    templates_are_shown(&outputs);
}

/// Sends an export over HTTP; gives the whole answer. Connections that are refused, since they come faster than
/// old ones go, are tried again.
fn post(port: u16, path: &str, body: &[u8]) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    eventually("an answer", PATIENCE, || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    })
}
