use super::*;

#[test]
fn signals_pass_at_once_in_order_of_arrival() {
    let mut sequencer = sequencer(ClockMode::Wall, 1);
    let mut out = Outbox::default();
    for second in [3, 1, 2] {
        sequencer.push(PartitionId(0), second, signal(second, "a"), at(5), &mut out);
    }
    assert_eq!(
        signals(&out)
            .iter()
            .map(|(second, _)| *second)
            .collect::<Vec<_>>(),
        vec![3, 1, 2]
    );
}

#[test]
fn the_watermark_is_the_slowest_partition_less_the_lateness_on_whole_buckets() {
    let mut sequencer = sequencer(ClockMode::Wall, 2);
    let mut out = Outbox::default();
    sequencer.push(PartitionId(0), 0, signal(58, "a"), at(60), &mut out);
    sequencer.push(PartitionId(1), 0, signal(37, "a"), at(60), &mut out);
    sequencer.advance(at(60), &mut out);
    assert_eq!(watermarks(&out), vec![30]);
    sequencer.push(PartitionId(1), 1, signal(44, "a"), at(60), &mut out);
    sequencer.advance(at(60), &mut out);
    assert_eq!(watermarks(&out), vec![30], "39 is within the same bucket");
    sequencer.push(PartitionId(1), 2, signal(59, "a"), at(60), &mut out);
    sequencer.advance(at(60), &mut out);
    assert_eq!(watermarks(&out), vec![30, 50]);
}

#[test]
fn the_clock_comes_from_outside_and_never_goes_back() {
    let mut sequencer = sequencer(ClockMode::Wall, 1);
    let mut out = Outbox::default();
    for now in [5, 9, 7, 9, 12] {
        sequencer.advance(at(now), &mut out);
    }
    assert_eq!(inputs(&out), [5, 9, 12].map(|now| Input::Clock(at(now))).to_vec());
}

#[test]
fn a_partition_without_records_holds_all_back_until_it_is_idle() {
    let mut sequencer = sequencer(ClockMode::Wall, 2);
    let mut out = Outbox::default();
    sequencer.push(PartitionId(0), 0, signal(28, "a"), at(29), &mut out);
    sequencer.advance(at(29), &mut out);
    assert_eq!(watermarks(&out), Vec::<i64>::new());
    sequencer.advance(at(30), &mut out);
    assert_eq!(watermarks(&out), vec![20]);
    assert_eq!(sequencer.idle_partitions(), 1);
}

#[test]
fn an_idle_partition_comes_back_and_its_old_records_are_counted_as_late() {
    let mut sequencer = sequencer(ClockMode::Wall, 2);
    let mut out = Outbox::default();
    sequencer.push(PartitionId(0), 0, signal(0, "a"), at(0), &mut out);
    sequencer.push(PartitionId(1), 0, signal(0, "a"), at(0), &mut out);
    sequencer.push(PartitionId(0), 1, signal(100, "a"), at(100), &mut out);
    sequencer.advance(at(100), &mut out);
    assert_eq!(watermarks(&out), vec![90], "partition 1 is idle");
    sequencer.push(PartitionId(1), 1, signal(40, "b"), at(101), &mut out);
    assert_eq!(sequencer.counters().late, 1);
    assert_eq!(
        signals(&out).last(),
        Some(&(40, "b".to_owned())),
        "passed on, for the engine to count"
    );
    sequencer.push(PartitionId(0), 2, signal(130, "a"), at(130), &mut out);
    sequencer.advance(at(130), &mut out);
    assert_eq!(
        watermarks(&out),
        vec![90],
        "it holds the watermark back again, which never goes back itself"
    );
}

#[test]
fn a_signal_far_ahead_is_refused_before_it_moves_the_watermark() {
    let mut sequencer = sequencer(ClockMode::Wall, 1);
    let mut out = Outbox::default();
    sequencer.push(PartitionId(0), 0, signal(0, "a"), at(0), &mut out);
    sequencer.push(PartitionId(0), 1, signal(3 * 86_400, "a"), at(0), &mut out);
    sequencer.push(PartitionId(0), 2, signal(60, "a"), at(0), &mut out);
    sequencer.advance(at(0), &mut out);
    assert_eq!(
        out.refused.iter().map(|refused| refused.why).collect::<Vec<_>>(),
        vec![Refusal::Future]
    );
    assert_eq!(watermarks(&out), vec![50], "exactly max_future ahead is allowed");
}

#[test]
fn a_sender_days_behind_cannot_stop_the_watermark_once_its_partition_is_read_to_the_end() {
    let mut sequencer = sequencer(ClockMode::Wall, 2);
    let mut out = Outbox::default();
    let behind = -3 * 86_400;
    for second in 0..100 {
        sequencer.push(
            PartitionId(0),
            second,
            signal(second, "good"),
            at(second),
            &mut out,
        );
        sequencer.push(
            PartitionId(1),
            second,
            signal(behind + second, "bad"),
            at(second),
            &mut out,
        );
        sequencer.caught_up(PartitionId(1), at(second));
    }
    sequencer.advance(at(100), &mut out);
    // 99 less the idle timeout of 30 less the lateness of 5.
    assert_eq!(watermarks(&out), vec![60]);
}

#[test]
fn reaching_the_end_in_silence_does_not_move_the_watermark_past_what_was_seen() {
    let mut sequencer = sequencer(ClockMode::Wall, 1);
    let mut out = Outbox::default();
    sequencer.push(PartitionId(0), 0, signal(26, "a"), at(26), &mut out);
    for now in 26..600 {
        sequencer.caught_up(PartitionId(0), at(now));
        sequencer.advance(at(now), &mut out);
    }
    assert_eq!(watermarks(&out), vec![20]);
}

#[test]
fn time_between_snapshot_and_restart_is_no_silence() {
    let mut sequencer = sequencer(ClockMode::Wall, 1);
    let mut out = Outbox::default();
    sequencer.push(PartitionId(0), 0, signal(0, "a"), at(0), &mut out);
    sequencer.resumed(at(1_000));
    sequencer.advance(at(1_001), &mut out);
    assert_eq!(sequencer.idle_partitions(), 0);
}
