use foreshift_domain::Duration;
use proptest::prelude::*;

use super::*;
use crate::test_stream::Stream;

const STEP: Duration = Duration::from_secs(300);

fn at(point: usize) -> Timestamp {
    Timestamp::from_micros(1_400_000_000_000_000 + point as i64 * STEP.as_micros())
}

fn readings(values: &[f64]) -> Vec<Reading> {
    let mut detector = Detector::new(Params::default());
    let points = values.iter().enumerate();
    points
        .map(|(point, value)| detector.observe(at(point), *value))
        .collect()
}

fn alarms(values: &[f64]) -> Vec<usize> {
    let readings = readings(values);
    (0..values.len()).filter(|point| readings[*point].alarm).collect()
}

/// White noise of mean 0 and variance 1.
fn noise(seed: u64, points: usize) -> Vec<f64> {
    let mut stream = Stream::new(seed);
    (0..points).map(|_| stream.normal()).collect()
}

#[test]
fn a_reading_depends_on_no_later_point() {
    let mut values = noise(1, 3000);
    values[2500] += 40.0;
    let whole = readings(&values);
    for end in [1, 100, 2000, 2501] {
        assert_eq!(readings(&values[..end]), whole[..end]);
    }
}

#[test]
fn scale_and_shift_of_the_series_change_no_alarm() {
    let mut values = noise(2, 3000);
    values[1700] += 12.0;
    values[2400..].iter_mut().for_each(|value| *value += 5.0);
    let plain = alarms(&values);
    assert!(plain.contains(&1700));
    for (scale, shift) in [(1024.0, 0.0), (0.125, 0.0), (2.0, 4096.0), (-1.0, 0.0)] {
        let moved: Vec<f64> = values.iter().map(|value| value * scale + shift).collect();
        assert_eq!(alarms(&moved), plain, "{scale} {shift}");
    }
}

#[test]
fn each_kind_of_anomaly_is_found_and_named() {
    let daily = |point: usize| libm::sin(point as f64 * core::f64::consts::TAU / 288.0);
    let base: Vec<f64> = noise(3, 4000)
        .iter()
        .enumerate()
        .map(|(point, noise)| 10.0 * daily(point) + 0.5 * noise)
        .collect();
    let quiet_day = |values: &mut Vec<f64>| values[3024..3168].fill(0.0);
    type Change<'a> = &'a dyn Fn(&mut Vec<f64>);
    let kinds: [(&str, Change, &[Component]); 3] = [
        (
            "spike",
            &|values| values[3000] += 30.0,
            &[Component::Level, Component::Novelty],
        ),
        (
            "shift",
            &|values| values[3000..].iter_mut().for_each(|value| *value += 15.0),
            &[Component::Level, Component::Novelty, Component::Seasonality],
        ),
        ("quiet day", &quiet_day, &[Component::Seasonality]),
    ];
    for (name, change, expected) in kinds {
        let mut values = base.clone();
        change(&mut values);
        let readings = readings(&values);
        let first = (3000..3200).find(|point| readings[*point].alarm);
        let first = first.unwrap_or_else(|| panic!("{name} is missed"));
        assert!(
            expected.contains(&readings[first].component),
            "{name}: {:?}",
            readings[first]
        );
    }
}

#[test]
fn a_series_that_falls_still_is_found_by_its_spread() {
    let mut values = noise(3, 4000);
    values[3000..].fill(0.0);
    let readings = readings(&values);
    let first = (3000..3400)
        .find(|point| readings[*point].alarm)
        .expect("an alarm");
    assert_eq!(readings[first].component, Component::Variance);
}

#[test]
fn an_episode_raises_one_alarm() {
    let mut values = noise(4, 3000);
    values[2000..2080].iter_mut().for_each(|value| *value += 20.0);
    let raised = alarms(&values);
    let during = raised.iter().filter(|point| (2000..=2100).contains(*point));
    assert_eq!(during.count(), 1, "{raised:?}");
}

#[test]
fn alarms_are_more_than_the_quiet_time_apart() {
    let mut stream = Stream::new(5);
    let wild: Vec<f64> = (0..20_000).map(|_| libm::exp(20.0 * stream.uniform())).collect();
    let raised = alarms(&wild);
    assert!(
        raised.windows(2).all(|pair| pair[1] - pair[0] > 100),
        "{raised:?}"
    );
}

#[test]
fn white_noise_raises_few_alarms() {
    let raised: usize = (0..10).map(|seed| alarms(&noise(100 + seed, 10_000)).len()).sum();
    assert!(raised <= 50, "{raised} alarms in 100,000 points");
    let strict = Params {
        expected: 0.001,
        ..Params::default()
    };
    let raised: usize = (0..10)
        .map(|seed| {
            let mut detector = Detector::new(strict.clone());
            let values = noise(100 + seed, 10_000);
            let points = values.iter().enumerate();
            points
                .filter(|(point, value)| detector.observe(at(*point), **value).alarm)
                .count()
        })
        .sum();
    assert!(raised <= 5, "{raised} strict alarms in 100,000 points");
}

#[test]
fn a_regular_event_is_known_after_a_few_times() {
    let mut values = noise(6, 12_000);
    (288..12_000).step_by(288).for_each(|point| values[point] += 30.0);
    let raised = alarms(&values);
    assert!(raised.iter().all(|point| *point < 6000), "{raised:?}");
}

#[test]
fn a_constant_series_is_silent_and_its_first_change_is_an_alarm() {
    let mut values = vec![7.0; 3000];
    assert!(alarms(&values).is_empty());
    values[2000..].fill(7.5);
    assert_eq!(alarms(&values).first(), Some(&2000));
}

#[test]
fn missing_values_change_nothing() {
    let values = noise(7, 2000);
    let mut detector = Detector::new(Params::default());
    let mut kept = Vec::new();
    for (point, value) in values.iter().enumerate() {
        for missing in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let reading = detector.observe(at(point), missing);
            assert!(!reading.alarm && reading.tail == 1.0 && reading.strength == 0.0);
        }
        kept.push(detector.observe(at(point), *value));
    }
    assert_eq!(kept, readings(&values));
}

#[test]
fn a_detector_comes_back_from_its_bytes_and_goes_on_the_same() {
    let values = noise(8, 2500);
    let mut detector = Detector::new(Params::default());
    for (point, value) in values[..2000].iter().enumerate() {
        detector.observe(at(point), *value);
    }
    let bytes = postcard::to_stdvec(&detector).expect("bytes");
    let mut back: Detector = postcard::from_bytes(&bytes).expect("a detector");
    for (point, value) in values.iter().enumerate().skip(2000) {
        assert_eq!(
            back.observe(at(point), *value),
            detector.observe(at(point), *value)
        );
    }
}

#[test]
fn memory_stays_bounded() {
    let mut stream = Stream::new(9);
    let params = Params {
        block_points: 1,
        kept_blocks: MIN_KEPT,
        ..Params::default()
    };
    let mut tail = Tail::default();
    for point in 0..100_000 {
        tail.learn(stream.uniform() + f64::from(point) * 1e-3, &params);
        assert!(tail.kept() <= MIN_KEPT as usize);
    }
}

proptest! {
    #[test]
    fn no_series_breaks_a_reading(
        values in proptest::collection::vec(proptest::num::f64::ANY, 0..600),
        times in proptest::collection::vec(proptest::num::i64::ANY, 600),
        copies in 1_usize..4,
        params in (proptest::num::f64::ANY, 0_u32..3, 0_u32..100, 0_u32..3),
    ) {
        let (expected, block_points, memory_blocks, quiet_points) = params;
        let mut detector = Detector::new(Params { expected, block_points, memory_blocks, kept_blocks: memory_blocks, quiet_points });
        for (value, time) in values.iter().flat_map(|value| vec![*value; copies]).zip(times.iter().cycle()) {
            let reading = detector.observe(Timestamp::from_micros(*time), value);
            prop_assert!((MIN_TAIL..=1.0).contains(&reading.tail), "{reading:?}");
            prop_assert!((0.0..=1.0).contains(&reading.strength), "{reading:?}");
            prop_assert!(reading.alarm == (reading.strength > 0.5) || expected > 0.5, "{:?}", reading);
        }
    }
}
