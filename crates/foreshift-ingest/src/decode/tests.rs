use foreshift_domain::signal::{Health, Observation, OutcomeKind, Signal};
use foreshift_proto::v1;
use prost::Message;

use super::*;

pub(super) fn decoder() -> Decoder {
    Decoder::new(envoy::EnvoyKeys::default()).expect("a decoder")
}

fn decode(format: Format, bytes: &[u8]) -> Parts {
    decoder().decode(format, "signals", bytes)
}

pub(super) fn signals(parts: &Parts) -> Vec<&Signal> {
    let mut found = Vec::new();
    for decoded in &parts.good {
        if let Decoded::Signal { signal, .. } = decoded {
            found.push(signal);
        }
    }
    found
}

fn batch(signals: usize) -> v1::SignalBatch {
    let signal = |number: usize| v1::Signal {
        time_unix_us: 1_700_000_000_000_000,
        target: format!("t{number}"),
        observation: Some(v1::signal::Observation::Health(v1::Health::Up.into())),
        ..v1::Signal::default()
    };
    v1::SignalBatch {
        signals: (0..signals).map(signal).collect(),
    }
}

const FORMATS: [Format; 12] = [
    Format::Auto,
    Format::NativeProto,
    Format::NativeJson,
    Format::NativeLogProto,
    Format::NativeLogJson,
    Format::OtlpMetricsProto,
    Format::OtlpMetricsJson,
    Format::OtlpLogsProto,
    Format::OtlpLogsJson,
    Format::OtlpSpansProto,
    Format::OtlpSpansJson,
    Format::EnvoyJson,
];

#[test]
fn native_signals_are_the_same_as_protobuf_and_as_json() {
    let proto = decode(Format::NativeProto, &batch(1).encode_to_vec());
    let json = decode(
        Format::NativeJson,
        br#"{"time":1700000000,"target":"t0","health":"up","unknown":{"x":[1]}}"#,
    );
    assert_eq!(proto, json);
    assert_eq!(
        signals(&proto).first().map(|signal| &signal.observation),
        Some(&Observation::Health(Health::Up))
    );
}

#[test]
fn one_bad_signal_costs_itself_alone() {
    let mut wire = batch(3);
    wire.signals[1].target.clear();
    let parts = decode(Format::NativeProto, &wire.encode_to_vec());
    assert_eq!((parts.good.len(), parts.bad.len()), (2, 1));
    let lines = b"{\"time\":1,\"target\":\"a\",\"health\":\"up\"}\nnot json\n\n{\"time\":2,\"target\":\"b\",\"health\":\"down\"}\n";
    let parts = decode(Format::NativeJson, lines);
    assert_eq!((parts.good.len(), parts.bad.len()), (2, 1));
    let array =
        br#"[{"time":1,"target":"a","health":"up"},{"time":2},{"time":3,"target":"b","health":"up"}]"#;
    let parts = decode(Format::NativeJson, array);
    assert_eq!((parts.good.len(), parts.bad.len()), (2, 1));
}

#[test]
fn log_lines_become_numbers_and_leave_no_text() {
    let record = v1::LogRecord {
        time_unix_us: 1,
        target: "db".into(),
        body: "secret 4711: connection refused".into(),
        ..v1::LogRecord::default()
    };
    let proto = decode(
        Format::NativeLogProto,
        &v1::LogBatch {
            records: vec![record],
        }
        .encode_to_vec(),
    );
    let json = decode(
        Format::NativeLogJson,
        br#"{"time":"1970-01-01T00:00:00.000001Z","target":"db","body":"secret 12: connection refused"}"#,
    );
    assert_eq!(proto, json, "one template, one class");
    let Some(Decoded::Log { event, .. }) = proto.good.first() else {
        panic!("a log event")
    };
    assert_eq!(event.class, foreshift_domain::log::ErrorClass::ConnFail);
    assert!(!format!("{proto:?}").contains("secret"));
}

#[test]
fn a_record_that_is_too_large_is_refused_before_it_is_decoded() {
    let bytes = vec![b'{'; MAX_RECORD_BYTES + 1];
    for format in FORMATS {
        assert!(
            matches!(
                decode(format, &bytes).bad.as_slice(),
                [DecodeError::TooLarge { .. }]
            ),
            "{format:?}"
        );
    }
}

#[test]
fn a_record_with_more_parts_than_are_looked_at_is_refused() {
    let parts = decode(Format::NativeProto, &batch(MAX_PARTS + 1).encode_to_vec());
    assert_eq!(
        (parts.good.len(), parts.bad),
        (0, vec![DecodeError::TooMany { most: MAX_PARTS }])
    );
    let lines = "{}\n".repeat(MAX_PARTS + 1);
    for format in [Format::NativeJson, Format::EnvoyJson] {
        assert_eq!(
            decode(format, lines.as_bytes()).bad,
            vec![DecodeError::TooMany { most: MAX_PARTS }]
        );
    }
}

#[test]
fn a_record_cut_anywhere_is_an_error_or_a_shorter_one_and_never_a_panic() {
    let whole = batch(5).encode_to_vec();
    for length in 0..whole.len() {
        let parts = decode(Format::NativeProto, &whole[..length]);
        assert!(parts.good.len() < 5);
    }
}

#[test]
fn errors_do_not_quote_what_they_could_not_read() {
    let parts = decode(
        Format::NativeJson,
        br#"{"time": "my password is 4711", "target": "a", "health": "hunter2"}"#,
    );
    let text = format!("{:?}", parts.bad);
    assert!(
        !parts.bad.is_empty() && !text.contains("4711") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn numbers_that_are_none_are_refused() {
    let gauge = |value: f64| v1::Signal {
        target: "a".into(),
        observation: Some(v1::signal::Observation::Gauge(v1::Gauge {
            name: "q".into(),
            value,
            limit: None,
        })),
        ..v1::Signal::default()
    };
    let signals = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0]
        .map(gauge)
        .to_vec();
    let parts = decode(Format::NativeProto, &v1::SignalBatch { signals }.encode_to_vec());
    assert_eq!((parts.good.len(), parts.bad.len()), (1, 3));
}

#[test]
fn the_format_is_found_out_where_it_is_not_declared() {
    let envoy = br#"{"start_time":"2025-03-01T12:00:00Z","upstream_cluster":"eu","response_code":503,"response_flags":"UF"}"#;
    let native = br#"{"time":1,"target":"a","health":"up"}"#;
    let log = br#"{"time":1,"target":"a","body":"timed out"}"#;
    assert_eq!(signals(&decode(Format::Auto, native)).len(), 1);
    assert_eq!(signals(&decode(Format::Auto, &batch(2).encode_to_vec())).len(), 2);
    assert!(matches!(
        decode(Format::Auto, log).good.as_slice(),
        [Decoded::Log { .. }]
    ));
    let parts = decode(Format::Auto, envoy);
    let found = signals(&parts);
    let [
        Signal {
            observation: Observation::Outcome(outcome),
            ..
        },
    ] = found.as_slice()
    else {
        panic!("an outcome")
    };
    assert_eq!(outcome.kind, OutcomeKind::ConnectFailure);
    assert_eq!(decode(Format::Auto, b"\xff\xff\xff").bad.len(), 1);
    assert_eq!(decode(Format::Auto, b"  "), Parts::default());
}

#[test]
fn protobuf_of_any_length_is_not_taken_for_json() {
    // Its first byte is that of a line feed, its second a length, which may be that of a brace.
    for length in 1..200 {
        let mut wire = batch(1);
        wire.signals[0].target = "x".repeat(length);
        let parts = decode(Format::Auto, &wire.encode_to_vec());
        assert_eq!((parts.good.len(), parts.bad.len()), (1, 0), "{length}");
    }
    let parts = decode(
        Format::Auto,
        b"\n{\"time\":1,\"target\":\"a\",\"health\":\"up\"}\n",
    );
    assert_eq!(parts.good.len(), 1);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused_in_every_format(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
    ) {
        let decoder = decoder();
        for format in FORMATS {
            let _ = decoder.decode(format, "otlp_metrics", &bytes);
        }
    }

    #[test]
    fn a_record_with_any_byte_changed_is_decoded_or_refused(at in 0usize..100, byte in 0u8..) {
        let mut bytes = batch(4).encode_to_vec();
        let length = bytes.len();
        bytes[at % length] = byte;
        let parts = decode(Format::NativeProto, &bytes);
        proptest::prop_assert!(parts.good.len() <= 100);
    }
}

#[test]
fn a_dead_letter_holds_no_text_of_people_and_no_secret() {
    let decoder = decoder();
    let kept = |format, payload: &str| decoder.letter(format, payload.as_bytes()) == payload.as_bytes();
    let odd = r#"{"time":1,"target":"good-a","gauge":{"name":"g","value":NaN}}"#;
    assert!(kept(Format::NativeJson, odd));
    assert!(!kept(Format::NativeLogJson, odd), "a topic of logs");
    assert!(!kept(
        Format::NativeJson,
        r#"{"time":1,"body":"joe asked for more"}"#
    ));
    assert!(!kept(Format::NativeProto, "\u{8}\u{1}password=hunter2"));
    assert!(!kept(
        Format::OtlpMetricsJson,
        r#"{"server.address":"203.0.113.9"}"#
    ));
}
