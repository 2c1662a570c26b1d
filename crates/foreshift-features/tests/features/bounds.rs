//! No input makes the state large, and none that is not finite gets in.

use foreshift_domain::log::ErrorClass;
use foreshift_domain::signal::{Health, OutcomeKind};
use foreshift_domain::{Duration, Timestamp};
use foreshift_features::{Folded, MAX_OPEN_BUCKETS, TargetFeatures};

use crate::world::*;

#[test]
fn one_open_bucket_too_many_is_refused_and_counted() {
    let (timing, mut target) = (live(), target());
    for second in 0..MAX_OPEN_BUCKETS as i64 {
        assert_eq!(target.observe(&timing, &ok(second * 1_000)), Folded::Open);
    }
    assert_eq!(target.observe(&timing, &ok(10_000_000)), Folded::Refused);
    assert_eq!(
        (target.open_buckets(), target.counters().refused),
        (MAX_OPEN_BUCKETS, 1)
    );
    assert_eq!(
        target.observe(&timing, &ok(500)),
        Folded::Open,
        "known buckets stay open"
    );
    close(&mut target, &timing, 1_000);
    assert_eq!(target.observe(&timing, &ok(10_000_000)), Folded::Open);
}

#[test]
fn a_gauge_that_is_not_finite_is_refused_and_counted() {
    let (timing, mut target) = (live(), target());
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            target.observe(&timing, &gauge(0, "g", value, None)),
            Folded::Refused
        );
    }
    assert_eq!(
        target.observe(&timing, &gauge(0, "g", 1.0, Some(f64::NAN))),
        Folded::Open
    );
    assert_eq!((target.counters().refused, target.counters().in_part), (3, 1));
    assert_eq!(target.gauge(&"g".into()), Some((1.0, None, at_ms(0))));
}

#[test]
fn more_gauges_than_the_bound_are_counted() {
    let (timing, mut target) = (live(), target());
    for n in 0..100 {
        target.observe(&timing, &gauge(0, &format!("g{n:03}"), 1.0, None));
    }
    close(&mut target, &timing, 1_000);
    assert_eq!(target.counters().gauges_left_out, 1);
    assert!(target.gauge(&"g000".into()).is_some() && target.gauge(&"g099".into()).is_none());
}

/// A busy target, with everything there is, for two simulated hours.
fn busy() -> TargetFeatures {
    let (timing, mut target) = (live(), target());
    target.look_back(Duration::from_secs(300));
    for second in 0..7_200 {
        for n in 0..20 {
            let kind = OutcomeKind::ALL[((second + n) % 11) as usize];
            target.observe(&timing, &outcome(second * 1_000 + n, kind, 1 << (n % 18)));
        }
        for n in 0..30 {
            target.observe(
                &timing,
                &gauge(
                    second * 1_000,
                    &format!("gauge_{n:02}"),
                    0.5 * n as f64,
                    Some(90.0),
                ),
            );
            target.observe_log(
                &timing,
                &log(second * 1_000, (second * 31 + n) as u64, ErrorClass::Oom),
            );
        }
        let state = if second % 2 == 0 { Health::Up } else { Health::Down };
        target.observe(&timing, &health(second * 1_000, state));
        close(&mut target, &timing, (second - 2) * 1_000);
        match second % 10 {
            3 => target.incident_began(at_ms(second * 1_000)),
            6 => target.incident_ended(at_ms(second * 1_000)),
            _ => {}
        }
    }
    target
}

#[test]
fn the_state_of_the_busiest_target_stays_in_the_low_kilobytes() {
    let bytes = postcard::to_stdvec(&busy()).unwrap().len();
    assert!(bytes < 16_000, "{bytes}");
    let quiet = postcard::to_stdvec(&target()).unwrap().len();
    assert!(quiet < 1_500, "{quiet}");
}

#[test]
fn every_value_of_a_row_is_nan_or_within_its_range() {
    let (target, timing) = (busy(), live());
    let row = row(&target, &timing, 7_200_000);
    for (value, spec) in row.iter().zip(foreshift_features::FEATURES) {
        let (low, high) = spec.range;
        assert!(
            value.is_nan() || (low..=high).contains(value),
            "{} is {value}",
            spec.name
        );
    }
}

#[test]
fn the_ends_of_time_do_no_harm() {
    let timing = live();
    for time in [Timestamp::MIN, Timestamp::from_micros(-1), Timestamp::MAX] {
        let mut target = TargetFeatures::new(time);
        let mut signal = ok(0);
        signal.time = time;
        target.observe(&timing, &signal);
        target.close_until(&timing, Timestamp::MAX, &mut |_| {});
        target.incident_began(time);
        target.incident_ended(Timestamp::MAX);
        let mut row = vec![0.0; foreshift_features::FEATURES.len()];
        for tick in [Timestamp::MIN, Timestamp::default(), Timestamp::MAX] {
            target.fill(&timing, tick, &Default::default(), &mut row);
            assert!(row.iter().all(|value| !value.is_infinite()));
        }
    }
}
