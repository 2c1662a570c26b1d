use super::*;
use crate::rows::RowWriter;
use crate::rows::tests::{self, row};
use foreshift_features::FEATURES;

fn evenly(values: impl IntoIterator<Item = f64>) -> Vec<(f64, f64)> {
    values.into_iter().map(|value| (value, 1.0)).collect()
}

#[test]
fn what_has_not_moved_is_stable_and_what_moved_by_half_its_spread_is_not() {
    let reference = evenly((0..1_000).map(f64::from));
    let same = feature("x", &reference, &evenly((0..500).map(|i| f64::from(2 * i))));
    assert!(same.psi < 0.001 && same.verdict == Verdict::Stable, "{same:?}");
    let moved = feature("x", &reference, &evenly((0..1_000).map(|i| f64::from(i) + 500.0)));
    assert_eq!(moved.verdict, Verdict::Drifted, "{moved:?}");
}

#[test]
fn values_that_went_missing_drift_although_the_others_stayed() {
    let reference = evenly((0..1_000).map(f64::from));
    let half = (0..1_000).map(|i| if i % 2 == 0 { f64::NAN } else { f64::from(i) });
    let missing = feature("x", &reference, &evenly(half));
    assert_eq!(missing.verdict, Verdict::Drifted);
    assert_eq!((missing.reference_missing, missing.current_missing), (0.0, 0.5));
}

#[test]
fn a_constant_that_becomes_another_drifts_both_ways() {
    let (low, high) = (evenly([1.0; 50]), evenly([2.0; 50]));
    assert_eq!(feature("x", &low, &low).verdict, Verdict::Stable);
    assert_eq!(feature("x", &low, &high).verdict, Verdict::Drifted);
    assert_eq!(feature("x", &high, &low).verdict, Verdict::Drifted);
    let none = evenly([f64::NAN; 50]);
    assert_eq!(feature("x", &none, &none).verdict, Verdict::Stable);
}

#[test]
fn a_planted_shift_stands_first_and_base_rates_are_by_weight() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
    let planted = FEATURES.iter().position(|spec| spec.name == "latency_z").unwrap();
    for (path, shift) in [(&a, 0.0), (&b, 3.0)] {
        let mut writer = RowWriter::create(path, &tests::about()).unwrap();
        for i in 0..2_000_i32 {
            let mut features: Vec<f64> = (0..FEATURES.len())
                .map(|at| f64::from((i + at as i32) % 100))
                .collect();
            features[planted] = f64::from(i % 10) + shift;
            // One in a hundred is positive; a negative stands for two.
            let positive = i % 100 == 0;
            writer
                .push(&row(
                    i64::from(i),
                    Some(positive),
                    if positive { 1.0 } else { 2.0 },
                    &features,
                ))
                .unwrap();
        }
        writer.finish().unwrap();
    }
    let drift = compare(&a, &b).unwrap();
    assert_eq!(drift.features[0].feature, "latency_z");
    assert_eq!(drift.features[0].verdict, Verdict::Drifted);
    assert!(
        drift.features[1..]
            .iter()
            .all(|feature| feature.verdict == Verdict::Stable)
    );
    let rate = drift.labels[0].reference_base_rate.unwrap();
    assert!((rate - 20.0 / (20.0 + 2.0 * 1_980.0)).abs() < 1e-12, "{rate}");
}
