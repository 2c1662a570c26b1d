use foreshift_domain::Duration;

use super::*;

use crate::secrets;

const AT: Timestamp = Timestamp::from_secs(1_000);

fn reader() -> LogReader {
    LogReader::new(ReaderSettings::default()).expect("the tables are whole")
}

fn arrival(message: &str, after_s: i64, source: u64) -> Arrival<'_> {
    Arrival {
        line: LogLine {
            message,
            ..LogLine::default()
        },
        error: None,
        time: AT + Duration::from_secs(after_s),
        source,
    }
}

/// Makes a template public, and gives its id.
fn seen_often(reader: &mut LogReader, message: &str) -> u64 {
    let ids = [1, 2, 3].map(|source| reader.read(&arrival(message, 0, source)).template);
    ids[2]
}

#[test]
fn a_template_is_private_until_it_was_seen_often_and_elsewhere() {
    let mut reader = reader();
    let line = "no answer from 10.0.0.1 after 30 ms";
    let id = reader.read(&arrival(line, 0, 1)).template;
    reader.read(&arrival(line, 1, 1));
    reader.read(&arrival(line, 2, 1));
    assert_eq!(reader.text(id), None);
    assert_eq!(reader.counters().private, 1);
    reader.read(&arrival(line, 3, 2));
    let text = reader.text(id).expect("public");
    assert!(text.starts_with("no answer from <ip> after <"), "{text}");
    assert_eq!(reader.counters().private, 0);
}

#[test]
fn the_class_is_there_before_the_text_may_be_seen() {
    let mut reader = reader();
    let reading = reader.read(&arrival(
        "dial tcp 10.0.0.1:80: connect: connection refused",
        0,
        1,
    ));
    assert_eq!(reading.class, ErrorClass::ConnFail);
    assert_eq!(reader.text(reading.template), None);
}

#[test]
fn a_secret_in_a_constant_place_is_in_no_text_and_no_sample() {
    let settings = ReaderSettings {
        samples: Some(SampleSettings {
            per_template: 3,
            ttl: Duration::from_secs(60),
        }),
        ..ReaderSettings::default()
    };
    let mut reader = LogReader::new(settings).expect("the tables are whole");
    for planted in secrets::planted() {
        let id = seen_often(&mut reader, &planted.line);
        let shown = format!("{:?} {:?}", reader.text(id), reader.samples(id));
        assert!(!shown.contains(&planted.needle), "{planted:?}: {shown}");
        assert!(shown.contains("Some"), "{planted:?}");
    }
}

#[test]
fn lines_of_one_template_with_other_statuses_have_other_classes() {
    let mut reader = reader();
    let mut read = |message: &str| reader.read(&arrival(message, 0, 1));
    let rate = read("call failed with HTTP status 429 in 7 ms");
    let server = read("call failed with HTTP status 500 in 9 ms");
    assert_eq!(rate.template, server.template);
    assert_eq!(
        (rate.class, server.class),
        (ErrorClass::RateLimit, ErrorClass::Upstream5xx)
    );
}

#[test]
fn fields_beside_a_line_win_over_its_own() {
    let mut reader = reader();
    let mut arrival = arrival(r#"{"msg":"call failed","status":500}"#, 0, 1);
    assert_eq!(reader.read(&arrival).class, ErrorClass::Upstream5xx);
    arrival.line.http_status = Some(429);
    assert_eq!(reader.read(&arrival).class, ErrorClass::RateLimit);
}

#[test]
fn people_have_the_last_word_on_a_class() {
    let line = "flux capacitor refused by 10.0.0.1: connection refused";
    let mut plain = reader();
    let id = seen_often(&mut plain, line);
    let text = plain.text(id).expect("public");
    for name in [format!("{id:016x}"), text.clone(), text.replace("<ip>", "<*>")] {
        let settings = ReaderSettings {
            overrides: [(name, ErrorClass::Overload)].into_iter().collect(),
            ..ReaderSettings::default()
        };
        let mut reader = LogReader::new(settings).expect("the tables are whole");
        assert_eq!(reader.read(&arrival(line, 0, 1)).class, ErrorClass::Overload);
    }
}

#[test]
fn a_blank_line_says_nothing() {
    let mut reader = reader();
    let reading = reader.read(&arrival(" \n", 0, 1));
    assert_eq!((reading.template, reading.class), (0, ErrorClass::None));
    assert_eq!(reader.text(0), None);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_lines_are_read(lines in proptest::collection::vec("(\\PC|[\\n\"'{}=: ]){0,120}", 1..20)) {
        let mut reader = reader();
        for line in &lines {
            let first = reader.read(&arrival(line, 0, 1));
            let again = reader.read(&arrival(line, 0, 1));
            proptest::prop_assert_eq!(first.class, again.class);
        }
    }
}
