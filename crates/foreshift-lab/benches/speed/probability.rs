//! One probability with its contributions, by the shipped model, on rows that traffic has made.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use foreshift_domain::{TargetName, Timestamp};
use foreshift_features::{FEATURES, Surroundings, TargetFeatures};
use foreshift_predict::{Model, TargetModel};

use crate::fleet::{self, SIGNALS_A_SECOND, TARGETS, Traffic};
use crate::{median, row};

const SECONDS: usize = 60;
const ROUNDS: usize = 15;
const PASSES: usize = 50;
const ASKED_US: f64 = 10.0;

type Row = [f64; FEATURES.len()];

pub(crate) fn measure() -> anyhow::Result<()> {
    let fallback = fleet::fallback()?;
    let mut model = fleet::model(&fallback)?;
    let (tick, rows) = rows(&fallback.timing);
    let mut target = TargetModel::default();
    model.observe(&mut target, tick, true);
    let heads = model.horizons().len();
    let present = rows.iter().flatten().filter(|value| value.is_finite()).count() / rows.len().max(1);
    println!("\n(c) A probability by the FTRL model, one core, median of {ROUNDS}");
    println!(
        "  {} features, {present} of them present, rows of {} targets after {SECONDS} s of traffic",
        FEATURES.len(),
        rows.len()
    );
    let mut out = vec![0.0; heads];
    let mut predict = |row: &Row| {
        let _ = black_box(model.predict(&target, tick, black_box(row), &mut out));
    };
    let predicted = micros(&rows, &mut predict);
    let explained = micros(&rows, &mut explain(&model, &target, tick));
    row(
        &format!("probabilities of {heads} horizons"),
        &format!("{predicted:.2} us"),
        "",
        None,
    );
    row(
        "a probability with its contributions, one horizon",
        &format!("{explained:.2} us"),
        "",
        None,
    );
    let both = predicted + explained;
    row(
        "both together",
        &format!("{both:.2} us"),
        "under 10 us",
        Some(both < ASKED_US),
    );
    Ok(())
}

fn explain<'a>(model: &'a Model, target: &'a TargetModel, tick: Timestamp) -> impl FnMut(&Row) + 'a {
    move |row| {
        black_box(model.explain(1, target, tick, black_box(row)));
    }
}

/// Microseconds for one row.
fn micros(rows: &[Row], work: &mut impl FnMut(&Row)) -> f64 {
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..PASSES {
            rows.iter().for_each(&mut *work);
        }
        seen.push(began.elapsed().as_secs_f64() * 1e6 / (PASSES * rows.len().max(1)) as f64);
    }
    median(seen)
}

/// What the model reads of each target after some traffic.
fn rows(timing: &foreshift_domain::fallback::Timing) -> (Timestamp, Vec<Row>) {
    let mut targets: BTreeMap<TargetName, TargetFeatures> = BTreeMap::new();
    let mut newest = Timestamp::MIN;
    for signal in Traffic::new().take(SECONDS * usize::try_from(SIGNALS_A_SECOND).unwrap_or(0)) {
        let target = targets
            .entry(signal.target.clone())
            .or_insert_with(|| TargetFeatures::new(signal.time));
        if signal.time.floor_to(timing.bucket) > newest {
            newest = signal.time.floor_to(timing.bucket);
        }
        target.close_until(timing, newest, &mut |_| {});
        target.observe(timing, &signal);
    }
    let around = Surroundings {
        weight_share: Some(1.0),
        ..Surroundings::default()
    };
    let mut rows = Vec::with_capacity(TARGETS);
    for target in targets.values_mut() {
        target.close_until(timing, newest, &mut |_| {});
        let mut row = [f64::NAN; FEATURES.len()];
        target.fill(timing, newest, &around, &mut row);
        rows.push(row);
    }
    (newest, rows)
}
