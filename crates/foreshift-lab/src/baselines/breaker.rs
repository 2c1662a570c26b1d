//! A reactive breaker with the defaults of Envoy's outlier detection, as far as rows can tell.

use std::collections::BTreeMap;

use foreshift_domain::{Duration, Timestamp};

use crate::evaluate::panel::Panel;

pub(super) const ABOUT: &str = "Envoy's outlier detection at its defaults: five 5xx in a row, or a success rate 1.9 standard \
     deviations below that of at least five targets of the route; ejected for 30 s times the ejections so far, at most 300 s. \
     Rows hold shares over a window, so five in a row is read as a share at which that is more likely than not among ten \
     requests; it reacts to what fails, so before an incident it has little to see";

/// The share of failures at which five in a row among ten requests are more likely than not.
const FLOOD: f64 = 0.74;
/// Envoy's `success_rate_stdev_factor`, `success_rate_minimum_hosts`.
const DEVIATIONS: f64 = 1.9;
const LEAST_TARGETS: usize = 5;
/// Failures below this share are no outlier, however alike the others are.
const LEAST_SHARE: f64 = 0.01;
const EJECTION: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(300);
/// An ejection is forgotten after each interval without one.
const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Default)]
struct Ejected {
    until: Option<Timestamp>,
    times: i64,
}

impl Ejected {
    fn holds(&mut self, now: Timestamp, failing: bool) -> bool {
        if let Some(until) = self.until {
            if now < until {
                return true;
            }
            let quiet = now.since(until).as_micros() / INTERVAL.as_micros();
            if !failing {
                self.times = (self.times - quiet).max(0);
                return false;
            }
        }
        if failing {
            self.times += 1;
            let length = (EJECTION * self.times).min(LONGEST);
            self.until = Some(now + length);
        }
        failing
    }
}

pub(super) fn rank(panel: &Panel) -> Vec<f64> {
    let failures = panel.feature("failure_ratio_fast");
    let mut states = vec![Ejected::default(); panel.targets.len()];
    let mut ranking = vec![f64::NAN; panel.rows.len()];
    let numbered: Vec<usize> = (0..panel.rows.len()).collect();
    let moment = |index: &usize| panel.rows.get(*index).map(|row| row.at);
    for together in numbered.chunk_by(|a, b| moment(a) == moment(b)) {
        let mut routes: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for index in together {
            if let (Some(row), Some(share)) = (panel.rows.get(*index), failures.get(*index))
                && share.is_finite()
            {
                routes.entry(row.route).or_default().push(*share);
            }
        }
        for index in together {
            let (Some(row), Some(slot)) = (panel.rows.get(*index), ranking.get_mut(*index)) else {
                continue;
            };
            let share = failures.get(*index).copied().filter(|share| share.is_finite());
            let share = share.unwrap_or(0.0);
            let peers = routes.get(&row.route).map(Vec::as_slice).unwrap_or_default();
            let failing = (share / FLOOD).max(outlying(share, peers));
            let ejected = states
                .get_mut(row.target as usize)
                .is_some_and(|state| state.holds(row.at, failing >= 1.0));
            *slot = if ejected { 1.0 + failing } else { failing };
        }
    }
    ranking
}

/// How far a share of failures is towards being an outlier among its peers: 1 is one.
fn outlying(share: f64, peers: &[f64]) -> f64 {
    if peers.len() < LEAST_TARGETS || share < LEAST_SHARE {
        return 0.0;
    }
    let count = peers.len() as f64;
    let mean = peers.iter().sum::<f64>() / count;
    let spread = (peers.iter().map(|peer| (peer - mean).powi(2)).sum::<f64>() / count).sqrt();
    ((share - mean) / (DEVIATIONS * spread).max(f64::MIN_POSITIVE)).clamp(0.0, 2.0)
}
