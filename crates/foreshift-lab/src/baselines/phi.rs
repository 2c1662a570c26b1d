//! The phi-accrual failure detector (Hayashibara et al. 2004), on the age of a target's telemetry.

use super::by_target;
use crate::evaluate::panel::Panel;

pub(super) const ABOUT: &str = "phi-accrual (Hayashibara et al. 2004) on the age of telemetry: normal gaps over about the last \
     1,000, alarm at phi 8 (Cassandra's default); knows silence alone, and only as often as there are rows";

const ALARM: f64 = 8.0;
/// Gaps that are remembered, about.
const GAPS: f64 = 1_000.0;
/// Least spread of gaps, as share of the mean one: heartbeats are never exact.
const LEAST_SPREAD: f64 = 0.2;
/// And in units of the age, below which a gap is no gap.
const LEAST_GAP: f64 = 0.005;

#[derive(Clone, Copy, Default)]
struct Gaps {
    seen: f64,
    mean: f64,
    variance: f64,
    age: f64,
}

impl Gaps {
    fn see(&mut self, age: f64) -> f64 {
        if !age.is_finite() {
            return 0.0;
        }
        // Telemetry came: the age before it is as long as the gap was, to within a row.
        if age <= self.age {
            self.seen = (self.seen + 1.0).min(GAPS);
            let away = self.age - self.mean;
            self.mean += away / self.seen;
            self.variance += (away * away - self.variance) / self.seen;
        }
        self.age = age;
        if self.seen < 10.0 {
            return 0.0;
        }
        let spread = self.variance.sqrt().max(LEAST_SPREAD * self.mean).max(LEAST_GAP);
        phi((age - self.mean) / spread)
    }
}

/// Minus the decimal logarithm of the probability that a gap is so long: the logistic approximation of the normal tail
/// that Akka uses, in a form that does not vanish.
fn phi(z: f64) -> f64 {
    let logit = z * (1.5976 + 0.070566 * z * z);
    let softplus = logit.max(0.0) + (-logit.abs()).exp().ln_1p();
    softplus / std::f64::consts::LN_10
}

pub(super) fn rank(panel: &Panel) -> Vec<f64> {
    let ages = panel.feature("telemetry_age");
    by_target(panel, |gaps: &mut Gaps, row| {
        gaps.see(ages.get(row).copied().unwrap_or(f64::NAN)) / ALARM
    })
}
