//! Rows of a simulated fleet, measured by the commands that a person runs.

use std::path::Path;
use std::process::{Command, Output};

fn lab(arguments: &[&str]) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_foreshift-lab"))
        .args(arguments)
        .output()
}

fn good(arguments: &[&str]) -> anyhow::Result<String> {
    let output = lab(arguments)?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{arguments:?}: {error}");
    Ok(String::from_utf8(output.stdout)?)
}

fn refused(arguments: &[&str]) -> anyhow::Result<String> {
    let output = lab(arguments)?;
    anyhow::ensure!(!output.status.success(), "{arguments:?} was not refused");
    Ok(String::from_utf8(output.stderr)?)
}

const LIVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/live/1");

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

#[test]
fn a_fleet_is_measured_compared_and_reported_the_same_each_time() -> anyhow::Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let (rows, faults) = (
        folder.path().join("rows.parquet"),
        folder.path().join("faults.csv"),
    );
    let fleet = ["--fleet-seed", "77", "--hours", "2", "--targets", "6"];
    let extract = ["extract", "--every", "10s", "-o", text(&rows)];
    good(&[extract.as_slice(), &fleet].concat())?;
    good(&[["faults", "-o", text(&faults)].as_slice(), &fleet].concat())?;
    let of = [
        "--rows",
        text(&rows),
        "--faults",
        text(&faults),
        "--from",
        "0.4",
        "--resamples",
        "50",
    ];

    let json = good(&[["evaluate", "-o", "json", "--model", LIVE].as_slice(), &of].concat())?;
    let again = good(&[["evaluate", "-o", "json", "--model", LIVE].as_slice(), &of].concat())?;
    assert_eq!(json, again);
    let horizons: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let horizons = horizons.as_array().expect("one for each horizon");
    let last = horizons.last().expect("a horizon");
    let methods = last["methods"].as_array().expect("methods");
    let names: Vec<&str> = methods
        .iter()
        .filter_map(|method| method["method"].as_str())
        .collect();
    assert_eq!(names[..2], ["live@1", "random"]);
    assert_eq!((names.len(), names.last()), (9, Some(&"oracle")));
    let precision = |at: usize| {
        methods[at]["average_precision"]["value"]
            .as_f64()
            .expect("a number")
    };
    assert!(
        precision(0) > 2.0 * precision(1),
        "the model knows more than chance"
    );
    assert!((precision(8) - 1.0).abs() < 1e-9);
    let groups = ["with_signs", "abrupt"].map(|group| methods[8]["events"][group]["incidents"].as_u64());
    let all = methods[8]["events"]["incidents"].as_u64();
    assert_eq!(
        groups.into_iter().flatten().sum::<u64>(),
        all.expect("a count"),
        "{groups:?}"
    );

    let compared = good(&[["compare", LIVE, LIVE, "--frozen"].as_slice(), &of].concat())?;
    assert!(compared.contains("less live@1"), "{compared}");
    assert!(compared.contains("0.000 [0.000, 0.000]"), "{compared}");

    let pages = ["a.html", "b.html"].map(|name| folder.path().join(name));
    for page in &pages {
        good(&[["report", "--model", LIVE, "--out", text(page)].as_slice(), &of].concat())?;
    }
    let pages = pages.map(|page| std::fs::read_to_string(page).expect("a page"));
    assert_eq!(pages[0], pages[1]);
    for wanted in [
        "Precision and recall",
        "Calibration",
        "By target",
        "Before incidents",
    ] {
        assert!(pages[0].contains(wanted), "{wanted}");
    }
    for outside in ["http://", "https://", "<script", "NaN"] {
        assert!(!pages[0].contains(outside), "{outside}");
    }

    let foreign = folder.path().join("foreign.csv");
    std::fs::write(&foreign, "time,target,horizon_s,probability\n0,x,30,0.5\n").expect("it is written");
    let error = refused(&[["evaluate", "--predictions", text(&foreign)].as_slice(), &of].concat())?;
    assert!(
        error.contains("judged rows at horizon 30s have no prediction"),
        "{error}"
    );
    Ok(())
}

#[test]
fn a_world_that_answers_loses_fewer_requests_than_one_left_alone() -> anyhow::Result<()> {
    let json = good(&[
        "backtest",
        "--fleet-seed",
        "901",
        "--hours",
        "1",
        "--targets",
        "8",
        "--model",
        LIVE,
        "-o",
        "json",
    ])?;
    let backtest: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let policies = backtest["policies"].as_array().expect("policies");
    let lost: Vec<f64> = policies
        .iter()
        .filter_map(|policy| policy["lost"].as_f64())
        .collect();
    let [resting, breaker, reactive, predictive] = lost[..] else {
        panic!("{json}")
    };
    assert!(
        resting > 0.0 && breaker < resting && reactive < resting,
        "{lost:?}"
    );
    assert!(predictive <= reactive, "{lost:?}");
    Ok(())
}
