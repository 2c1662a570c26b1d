//! The model against a slow and obvious FTRL-proximal: dense vectors, the published formulas, nothing kept.

use super::*;

/// Knots of the hazard correction, as slots: bias, slope, 21 knots, missing.
const OWN: usize = 24;
const KNOTS: usize = 9;

struct Dense {
    z: Vec<f64>,
    n: Vec<f64>,
    rates: Rates,
}

/// The root of a sum of squares that is read to ten bits after the first.
fn root(n: f64) -> f64 {
    let (_, exponent) = libm::frexp(n);
    let unit = libm::ldexp(1.0, exponent - 11);
    ((n / unit).floor() * unit).sqrt()
}

impl Dense {
    fn weights(&self) -> Vec<f64> {
        let Rates { alpha, beta, l1, l2 } = self.rates;
        let weight = |(z, n): (&f64, &f64)| {
            if z.abs() <= l1 {
                0.0
            } else {
                -(z - z.signum() * l1) / ((beta + root(*n)) / alpha + l2)
            }
        };
        self.z.iter().zip(&self.n).map(weight).collect()
    }

    fn dot(&self, x: &[f64]) -> f64 {
        self.weights().iter().zip(x).map(|(w, x)| w * x).sum()
    }

    fn learn(&mut self, x: &[f64], error: f64) {
        let weights = self.weights();
        for i in 0..x.len() {
            let g = error * x[i];
            let sigma = (root(self.n[i] + g * g) - root(self.n[i])) / self.rates.alpha;
            self.z[i] += g - sigma * weights[i];
            self.n[i] += g * g;
        }
    }
}

/// The value's hat functions, one for each knot, and a last one for missing.
fn hats(x: f64) -> Vec<f64> {
    let mut out = vec![0.0; KNOTS + 1];
    if !x.is_finite() {
        out[KNOTS] = 1.0;
        return out;
    }
    let x = x.clamp(-4.0, 4.0) + 4.0;
    let low = x.floor();
    let share = ((x - low) * 65_536.0).floor() / 65_536.0;
    out[low as usize] += 1.0 - share;
    if share > 0.0 {
        out[low as usize + 1] += share;
    }
    out
}

fn dense_row(hazard: f64, row: &[f64]) -> Vec<f64> {
    let mut x = vec![0.0; OWN];
    x[0] = 1.0;
    x[1] = (hazard + 5.0) / 10.0;
    let height = hazard.clamp(-15.0, 5.0) + 15.0;
    let low = height.floor();
    let share = ((height - low) * 65_536.0).floor() / 65_536.0;
    x[2 + low as usize] += 1.0 - share;
    x[2 + low as usize + 1] += share;
    let encoded: Vec<Vec<f64>> = row.iter().map(|value| hats(*value)).collect();
    encoded.iter().for_each(|hats| x.extend(hats));
    for a in &encoded[0] {
        encoded[1].iter().for_each(|b| x.push(a * b));
    }
    x
}

#[test]
fn it_learns_what_a_slow_and_obvious_ftrl_learns() {
    let shared = Rates {
        alpha: 0.1,
        beta: 0.7,
        l1: 0.02,
        l2: 0.3,
    };
    let own = Rates {
        alpha: 0.05,
        beta: 1.0,
        l1: 0.0,
        l2: 2.0,
    };
    let params = Params {
        shared,
        target: own,
        ..Params::default()
    };
    let mut model = fresh(3)
        .with_crosses(&[(0, 1)])
        .unwrap()
        .with_params(params)
        .unwrap();
    let mut target = TargetModel::default();
    let size = OWN + 3 * (KNOTS + 1) + (KNOTS + 1) * (KNOTS + 1);
    let mut dense = Dense {
        z: vec![0.0; size],
        n: vec![0.0; size],
        rates: shared,
    };
    let mut bias = Dense {
        z: vec![0.0],
        n: vec![0.0],
        rates: own,
    };
    let mut stream = Stream::new(21);
    for i in 0..2_000 {
        let mut row: Vec<f64> = (0..3).map(|_| 2.0 * stream.normal()).collect();
        if stream.uniform() < 0.1 {
            row[i % 3] = f64::NAN;
        }
        let positive = stream.uniform() < 0.2;
        let weight = if positive {
            1.0
        } else {
            1.0 + 5.0 * stream.uniform()
        };
        model.observe(&mut target, tick(60 * i as i64), true);
        if stream.uniform() < 0.01 {
            model.incident_began(&mut target, tick(60 * i as i64));
        }
        let example = model.encode(&target, tick(60 * i as i64), &row);
        let hazard = f64::from(example.said[0].hazard);
        let x = dense_row(hazard, &row);
        let logit = hazard + dense.dot(&x) + bias.dot(&[1.0]);
        let mut raws = [0.0; 2];
        model.raw_logits(&target, &[hazard; 2], &example.placed, &mut raws);
        let raw = raws[0];
        assert!((raw - logit).abs() < 1e-12, "row {i}: {raw} {logit}");
        let error = weight * (1.0 / (1.0 + libm::exp(-logit)) - f64::from(u8::from(positive)));
        dense.learn(&x, error);
        bias.learn(&[1.0], error);
        model.learn(0, &mut target, &example, positive, weight);
    }
    let weights = dense.weights();
    assert!(weights.iter().filter(|weight| **weight != 0.0).count() > 40);
    for (slot, weight) in weights.iter().enumerate() {
        assert!((model.weight(slot, 0) - weight).abs() < 1e-12, "slot {slot}");
        assert_eq!(model.weight(slot, 1), 0.0);
    }
}
