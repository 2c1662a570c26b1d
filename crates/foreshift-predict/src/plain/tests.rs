use foreshift_domain::{Digest, Duration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::test_stream::Stream;
use crate::{ALL_HEADS, Model, TargetModel};

const HORIZONS: [Duration; 2] = [Duration::from_secs(120), Duration::from_secs(600)];

/// Features with knots from -4 to 4 of these units.
fn over_knots(units: &[f64]) -> Model {
    let input = |(at, unit): (usize, &f64)| InputSpec {
        name: format!("feature_{at}"),
        edges: (-4..=4).map(|knot| f64::from(knot) * unit).collect(),
        heads: ALL_HEADS,
        missing_tells: true,
        rarity: false,
    };
    let inputs = units.iter().enumerate().map(input).collect();
    Model::fresh("test@1", Digest::of(b"schema"), inputs, &HORIZONS)
}

fn with_plain(units: &[f64]) -> Model {
    over_knots(units).with_plain(|input| input.heads)
}

fn at(row: usize) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + row as i64)
}

fn say(model: &Model, row: &[f64]) -> f64 {
    let mut out = [0.0; 2];
    model
        .predict(&TargetModel::default(), at(0), row, &mut out)
        .unwrap();
    out[0]
}

/// Teaches the first head rows in which one in ten values is missing, whose log-odds are `truth` of the rest; returns
/// the log-loss of what was said of each before.
fn teach(model: &mut Model, units: &[f64], rows: usize, truth: impl Fn(&[f64]) -> f64) -> f64 {
    let (mut stream, mut loss) = (Stream::new(4), 0.0);
    for number in 0..rows {
        let row: Vec<f64> = units.iter().map(|_| 1.5 * stream.normal()).collect();
        let gone = (stream.uniform() * 10.0 * units.len() as f64) as usize;
        let positive = stream.uniform() < probability_of(truth(&row));
        let values = row.iter().zip(units).enumerate();
        let values = values.map(|(place, (value, unit))| if place == gone { f64::NAN } else { value * unit });
        let row: Vec<f64> = values.collect();
        let said = say(model, &row);
        loss -= libm::log(if positive { said } else { 1.0 - said });
        let mut target = TargetModel::default();
        let example = model.encode(&target, at(number), &row);
        model.learn(0, &mut target, &example, positive, 1.0);
    }
    loss / rows as f64
}

#[test]
fn where_slopes_say_most_it_learns_from_fewer_incidents_than_knots_do() {
    let units = [1.0; 12];
    let truth = |row: &[f64]| -4.0 + row.iter().take(6).sum::<f64>() / 2.0;
    let (mut alone, mut both) = (over_knots(&units), with_plain(&units));
    let (alone, both) = (
        teach(&mut alone, &units, 3_000, truth),
        teach(&mut both, &units, 3_000, truth),
    );
    assert!(both < 0.98 * alone, "{both} {alone}");
}

#[test]
fn its_share_begins_at_nothing_and_grows_with_positive_rows_alone() {
    let mut model = with_plain(&[1.0]);
    let share = |model: &Model| model.plain_says(&model.layout().place(&[1.0])).share(0);
    assert_eq!(share(&model), 0.0);
    teach(&mut model, &[1.0], 500, |_| -20.0);
    assert_eq!(share(&model), 0.0);
    teach(&mut model, &[1.0], 500, |_| 20.0);
    assert!((0.3..0.35).contains(&share(&model)), "{}", share(&model));
}

#[test]
fn it_reads_what_knots_leave_to_others() {
    let mut inputs = over_knots(&[1.0, 1.0]).inputs().to_vec();
    inputs[1].heads = 0;
    let model = Model::fresh("test@1", Digest::of(b"schema"), inputs, &HORIZONS);
    let mut both = model.clone().with_plain(|_| ALL_HEADS);
    let mut neither = model.with_plain(|input| input.heads);
    for model in [&mut both, &mut neither] {
        teach(model, &[1.0; 2], 2_000, |row| -2.0 + 2.0 * row[1]);
    }
    let by_second = |model: &Model| say(model, &[0.0, 2.0]) / say(model, &[0.0, -2.0]);
    assert!(by_second(&both) > 2.0);
    assert_eq!(by_second(&neither), 1.0);
}

#[test]
fn each_head_learns_of_what_it_reads_alone() {
    let mut model = over_knots(&[1.0; 3]).with_plain(|input| match input.name.as_str() {
        "feature_0" => 0b01,
        "feature_1" => 0b10,
        _ => 0b11,
    });
    teach(&mut model, &[1.0; 3], 500, |row| row.iter().sum());
    let spreads = model.plain.as_ref().unwrap().spreads.clone();
    let mut stream = Stream::new(5);
    for number in 0..500 {
        let row = [stream.normal(), stream.normal(), stream.normal()];
        let mut target = TargetModel::default();
        let example = model.encode(&target, at(number), &row);
        model.learn(1, &mut target, &example, row[1] > 0.0, 1.0);
    }
    let plain = model.plain.as_ref().unwrap();
    let learned = |head: usize| [0, 1, 2].map(|input| plain.weight(slope_of(input), head) != 0.0);
    assert_eq!(
        (learned(0), learned(1)),
        ([true, false, true], [false, true, true])
    );
    assert_eq!(
        plain.spreads, spreads,
        "which are those of the rows of the first head"
    );
    let narrowed = model.reading(|name| name != "feature_0");
    assert_eq!(narrowed.plain.unwrap().reads, [0, 0b10, 0b11]);
}

#[test]
fn a_feature_that_never_changes_and_one_that_is_never_there_say_nothing() {
    let mut model = with_plain(&[1.0, 1.0]);
    for number in 0..200 {
        let mut target = TargetModel::default();
        let example = model.encode(&target, at(number), &[3.0, f64::NAN]);
        model.learn(0, &mut target, &example, number % 3 == 0, 1.0);
    }
    let explanation = model.explain(0, &TargetModel::default(), at(200), &[3.0, f64::NAN]);
    for name in ["feature_0", "feature_1"] {
        let mut of_feature = explanation
            .contributions
            .iter()
            .filter(|term| term.feature == name);
        assert!(of_feature.all(|term| term.logit.abs() < 1e-9), "{explanation:?}");
    }
}

#[test]
fn what_never_changes_has_no_spread_however_many_rows_there_were() {
    for value in [0.1, std::f64::consts::LN_10, 1e6] {
        let mut spread = Spread::default();
        for row in 0..1_000_000 {
            spread.add(value, 1.0);
            if row % 10_000 == 0 {
                spread.refresh();
                assert_eq!(spread.of(1.001 * value), 0.0, "row {row} of {value}: {spread:?}");
            }
        }
    }
}

#[test]
fn knots_whose_squares_have_no_sum_are_left_to_the_other_regression() {
    let mut model = with_plain(&[1.0, 1e307]);
    teach(&mut model, &[1.0, 1e307], 200, |row| row[0]);
    assert!(model.to_json().is_ok() && say(&model, &[1.0, 2e307]).is_finite());
    let plain = model.plain.as_ref().unwrap();
    assert!(plain.weight(slope_of(0), 0) != 0.0 && plain.weight(slope_of(1), 0) == 0.0);
}

#[test]
fn memory_of_spreads_fades_so_that_drift_is_followed() {
    let mut spread = Spread::default();
    let note = |spread: &mut Spread, value: f64, rows: usize| {
        for row in 0..rows {
            spread.add(value + if row % 2 == 0 { 1.0 } else { -1.0 }, 1.0);
        }
    };
    note(&mut spread, 0.0, 1_000);
    for _ in 0..8 {
        spread.fade();
        note(&mut spread, 7.0, 500);
    }
    spread.refresh();
    assert!(spread.of(7.0).abs() < 0.05 && spread.of(0.0) < -5.0, "{spread:?}");
}

#[test]
fn a_stored_one_that_does_not_fit_or_holds_no_numbers_is_refused() {
    let mut model = with_plain(&[1.0, 1.0]);
    teach(&mut model, &[1.0, 1.0], 50, |_| 0.0);
    let text = model.to_json().unwrap();
    for (from, to) in [
        ("\"reads\":[255,255]", "\"reads\":[255]"),
        ("\"reads\":[255,255]", "\"reads\":[255,256]"),
        ("\"share\":0.35", "\"share\":1.35"),
        ("\"half_at\":50.0", "\"half_at\":0.0"),
        ("\"read_at\":", "\"read_at\":-"),
        ("\"positives\":[", "\"positives\":[1.0,"),
        ("\"spreads\":[{\"rows\":", "\"spreads\":[{\"rows\":-"),
    ] {
        assert!(text.contains(from), "{from} is not in {text}");
        assert!(Model::from_json(&text.replacen(from, to, 1)).is_err(), "{to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_unit_of_a_feature_changes_nothing(
        power in prop::collection::vec(-30_i32..30, 3),
        row in prop::collection::vec(-5.0..5.0, 3),
    ) {
        // Powers of two: what is done to values is exact, so that what is said is too, but for places of rounding.
        let units: Vec<f64> = power.iter().map(|power| libm::exp2(f64::from(*power))).collect();
        let (mut of_one, mut of_units) = (with_plain(&[1.0; 3]), with_plain(&units));
        let truth = |row: &[f64]| -1.0 + row[0] - row[2];
        teach(&mut of_one, &[1.0; 3], 300, truth);
        teach(&mut of_units, &units, 300, truth);
        let scaled: Vec<f64> = row.iter().zip(&units).map(|(value, unit)| value * unit).collect();
        prop_assert!((say(&of_one, &row) - say(&of_units, &scaled)).abs() < 1e-9);
    }

    #[test]
    fn written_and_read_it_learns_on_bit_for_bit(before in 1_usize..300, after in 1_usize..100) {
        let truth = |row: &[f64]| -1.0 + row[0] - row[1];
        let mut kept = with_plain(&[1.0, 1.0]);
        teach(&mut kept, &[1.0, 1.0], before, truth);
        let mut read = Model::from_json(&kept.to_json().unwrap()).unwrap();
        prop_assert_eq!(&read, &kept);
        for model in [&mut kept, &mut read] {
            teach(model, &[1.0, 1.0], after, truth);
        }
        prop_assert_eq!(read, kept);
    }
}
