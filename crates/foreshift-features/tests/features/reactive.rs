//! What reactive rules and the incident detector see.

use foreshift_domain::Duration;
use foreshift_domain::signal::{Health, Observation, OutcomeCounts, OutcomeKind, OutcomeWindow};
use foreshift_features::{Folded, MAX_CONSECUTIVE};

use crate::world::*;

#[test]
fn open_buckets_are_seen_at_once_but_not_by_features() {
    let (timing, mut target) = (live(), target());
    for n in 0..5 {
        target.observe(&timing, &error(n * 10));
    }
    let recent = target.recent(Duration::from_secs(10), at_ms(50));
    assert_eq!((recent.consecutive_errors, recent.counts.failures()), (5, 5));
    assert!(row(&target, &timing, 1_000)[0].is_nan());
}

#[test]
fn a_late_signal_is_counted_not_folded() {
    let (timing, mut target) = (live(), target());
    target.observe(&timing, &ok(500));
    close(&mut target, &timing, 1_000);
    let before = (row(&target, &timing, 1_000), target.consecutive_errors());
    assert_eq!(target.observe(&timing, &error(900)), Folded::Late);
    assert_eq!(
        target.observe_log(&timing, &log(900, 1, foreshift_domain::log::ErrorClass::Oom)),
        Folded::Late
    );
    let after = (row(&target, &timing, 1_000), target.consecutive_errors());
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    let counters = target.counters();
    assert_eq!((counters.signals, counters.late, counters.log_lines), (2, 2, 1));
    assert_eq!(
        counters.outcomes.of(OutcomeKind::ServerError),
        1,
        "totals are of all that was received"
    );
    assert_eq!(
        target.observe(&timing, &ok(1_000)),
        Folded::Open,
        "the next bucket is open"
    );
}

#[test]
fn consecutive_errors_count_from_the_newest_success_whatever_the_buckets() {
    let (timing, mut target) = (live(), target());
    target.observe(&timing, &error(100));
    target.observe(&timing, &ok(900));
    target.observe(&timing, &error(950));
    close(&mut target, &timing, 1_000);
    target.observe(&timing, &error(1_100));
    assert_eq!(target.consecutive_errors(), 2);
    target.observe(&timing, &outcome(1_200, OutcomeKind::ClientAbort, 1));
    target.observe(&timing, &outcome(1_200, OutcomeKind::Local, 1));
    assert_eq!(target.consecutive_errors(), 2, "aborts say nothing of the target");
    target.observe(&timing, &outcome(1_300, OutcomeKind::ClientError, 1));
    assert_eq!(
        target.consecutive_errors(),
        0,
        "a client's own error says that the target is up"
    );
    for n in 0..1_000 {
        target.observe(&timing, &error(1_400 + n));
    }
    assert_eq!(target.consecutive_errors() as usize, MAX_CONSECUTIVE);
}

#[test]
fn a_sender_s_window_with_a_success_is_no_run_of_errors() {
    let (timing, mut target) = (live(), target());
    let mut counts = OutcomeCounts::default();
    counts.add(OutcomeKind::ServerError, 20);
    let window = |counts| {
        let window = OutcomeWindow {
            length: Duration::from_secs(1),
            counts,
            latency: Vec::new(),
        };
        Observation::Window(Box::new(window))
    };
    target.observe(&timing, &signal(at_ms(100), window(counts)));
    assert_eq!(target.consecutive_errors(), 20);
    counts.add(OutcomeKind::Success, 1);
    target.observe(&timing, &signal(at_ms(200), window(counts)));
    assert_eq!(target.consecutive_errors(), 0);
}

#[test]
fn the_newest_health_wins_and_at_ties_the_worse() {
    let (timing, mut target) = (live(), target());
    assert_eq!(target.health(), None);
    target.observe(&timing, &health(500, Health::Down));
    target.observe(&timing, &health(500, Health::Up));
    assert_eq!(target.health(), Some((Health::Down, at_ms(500))));
    close(&mut target, &timing, 1_000);
    assert_eq!(target.health(), Some((Health::Down, at_ms(500))));
    target.observe(&timing, &health(1_500, Health::Up));
    assert_eq!(target.health(), Some((Health::Up, at_ms(1_500))));
}

#[test]
fn the_newest_gauge_wins_across_open_and_closed_buckets() {
    let (timing, mut target) = (live(), target());
    target.observe(&timing, &gauge(2_500, "lag", 3.0, None));
    target.observe(&timing, &gauge(500, "lag", 9.0, Some(10.0)));
    assert_eq!(target.gauge(&"lag".into()), Some((3.0, None, at_ms(2_500))));
    close(&mut target, &timing, 5_000);
    assert_eq!(target.gauge(&"lag".into()), Some((3.0, Some(10.0), at_ms(2_500))));
    assert_eq!(target.gauge(&"other".into()), None);
}

#[test]
fn a_recent_window_is_what_ends_within_it() {
    let (timing, mut target) = (live(), target());
    target.look_back(Duration::from_secs(310));
    for second in 0..600 {
        target.observe(&timing, &ok(second * 1_000));
        close(&mut target, &timing, second * 1_000);
    }
    let requests = |window_s| {
        let recent = target.recent(Duration::from_secs(window_s), at_ms(600_000));
        recent.counts.total() as i64
    };
    for window_s in [1, 5, 20, 32] {
        assert_eq!(requests(window_s), window_s, "short windows are exact");
    }
    for window_s in [60, 120, 300] {
        assert!(
            (requests(window_s) - window_s).abs() <= 10,
            "long ones to a coarse slot: {}",
            requests(window_s)
        );
    }
    assert!(requests(100_000) <= 325, "older than the look-back is gone");
    let recent = target.recent(Duration::from_secs(60), at_ms(600_000));
    let p99 = recent.latency_p99.map_or(0.0, Duration::as_millis_f64);
    assert!((p99 / 20.0 - 1.0).abs() < 0.33, "{p99}");
}

#[test]
fn a_closed_bucket_tells_its_counts_its_health_and_its_window() {
    let (timing, mut target) = (live(), target());
    for second in 0..10 {
        target.observe(&timing, &ok(second * 1_000 + 100));
        target.observe(&timing, &error(second * 1_000 + 200));
    }
    target.observe(&timing, &health(9_300, Health::Down));
    target.observe(&timing, &health(9_200, Health::Up));
    let mut seen = Vec::new();
    target.close_until(&timing, at_ms(10_000), &mut |bucket| {
        let counts = bucket.counts_over(Duration::from_secs(3));
        assert!(bucket.latency_p99_over(Duration::from_secs(3)).is_some() && bucket.signals >= 2);
        seen.push((bucket.end, counts.evidence(), bucket.health.list().to_vec()));
    });
    assert_eq!(seen.len(), 10);
    assert!(seen.is_sorted_by_key(|(end, ..)| *end), "in order");
    assert_eq!((seen[0].1, seen[5].1), (2, 6));
    assert_eq!(
        seen[9].2,
        [(at_ms(9_200), Health::Up), (at_ms(9_300), Health::Down)]
    );
}

#[test]
fn empty_buckets_are_not_reported_and_a_bucket_of_refused_signals_is_empty() {
    let (timing, mut target) = (live(), target());
    target.observe(&timing, &ok(0));
    target.observe(&timing, &gauge(50_000, "g", f64::NAN, None));
    target.observe(&timing, &ok(100_000));
    let mut ends = Vec::new();
    target.close_until(&timing, at_ms(1_000_000), &mut |bucket| ends.push(bucket.end));
    assert_eq!(ends, [at_ms(1_000), at_ms(101_000)]);
    assert_eq!(target.last_seen(), at_ms(100_000));
}
