//! What a user could do instead: small methods that read a target's rows in order of time.
//!
//! Each gives a ranking, higher is riskier, scaled so that its own alarm is at 1. Probabilities, where one is asked
//! for, come from isotonic regression on the rows that teach. All see what a row holds and nothing else: features of
//! windows, when labels became known, never a label before.

mod breaker;
mod deviation;
mod page_hinkley;
mod phi;
mod recurrence;
mod thresholds;

use crate::evaluate::panel::Panel;

/// A method to compare with.
#[derive(Clone, Copy)]
pub(crate) struct Baseline {
    pub(crate) name: &'static str,
    /// What it does, with parameters and source.
    pub(crate) about: &'static str,
    /// Whether it has an alarm of its own, at 1.
    pub(crate) alarms: bool,
    /// The ranking of all rows.
    pub(crate) rank: fn(&Panel) -> Vec<f64>,
}

/// All of them, in the order of tables.
pub(crate) const ALL: [Baseline; 8] = [
    Baseline {
        name: "random",
        about: "a draw for each row: what chance is worth",
        alarms: false,
        rank: random,
    },
    Baseline {
        name: "recurrence",
        about: recurrence::ABOUT,
        alarms: false,
        rank: recurrence::rank,
    },
    Baseline {
        name: "static thresholds",
        about: thresholds::ABOUT,
        alarms: true,
        rank: thresholds::rank,
    },
    Baseline {
        name: "EWMA z-score",
        about: deviation::ABOUT,
        alarms: true,
        rank: deviation::rank,
    },
    Baseline {
        name: "Page-Hinkley",
        about: page_hinkley::ABOUT,
        alarms: true,
        rank: page_hinkley::rank,
    },
    Baseline {
        name: "phi-accrual",
        about: phi::ABOUT,
        alarms: true,
        rank: phi::rank,
    },
    Baseline {
        name: "reactive breaker",
        about: breaker::ABOUT,
        alarms: true,
        rank: breaker::rank,
    },
    Baseline {
        name: "oracle",
        about: "knows every label: the most that is possible",
        alarms: false,
        rank: oracle,
    },
];

/// The signals that detectors of change look at, each with the least spread that is taken for real: below it, quiet
/// signals would alarm at their first stir.
const SIGNALS: [(&str, f64); 6] = [
    ("failure_ratio_fast", 0.005),
    ("latency_p99_shift", 0.05),
    ("latency_z", 0.5),
    ("gauge_fullness", 0.01),
    ("gauge_surge", 0.05),
    ("log_failure_rate", 0.1),
];

/// Those signals by row.
fn signals(panel: &Panel) -> Vec<(Vec<f64>, f64)> {
    let of = |(name, least): (&str, f64)| (panel.feature(name), least);
    SIGNALS.into_iter().map(of).collect()
}

/// Folds over rows in order of time, with a state for each target.
fn by_target<S: Default + Clone>(panel: &Panel, mut see: impl FnMut(&mut S, usize) -> f64) -> Vec<f64> {
    let mut states = vec![S::default(); panel.targets.len()];
    let rows = panel.rows.iter().enumerate();
    rows.map(|(index, row)| match states.get_mut(row.target as usize) {
        Some(state) => see(state, index),
        None => f64::NAN,
    })
    .collect()
}

fn random(panel: &Panel) -> Vec<f64> {
    let mut draws = fastrand::Rng::with_seed(panel.rows.len() as u64);
    panel.rows.iter().map(|_| draws.f64()).collect()
}

fn oracle(panel: &Panel) -> Vec<f64> {
    let known = |label: Option<bool>| label.map_or(f64::NAN, |positive| f64::from(u8::from(positive)));
    panel.rows.iter().map(|row| known(row.label)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use foreshift_domain::{Duration, Timestamp};

    use super::*;
    use crate::evaluate::panel::{Features, Row, tests::Made};

    /// One target, a row a second, with one feature.
    fn series(feature: &str, values: Vec<f64>) -> Panel {
        let row = |second: usize| Row {
            at: Timestamp::from_secs(second as i64),
            route: 0,
            target: 0,
            label: Some(false),
            known_at: Some(Timestamp::from_secs(second as i64 + 30)),
            incident: None,
            weight: 1.0,
            treated: false,
            propensity: 1.0,
            held_out: false,
            place: second,
            lasts_s: 1.0,
        };
        Panel {
            horizon: Duration::from_secs(30),
            targets: vec!["t".to_owned()],
            routes: vec!["r".to_owned()],
            rows: (0..values.len()).map(row).collect(),
            features: Arc::new(Features {
                names: vec![feature.to_owned()],
                columns: vec![values],
            }),
            ..Panel::default()
        }
        .ordered()
    }

    fn first_alarm(ranking: &[f64]) -> Option<usize> {
        ranking.iter().position(|value| *value >= 1.0)
    }

    /// Noise around `level`, with a step of `step` at row 500.
    fn stepping(level: f64, noise: f64, step: f64) -> Vec<f64> {
        let mut draws = fastrand::Rng::with_seed(5);
        (0..700)
            .map(|row| level + noise * (draws.f64() - 0.5) + if row >= 500 { step } else { 0.0 })
            .collect()
    }

    #[test]
    fn detectors_of_change_alarm_after_a_step_and_not_before() {
        for step in [1.0, 2.0] {
            let panel = series("latency_p99_shift", stepping(0.0, 0.4, step));
            for rank in [deviation::rank, page_hinkley::rank] {
                let alarm = first_alarm(&rank(&panel)).unwrap();
                assert!((500..620).contains(&alarm), "{alarm}");
            }
        }
        let quiet = series("latency_p99_shift", stepping(0.0, 0.4, 0.0));
        assert_eq!(first_alarm(&page_hinkley::rank(&quiet)), None);
        assert_eq!(first_alarm(&deviation::rank(&quiet)), None);
    }

    #[test]
    fn page_hinkley_sees_a_small_lasting_shift_that_a_z_score_misses() {
        let panel = series("latency_p99_shift", stepping(0.0, 0.4, 0.2));
        assert_eq!(first_alarm(&deviation::rank(&panel)), None);
        assert!(first_alarm(&page_hinkley::rank(&panel)).is_some_and(|row| row > 500));
    }

    #[test]
    fn thresholds_alarm_at_what_a_person_would_set() {
        let mut values = vec![0.01; 20];
        values.extend([0.04, 0.05, 0.2]);
        let ranking = thresholds::rank(&series("failure_ratio_fast", values));
        assert_eq!(first_alarm(&ranking), Some(21));
        assert_eq!(ranking[22], 4.0);
        assert_eq!(
            first_alarm(&thresholds::rank(&series("gauge_fullness", vec![f64::NAN; 9]))),
            None
        );
    }

    #[test]
    fn phi_grows_with_silence_against_what_is_usual() {
        // Telemetry comes every fifth second, and then no more.
        let age = |second: usize| if second < 400 { second % 5 } else { second - 400 } as f64 / 60.0;
        let ranking = phi::rank(&series("telemetry_age", (0..460).map(age).collect()));
        let alarm = first_alarm(&ranking).unwrap();
        assert!((402..420).contains(&alarm), "{alarm}");
        assert!(ranking[420..].is_sorted());
    }

    #[test]
    fn the_breaker_sees_a_flood_of_failures_holds_and_lets_go() {
        let mut values = vec![0.3; 50];
        values.extend(vec![0.95; 5]);
        values.extend(vec![0.0; 60]);
        let ranking = breaker::rank(&series("failure_ratio_fast", values));
        assert_eq!(
            first_alarm(&ranking),
            Some(50),
            "a share of 0.3 hardly ever makes five in a row"
        );
        assert!(
            ranking[50..80].iter().all(|value| *value >= 1.0),
            "30 s of ejection"
        );
        assert!(ranking[86..].iter().all(|value| *value < 1.0));
    }

    #[test]
    fn recurrence_ranks_who_failed_lately_first_once_it_is_known() {
        let made = Made {
            ticks: 1_000,
            tick_s: 60,
            horizon_ticks: 10,
            cooldown: 5,
            onsets: vec![vec![300, 400], vec![], vec![]],
        };
        let panel = made.panel();
        let ranking = recurrence::rank(&panel);
        let at = |target: u32, minute: i64| {
            let at = Timestamp::from_secs(minute * 60);
            let row = panel
                .rows
                .iter()
                .position(|row| row.target == target && row.at == at);
            ranking[row.unwrap()]
        };
        // To within the time by which the fleet was seen longer, nothing is known of what comes.
        assert!((at(0, 299) / at(1, 299) - 1.0).abs() < 0.01);
        assert!(at(0, 310) > 1.9 * at(1, 310));
        assert!(at(0, 410) > at(0, 399));
        assert!(at(0, 900) < at(0, 410));
    }

    #[test]
    fn random_knows_nothing_and_says_the_same_each_time() {
        let panel = series("x", vec![0.0; 100]);
        assert_eq!(random(&panel), random(&panel));
        assert!(oracle(&panel).iter().all(|value| *value == 0.0));
    }
}
