use std::sync::Arc;

use foreshift_domain::command::{Action, Command};
use foreshift_domain::log::{ErrorClass, LogEvent};
use foreshift_domain::prediction::{PredictionId, Served};
use foreshift_domain::signal::{
    EventKind, Gauge, Health, LatencyBin, Observation, Outcome, OutcomeCounts, OutcomeKind, OutcomeWindow,
    Signal,
};
use foreshift_domain::weights::Version;
use foreshift_domain::{Applied, Duration, Input, ModelUpdate, Timestamp, Watermark};
use proptest::prelude::*;

use super::*;
use crate::mapping::tests::fallback;
use crate::sequencer::PartitionKey;

fn clock(secs: i64) -> Input {
    Input::Clock(Timestamp::from_secs(secs))
}

/// Records clocks with these seconds as one segment.
fn record(dir: &Path, first_seq: u64, seconds: std::ops::Range<i64>) {
    let mut recorder = Recorder::open(dir, first_seq, Retention::default()).expect("opened");
    for second in seconds {
        recorder.record(&clock(second), None).expect("recorded");
    }
    recorder.seal().expect("sealed");
}

fn read(path: &Path, from_seq: u64) -> Vec<JournalRow> {
    let mut reader = JournalReader::open(path, from_seq).expect("opened");
    let mut rows = Vec::new();
    while let Some(group) = reader.next_rows().expect("read") {
        rows.extend(group);
    }
    rows
}

fn seqs(path: &Path) -> Vec<u64> {
    read(path, 0).iter().map(|row| row.seq).collect()
}

#[test]
fn what_is_not_sealed_is_not_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut recorder = Recorder::open(dir.path(), 1, Retention::default()).expect("opened");
    for second in 0..200_000 {
        recorder.record(&clock(second), None).expect("recorded");
    }
    assert_eq!(segments(dir.path()).expect("listed"), vec![]);
    drop(recorder);
    discard_after(dir.path(), 0).expect("discarded");
    assert_eq!(
        std::fs::read_dir(dir.path()).expect("listed").count(),
        0,
        "the unsealed segment is gone"
    );
}

#[test]
fn samples_of_what_was_served_stand_between_the_inputs_and_are_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let served = |second| Served {
        id: PredictionId {
            target: "east".into(),
            tick: Timestamp::from_secs(second),
        },
        features: vec![None, Some(1.0 / 3.0), Some(-0.0)],
        explanations: Vec::new(),
        alarms: vec!["llm".into()],
    };
    let mut recorder = Recorder::open(dir.path(), 1, Retention::default()).expect("opened");
    for second in 0..70_000 {
        recorder.record(&clock(second), None).expect("recorded");
        if second % 1_000 == 0 {
            recorder.record_served(&served(second)).expect("recorded");
        }
    }
    recorder.seal().expect("sealed");
    let inputs = read(dir.path(), 0);
    assert_eq!(inputs.len(), 70_000);
    assert_eq!(
        (inputs[0].seq, inputs[1].seq),
        (1, 3),
        "a sample has a number of its own"
    );
    let mut reader = JournalReader::open(dir.path(), 0).expect("opened");
    let mut found = Vec::new();
    while let Some(some) = reader.next_served().expect("read") {
        found.extend(some);
    }
    assert_eq!(found, (0..70).map(|at| served(at * 1_000)).collect::<Vec<_>>());
    assert!(
        found[0].features[2].is_some_and(f64::is_sign_negative),
        "bit for bit"
    );
    assert_eq!(
        JournalReader::last_seq(&segments(dir.path()).expect("listed")[0].path).expect("read"),
        Some(70_070)
    );
}

#[test]
fn segments_follow_each_other_and_are_read_as_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut recorder = Recorder::open(dir.path(), 1, Retention::default()).expect("opened");
    for second in 0..70_000 {
        recorder.record(&clock(second), None).expect("recorded");
        if second % 30_000 == 0 {
            recorder.seal().expect("sealed");
        }
    }
    recorder.seal().expect("sealed");
    recorder.seal().expect("nothing to seal");
    let first: Vec<u64> = segments(dir.path())
        .expect("listed")
        .iter()
        .map(|segment| segment.first_seq)
        .collect();
    assert_eq!(first, vec![1, 2, 30_002, 60_002]);
    assert_eq!(seqs(dir.path()), (1..=70_000).collect::<Vec<_>>());
    assert_eq!(read(dir.path(), 69_999).len(), 2);
    assert_eq!(read(dir.path(), 30_001).first().map(|row| row.seq), Some(30_001));
}

#[test]
fn rows_after_the_last_snapshot_are_discarded_and_segments_that_hold_both_are_cut() {
    let dir = tempfile::tempdir().expect("a directory");
    record(dir.path(), 1, 0..10);
    record(dir.path(), 11, 10..20);
    record(dir.path(), 21, 20..30);
    discard_after(dir.path(), 30).expect("nothing to do");
    assert_eq!(seqs(dir.path()).len(), 30);
    discard_after(dir.path(), 15).expect("discarded");
    assert_eq!(seqs(dir.path()), (1..=15).collect::<Vec<_>>());
    discard_after(dir.path(), 10).expect("discarded");
    assert_eq!(seqs(dir.path()), (1..=10).collect::<Vec<_>>());
    record(dir.path(), 11, 10..12);
    assert_eq!(seqs(dir.path()), (1..=12).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_written_is_told_and_nothing_is_written_after_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let gone = dir.path().join("journal");
    let mut recorder = Recorder::open(&gone, 1, Retention::default()).expect("opened");
    std::fs::remove_dir(&gone).expect("removed");
    recorder
        .record(&Input::Clock(Timestamp::from_secs(1)), None)
        .expect("nothing is written yet");
    let error = recorder.seal().expect_err("there is no directory");
    assert!(matches!(error, JournalError::File { .. }), "{error}");
    std::fs::create_dir(&gone).expect("made again");
    let error = recorder.seal().expect_err("rows are missing by now");
    assert!(matches!(error, JournalError::Stopped), "{error}");
}

#[test]
fn retention_removes_the_oldest_segments_and_never_the_newest() {
    let dir = tempfile::tempdir().expect("a directory");
    record(dir.path(), 1, 0..10);
    record(dir.path(), 11, 0..10);
    let small = Retention {
        max_bytes: Some(1),
        max_age: None,
    };
    let mut recorder = Recorder::open(dir.path(), 21, small).expect("opened");
    recorder.record(&clock(1), None).expect("recorded");
    recorder.seal().expect("sealed");
    assert_eq!(seqs(dir.path()), vec![21]);
    let young = Retention {
        max_bytes: None,
        max_age: Some(std::time::Duration::from_secs(3_600)),
    };
    let mut recorder = Recorder::open(dir.path(), 22, young).expect("opened");
    recorder.record(&clock(1), None).expect("recorded");
    recorder.seal().expect("sealed");
    assert_eq!(seqs(dir.path()), vec![21, 22]);
}

#[test]
fn a_damaged_segment_is_an_error_with_its_name() {
    let dir = tempfile::tempdir().expect("a directory");
    record(dir.path(), 1, 0..1_000);
    let path = segments(dir.path()).expect("listed")[0].path.clone();
    let whole = std::fs::read(&path).expect("read");
    for content in [&whole[..whole.len() / 2], b"PAR1", b""] {
        std::fs::write(&path, content).expect("written");
        let error = JournalReader::open(dir.path(), 0)
            .expect("opened")
            .next_rows()
            .expect_err("damaged");
        assert!(
            error.to_string().contains("segment-00000000000000000001"),
            "{error}"
        );
    }
}

#[test]
fn rows_keep_where_they_came_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut recorder = Recorder::open(dir.path(), 7, Retention::default()).expect("opened");
    let key = PartitionKey {
        topic: "otlp_logs".into(),
        partition: 3,
    };
    recorder.record(&clock(1), Some((&key, 42))).expect("recorded");
    recorder.seal().expect("sealed");
    let origin = RowOrigin {
        topic: "otlp_logs".into(),
        partition: 3,
        offset: 42,
    };
    let expected = JournalRow {
        seq: 7,
        input: clock(1),
        origin: Some(origin),
    };
    assert_eq!(read(dir.path(), 0), vec![expected]);
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,3}", "\\PC{1,20}"]
}

fn span() -> impl Strategy<Value = Duration> {
    any::<i64>().prop_map(Duration::from_micros)
}

fn level() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |value| value.is_finite())
}

fn observation() -> impl Strategy<Value = Observation> {
    let kind = || prop::sample::select(OutcomeKind::ALL.to_vec());
    let outcome = (
        kind(),
        prop::option::of(span()),
        prop::option::of(span()),
        any::<u32>(),
    )
        .prop_map(|(kind, latency, ttfb, count)| {
            Observation::Outcome(Outcome {
                kind,
                latency,
                ttfb,
                count,
            })
        });
    let bin = (span(), any::<u64>()).prop_map(|(upper, count)| LatencyBin { upper, count });
    let window = (span(), any::<[u64; 11]>(), prop::collection::vec(bin, 0..5)).prop_map(
        |(length, counts, latency)| {
            Observation::Window(Box::new(OutcomeWindow {
                length,
                counts: OutcomeCounts(counts),
                latency,
            }))
        },
    );
    let gauge = (name(), level(), prop::option::of(level())).prop_map(|(name, value, limit)| {
        Observation::Gauge(Gauge {
            name: name.into(),
            value,
            limit,
        })
    });
    let health =
        prop::sample::select(vec![Health::Up, Health::Degraded, Health::Down]).prop_map(Observation::Health);
    let event = prop::sample::select(vec![
        EventKind::Deploy,
        EventKind::MaintenanceStart,
        EventKind::MaintenanceEnd,
        EventKind::ConfigChange,
        EventKind::Scale,
    ]);
    prop_oneof![outcome, window, gauge, health, event.prop_map(Observation::Event)]
}

fn input() -> impl Strategy<Value = Input> {
    let time = || any::<i64>().prop_map(Timestamp::from_micros);
    let optional = || prop::option::of(name());
    let signal = (time(), name(), optional(), optional(), optional(), observation()).prop_map(
        |(time, target, route, gateway, endpoint, observation)| {
            Input::Signal(Signal {
                time,
                target: target.into(),
                route: route.map(Into::into),
                gateway: gateway.map(Into::into),
                endpoint: endpoint.map(Into::into),
                observation,
            })
        },
    );
    let class = prop::sample::select(ErrorClass::ALL.to_vec());
    let log = (time(), name(), any::<u64>(), class, any::<u32>()).prop_map(
        |(time, target, template, class, count)| {
            Input::Log(LogEvent {
                time,
                target: target.into(),
                template,
                class,
                count,
            })
        },
    );
    let watermark = (time(), any::<u32>()).prop_map(|(time, idle_partitions)| {
        Input::Watermark(Watermark {
            time,
            idle_partitions,
        })
    });
    let model = (name(), name(), name(), any::<bool>(), any::<u8>()).prop_map(
        |(name, model_json, why, simulated, place)| {
            let update = Arc::new(ModelUpdate {
                name,
                model_json,
                simulated,
                why,
            });
            match place % 3 {
                0 => Input::Model(update),
                1 => Input::Challenger(Some(update)),
                _ => Input::Challenger(None),
            }
        },
    );
    let applied = (time(), name(), name(), any::<u64>(), optional()).prop_map(
        |(time, gateway, route, epoch, error)| {
            let version = Version { epoch, sequence: 1 };
            Input::Applied(Applied {
                time,
                gateway: gateway.into(),
                route: route.into(),
                version,
                error,
            })
        },
    );
    let command =
        (time(), name(), optional(), name()).prop_map(|(issued_at, reason, on_behalf_of, route)| {
            Input::Command(Command {
                request_id: "r".into(),
                actor: "a".into(),
                on_behalf_of,
                reason,
                issued_at,
                expires_at: Some(issued_at),
                expected_version: None,
                action: Action::Pin {
                    route: route.into(),
                    weights: vec![("t".into(), 10_000)],
                },
            })
        });
    let share = (0.0..1.0f64).prop_map(|share| {
        let mut config = fallback(vec![], true);
        config.fleet.alarm_freeze_share = share;
        Input::Fallback(Arc::new(config))
    });
    prop_oneof![6 => signal, 2 => log, 1 => time().prop_map(Input::Clock), 1 => watermark, 1 => model, 1 => applied,
        1 => command, 1 => share]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_input_comes_back_as_it_was(inputs in prop::collection::vec(input(), 1..60), first in 1u64..1 << 60) {
        let dir = tempfile::tempdir().expect("a directory");
        let mut recorder = Recorder::open(dir.path(), first, Retention::default()).expect("opened");
        for input in &inputs {
            recorder.record(input, None).expect("recorded");
        }
        recorder.seal().expect("sealed");
        let rows = read(dir.path(), 0);
        prop_assert_eq!(rows.first().map(|row| row.seq), Some(first));
        prop_assert_eq!(rows.into_iter().map(|row| row.input).collect::<Vec<_>>(), inputs);
    }
}
