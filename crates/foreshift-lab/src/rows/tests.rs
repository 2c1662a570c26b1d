use foreshift_domain::Timestamp;
use foreshift_features::FEATURES;

use super::*;

/// What rows of one horizon say of themselves.
pub(crate) fn about() -> About {
    About {
        feature_schema: foreshift_features::schema_digest(FEATURES.len()).to_string(),
        declared: Vec::new(),
        fallback: Vec::new(),
        engine: "test".to_owned(),
        horizons_s: vec![30.0],
        tick_s: 1.0,
        guard_s: 0.0,
    }
}

/// A row at a second.
pub(crate) fn row(second: i64, label: Option<bool>, weight: f64, features: &[f64]) -> LabelledRow<'_> {
    LabelledRow {
        time: Timestamp::from_secs(second),
        route: "pay",
        target: "east",
        horizon_s: 30.0,
        label,
        known_at: label.map(|_| Timestamp::from_secs(second + 30)),
        incident: label.filter(|label| *label).map(|_| "east@1"),
        weight,
        treated: second % 2 == 0,
        propensity: 0.5,
        held_out: second % 3 == 0,
        weight_bp: Some(5_000),
        features,
    }
}

#[test]
fn rows_come_back_bit_for_bit_over_several_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.parquet");
    let mut writer = RowWriter::create(&path, &about()).unwrap();
    let features: Vec<f64> = (0..FEATURES.len())
        .map(|at| [f64::NAN, -0.0, 1.0 / 3.0, f64::MIN_POSITIVE][at % 4])
        .collect();
    let labels = [Some(true), Some(false), None];
    let many = 70_000;
    for second in 0..many {
        writer
            .push(&row(second, labels[(second % 3) as usize], 0.25, &features))
            .unwrap();
    }
    writer.finish().unwrap();
    let rows = Rows::read(&path, 0).unwrap();
    assert_eq!(rows.len() as i64, many);
    assert_eq!(rows.about, about());
    for (at, second) in (0..many).enumerate().step_by(997) {
        assert_eq!(rows.time[at], Timestamp::from_secs(second));
        assert_eq!(rows.label[at], labels[(second % 3) as usize]);
        assert_eq!(rows.known_at[at].is_some(), rows.label[at].is_some());
        assert_eq!(rows.incident[at].is_some(), rows.label[at] == Some(true));
        assert_eq!(
            (rows.treated[at], rows.held_out[at]),
            (second % 2 == 0, second % 3 == 0)
        );
        assert_eq!((rows.weight[at], rows.propensity[at]), (0.25, 0.5));
        for (column, value) in rows.features.iter().zip(&features) {
            assert_eq!(column[at].to_bits(), value.to_bits());
        }
    }
}

#[test]
fn rows_of_other_features_are_refused_and_so_is_what_holds_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.parquet");
    let other = About {
        feature_schema: "0".repeat(64),
        ..about()
    };
    RowWriter::create(&path, &other).unwrap().finish().unwrap();
    let error = format!("{:#}", read_frame(&path, None).unwrap_err());
    assert!(error.contains("extract the rows again"), "{error}");
    std::fs::write(&path, "time,route\n").unwrap();
    assert!(Rows::read(&path, 0).is_err());
}
