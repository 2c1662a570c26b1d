//! Our FTRL-proximal beside linfa's: from the same start, on the same rows, the same weights.

use foreshift_predict::ftrl::{Coordinate, Rates};
use foreshift_predict::probability_of;
use linfa::prelude::*;
use linfa_ftrl::Ftrl;
use ndarray::{Array1, Array2};

const FEATURES: usize = 12;

#[test]
fn our_ftrl_learns_what_linfas_learns() {
    let rates = Rates {
        alpha: 0.1,
        beta: 0.5,
        l1: 0.02,
        l2: 0.7,
    };
    let params = Ftrl::params()
        .alpha(rates.alpha)
        .beta(rates.beta)
        .l1_ratio(rates.l1)
        .l2_ratio(rates.l2)
        .check()
        .unwrap();
    let mut theirs: Ftrl<f64> = Ftrl::new(params.clone(), FEATURES);
    // linfa starts its sums of gradients at random.
    let start = theirs.z().iter().map(|z| Coordinate::from((*z, 0.0)));
    let mut ours: Vec<Coordinate> = start.collect();
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2_000 {
        let row: Vec<f64> = (0..FEATURES).map(|_| 2.0 * random.f64() - 1.0).collect();
        let positive = random.f64() < probability_of(2.0 * row[0] - 3.0 * row[1] - 1.0);
        let records = Array2::from_shape_vec((1, FEATURES), row.clone()).unwrap();
        let one = Dataset::new(records, Array1::from_elem(1, positive));
        theirs = params.fit_with(Some(theirs), &one).unwrap();

        let weights: Vec<f64> = ours.iter().map(|known| known.weight(&rates)).collect();
        let logit: f64 = weights
            .iter()
            .zip(&row)
            .map(|(weight, value)| weight * value)
            .sum();
        let error = probability_of(logit) - f64::from(u8::from(positive));
        for ((known, weight), value) in ours.iter_mut().zip(weights).zip(&row) {
            known.step(weight, error * value, &rates);
        }
    }
    for (ours, theirs) in ours.iter().zip(&theirs.get_weights()) {
        // linfa keeps its probabilities in 32 bits, and our learning rates are up to 0.05 % above its own.
        assert!(
            (ours.weight(&rates) - theirs).abs() < 5e-4 * (1.0 + theirs.abs()),
            "{ours:?} {theirs}"
        );
    }
    assert!(ours[0].weight(&rates) > 0.5 && ours[1].weight(&rates) < -0.5);
}
