use foreshift_domain::Timestamp;
use foreshift_domain::fallback::OutcomeSource;
use foreshift_domain::signal::{Gauge, Signal};

use super::*;
use crate::decode::DecodeError;

const NOW: Duration = Duration::ZERO;

fn parts(items: usize) -> Parts {
    let level = |value: usize| Decoded::Signal {
        signal: Signal {
            time: Timestamp::from_secs(1_740_830_400),
            target: "eu".into(),
            route: None,
            gateway: None,
            endpoint: None,
            observation: Observation::Gauge(Gauge {
                name: "level".into(),
                value: value as f64,
                limit: None,
            }),
        },
        aliases: Vec::new(),
        source: OutcomeSource::Native,
    };
    Parts {
        good: (0..items).map(level).collect(),
        ..Parts::default()
    }
}

fn offsets(batch: &Batch) -> Vec<(String, i64, usize, bool)> {
    let runs = batch.runs.iter();
    runs.map(|run| {
        let topic = run.partition.topic.to_string();
        (topic, run.next_offset, run.items.len(), run.caught_up)
    })
    .collect()
}

#[test]
fn a_full_buffer_drops_what_does_not_fit_and_counts_it() {
    let (sender, mut source) = channel(10);
    assert_eq!(sender.put_or_drop(Receiver::AccessLogs, parts(4)), 0);
    assert_eq!(sender.put_or_drop(Receiver::AccessLogs, parts(7)), 3);
    assert_eq!(sender.put_or_drop(Receiver::AccessLogs, parts(2)), 2);
    assert_eq!(source.poll(100, NOW).expect("a batch").items(), 8);
    assert_eq!(
        sender.put_or_drop(Receiver::AccessLogs, parts(9)),
        0,
        "there is room again"
    );
}

#[test]
fn records_come_out_by_receiver_and_each_counts_one() {
    let (sender, mut source) = channel(100);
    sender.put_or_drop(Receiver::AccessLogs, parts(2));
    sender.put_or_drop(Receiver::AccessLogs, parts(3));
    let batch = source.poll(1, NOW).expect("a batch");
    assert_eq!(offsets(&batch), [("receive/als".into(), 1, 2, false)]);
    let batch = source.poll(1, NOW).expect("a batch");
    assert_eq!(offsets(&batch), [("receive/als".into(), 2, 3, true)]);
    let offsets: Vec<i64> = batch
        .runs
        .iter()
        .flat_map(|run| &run.items)
        .map(|item| item.offset)
        .collect();
    assert_eq!(offsets, [1, 1, 1]);
}

#[test]
fn an_empty_buffer_says_that_all_was_seen_and_a_receiver_without_use_says_nothing() {
    let (sender, mut source) = channel(100);
    assert!(source.poll(1, NOW).expect("a batch").runs.is_empty());
    sender.put_or_drop(Receiver::AccessLogs, parts(1));
    source.poll(10, NOW).expect("a batch");
    let batch = source.poll(10, NOW).expect("a batch");
    assert_eq!(offsets(&batch), [("receive/als".into(), 1, 0, true)]);
    assert_eq!(source.partitions().len(), 1);
}

#[test]
fn what_could_not_be_decoded_is_told_without_its_text() {
    let (sender, mut source) = channel(100);
    let bad = DecodeError::Missing { field: "start_time" };
    let parts = Parts {
        bad: vec![bad.clone(), bad.clone()],
        ..Parts::default()
    };
    assert_eq!(sender.put_or_drop(Receiver::AccessLogs, parts), 0);
    let batch = source.poll(10, NOW).expect("a batch");
    let refused = &batch.runs[0].refused[0];
    assert_eq!((refused.parts, &refused.why, refused.payload.len()), (2, &bad, 0));
}

#[test]
fn positions_go_on_after_a_restart() {
    let (sender, mut source) = channel(100);
    let key = Receiver::AccessLogs.partition();
    source
        .seek(&Positions::from([(key.clone(), 7)]))
        .expect("no source to ask");
    sender.put_or_drop(Receiver::AccessLogs, parts(1));
    source.poll(10, NOW).expect("a batch");
    assert_eq!(source.positions(), Positions::from([(key.clone(), 8)]));
    assert!(is_received(&key));
}

#[test]
fn histograms_weigh_more_than_levels() {
    let mut window = parts(1);
    if let Some(Decoded::Signal { signal, .. }) = window.good.first_mut() {
        let bin = foreshift_domain::signal::LatencyBin {
            upper: foreshift_domain::Duration::ZERO,
            count: 1,
        };
        signal.observation = Observation::Window(Box::new(foreshift_domain::signal::OutcomeWindow {
            latency: vec![bin; 160],
            ..Default::default()
        }));
    }
    assert_eq!(weight(&window.good[0]), 11);
}

#[tokio::test]
async fn who_waits_gets_room_when_there_is_some_and_before_those_who_drop() {
    let (sender, mut source) = channel(10);
    assert_eq!(sender.put_or_drop(Receiver::AccessLogs, parts(9)), 0);
    let waiting = {
        let sender = sender.clone();
        let patience = Duration::from_secs(60);
        tokio::spawn(async move { sender.put_waiting(Receiver::Otlp, parts(9), patience).await })
    };
    tokio::task::yield_now().await;
    source.poll(100, NOW).expect("a batch");
    assert_eq!(
        sender.put_or_drop(Receiver::AccessLogs, parts(3)),
        3,
        "the room was given away"
    );
    assert_eq!(waiting.await.expect("a task"), Ok(()));
    assert_eq!(source.poll(100, NOW).expect("a batch").items(), 9);
}

#[tokio::test]
async fn who_waits_in_vain_is_told_and_nothing_of_the_record_is_taken() {
    let (sender, mut source) = channel(10);
    sender.put_or_drop(Receiver::AccessLogs, parts(5));
    let put = |items, patience| sender.put_waiting(Receiver::Otlp, parts(items), patience);
    assert_eq!(put(9, Duration::from_millis(1)).await, Err(PushError::Full));
    let too_large = PushError::TooLarge { units: 11, most: 10 };
    assert_eq!(put(10, Duration::from_secs(60)).await, Err(too_large));
    assert_eq!(source.poll(100, NOW).expect("a batch").items(), 5);
    drop(source);
    assert_eq!(put(1, Duration::from_secs(60)).await, Err(PushError::Closed));
}
