//! Precursors are subtle: one threshold does not find them, a model over several signs does.
//!
//! All detectors work on the same rows of the same world under the same budget of false alarms, and each is
//! given the best threshold that a look at the answers can find. That favours the thresholds, not the claim.

mod detectors;
mod logistic;
mod rows;

use detectors::{Caught, World, best, best_union};
use foreshift_sim::FleetSpec;

const JUDGED: FleetSpec = FleetSpec {
    seed: 20,
    hours: 8,
    targets: 14,
};
const TRAINED: FleetSpec = FleetSpec {
    seed: 10,
    hours: 12,
    targets: 24,
};
/// What a static threshold and a z-score may count as early: anything before the onset.
const ANY_LEAD_S: i64 = 0;
/// What the combined model has to give.
const LEAD_S: i64 = 60;

#[test]
fn one_threshold_misses_most_precursors_and_a_combined_model_finds_them() {
    let world = World::of(&JUDGED.recording());
    let (faults, budget) = (world.faults(), world.budget());
    println!(
        "{faults} faults with a precursor in {:.0} target-hours, {budget} false alarms allowed",
        world.hours()
    );

    let fixed = world.columns(|row| row.levels.to_vec());
    let fixed_best = report(&world, "static threshold", &rows::NAMES, &fixed);
    let mut smoothed_best = 0;
    for half_life_s in [30.0, 120.0, 600.0, 3_600.0] {
        let smoothed = world.ewma(half_life_s);
        let title = format!("EWMA z-score, half-life {half_life_s} s");
        smoothed_best = smoothed_best.max(report(&world, &title, &rows::NAMES, &smoothed));
    }

    let scores = logistic::FITTED.logits(&world);
    let any = best(&world, &scores, ANY_LEAD_S);
    let early = best(&world, &scores, LEAD_S);
    println!("combined, fitted on another world: {any} before the onset, {early} with {LEAD_S} s to spare");

    assert!(
        world.untold() < 0.001,
        "decoys break the SLO in {} of the rows",
        world.untold()
    );
    assert!(faults >= 30, "too few faults to judge by: {faults}");
    assert!(
        2 * fixed_best < faults,
        "a static threshold catches {fixed_best} of {faults}"
    );
    assert!(
        2 * smoothed_best < faults,
        "an EWMA z-score catches {smoothed_best} of {faults}"
    );
    assert!(
        4 * early.faults >= 3 * faults,
        "a combined model catches {early} of {faults}"
    );
}

/// The slowest test here: it simulates 288 target-hours.
#[test]
fn the_combined_model_is_what_fitting_gives() {
    let model = logistic::train(&World::of(&TRAINED.recording()));
    println!("{:.2?}\n{model}", model.weights);
    for (fitted, kept) in model.weights.iter().zip(logistic::FITTED.weights) {
        assert!((fitted - kept).abs() < 0.02, "{:?}", model.weights);
    }
}

/// Prints what each signal alone and all together catch; gives the most.
fn report(world: &World, title: &str, names: &[&str], columns: &[Vec<f64>]) -> usize {
    println!("{title}");
    let mut most = 0;
    for (name, column) in names.iter().zip(columns) {
        let caught = best(world, column, ANY_LEAD_S);
        println!("  {name:<22} {caught}");
        most = most.max(caught.faults);
    }
    let Caught { faults, .. } = best_union(world, columns, ANY_LEAD_S);
    println!("  {:<22} {faults}", "any of them");
    most.max(faults)
}
