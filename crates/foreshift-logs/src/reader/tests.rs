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

/// Lines of real shapes, cut, doubled, spliced and with wrong bytes: the same ones in every run.
fn mutated(rounds: u64) -> impl Iterator<Item = String> {
    const RECORDS: [&str; 6] = [
        "{\"level\":50,\"msg\":\"a\",\"err\":{\"type\":\"Error\",\"stack\":\"Error: x\\n  at y\",\"code\":\"E\"}}",
        "time=\"t\" level=error msg=\"a \\\"b\\\"\" err=\"c\" status=503",
        "ERROR a\nTraceback (most recent call last):\n  File \"a\", line 1\nE: b\n\nThe above exception was the direct cause",
        "a\n\tat b\nCaused by: c\n\t... 7 more\nCaused by: d",
        "{\"log\":\"{\\\"msg\\\":\\\"{\\\\\\\"msg\\\\\\\":1}\\\"}\\n\",\"stream\":\"stderr\"}",
        "thread 'main' panicked at a:1:2:\nb\n\nCaused by:\n    0: c\n    1: d",
    ];
    let planted = secrets::planted().into_iter().map(|planted| planted.line);
    let corpus: Vec<Vec<u8>> = RECORDS
        .into_iter()
        .map(str::to_owned)
        .chain(planted)
        .map(String::into_bytes)
        .collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..rounds).map(move |_| {
        let mut draw = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below.max(1) as u64) as usize
        };
        let mut bytes = corpus[draw(corpus.len())].clone();
        for _ in 0..1 + draw(6) {
            let (at, other) = (draw(bytes.len()), draw(corpus.len()));
            match draw(5) {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(at..),
                2 => bytes.splice(at..at, corpus[other].iter().copied()).for_each(drop),
                3 => bytes.insert(at, b"\"'\\{}[]=:@<\n\xff,("[draw(15)]),
                _ => bytes
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte ^= 1 << (at % 8)),
            }
            bytes.truncate(4_096);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[test]
fn damaged_lines_do_no_harm() {
    let mut reader = reader();
    let redactor = Redactor::new().expect("the table compiles");
    for line in mutated(20_000) {
        let reading = reader.read(&arrival(&line, 0, 1));
        assert_eq!(
            reader.read(&arrival(&line, 1, 1)).class,
            reading.class,
            "{line:?}"
        );
        let once = redactor.scrub(&line, Depth::Everything).into_owned();
        assert_eq!(redactor.scrub(&once, Depth::Everything), once, "{line:?}");
    }
    assert!(reader.counters().templates <= miner::Settings::default().max_templates as u64);
}
