use proptest::prelude::*;

use super::*;

/// Feeds records (second, name) of one partition, one at a time.
fn feed(sequencer: &mut Sequencer, partition: u32, records: &[(i64, &str)], out: &mut Outbox) {
    for (offset, (second, name)) in (0..).zip(records) {
        sequencer.push(PartitionId(partition), offset, signal(*second, name), at(0), out);
        sequencer.advance(at(0), out);
    }
}

fn whole(records: &[(i64, &str)]) -> Outbox {
    let mut sequencer = sequencer(ClockMode::Event, 1);
    let mut out = Outbox::default();
    feed(&mut sequencer, 0, records, &mut out);
    sequencer.finish(&mut out);
    out
}

#[test]
fn each_time_is_preceded_by_its_clock_and_each_bucket_by_its_watermark() {
    let out = whole(&[(1, "b"), (1, "a"), (12, "a"), (13, "a")]);
    let Event::Signal(a) = signal(1, "a") else {
        panic!("a signal")
    };
    let mut expected = vec![
        Input::Watermark(Watermark {
            time: at(1),
            idle_partitions: 0,
        }),
        Input::Clock(at(1)),
        Input::Signal(a),
    ];
    let all = inputs(&out);
    let rest = all.get(3..).expect("more").to_vec();
    assert_eq!(all.get(..3), Some(expected.as_slice()));
    expected.clear();
    assert_eq!(watermarks(&out), vec![1, 12]);
    let clocks = rest
        .iter()
        .filter(|input| matches!(input, Input::Clock(_)))
        .count();
    assert_eq!(clocks, 2);
    assert_eq!(
        signals(&out)
            .iter()
            .map(|(second, _)| *second)
            .collect::<Vec<_>>(),
        vec![1, 1, 12, 13]
    );
}

#[test]
fn what_the_watermark_has_not_passed_is_held() {
    let mut sequencer = sequencer(ClockMode::Event, 2);
    let mut out = Outbox::default();
    let records: Vec<(i64, &str)> = (0..40).map(|second| (second, "a")).collect();
    feed(&mut sequencer, 0, &records, &mut out);
    assert!(out.ordered.is_empty(), "partition 1 has shown nothing yet");
    feed(&mut sequencer, 1, &records, &mut out);
    let last = signals(&out).last().map(|(second, _)| *second);
    assert!(last.is_some_and(|last| (30..=34).contains(&last)), "{last:?}");
    sequencer.finish(&mut out);
    assert_eq!(signals(&out).len(), 80);
    assert_eq!(sequencer.held(), 0);
}

#[test]
fn a_record_far_ahead_is_refuted_by_the_good_ones_around_it() {
    let mut records: Vec<(i64, &str)> = (0..60).map(|second| (second, "good")).collect();
    records.insert(30, (3 * 86_400, "bad"));
    let out = whole(&records);
    assert_eq!(signals(&out).len(), 60);
    assert_eq!(out.refused.len(), 1);
    assert_eq!(
        out.refused.first().map(|refused| refused.why),
        Some(Refusal::Refuted)
    );
    assert_eq!(watermarks(&out).last(), Some(&50));
}

#[test]
fn a_record_far_ahead_at_the_very_start_is_refuted_too() {
    let mut records: Vec<(i64, &str)> = (0..60).map(|second| (second, "good")).collect();
    records.insert(0, (3 * 86_400, "bad"));
    let out = whole(&records);
    assert_eq!((signals(&out).len(), out.refused.len()), (60, 1));
}

#[test]
fn a_sender_with_a_wrong_clock_among_good_ones_never_gets_through() {
    let good = (0..1_000).map(|second| (second, "good"));
    let bad = (0..1_000).map(|second| (3 * 86_400 + second, "bad"));
    let records: Vec<(i64, &str)> = good.zip(bad).flat_map(|(good, bad)| [good, bad]).collect();
    let out = whole(&records);
    let bad = signals(&out).iter().filter(|(_, name)| name == "bad").count();
    // The last has nothing after it that could refute it.
    assert!(bad <= 1, "{bad}");
    assert_eq!(out.refused.len() + bad, 1_000);
}

#[test]
fn one_record_with_many_events_proves_nothing() {
    let mut sequencer = sequencer(ClockMode::Event, 1);
    let mut out = Outbox::default();
    feed(
        &mut sequencer,
        0,
        &(0..30).map(|second| (second, "good")).collect::<Vec<_>>(),
        &mut out,
    );
    for event in 0..1_000 {
        sequencer.push(
            PartitionId(0),
            99,
            signal(86_400 + event / 10, "bad"),
            at(0),
            &mut out,
        );
    }
    for second in 30..60 {
        sequencer.push(
            PartitionId(0),
            100 + second,
            signal(second, "good"),
            at(0),
            &mut out,
        );
    }
    sequencer.finish(&mut out);
    assert_eq!((signals(&out).len(), out.refused.len()), (60, 1_000));
}

#[test]
fn a_true_gap_is_believed_once_enough_records_agree() {
    let mut sequencer = sequencer(ClockMode::Event, 1);
    let mut out = Outbox::default();
    let before = (0..20).map(|second| (second, "a"));
    let after = (0..i64::from(CONFIRMING_RECORDS) + 50).map(|second| (86_400 + second, "a"));
    feed(
        &mut sequencer,
        0,
        &before.chain(after).collect::<Vec<_>>(),
        &mut out,
    );
    assert!(out.refused.is_empty());
    assert!(
        watermarks(&out).last().is_some_and(|last| *last > 86_400),
        "without waiting for the end"
    );
}

#[test]
fn sparse_records_are_all_believed_at_the_end() {
    let records: Vec<(i64, &str)> = (0..100).map(|hour| (hour * 3_600, "a")).collect();
    let out = whole(&records);
    assert_eq!((signals(&out).len(), out.refused.len()), (100, 0));
    assert_eq!(watermarks(&out).len(), 100);
}

#[test]
fn another_partition_that_is_there_already_makes_a_jump_believable() {
    let mut sequencer = sequencer(ClockMode::Event, 2);
    let mut out = Outbox::default();
    feed(
        &mut sequencer,
        0,
        &(0..5_000).map(|second| (second, "a")).collect::<Vec<_>>(),
        &mut out,
    );
    feed(&mut sequencer, 1, &[(0, "b"), (4_999, "b")], &mut out);
    assert_eq!(sequencer.held() + signals(&out).len(), 5_002, "none is set aside");
}

#[test]
fn silence_on_all_partitions_releases_all_that_is_held() {
    let mut sequencer = sequencer(ClockMode::Event, 1);
    let mut out = Outbox::default();
    feed(&mut sequencer, 0, &[(0, "a"), (1, "a")], &mut out);
    assert!(out.ordered.is_empty());
    sequencer.advance(at(29), &mut out);
    assert!(out.ordered.is_empty());
    sequencer.advance(at(30), &mut out);
    assert_eq!(signals(&out).len(), 2);
}

#[test]
fn what_comes_after_a_later_one_has_left_is_counted_and_passed_on() {
    let mut sequencer = sequencer(ClockMode::Event, 1);
    let mut out = Outbox::default();
    feed(
        &mut sequencer,
        0,
        &(0..100).map(|second| (second, "a")).collect::<Vec<_>>(),
        &mut out,
    );
    feed(&mut sequencer, 0, &[(50, "late")], &mut out);
    sequencer.finish(&mut out);
    assert_eq!(sequencer.counters().late, 1);
    assert_eq!(signals(&out).len(), 101);
    let clocks: Vec<Input> = inputs(&out)
        .into_iter()
        .filter(|input| matches!(input, Input::Clock(_)))
        .collect();
    assert_eq!(clocks.len(), 100, "the clock does not go back for it");
}

#[test]
fn a_full_buffer_forces_the_oldest_out_and_says_so() {
    let mut sequencer = sequencer(ClockMode::Event, 2);
    let mut out = Outbox::default();
    let most = i64::try_from(MAX_HELD).expect("small");
    for offset in 0..=most + 10 {
        let time = at(0) + Duration::from_millis(offset);
        sequencer.push(PartitionId(0), offset, signal_at(time, "a"), at(0), &mut out);
    }
    assert!(sequencer.held() <= MAX_HELD);
    assert!(sequencer.counters().forced > 0);
    assert_eq!(sequencer.held() + signals(&out).len(), MAX_HELD + 11);
}

#[test]
fn partitions_that_run_ahead_are_held_back_and_are_not_idle_meanwhile() {
    let mut sequencer = sequencer(ClockMode::Event, 2);
    let mut out = Outbox::default();
    sequencer.push(PartitionId(1), 0, signal(0, "slow"), at(0), &mut out);
    for offset in 0..i64::try_from(MAX_HELD / 2).expect("small") {
        let time = at(0) + Duration::from_millis(offset);
        sequencer.push(PartitionId(0), offset, signal_at(time, "fast"), at(0), &mut out);
    }
    assert_eq!(sequencer.ahead(at(0)), vec![PartitionId(0)]);
    sequencer.advance(at(29), &mut out);
    sequencer.push(PartitionId(1), 1, signal(1, "slow"), at(29), &mut out);
    sequencer.advance(at(31), &mut out);
    assert_eq!(sequencer.idle_partitions(), 0);
    for second in 2..2_000 {
        sequencer.push(PartitionId(1), second, signal(second, "slow"), at(31), &mut out);
        sequencer.advance(at(31), &mut out);
    }
    assert_eq!(sequencer.ahead(at(31)), vec![]);
    assert_eq!((sequencer.counters().late, sequencer.counters().forced), (0, 0));
}

/// Shuffles by adding to each time a delay of at most the lateness, and ordering by the sum.
fn shuffled(times: &[i64], delays: &[i64]) -> Vec<(i64, usize)> {
    let mut order: Vec<(i64, usize)> = (0..times.len()).map(|index| (0, index)).collect();
    for (arrival, index) in &mut order {
        *arrival = times[*index] + delays[*index % delays.len()];
    }
    order.sort_unstable();
    order
}

fn run(times: &[i64], order: &[(i64, usize)], partitions: &[u32], batch: usize) -> Vec<Input> {
    let mut sequencer = sequencer(ClockMode::Event, 3);
    let mut out = Outbox::default();
    for (offset, (_, index)) in (0..).zip(order) {
        let partition = PartitionId(partitions[*index % partitions.len()] % 3);
        let time = at(0) + Duration::from_millis(times[*index]);
        let name = if index % 3 == 0 { "a" } else { "b" };
        sequencer.push(partition, offset, signal_at(time, name), at(0), &mut out);
        if usize::try_from(offset).expect("small") % batch == 0 {
            sequencer.advance(at(0), &mut out);
        }
    }
    sequencer.finish(&mut out);
    assert!(out.refused.is_empty());
    assert_eq!(sequencer.counters().late, 0);
    inputs(&out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_records_give_the_same_inputs_however_they_arrive(
        steps in proptest::collection::vec(prop_oneof![8 => 0i64..2_000, 1 => 60_000i64..900_000], 1..400),
        delays in proptest::collection::vec(0i64..5_000, 1..20),
        partitions in proptest::collection::vec(0u32..3, 1..7),
        batch in 1usize..50,
    ) {
        let times: Vec<i64> = steps.iter().scan(0, |time, step| { *time += step; Some(*time) }).collect();
        let in_order: Vec<(i64, usize)> = times.iter().copied().zip(0..).collect();
        let plain = run(&times, &in_order, &[0], 1);
        prop_assert_eq!(&run(&times, &shuffled(&times, &delays), &[0], batch), &plain, "one partition");
        prop_assert_eq!(&run(&times, &shuffled(&times, &delays), &partitions, batch), &plain, "three partitions");
    }

    #[test]
    fn no_event_is_lost_or_given_twice(
        times in proptest::collection::vec(-100_000i64..100_000, 0..300),
        batch in 1usize..50,
    ) {
        let mut sequencer = sequencer(ClockMode::Event, 1);
        let mut out = Outbox::default();
        for (offset, time) in (0i64..).zip(&times) {
            sequencer.push(PartitionId(0), offset, signal(*time, "a"), at(0), &mut out);
            if usize::try_from(offset).expect("small") % batch == 0 {
                sequencer.advance(at(0), &mut out);
            }
        }
        sequencer.finish(&mut out);
        let mut seen: Vec<i64> = out.ordered.iter().filter_map(|sequenced| sequenced.origin).chain(
            out.refused.iter().map(|refused| refused.origin)).map(|origin| origin.offset).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..i64::try_from(times.len()).expect("small")).collect::<Vec<_>>());
    }
}
