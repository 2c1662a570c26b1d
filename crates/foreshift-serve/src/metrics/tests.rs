use std::collections::BTreeMap;
use std::sync::Arc;

use foreshift_domain::TargetName;
use foreshift_domain::published::Why;
use foreshift_domain::signal::OutcomeCounts;

use super::*;

fn target(signals: u64) -> Arc<TargetState> {
    Arc::new(TargetState {
        health: Some(Health::Degraded),
        last_seen: Timestamp::default(),
        outcomes: OutcomeCounts::default(),
        signals,
        late_signals: 0,
        log_lines: 0,
        rate_rps: None,
        incidents: 0,
        incident_since: None,
        prediction: None,
        explanations: Vec::new(),
        why: Why::default(),
    })
}

fn with_targets(names: impl IntoIterator<Item = String>) -> Published {
    Published {
        targets: names
            .into_iter()
            .map(|name| (TargetName::from(name), target(3)))
            .collect(),
        ..Published::default()
    }
}

/// Reads the text as strictly as Prometheus does: one HELP and TYPE before the samples of a metric, all together.
fn parse(text: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let mut families: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().expect("a name").to_owned();
            assert!(
                families.insert(current.clone(), Vec::new()).is_none(),
                "{current} twice"
            );
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = series.split('{').next().expect("a name");
            assert_eq!(name, current, "out of its family");
            let samples = families.get_mut(name).expect("typed");
            assert!(samples.iter().all(|(other, _)| other != series), "{series} twice");
            samples.push((series.to_owned(), value.parse().expect("a number")));
        }
    }
    families
}

#[test]
fn the_text_is_well_formed_and_says_what_is_published() {
    let published = Published {
        counters: BTreeMap::from([("late signals".to_owned(), 7)]),
        ..with_targets(["eu".to_owned()])
    };
    let extra = ["b_total", "a", "b_total"]
        .iter()
        .enumerate()
        .map(|(index, name)| Metric {
            name: (*name).to_owned(),
            help: "Of a test.".to_owned(),
            kind: MetricKind::Counter,
            labels: vec![("number".to_owned(), index.to_string())],
            value: 1.0,
        });
    let families = parse(&render(&published, true, extra.collect()));
    let one = |name: &str| {
        families
            .get(name)
            .and_then(|samples| samples.first())
            .map(|(_, value)| *value)
    };
    assert_eq!(one("foreshift_ready"), Some(1.0));
    assert_eq!(one("foreshift_engine_late_signals_total"), Some(7.0));
    assert_eq!(one("foreshift_target_up"), Some(0.5));
    assert_eq!(one("foreshift_target_signals_total"), Some(3.0));
    assert_eq!(families.get("foreshift_b_total").map(Vec::len), Some(2));
}

#[test]
fn label_values_are_escaped_and_bounded() {
    assert_eq!(label_value("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    let (long, other) = ("é".repeat(300), format!("{}x", "é".repeat(299)));
    assert!(label_value(&long).len() <= MAX_LABEL_BYTES + 4);
    assert_ne!(label_value(&long), label_value(&other));
    assert_eq!(label_value(&"x".repeat(MAX_LABEL_BYTES)).len(), MAX_LABEL_BYTES);
}

#[test]
fn samples_beyond_the_bound_are_counted_instead_of_shown() {
    let published = with_targets((0..MAX_SAMPLES + 5).map(|number| format!("t{number}")));
    let text = render(&published, false, Vec::new());
    assert_eq!(
        parse_sizes(&text).get("foreshift_target_signals_total"),
        Some(&MAX_SAMPLES)
    );
    // Seven metrics have a sample for each target; of each, five were left out.
    assert!(
        text.ends_with("foreshift_metrics_omitted 35\n"),
        "{}",
        &text[text.len() - 80..]
    );
}

/// Samples by metric, without the quadratic check for duplicates.
fn parse_sizes(text: &str) -> BTreeMap<&str, usize> {
    let mut sizes = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().expect("a name");
        *sizes.entry(name).or_insert(0) += 1;
    }
    sizes
}
