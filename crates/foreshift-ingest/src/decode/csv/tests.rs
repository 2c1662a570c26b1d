use super::*;
use foreshift_domain::Timestamp;

fn rows(header: &str, row: &str) -> Result<Vec<Observation>, DecodeError> {
    let mut decoder = RowDecoder::new(header.split(',').map(str::as_bytes))?;
    let mut out = Vec::new();
    decoder.decode(row.split(',').map(str::as_bytes), &mut out)?;
    Ok(out
        .into_iter()
        .map(|decoded| match decoded {
            Decoded::Signal { signal, .. } => signal.observation,
            other => panic!("{other:?}"),
        })
        .collect())
}

#[test]
fn a_request_is_an_outcome_with_its_times() {
    let found = rows(
        "time,target,status,latency_ms,ttfb_ms,count",
        "1700000000,a,503,12.5,3,7",
    );
    let outcome = Outcome {
        kind: OutcomeKind::Overload,
        latency: Some(Duration::from_micros(12_500)),
        ttfb: Some(Duration::from_millis(3)),
        count: 7,
    };
    assert_eq!(found, Ok(vec![Observation::Outcome(outcome)]));
}

#[test]
fn a_probe_is_health_and_a_level_but_no_request() {
    let found = rows("time,target,health,status,latency_ms", "1700000000,a,up,200,590");
    let latency = Gauge {
        name: PROBE_LATENCY_GAUGE.into(),
        value: 590.0,
        limit: None,
    };
    assert_eq!(
        found,
        Ok(vec![Observation::Health(Health::Up), Observation::Gauge(latency)])
    );
    let found = rows("time,target,health,status,latency_ms", "1700000000,a,down,0,");
    assert_eq!(found, Ok(vec![Observation::Health(Health::Down)]));
}

#[test]
fn a_row_with_health_and_a_count_is_both_health_and_requests() {
    let found = rows("time,target,health,status,count", "1700000000,a,up,200,3").expect("a row");
    assert_eq!(found.len(), 2);
}

#[test]
fn other_numeric_columns_are_gauges_and_words_are_not() {
    let found = rows(
        "time,target,queue_depth,zone,pool_used",
        "1700000000,a,17,eu-1,nan",
    )
    .expect("a row");
    assert_eq!(
        found,
        vec![Observation::Gauge(Gauge {
            name: "queue_depth".into(),
            value: 17.0,
            limit: None
        })]
    );
}

#[test]
fn the_outcome_column_wins_over_the_status() {
    let found = rows("time,target,status,outcome", "1700000000,a,200,truncated").expect("a row");
    assert!(
        matches!(found.as_slice(), [Observation::Outcome(outcome)] if outcome.kind == OutcomeKind::Truncated)
    );
}

#[test]
fn what_cannot_be_read_is_refused_whole() {
    for (header, row) in [
        ("time,target,status", "yesterday,a,200"),
        ("time,target,status", ",a,200"),
        ("time,target,status", "1700000000,,200"),
        ("time,target,status", "1700000000,a,twohundred"),
        ("time,target,status", "1700000000,a,-1"),
        ("time,target,status", "1700000000,a,70000"),
        ("time,target,health", "1700000000,a,sideways"),
        ("time,target,latency_ms", "1700000000,a,-5"),
        ("time,target,latency_ms", "1700000000,a,inf"),
        ("time,target,queue", "1700000000,a,inf"),
        ("time,target,status,count", "1700000000,a,200,0"),
        ("time,target,status", "1700000000,a,"),
        ("time,target,health,queue", "1700000000,a,up,1e999"),
    ] {
        assert!(rows(header, row).is_err(), "{header}: {row}");
    }
}

#[test]
fn a_refused_row_leaves_nothing_behind() {
    let mut decoder =
        RowDecoder::new(["time", "target", "a", "b"].map(str::as_bytes).into_iter()).expect("header");
    let mut out = Vec::new();
    let row = ["1700000000", "x", "1", "inf"].map(str::as_bytes);
    assert!(decoder.decode(row.into_iter(), &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn headers_without_time_or_target_or_with_one_twice_are_refused() {
    for header in [
        "target,status",
        "time,status",
        "time,target,time",
        "time,target,q,q",
    ] {
        assert!(
            RowDecoder::new(header.split(',').map(str::as_bytes)).is_err(),
            "{header}"
        );
    }
    let wide = vec![&b"x"[..]; MAX_COLUMNS + 1];
    assert_eq!(
        RowDecoder::new(wide.into_iter()).err(),
        Some(DecodeError::TooMany { most: MAX_COLUMNS })
    );
}

#[test]
fn both_forms_of_time_are_read() {
    let mut decoder =
        RowDecoder::new(["time", "target", "status"].map(str::as_bytes).into_iter()).expect("header");
    let mut out = Vec::new();
    for time in ["1700000000.5", "2023-11-14T22:13:20.5Z"] {
        decoder
            .decode([time.as_bytes(), b"a", b"200"].into_iter(), &mut out)
            .expect("a row");
    }
    for decoded in out {
        let Decoded::Signal { signal, .. } = decoded else {
            panic!("a signal")
        };
        assert_eq!(signal.time, Timestamp::from_millis(1_700_000_000_500));
    }
}

proptest::proptest! {
    #[test]
    fn any_cells_are_read_or_refused(
        cells in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20), 0..8)
    ) {
        let header = ["time", "target", "status", "health", "latency_ms", "count", "x"].map(str::as_bytes);
        let mut decoder = RowDecoder::new(header.into_iter()).expect("header");
        let _ = decoder.decode(cells.iter().map(Vec::as_slice), &mut Vec::new());
    }
}
