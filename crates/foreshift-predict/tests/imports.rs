//! Imported models say what the libraries that trained them say, row by row.
//!
//! The files are made by `tests/models/imports.py`. Larger ones, made by it in another folder, are compared when
//! `IMPORTS` names that folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test that reads files, says how near they are, and fails by panicking"
)]

use std::fs::read_to_string;

use foreshift_predict::trees::{ImportError, Imported, lightgbm, xgboost};
use proptest::prelude::*;

/// What a library's double precision leaves of a difference.
const CLOSE: f64 = 1e-9;
/// XGBoost computes in single precision.
const SINGLE: f64 = 1e-6;

fn file(name: &str) -> String {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/imports");
    let folder = std::env::var("IMPORTS").unwrap_or_else(|_| own.to_owned());
    read_to_string(format!("{folder}/{name}")).unwrap()
}

fn table(name: &str) -> Vec<Vec<f64>> {
    let row = |line: &str| line.split(',').map(|value| value.parse().unwrap()).collect();
    file(name).lines().map(row).collect()
}

fn agrees(name: &str, imported: &Imported, tolerance: f64) {
    let mut farthest: f64 = 0.0;
    let mut farthest_added: f64 = 0.0;
    let mut rows = 0;
    for (row, expected) in table("rows.csv").iter().zip(table(&format!("{name}.csv"))) {
        let [probability, leaf, added @ .., base] = expected.as_slice() else {
            panic!("{expected:?}");
        };
        farthest = farthest.max((imported.trees.probability(row) - probability).abs());
        if leaf.is_finite() {
            imported.trees.leaves(row, |tree, ours| {
                assert!(tree > 0 || ours as f64 == *leaf, "{name}")
            });
        }
        let mut ours = vec![0.0; added.len()];
        let expected = imported.trees.contributions(row, &mut ours);
        for (ours, theirs) in ours.iter().chain([&expected]).zip(added.iter().chain([base])) {
            farthest_added = farthest_added.max((ours - theirs).abs());
        }
        rows += 1;
    }
    println!(
        "{name}: {rows} rows, probability within {farthest:.1e}, contributions within {farthest_added:.1e}"
    );
    assert!(rows >= 200 && farthest <= tolerance, "{name}: {farthest:e}");
    // Logits are ten times as far apart as probabilities, and each of many trees adds its rounding.
    assert!(farthest_added <= 100.0 * tolerance, "{name}: {farthest_added:e}");
}

#[test]
fn lightgbm_models_say_the_same_after_import() {
    for kind in ["", "_zeros", "_none", "_sigmoid", "_dart", "_forest"] {
        let name = format!("lightgbm{kind}");
        agrees(
            &name,
            &lightgbm::read(&file(&format!("{name}.txt"))).unwrap(),
            CLOSE,
        );
    }
}

/// A split that only tells missing values from all others has no finite threshold.
#[test]
fn a_lightgbm_threshold_of_infinity_is_above_every_value() {
    let text = file("lightgbm.txt");
    let line = text.lines().find(|line| line.starts_with("threshold=")).unwrap();
    let first = line.trim_start_matches("threshold=").split(' ').next().unwrap();
    let with = |threshold: &str| {
        let changed = line.replacen(first, threshold, 1);
        lightgbm::read(&text.replacen(line, &changed, 1)).unwrap().trees
    };
    let (infinite, huge) = (with("inf"), with("1e300"));
    let rows = table("rows.csv");
    assert!(rows.iter().all(|row| infinite.logit(row) == huge.logit(row)));
    assert!(
        rows.iter()
            .any(|row| infinite.logit(row) != with(first).logit(row))
    );
}

#[test]
fn xgboost_models_say_the_same_after_import() {
    for kind in ["", "_exact", "_dart", "_forest"] {
        let name = format!("xgboost{kind}");
        agrees(
            &name,
            &xgboost::read(&file(&format!("{name}.json"))).unwrap(),
            SINGLE,
        );
    }
}

#[test]
fn what_has_no_equal_here_is_refused_by_name() {
    let refused = |error: Option<ImportError>| match error {
        Some(ImportError::Unsupported { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let light = |name: &str| refused(lightgbm::read(&file(name)).err());
    assert_eq!(light("lightgbm_categorical.txt"), "a categorical split");
    assert_eq!(light("lightgbm_regression.txt"), "objective \"regression\"");
    let linear = file("lightgbm.txt").replace("is_linear=0", "is_linear=1");
    assert_eq!(refused(lightgbm::read(&linear).err()), "a linear tree");
    let classes = file("lightgbm.txt").replace("num_class=1", "num_class=3");
    assert_eq!(refused(lightgbm::read(&classes).err()), "num_class other than 1");
    let extreme = |name: &str| refused(xgboost::read(&file(name)).err());
    assert_eq!(
        extreme("xgboost_regression.json"),
        "objective \"reg:squarederror\""
    );
    let classes = file("xgboost.json").replace("\"num_class\":\"0\"", "\"num_class\":\"3\"");
    assert_eq!(refused(xgboost::read(&classes).err()), "more than one target");
    let categorical = file("xgboost.json").replace("\"split_type\":[0", "\"split_type\":[1");
    assert_eq!(refused(xgboost::read(&categorical).err()), "a categorical split");
    let linear = file("xgboost.json").replace("\"name\":\"gbtree\"", "\"name\":\"gblinear\"");
    assert_eq!(refused(xgboost::read(&linear).err()), "booster \"gblinear\"");
}

#[test]
fn features_are_found_by_name() {
    let imported = lightgbm::read(&file("lightgbm_zeros.txt")).unwrap();
    let names: Vec<&str> = imported
        .features
        .iter()
        .rev()
        .map(String::as_str)
        .chain(["other"])
        .collect();
    let mapped = imported.map_features(&names).unwrap();
    assert_eq!(mapped.features(), names.len());
    for row in table("rows.csv") {
        let turned: Vec<f64> = row.iter().rev().copied().chain([7.0]).collect();
        assert_eq!(mapped.logit(&turned), imported.trees.logit(&row));
    }
    let error = imported.map_features(&names[..3]).unwrap_err().to_string();
    assert!(error.ends_with("which is not in the catalogue"), "{error}");
}

/// A model with some bytes changed, cut out or doubled.
fn broken(text: &str, changes: &[(f64, u8, u8)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (place, kind, byte) in changes {
        let at = (place * bytes.len() as f64) as usize;
        let end = (at + usize::from(*byte)).min(bytes.len());
        match kind {
            0 => bytes[at] = *byte,
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(end),
            // Digits are what a wrong child or count is made of.
            3 => bytes[at] = b'0' + byte % 10,
            _ => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is read, asking it and explaining it neither panics nor runs away.
    #[test]
    fn a_broken_model_is_refused_or_sound(
        which in 0_usize..4,
        changes in prop::collection::vec((0.0..1.0, 0_u8..5, any::<u8>()), 1..6),
    ) {
        let name = ["lightgbm.txt", "lightgbm_forest.txt", "xgboost.json", "xgboost_dart.json"][which];
        let text = broken(&file(name), &changes);
        let read = if which < 2 { lightgbm::read(&text) } else { xgboost::read(&text) };
        if let Ok(imported) = read {
            let mut added = vec![0.0; imported.features.len()];
            for row in table("rows.csv").iter().take(5) {
                prop_assert!(imported.trees.logit(row).is_finite());
                imported.trees.contributions(row, &mut added);
            }
        }
    }
}
