//! What may not be said is refused, and the error names the field.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

use std::collections::BTreeMap;

use foreshift_domain::signal::{Health, MAX_LATENCY_BINS, Observation, OutcomeKind, Signal};
use foreshift_domain::{Duration, Timestamp};
use foreshift_proto::command::{Acceptance, command};
use foreshift_proto::json::{JsonLogLine, JsonSignal};
use foreshift_proto::{LogLine, Names, Severity, SignalView, WireError, log, v1};
use prost::Message;
use v1::signal::Observation as Wire;

fn wire(observation: Wire) -> v1::Signal {
    v1::Signal {
        time_unix_us: 1,
        target: "eu".to_owned(),
        observation: Some(observation),
        ..v1::Signal::default()
    }
}

struct Fresh;

impl Names for Fresh {}

fn read(wire: &v1::Signal) -> Result<Signal, WireError> {
    let batch = v1::SignalBatch {
        signals: vec![wire.clone()],
    };
    let bytes = batch.encode_to_vec();
    let view = SignalView::of_batch(&bytes).next();
    view.expect("there is one")
        .expect("is well formed")
        .signal(&mut Fresh)
}

fn refused(wire: v1::Signal) -> String {
    read(&wire).expect_err("must be refused").to_string()
}

fn outcome() -> v1::Outcome {
    v1::Outcome {
        kind: v1::OutcomeKind::Success.into(),
        ..v1::Outcome::default()
    }
}

fn from_json(json: &str) -> Result<Signal, String> {
    let spelled: JsonSignal = serde_json::from_str(json).map_err(|error| error.to_string())?;
    spelled.try_into().map_err(|error: WireError| error.to_string())
}

#[test]
fn a_name_that_is_missing_or_too_long_is_refused() {
    let up = || wire(Wire::Health(v1::Health::Up.into()));
    let named = |target: String| v1::Signal { target, ..up() };
    assert_eq!(refused(named(String::new())), "target is missing");
    assert_eq!(
        refused(named("x".repeat(513))),
        "target is 513 bytes long, at most 512 are accepted"
    );
    assert!(read(&named("x".repeat(512))).is_ok());
    let routed = v1::Signal {
        route: "x".repeat(513),
        ..up()
    };
    assert!(refused(routed).starts_with("route is 513 bytes"));
}

#[test]
fn an_observation_must_be_there_and_known() {
    let silent = v1::Signal {
        observation: None,
        ..wire(Wire::Health(1))
    };
    assert_eq!(refused(silent), "observation is missing");
    assert_eq!(refused(wire(Wire::Health(0))), "health is missing");
    assert_eq!(refused(wire(Wire::Event(99))), "event is 99, which is not known");
    let unsaid = v1::Outcome::default();
    assert_eq!(refused(wire(Wire::Outcome(unsaid))), "outcome.kind is missing");
}

#[test]
fn an_outcome_stands_for_at_least_one_request() {
    let counted = |count| wire(Wire::Outcome(v1::Outcome { count, ..outcome() }));
    assert_eq!(refused(counted(Some(0))), "outcome.count must be at least 1");
    let signal = read(&counted(None)).expect("a count may be left out");
    assert!(matches!(signal.observation, Observation::Outcome(outcome) if outcome.count == 1));
}

#[test]
fn a_negative_latency_is_refused() {
    let backwards = v1::Outcome {
        ttfb_us: Some(-1),
        ..outcome()
    };
    assert_eq!(
        refused(wire(Wire::Outcome(backwards))),
        "outcome.ttfb_us must be at least 0"
    );
}

#[test]
fn a_gauge_must_be_finite_and_its_limit_positive() {
    let gauge = |value, limit| {
        wire(Wire::Gauge(v1::Gauge {
            name: "queue_depth".to_owned(),
            value,
            limit,
        }))
    };
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(refused(gauge(value, None)), "gauge.value is not a finite number");
        assert_eq!(
            refused(gauge(1.0, Some(value))),
            "gauge.limit is not a finite number"
        );
    }
    assert_eq!(refused(gauge(1.0, Some(0.0))), "gauge.limit must be above 0");
}

#[test]
fn a_histogram_is_bounded_and_ascends() {
    let window = |uppers: &[i64], length_us| {
        wire(Wire::Window(v1::OutcomeWindow {
            length_us,
            counts: Vec::new(),
            latency: uppers
                .iter()
                .map(|upper_us| v1::LatencyBin {
                    upper_us: *upper_us,
                    count: 1,
                })
                .collect(),
        }))
    };
    let many: Vec<i64> = (0..=MAX_LATENCY_BINS as i64).collect();
    assert!(refused(window(&many, 1)).contains("321 entries, at most 320"));
    assert!(read(&window(&many[1..], 1)).is_ok());
    assert!(refused(window(&[5, 5], 1)).contains("strictly ascending"));
    assert_eq!(refused(window(&[5], 0)), "window.length_us must be above 0");
}

#[test]
fn a_command_needs_a_reason_an_id_and_one_expiry_at_most() {
    let header = v1::CommandHeader {
        reason: "deploy".to_owned(),
        request_id: "1".to_owned(),
        ..v1::CommandHeader::default()
    };
    let ask = |header: Option<v1::CommandHeader>| {
        let request = v1::FreezeRequest {
            header,
            route: String::new(),
        };
        let at = Timestamp::from_secs(10);
        command(request, Acceptance { actor: "ada", at }).map_err(|error| error.to_string())
    };
    assert_eq!(ask(None), Err("header is missing".to_owned()));
    let blank = v1::CommandHeader {
        reason: "  ".to_owned(),
        ..header.clone()
    };
    assert_eq!(ask(Some(blank)), Err("header.reason is missing".to_owned()));
    let nameless = v1::CommandHeader {
        request_id: String::new(),
        ..header.clone()
    };
    assert_eq!(
        ask(Some(nameless)),
        Err("header.request_id is missing".to_owned())
    );
    let twice = v1::CommandHeader {
        expires_at_unix_us: Some(1),
        expires_in_us: Some(1),
        ..header.clone()
    };
    assert!(ask(Some(twice)).is_err_and(|error| error.contains("expires_in_us")));
    let soon = v1::CommandHeader {
        expires_in_us: Some(1_000_000),
        ..header
    };
    let accepted = ask(Some(soon)).expect("a span is an expiry");
    assert_eq!(accepted.expires_at, Some(Timestamp::from_secs(11)));
}

#[test]
fn json_says_the_same_as_the_proto() {
    let signal = from_json(
        r#"{"time": "2025-03-01T12:00:00.5Z", "target": "eu", "route": "api", "unknown": 1,
            "outcome": {"status": 503, "latency_ms": 12.5}}"#,
    )
    .expect("well said");
    assert_eq!(signal.time, Timestamp::from_micros(1_740_830_400_500_000));
    let Observation::Outcome(outcome) = signal.observation else {
        panic!("an outcome was said");
    };
    assert_eq!(outcome.kind, OutcomeKind::Overload);
    assert_eq!(outcome.latency, Some(Duration::from_micros(12_500)));

    let window = from_json(
        r#"{"time": 1740830400.25, "target": "eu", "window": {"length_s": 10,
            "counts": {"success": 99, "connect_failure": 1}, "latency": [{"upper_ms": 5, "count": 100}]}}"#,
    )
    .expect("well said");
    assert_eq!(window.time, Timestamp::from_micros(1_740_830_400_250_000));
    assert!(matches!(&window.observation, Observation::Window(window) if window.counts.failures() == 1));
    let down = from_json(r#"{"time": 1, "target": "eu", "health": "down"}"#).expect("well said");
    assert_eq!(down.observation, Observation::Health(Health::Down));
}

#[test]
fn json_that_may_not_be_said_is_refused() {
    for (json, part) in [
        (r#"{"time": 1, "target": "eu"}"#, "observation is missing"),
        (
            r#"{"time": 1, "target": "eu", "health": "up", "event": "scale"}"#,
            "exactly one",
        ),
        (r#"{"time": "noon", "target": "eu", "health": "up"}"#, "RFC 3339"),
        (
            r#"{"time": 1740830400000, "target": "eu", "health": "up"}"#,
            "not milliseconds",
        ),
        (
            r#"{"time": 1, "target": "eu", "outcome": {}}"#,
            "outcome.kind is missing",
        ),
        (
            r#"{"time": 1, "target": "eu", "outcome": {"status": 200, "latency_ms": -1}}"#,
            "outcome.latency_ms",
        ),
        (
            r#"{"time": 1, "target": "eu", "window": {"length_s": 0}}"#,
            "window.length_s",
        ),
        (
            r#"{"time": 1, "target": "eu", "health": "fine"}"#,
            "unknown variant",
        ),
        (
            r#"{"time": 1, "target": "", "health": "up"}"#,
            "target is missing",
        ),
        (
            r#"{"time": 1e999, "target": "eu", "health": "up"}"#,
            "out of range",
        ),
    ] {
        let error = from_json(json).expect_err(json);
        assert!(error.contains(part), "{json}: {error}");
    }
}

#[test]
fn a_log_line_is_cut_rather_than_lost() {
    let wire = v1::LogRecord {
        target: "eu".to_owned(),
        body: "é".repeat(log::MAX_BODY_BYTES),
        attributes: (0..100)
            .map(|key| (format!("{key:03}"), "x".repeat(600)))
            .collect::<BTreeMap<_, _>>(),
        severity: 77,
        ..v1::LogRecord::default()
    };
    let line = LogLine::try_from(wire).expect("cut, not refused");
    assert_eq!(line.body.len(), log::MAX_BODY_BYTES);
    assert_eq!(line.attributes.len(), log::MAX_ATTRIBUTES);
    assert!(
        line.attributes
            .values()
            .all(|value| value.len() == log::MAX_ATTRIBUTE_BYTES)
    );
    assert_eq!(line.severity, None);
}

#[test]
fn a_log_line_in_json_is_read() {
    let spelled: JsonLogLine = serde_json::from_str(
        r#"{"time": 1, "target": "llm", "severity": "WARN", "body": "slow down", "http_status": 429,
            "provider_error_code": "rate_limit_exceeded"}"#,
    )
    .expect("well said");
    let line = LogLine::try_from(spelled).expect("well said");
    assert_eq!(
        (line.severity, line.http_status, line.count),
        (Some(Severity::Warn), Some(429), 1)
    );
}
