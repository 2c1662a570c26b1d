//! What a row says.

use foreshift_domain::log::ErrorClass;
use foreshift_domain::signal::{EventKind, Health, Observation, OutcomeKind};
use foreshift_domain::{Duration, Timestamp};
use foreshift_features::{Column, FEATURES, GroupFeatures, Surroundings, TargetFeatures};

use crate::world::*;

/// An hour of `rate` requests a second of 20 ms, with one failure in a hundred.
fn steady(rate: i64) -> TargetFeatures {
    let (timing, mut target) = (live(), target());
    for second in 0..3_600 {
        for n in 0..rate {
            let ms = second * 1_000 + n;
            let failed = (second * rate + n) % 100 == 0;
            target.observe(&timing, &if failed { error(ms) } else { ok(ms) });
        }
        close(&mut target, &timing, second * 1_000);
    }
    close(&mut target, &timing, 3_600_000);
    target
}

#[test]
fn what_is_not_known_is_nan_and_never_zero() {
    let (timing, mut target) = (live(), target());
    let known_to_all = [Column::HourOfDay, Column::DayOfWeek];
    for (index, value) in row(&target, &timing, 1_000).iter().enumerate() {
        let known = known_to_all.iter().any(|column| *column as usize == index);
        assert_eq!(value.is_nan(), !known, "{}", FEATURES[index].name);
    }
    target.observe(&timing, &health(0, Health::Up));
    close(&mut target, &timing, 1_000);
    let row = row(&target, &timing, 1_000);
    for column in [
        Column::FailureRatioFast,
        Column::LatencyZ,
        Column::LatencyTail,
        Column::TtfbShift,
        Column::GaugeFullness,
        Column::GaugeTimeToLimit,
        Column::LogFailureRate,
        Column::SinceRecovery,
        Column::GapPhase,
        Column::RouteInIncident,
        Column::WeightShare,
    ] {
        assert!(of(&row, column).is_nan(), "{column:?}");
    }
    assert_eq!(of(&row, Column::HealthState), 0.0);
}

#[test]
fn a_steady_target_shows_no_shift_at_any_scale() {
    for rate in [2, 50] {
        let row = row(&steady(rate), &live(), 3_600_000);
        for column in [
            Column::FailureTrend,
            Column::RequestRateShift,
            Column::RequestRateDrift,
            Column::LatencyP50Shift,
            Column::LatencyTailShift,
            Column::TtfbShift,
        ] {
            // With ten requests in the first window the absence of a failure is no news.
            let bound = if column == Column::FailureTrend { 1.2 } else { 0.6 };
            assert!(of(&row, column).abs() < bound, "{column:?} {}", of(&row, column));
        }
        assert!((of(&row, Column::FailureRatioLong) - 0.01).abs() < 0.002);
        assert!(of(&row, Column::LatencyZ).abs() < 1.0);
    }
}

#[test]
fn rising_failures_latency_and_load_show_in_their_features() {
    let (timing, mut target) = (live(), steady(10));
    for second in 3_600..3_620 {
        for n in 0..40 {
            let ms = second * 1_000 + n;
            let kind = if n % 4 == 0 {
                OutcomeKind::Timeout
            } else {
                OutcomeKind::Success
            };
            target.observe(&timing, &outcome(ms, kind, 80));
        }
    }
    close(&mut target, &timing, 3_620_000);
    let row = row(&target, &timing, 3_620_000);
    assert!(of(&row, Column::FailureRatioFast) > 0.15);
    assert!(of(&row, Column::FailureTrend) > 2.0);
    assert!(of(&row, Column::UnreachableTrend) > 2.0);
    assert!(of(&row, Column::LatencyP50Shift) > 1.0);
    assert!(of(&row, Column::LatencyZ) > 3.0);
    assert!(of(&row, Column::TtfbShift) > 0.5);
    assert!(of(&row, Column::RequestRateShift) > 1.0);
}

#[test]
fn what_has_happened_fades_with_the_window_and_costs_nothing_meanwhile() {
    let (timing, mut target) = (live(), target());
    target.observe_log(&timing, &log(0, 9, ErrorClass::Oom));
    close(&mut target, &timing, 1_000);
    let templates = |ms| of(&row(&target, &timing, ms), Column::LogNewTemplates);
    assert!((templates(1_000) - 1.0).abs() < 1e-12, "one new template");
    // After the second window (30 s) e^-1 of it is left.
    let expected = libm::log2(1.0 + libm::exp(-1.0));
    assert!((templates(31_000) - expected).abs() < 1e-12);
}

#[test]
fn few_requests_are_drawn_to_the_long_run_share() {
    let (timing, mut target) = (live(), target());
    for second in 0..600 {
        target.observe(&timing, &ok(second * 1_000));
    }
    close(&mut target, &timing, 600_000);
    target.observe(&timing, &error(630_000));
    close(&mut target, &timing, 631_000);
    let ratio = of(&row(&target, &timing, 631_000), Column::FailureRatioFast);
    assert!(
        ratio > 0.05 && ratio < 0.2,
        "one failure alone is not all: {ratio}"
    );
}

#[test]
fn new_and_rising_log_lines_show() {
    let (timing, mut target) = (live(), target());
    for second in 0..1_000 {
        target.observe_log(&timing, &log(second * 1_000, 7, ErrorClass::None));
    }
    close(&mut target, &timing, 1_000_000);
    let quiet = row(&target, &timing, 1_000_000);
    assert_eq!(
        of(&quiet, Column::LogEarlyRate),
        0.0,
        "has logs, but none of these"
    );
    for n in 0..20 {
        target.observe_log(
            &timing,
            &log(1_000_000 + n * 100, 100 + n as u64, ErrorClass::PoolExhausted),
        );
    }
    close(&mut target, &timing, 1_002_000);
    let row = row(&target, &timing, 1_002_000);
    assert!(of(&row, Column::LogEarlyRate) > 3.0 && of(&row, Column::LogEarlyTrend) > 3.0);
    assert!(of(&row, Column::LogNewTemplates) > 3.5);
    assert!(of(&row, Column::LogFailureRate) == 0.0);
}

#[test]
fn planned_work_shows_while_it_lasts() {
    let (timing, mut target) = (live(), target());
    let planned = |target: &TargetFeatures, ms| of(&row(target, &timing, ms), Column::PlannedWork);
    target.observe(
        &timing,
        &signal(at_ms(100), Observation::Event(EventKind::Deploy)),
    );
    close(&mut target, &timing, 1_000);
    assert_eq!((planned(&target, 1_000), planned(&target, 400_000)), (1.0, 0.0));
    target.observe(
        &timing,
        &signal(at_ms(401_000), Observation::Event(EventKind::MaintenanceStart)),
    );
    assert!(target.in_maintenance(), "known at once");
    close(&mut target, &timing, 402_000);
    assert_eq!(planned(&target, 9_000_000), 2.0);
    target.observe(
        &timing,
        &signal(at_ms(9_001_000), Observation::Event(EventKind::MaintenanceEnd)),
    );
    close(&mut target, &timing, 9_002_000);
    assert_eq!(planned(&target, 9_002_000), 0.0);
    assert!(!target.in_maintenance());
}

#[test]
fn a_probed_target_that_fails_every_night_is_due_at_night() {
    let timing = probes();
    let start = Timestamp::from_secs(START_S).floor_to(Duration::DAY);
    let mut target = TargetFeatures::new(start);
    for day in 0..30 {
        let down = start + Duration::DAY * day + Duration::HOUR * 3;
        for (after_s, state) in [(0, Health::Down), (1_200, Health::Up)] {
            let time = down + Duration::from_secs(after_s);
            target.observe(&timing, &signal(time, Observation::Health(state)));
        }
        target.close_until(&timing, down + Duration::HOUR, &mut |_| {});
        target.incident_began(down);
        target.incident_ended(down + Duration::from_secs(1_200));
    }
    let row = |hour| {
        let mut row = vec![0.0; FEATURES.len()];
        target.fill(
            &timing,
            start + Duration::DAY * 30 + Duration::HOUR * hour,
            &Surroundings::default(),
            &mut row,
        );
        row
    };
    assert!(of(&row(2), Column::DayNear) > 0.85, "a horizon holds its end");
    assert!(of(&row(3), Column::DayNear) < 0.01, "and not its beginning");
    assert!(of(&row(0), Column::DayFar) > 0.85 && of(&row(4), Column::DayFar) < 0.01);
    let due = row(3);
    assert_eq!(
        (of(&due, Column::HourOfDay), of(&due, Column::HealthState)),
        (3.0, 0.0)
    );
    assert!(of(&due, Column::GapPhase).abs() < 0.01);
    assert!(of(&due, Column::TimeOfDayNear) > 2.0 && of(&row(12), Column::TimeOfDayNear) < 0.0);
    assert!(of(&row(0), Column::TelemetryAge) < 0.4, "in units of staleness");
}

#[test]
fn peers_show_without_the_target_itself() {
    let timing = probes();
    let start = at_ms(0);
    let mut route = GroupFeatures::default();
    let mut own = TargetFeatures::new(start);
    for _ in 0..3 {
        route.member_joined(start);
    }
    own.observe(&timing, &signal(start, Observation::Health(Health::Up)));
    own.close_until(&timing, start + Duration::HOUR, &mut |_| {});
    for day in 0..60 {
        route.incident_began(start + Duration::DAY * day, &"a".into());
        if day < 59 {
            route.incident_ended();
        }
    }
    let tick = start + Duration::DAY * 59 + Duration::HOUR;
    route.settle(tick);
    let mut row = vec![0.0; FEATURES.len()];
    let mut around = Surroundings {
        route_peers: Some(route.view(tick, &"own".into(), &own)),
        ..Surroundings::default()
    };
    own.fill(&timing, tick, &around, &mut row);
    assert_eq!(of(&row, Column::RouteInIncident), 0.5);
    assert!((of(&row, Column::RouteSinceIncident) - libm::log2(3_601.0)).abs() < 1e-9);
    assert!(of(&row, Column::Route8h) > 1.0 && of(&row, Column::Domain8h).is_nan());
    assert!(of(&row, Column::Incidents8h) == 0.0, "it has had none itself");
    assert!(
        of(&row, Column::RouteDayFar) < 0.05,
        "not due for another 23 hours"
    );
    let tick = start + Duration::DAY * 60 - Duration::from_secs(1_800);
    around.route_peers = Some(route.view(tick, &"own".into(), &own));
    own.fill(&timing, tick, &around, &mut row);
    assert!(of(&row, Column::RouteDayNear) > 0.9 && of(&row, Column::RouteTimeOfDayNear) > 2.0);
}
