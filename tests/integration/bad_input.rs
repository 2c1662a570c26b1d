//! Bad input is refused one by one, counted, and buried; the good records around it all count.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foreshift_domain::signal::{Gauge, Observation, OutcomeKind, Signal};
use foreshift_domain::{Duration as Span, TargetName, Timestamp};
use foreshift_tests::{Foreshift, Kafka, Settings, batch_bytes, eventually, success};

/// Bytes of a payload that a dead letter keeps.
const KEPT_BYTES: usize = 64 << 10;
/// Resident memory that the process may take, whatever comes in.
const MOST_RESIDENT_BYTES: u64 = 600 << 20;
const MAX_TARGETS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(120);

const FALLBACK: &str = "
fleet: {max_targets: 500}
discover: true
routes:
  - name: checkout
    targets:
      - {name: good-a, role: primary, baseline: 50%}
      - {name: good-b, role: primary, baseline: 50%}
";

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a time"))
}

fn good(name: &str) -> Vec<u8> {
    batch_bytes(&[success(&name.into(), now())])
}

fn at(time: Timestamp) -> Vec<u8> {
    batch_bytes(&[success(&TargetName::from("good-a"), time)])
}

fn gauge(value: f64) -> Vec<u8> {
    let gauge = Gauge {
        name: "in_flight".into(),
        value,
        limit: None,
    };
    let signal = Signal {
        observation: Observation::Gauge(gauge),
        ..success(&"good-a".into(), now())
    };
    batch_bytes(&[signal])
}

/// Records of native protobuf that cannot be used, and what the reason says.
fn bad_protobuf() -> Vec<(Vec<u8>, &'static str)> {
    let mut truncated = good("good-a");
    truncated.truncate(truncated.len() - 3);
    let day = Span::DAY;
    let far = |days: i64| Timestamp::from_micros(now().as_micros() + days * day.as_micros());
    vec![
        (b"\xff\xff\xff not protobuf".to_vec(), "SignalBatch"),
        (truncated, "SignalBatch"),
        (vec![0xff; 900_000], "SignalBatch"),
        (
            batch_bytes(&[success(&"x".repeat(600).as_str().into(), now())]),
            "target",
        ),
        (batch_bytes(&[success(&TargetName::from(""), now())]), "target"),
        (gauge(f64::NAN), "gauge.value"),
        (gauge(f64::INFINITY), "gauge.value"),
        (gauge(f64::NEG_INFINITY), "gauge.value"),
        (at(far(3)), "ahead"),
        (at(far(300)), "ahead"),
        (at(Timestamp::from_secs(86_400)), "years"),
        (at(Timestamp::MAX), "years"),
    ]
}

/// The same for native JSON.
const BAD_JSON: &[&[u8]] = &[
    b"not json at all",
    b"{\"time\":",
    br#"{"time":1,"target":"good-a","gauge":{"name":"g","value":NaN}}"#,
    br#"{"time":"yesterday","target":"good-a","health":"up"}"#,
    br#"{"time":"2026-01-01T00:00:00Z","target":"good-a","health":"purple"}"#,
    br#"{"time":"2026-01-01T00:00:00Z","target":"good-a"}"#,
    b"\x00\x01\x02\xfe\xff",
];

struct Topics {
    proto: String,
    json: String,
    guessed: String,
    dead: String,
}

fn start(topics: &Topics, name: &str) -> Foreshift {
    let settings = Settings {
        brokers: Kafka::shared().brokers(),
        topics: vec![
            (topics.proto.clone(), "native_proto"),
            (topics.json.clone(), "native_json"),
            (topics.guessed.clone(), "auto"),
        ],
        dead_letter: Some(topics.dead.clone()),
        time: "{clock: wall, lateness: 5s, max_future: 60s}".to_owned(),
        snapshot_interval: "1s",
        fallback: FALLBACK.to_owned(),
        more: "",
    };
    Foreshift::start(name, &settings)
}

fn topics() -> Topics {
    let kafka = Kafka::shared();
    Topics {
        proto: kafka.topic("signals", 1),
        json: kafka.topic("json", 1),
        guessed: kafka.topic("guessed", 1),
        dead: kafka.topic("dead", 1),
    }
}

fn successes(foreshift: &Foreshift, target: &str) -> u64 {
    let published = foreshift.status().unwrap_or_default();
    published
        .targets
        .get(target)
        .map_or(0, |state| state.outcomes.of(OutcomeKind::Success))
}

#[test]
fn bad_input_is_counted_or_buried_and_the_good_around_it_counts() {
    let topics = topics();
    let foreshift = start(&topics, "bad-input");
    let producer = Kafka::shared().producer();
    let (mut good_a, mut good_b) = (0, 0);
    let bad = bad_protobuf();
    for (record, _) in &bad {
        for (name, count) in [("good-a", &mut good_a), ("good-b", &mut good_b)] {
            producer.send(&topics.proto, 0, &good(name)).expect("produced");
            *count += 1;
        }
        producer.send(&topics.proto, 0, record).expect("produced");
    }
    for record in BAD_JSON {
        producer.send(&topics.json, 0, record).expect("produced");
        let json = format!(
            r#"{{"time":{},"target":"good-b","outcome":{{"kind":"success"}}}}"#,
            now().as_micros() as f64 / 1e6
        );
        producer.send(&topics.json, 0, json.as_bytes()).expect("produced");
        good_b += 1;
    }
    producer
        .send(&topics.guessed, 0, b"\x00\x00 an encoding that nobody knows \xff")
        .expect("produced");
    producer.flush(PATIENCE).expect("delivered");

    eventually("good records count", PATIENCE, || {
        (successes(&foreshift, "good-a") >= good_a && successes(&foreshift, "good-b") >= good_b).then_some(())
    });
    // Three days behind the clock that the good ones have set: counted as a request and as late, and of no
    // bucket that is still open.
    eventually("buckets are closed", PATIENCE, || {
        (foreshift.status()?.watermark > Timestamp::MIN).then_some(())
    });
    let behind = Timestamp::from_micros(now().as_micros() - 3 * Span::DAY.as_micros());
    producer.send(&topics.proto, 0, &at(behind)).expect("produced");
    good_a += 1;
    producer.flush(PATIENCE).expect("delivered");
    eventually("what is late is counted", PATIENCE, || {
        (foreshift.metric("foreshift_ingest_late_total") > 0.0).then_some(())
    });
    let buried = (bad.len() + BAD_JSON.len() + 1) as i64;
    eventually("what is bad is buried", PATIENCE, || {
        (Kafka::shared().records(&topics.dead, 0) >= buried).then_some(())
    });
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        (successes(&foreshift, "good-a"), successes(&foreshift, "good-b")),
        (good_a, good_b)
    );

    let letters = Kafka::shared().dead_letters(&topics.dead);
    assert_eq!(letters.len() as i64, buried, "{letters:#?}");
    for (at, (record, reason)) in bad.iter().enumerate() {
        let offset = (3 * at + 2).to_string();
        let letter = letters.iter().find(|letter| {
            letter.header("foreshift.topic") == Some(&topics.proto)
                && letter.header("foreshift.offset") == Some(&offset)
        });
        let letter = letter.unwrap_or_else(|| panic!("no dead letter of offset {offset}, {reason}"));
        let said = letter.header("foreshift.reason").unwrap_or_default();
        assert!(said.contains(reason), "{said:?} names {reason:?}");
        assert_eq!(letter.header("foreshift.partition"), Some("0"));
        assert!(
            letter.payload.len() <= KEPT_BYTES,
            "{} bytes of {} are kept",
            letter.payload.len(),
            record.len()
        );
    }
    let published = foreshift.status().expect("a ready process answers");
    assert_eq!(published.targets["good-a"].late_signals, 1, "days behind");
    let metric = |name: &str| foreshift.metric(&format!("foreshift_ingest_{name}_total"));
    assert!(
        metric("undecodable") >= (buried - 4) as f64,
        "undecodable: {}",
        metric("undecodable")
    );
    assert_eq!(metric("refused_time"), 4.0);
    assert_eq!(metric("late"), 1.0);
    assert_eq!(metric("dead_letters_delivered"), buried as f64);
}

#[test]
fn a_runaway_label_takes_no_more_than_its_bound() {
    let asked = std::env::var("FORESHIFT_RUNAWAY_TARGETS")
        .ok()
        .and_then(|text| text.parse().ok());
    let names: u64 = asked.unwrap_or(200_000);
    let topics = topics();
    let foreshift = start(&topics, "runaway");
    let producer = Kafka::shared().producer();
    let mut good_a = 0;
    for first in (0..names).step_by(500) {
        let signals: Vec<Signal> = (first..(first + 500).min(names))
            .map(|at| success(&format!("session-{at:08x}").as_str().into(), now()))
            .collect();
        producer
            .send(&topics.proto, 0, &batch_bytes(&signals))
            .expect("produced");
        producer
            .send(&topics.proto, 0, &good("good-a"))
            .expect("produced");
        good_a += 1;
    }
    producer.flush(PATIENCE).expect("delivered");
    eventually("good records count", PATIENCE, || {
        (successes(&foreshift, "good-a") >= good_a).then_some(())
    });
    let published = foreshift.status().expect("a ready process answers");
    assert_eq!(successes(&foreshift, "good-a"), good_a);
    assert!(
        published.targets.len() as u64 <= MAX_TARGETS,
        "{} targets",
        published.targets.len()
    );
    let refused = foreshift.metric("foreshift_engine_refused_targets_total");
    assert!(refused >= (names - MAX_TARGETS) as f64, "{refused} refused");
    let resident = foreshift.resident_bytes();
    println!("{names} names: {} MiB resident", resident >> 20);
    assert!(resident < MOST_RESIDENT_BYTES, "{} MiB resident", resident >> 20);
    assert!(
        foreshift.log().len() < 1 << 20,
        "the log does not repeat itself without end"
    );
}
