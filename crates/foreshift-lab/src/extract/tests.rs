mod people;
pub(crate) mod world;

use std::collections::BTreeMap;
use std::path::Path;

use foreshift_domain::signal::{EventKind, Health, Observation};
use foreshift_domain::{Duration, Timestamp};

use crate::rows::Rows;
use world::*;

/// Labels by target and second, for one horizon.
fn labels(rows: &Rows) -> BTreeMap<(&str, i64), Option<bool>> {
    let all = rows.target.iter().zip(&rows.time).zip(&rows.label);
    all.map(|((target, time), label)| ((target.as_str(), second(*time)), *label))
        .collect()
}

fn count(rows: &[Rows], label: Option<bool>) -> u64 {
    rows.iter()
        .flat_map(|rows| &rows.label)
        .filter(|found| **found == label)
        .count() as u64
}

#[test]
fn rows_of_a_journal_are_what_the_engine_saw_and_labelled() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = steady(0, 300);
    inputs.push(health(300, "alpha", Health::Down));
    inputs.extend(steady(300, 330));
    inputs.push(health(330, "alpha", Health::Up));
    inputs.extend(steady(330, 600));
    inputs.push(signal(
        600,
        "beta",
        Observation::Event(EventKind::MaintenanceStart),
    ));
    inputs.extend(steady(600, 620));
    inputs.push(health(620, "beta", Health::Down));
    inputs.extend(steady(620, 700));
    let seen = record(dir.path(), &inputs);
    let rows = extract(dir.path(), &[]);

    let counters = seen.counters;
    assert!(
        counters.positives > 0 && counters.unknowns > 0 && counters.incidents == 2,
        "{counters:?}"
    );
    assert_eq!(count(&rows, Some(true)), counters.positives);
    assert_eq!(count(&rows, Some(false)), counters.negatives);
    // What waits at the end the engine has not yet decided; here it is unknown for good.
    assert!(count(&rows, None) > counters.unknowns);

    let at_risk: Vec<_> = seen.rows.iter().filter(|row| row.at_risk).collect();
    for rows in &rows {
        assert_eq!(rows.len(), at_risk.len());
        for (at, row) in at_risk.iter().enumerate() {
            assert_eq!(
                (rows.time[at], rows.target[at].as_str()),
                (row.tick, row.target.as_str())
            );
            assert_eq!(rows.route[at], "llm");
            for (column, value) in rows.features.iter().zip(&row.features) {
                assert_eq!(column[at].to_bits(), value.to_bits());
            }
        }
    }
}

#[test]
fn a_label_looks_from_the_tick_to_the_horizon_and_says_when_it_was_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = steady(0, 302);
    inputs.push(health(302, "alpha", Health::Down));
    inputs.extend(steady(302, 400));
    record(dir.path(), &inputs);
    let [near, far] = extract(dir.path(), &[]);
    let (labels_near, labels_far) = (labels(&near), labels(&far));
    assert_eq!(
        labels_near[&("alpha", 270)],
        Some(false),
        "302 is more than 30 s away"
    );
    assert_eq!(labels_near[&("alpha", 275)], Some(true));
    assert_eq!(labels_far[&("alpha", 185)], Some(true));
    assert_eq!(labels_near[&("beta", 275)], Some(false), "another target");
    assert!(
        !labels_near.contains_key(&("alpha", 305)),
        "rows in an incident are no rows"
    );
    assert_eq!(
        labels_far[&("beta", 285)],
        None,
        "the record ends before the horizon"
    );
    for rows in [&near, &far] {
        for at in 0..rows.len() {
            let waited = rows.known_at[at].map(|known| known.since(rows.time[at]));
            match rows.label[at] {
                None => assert_eq!(waited, None),
                Some(false) => assert_eq!(
                    waited.unwrap().as_secs_f64(),
                    rows.about.horizons_s[usize::from(std::ptr::eq(rows, &far))]
                ),
                Some(true) => {
                    assert_eq!(rows.known_at[at].map(second), Some(303), "when the bucket closed");
                    assert_eq!(
                        rows.incident[at],
                        Some(format!("alpha@{}", at_second(302).as_millis()))
                    );
                }
            }
        }
    }
    assert!(
        near.weight
            .iter()
            .all(|weight| (weight - 5.0 / 30.0).abs() < 1e-12)
    );
    assert!(
        far.weight
            .iter()
            .all(|weight| (weight - 5.0 / 120.0).abs() < 1e-12)
    );
}

#[test]
fn a_target_drained_without_evidence_is_unknown_and_treated() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = steady(0, 100);
    inputs.push(command(
        100,
        "drain",
        pin("llm", &[("alpha", 0), ("beta", 10_000)]),
    ));
    // Traffic moved: alpha is silent from here on but for one gauge, so that its telemetry is not stale.
    for from in (100..300).step_by(10) {
        inputs.push(gauge(from, "alpha"));
        inputs.extend(steady_of(from, from + 10, &["beta"]));
    }
    record(dir.path(), &inputs);
    let [near, _] = extract(dir.path(), &[]);
    let labels = labels(&near);
    assert_eq!(labels[&("alpha", 50)], Some(false));
    assert_eq!(labels[&("alpha", 150)], None);
    assert_eq!(labels[&("beta", 150)], Some(false));
    let at = |target: &str, at: i64| {
        let mut found = near.target.iter().zip(&near.time);
        let place = found
            .position(|(name, time)| name == target && second(*time) == at)
            .unwrap();
        near.treated[place]
    };
    assert!(!at("alpha", 50) && at("alpha", 90) && at("alpha", 150) && !at("beta", 150));
}

#[test]
fn the_same_input_gives_the_identical_file_and_thinned_rows_stand_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut inputs = steady(0, 700);
    inputs.push(health(700, "alpha", Health::Down));
    inputs.extend(steady(700, 900));
    record(dir.path(), &inputs);
    let bytes = |name: &str| {
        let out = dir.path().join(name);
        run_extract(dir.path(), &out, &[]);
        std::fs::read(out).unwrap()
    };
    assert_eq!(bytes("a.parquet"), bytes("b.parquet"));

    let whole = extract(dir.path(), &[]);
    let thin = extract(dir.path(), &["--every", "10s", "--negatives", "1:3"]);
    for (whole, thin) in whole.iter().zip(&thin) {
        let weight = |rows: &Rows| rows.weight.iter().sum::<f64>();
        assert!(thin.len() * 4 < whole.len());
        assert!(
            (weight(thin) / weight(whole) - 1.0).abs() < 0.25,
            "{} of {}",
            weight(thin),
            weight(whole)
        );
        let positives = |rows: &Rows| rows.label.iter().filter(|label| **label == Some(true)).count();
        assert!(
            positives(thin) * 3 > positives(whole),
            "positives are thinned by ticks alone"
        );
        assert!(thin.time.iter().all(|time| second(*time) % 10 == 0));
    }
}

#[test]
fn since_and_until_bound_the_ticks_and_not_what_features_have_seen() {
    let dir = tempfile::tempdir().unwrap();
    record(dir.path(), &steady(0, 400));
    let [whole, _] = extract(dir.path(), &[]);
    let until = (START + 300).to_string();
    let [part, _] = extract(dir.path(), &["--since", "200s", "--until", &until]);
    assert_eq!(part.time.first().copied().map(second), Some(200));
    assert_eq!(part.time.last().copied().map(second), Some(295));
    let begin = whole.time.iter().position(|time| second(*time) == 200).unwrap();
    for (part, whole) in part.features.iter().zip(&whole.features) {
        assert_eq!(part[0].to_bits(), whole[begin].to_bits());
    }
}

#[test]
fn a_signal_csv_becomes_rows_with_weights_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("signals.csv");
    let mut csv = String::from("time,route,target,endpoint,health,status,latency_ms\n");
    let hour = 3_600;
    for at in 0..72 {
        for target in ["frontends/a", "frontends/b"] {
            let down = target == "frontends/a" && at == 40;
            let time = START / hour * hour + at * hour + 60;
            let (health, status) = if down { ("down", 0) } else { ("up", 200) };
            csv += &format!("{time},frontends/x,{target},,{health},{status},\n");
        }
    }
    std::fs::write(&input, csv).unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/outages.yaml");
    let [near, far] = extract(&input, &["--config", config.to_str().unwrap()]);
    let onset = Timestamp::from_secs(START / hour * hour + 40 * hour + 60);
    for (rows, hours) in [(&near, 1), (&far, 6)] {
        for at in 0..rows.len() {
            let ahead = rows.time[at] < onset && onset <= rows.time[at] + Duration::HOUR * hours;
            let positive = rows.label[at] == Some(true);
            assert_eq!(positive, ahead && rows.target[at] == "frontends/a");
        }
        assert_eq!(
            rows.label.iter().filter(|label| **label == Some(true)).count() as i64,
            hours
        );
        assert!(rows.treated.iter().all(|treated| !treated));
    }
}

#[test]
fn simulated_fleets_do_not_mix_their_targets() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("fleet.parquet");
    run(&[
        "--fleet-seed",
        "7",
        "--fleets",
        "2",
        "--hours",
        "1",
        "--targets",
        "2",
        "--every",
        "60s",
        "-o",
        out.to_str().unwrap(),
    ]);
    let rows = Rows::read(&out, 2).unwrap();
    let fleets: std::collections::BTreeSet<_> = rows
        .target
        .iter()
        .filter_map(|name| name.split('/').next())
        .collect();
    assert_eq!(fleets.into_iter().collect::<Vec<_>>(), ["fleet-7", "fleet-8"]);
}
