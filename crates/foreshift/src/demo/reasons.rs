//! Contributions in a few words: what a feature's value means to a person.

use foreshift_domain::Duration;
use foreshift_domain::prediction::{Contribution, Explanation, OTHERS};

/// How many contributions are named.
const NAMED: usize = 2;

/// The features that raise the risk most, in words. Terms of the model itself speak only where no feature does.
pub(super) fn because(explanation: &Explanation, window: Duration) -> Vec<String> {
    let raising = |one: &&Contribution| one.logit > 0.0 && one.feature != OTHERS;
    let known = |one: &Contribution| one.value.filter(|value| value.is_finite());
    let mut sorted: Vec<&Contribution> = explanation.contributions.iter().filter(raising).collect();
    sorted.sort_by(|a, b| b.logit.total_cmp(&a.logit));
    let named = sorted
        .iter()
        .filter_map(|one| Some(in_words(&one.feature, known(one)?, window)));
    let words: Vec<String> = named.take(NAMED).collect();
    if words.is_empty() {
        return sorted.iter().take(NAMED).map(|one| plain(&one.feature)).collect();
    }
    words
}

fn in_words(feature: &str, value: f64, window: Duration) -> String {
    let share = || format!("{:.0}%", value * 100.0);
    let fine = || format!("{:.1}%", value * 100.0);
    let times = || format!("{:.1}x", value.exp2());
    let many = || format!("{:.1}", value.exp2() - 1.0);
    let ahead = || Duration::from_secs((window.as_secs_f64() * value.exp2()).round() as i64);
    match feature {
        "failure_ratio_fast" | "failure_ratio_mid" | "failure_ratio_long" => {
            format!("{} of requests fail", fine())
        }
        "failure_trend" => format!("failures {} as often as usual", times()),
        "unreachable_ratio" => format!("{} of requests time out or break", fine()),
        "unreachable_trend" => format!("broken requests {} as often as usual", times()),
        "limited_ratio" => format!("{} of requests refused for rate, quota or load", fine()),
        "limited_trend" => format!("refusals {} as often as usual", times()),
        "cut_short_ratio" => format!("{} of answers cut short", fine()),
        "request_rate_shift" | "request_rate_drift" => format!("{} as many requests as usual", times()),
        "latency_p50_shift" => format!("median latency {} its usual", times()),
        "latency_p99_shift" => format!("p99 latency {} its usual", times()),
        "latency_tail" => format!("p99 latency {} the median", times()),
        "latency_tail_shift" => format!("the tail of latency {} its usual", times()),
        "latency_z" => format!("latency {value:+.1} deviations from its usual"),
        "ttfb_shift" => format!("time to first byte {} its usual", times()),
        "gauge_fullness" => format!("the fullest gauge at {} of its limit", share()),
        "gauge_surge" => format!("a gauge at {} its usual", times()),
        "gauge_slope" => format!("a gauge grows by {} of its limit in {window}", fine()),
        "gauge_time_to_limit" => format!("a gauge is full in {} if it goes on", ahead()),
        "log_failure_rate" => format!("{} log lines of failures per 100 requests", many()),
        "log_failure_trend" => format!("log lines of failures {} as often as usual", times()),
        "log_early_rate" => format!("{} early signs in logs per 100 requests", many()),
        "log_early_trend" => format!("early signs in logs {} as often as usual", times()),
        "log_new_templates" => format!("{:.0} new kinds of log line", value.exp2() - 1.0),
        "weight_share" => format!("carries {} of its usual share", share()),
        "planned_work" if value > 0.0 => "planned work".to_owned(),
        "health_state" if value > 0.0 => "says itself that it is not well".to_owned(),
        _ => format!("{} {value:.2}", plain(feature)),
    }
}

fn plain(feature: &str) -> String {
    feature.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation(contributions: &[(&str, Option<f64>, f64)]) -> Explanation {
        let one = |(feature, value, logit): &(&str, Option<f64>, f64)| Contribution {
            feature: (*feature).to_owned(),
            value: *value,
            logit: *logit,
        };
        let contributions = contributions.iter().map(one).collect();
        Explanation {
            horizon: Duration::from_secs(120),
            probability: 0.6,
            logit: 0.4,
            base: -3.0,
            simulated: false,
            thresholds: Vec::new(),
            contributions,
        }
    }

    #[test]
    fn the_two_features_that_raise_the_risk_most_are_named() {
        let explained = explanation(&[
            ("known_for", Some(4.0), -3.0),
            ("hazard_prior", None, 2.5),
            ("log_early_trend", Some(2.0), 1.0),
            ("latency_z", Some(f64::NAN), 1.5),
            ("gauge_slope", Some(0.021), 1.2),
            ("latency_p99_shift", Some(1.0), 0.4),
        ]);
        let words = because(&explained, Duration::from_secs(30));
        assert_eq!(
            words,
            [
                "a gauge grows by 2.1% of its limit in 30s",
                "early signs in logs 4.0x as often as usual"
            ]
        );
    }

    #[test]
    fn terms_of_the_model_speak_only_where_no_feature_does() {
        let explained = explanation(&[("hazard_prior", None, 2.5), ("latency_z", Some(f64::NAN), 1.5)]);
        assert_eq!(
            because(&explained, Duration::from_secs(30)),
            ["hazard prior", "latency z"]
        );
        assert!(because(&explanation(&[]), Duration::from_secs(30)).is_empty());
    }

    #[test]
    fn a_feature_without_words_is_told_by_its_name() {
        let explained = explanation(&[("fleet_in_incident", Some(0.25), 0.5)]);
        assert_eq!(
            because(&explained, Duration::from_secs(30)),
            ["fleet in incident 0.25"]
        );
    }
}
