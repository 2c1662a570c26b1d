//! What a row says of log lines.

use foreshift_domain::log::ErrorClass;
use foreshift_features::{Column, FEATURES, TargetFeatures};

use crate::world::*;

/// Half an hour of `rate` requests a second and a line of one of two templates every five seconds.
fn chatty(rate: i64) -> TargetFeatures {
    let (timing, mut target) = (live(), target());
    for second in 0..1_800 {
        traffic(&mut target, second, rate);
        if second % 5 == 0 {
            let template = 1 + (second / 5 % 2) as u64;
            target.observe_log(&timing, &log(second * 1_000, template, ErrorClass::None));
        }
        close(&mut target, &timing, second * 1_000);
    }
    target
}

fn traffic(target: &mut TargetFeatures, second: i64, rate: i64) {
    for n in 0..rate {
        target.observe(&live(), &ok(second * 1_000 + n));
    }
}

/// `chatty(10)`, and two minutes more with what `lines` writes in each of their seconds: template, class and count.
fn then(rate: i64, lines: impl Fn(i64) -> Vec<(u64, ErrorClass, u32)>) -> Vec<f64> {
    let (timing, mut target) = (live(), chatty(10));
    for second in 1_800..1_920 {
        traffic(&mut target, second, rate);
        for (template, class, count) in lines(second) {
            let mut event = log(second * 1_000, template, class);
            event.count = count;
            target.observe_log(&timing, &event);
        }
    }
    close(&mut target, &timing, 1_920_000);
    row(&target, &timing, 1_920_000)
}

/// As always: a line of one of two templates every five seconds.
fn usual(second: i64) -> Vec<(u64, ErrorClass, u32)> {
    if second % 5 == 0 {
        vec![(1 + (second / 5 % 2) as u64, ErrorClass::None, 1)]
    } else {
        Vec::new()
    }
}

const RATES: [Column; 5] = [
    Column::LogConnectivityRate,
    Column::LogSaturationRate,
    Column::LogLimitsRate,
    Column::LogConfigurationRate,
    Column::LogInstancesRate,
];
const TRENDS: [Column; 5] = [
    Column::LogConnectivityTrend,
    Column::LogSaturationTrend,
    Column::LogLimitsTrend,
    Column::LogConfigurationTrend,
    Column::LogInstancesTrend,
];

#[test]
fn a_target_that_never_logged_has_no_log_feature_at_all() {
    let (timing, mut target) = (live(), target());
    (0..600).for_each(|second| traffic(&mut target, second, 5));
    close(&mut target, &timing, 600_000);
    let row = row(&target, &timing, 600_000);
    let logs = FEATURES
        .iter()
        .zip(&row)
        .filter(|(spec, _)| spec.name.starts_with("log_"));
    assert_eq!(logs.clone().count(), 19);
    assert!(logs.clone().all(|(_, value)| value.is_nan()));
}

#[test]
fn a_usual_day_shows_nothing() {
    let row = then(10, usual);
    for column in RATES {
        assert_eq!(of(&row, column), 0.0, "{column:?}: has logs, but none of these");
    }
    for column in TRENDS.into_iter().chain([Column::LogVolumeShift]) {
        assert!(of(&row, column).abs() < 0.15, "{column:?} {}", of(&row, column));
    }
    assert!(of(&row, Column::LogMixShift) < 0.05 && of(&row, Column::LogNewShare) < 0.02);
}

#[test]
fn a_few_lines_of_a_class_show_in_its_own_group_alone() {
    let of_group = [
        ErrorClass::Timeout,
        ErrorClass::PoolExhausted,
        ErrorClass::RateLimit,
        ErrorClass::Tls,
        ErrorClass::StoreRole,
    ];
    for (group, class) in of_group.into_iter().enumerate() {
        let row = then(10, |second| {
            let mut lines = usual(second);
            lines.extend((second % 30 == 0).then_some((9, class, 1)));
            lines
        });
        for (index, (rate, trend)) in RATES.into_iter().zip(TRENDS).enumerate() {
            let shown = of(&row, rate) > 0.5 && of(&row, trend) > 1.3;
            let silent = of(&row, rate) == 0.0 && of(&row, trend).abs() < 0.15;
            assert!(if index == group { shown } else { silent }, "{class:?} {rate:?}");
        }
    }
}

#[test]
fn ten_times_the_traffic_with_ten_times_the_lines_is_no_news() {
    let more = then(100, |second| {
        usual(second)
            .into_iter()
            .map(|(template, class, _)| (template, class, 10))
            .collect()
    });
    assert!(of(&more, Column::LogVolumeShift).abs() < 0.3);
    assert!(of(&more, Column::LogMixShift) < 0.05);
}

#[test]
fn silence_under_traffic_and_talk_show_in_the_volume_and_silence_without_traffic_does_not() {
    let volume = |row: &[f64]| of(row, Column::LogVolumeShift);
    assert!(volume(&then(10, |_| Vec::new())) < -0.3);
    assert!(
        volume(&then(10, |second| [
            usual(second),
            usual(second),
            usual(second - second % 5)
        ]
        .concat()))
            > 0.8
    );
    assert!(volume(&then(0, |_| Vec::new())).abs() < 0.3);
}

#[test]
fn another_mix_of_the_same_volume_shows_whatever_the_lines_say() {
    let row = then(10, |second| {
        usual(second)
            .into_iter()
            .map(|_| (7, ErrorClass::None, 1))
            .collect()
    });
    assert!(
        of(&row, Column::LogMixShift) > 0.2,
        "{}",
        of(&row, Column::LogMixShift)
    );
    assert!(of(&row, Column::LogVolumeShift).abs() < 0.15);
}

#[test]
fn lines_that_are_new_each_time_are_a_share_of_all() {
    let row = then(10, |second| {
        let new = |(_, class, count)| (1_000 + second as u64, class, count);
        usual(second).into_iter().map(new).collect()
    });
    assert!(
        of(&row, Column::LogNewShare) > 0.25,
        "{}",
        of(&row, Column::LogNewShare)
    );
}

#[test]
fn the_same_lines_in_one_second_are_a_burst_and_evenly_they_are_less_than_chance() {
    let even = then(10, |_| vec![(1, ErrorClass::None, 1)]);
    let burst = then(10, |second| match second % 20 {
        0 => vec![(1, ErrorClass::None, 20)],
        _ => Vec::new(),
    });
    assert!(
        of(&even, Column::LogBurst) < -1.0,
        "{}",
        of(&even, Column::LogBurst)
    );
    assert!(
        of(&burst, Column::LogBurst) > 3.0,
        "{}",
        of(&burst, Column::LogBurst)
    );
    assert!(
        of(&then(10, |_| Vec::new()), Column::LogBurst).is_nan(),
        "no line, no burst"
    );
}
