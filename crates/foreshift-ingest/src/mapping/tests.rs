use foreshift_domain::fallback::{
    Capacity, Discover, DomainSource, Fallback, FleetLimits, Learning, Role, RouteConfig, RouteTarget,
    TargetConfig, TelemetryMapping, Timing,
};
use foreshift_domain::log::ErrorClass;
use foreshift_domain::signal::{Gauge, Health, Outcome, OutcomeKind};
use foreshift_domain::{Digest, Duration, Timestamp};

use super::*;

fn target(name: &str, names: &[&str], outcomes_from: Option<OutcomeSource>) -> TargetConfig {
    TargetConfig {
        name: name.into(),
        capacity: None::<Capacity>,
        failure_domain: None,
        sync: None,
        telemetry: TelemetryMapping {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            outcomes_from,
        },
    }
}

pub(crate) fn fallback(targets: Vec<TargetConfig>, discover: bool) -> Fallback {
    let second = Duration::from_secs(1);
    let of_route = |target: &TargetConfig| RouteTarget {
        target: target.name.clone(),
        role: Role::Primary,
        baseline_bp: 5_000,
    };
    Fallback {
        digest: Digest::default(),
        timing: Timing {
            bucket: second,
            tick: second,
            horizons: vec![second],
            guard: Duration::ZERO,
            windows: [second; 4],
            cooldown: second,
            staleness: second,
            forget_after: second,
        },
        learning: Learning {
            online: true,
            rows_per_horizon: 30.0,
        },
        fleet: FleetLimits {
            max_routes_shifted: 1,
            blast_window: second,
            alarm_freeze_share: 0.5,
            alarm_freeze_min_targets: 5,
            max_targets: 10,
            max_routes: 10,
        },
        discover: discover.then(|| Discover {
            confirm_baselines: false,
            failure_domain: DomainSource::None,
            rules: Vec::new(),
        }),
        routes: vec![RouteConfig {
            name: "checkout".into(),
            targets: targets.iter().map(of_route).collect(),
            settings: crate::mapping::tests::settings(),
        }],
        targets,
        features: Vec::new(),
        eds: Vec::new(),
    }
}

fn settings() -> foreshift_domain::fallback::RouteSettings {
    let text = serde_json::json!({
        "criticality": "normal", "mode": "shadow",
        "slo": {"error_ratio": 0.5, "latency_p99": null, "window": 1, "min_requests": 1},
        "triggers": {"risk": null, "consecutive_errors": 0, "error_ratio": 0.5, "latency_p99": null, "window": 1,
            "min_requests": 1, "recover_after": 1},
        "limits": {"floor_bp": 1, "max_predictive_shift_bp": 1, "max_step_bp_per_s": 1,
            "max_hard_down_step_bp_per_s": 1, "min_dwell": 1, "max_flips_per_hour": 1, "headroom": 0.5,
            "valid_for": 1, "decay": 1}
    });
    serde_json::from_value(text).expect("settings")
}

fn signal(target: &str, observation: Observation) -> Signal {
    Signal {
        time: Timestamp::from_secs(1_700_000_000),
        target: target.into(),
        route: Some("envoy-route-7".into()),
        gateway: None,
        endpoint: None,
        observation,
    }
}

fn outcome() -> Observation {
    Observation::Outcome(Outcome {
        kind: OutcomeKind::Success,
        latency: None,
        ttfb: None,
        count: 1,
    })
}

#[test]
fn the_first_known_name_decides_and_the_route_is_ours() {
    let mut mapping = Mapping::new(&fallback(
        vec![target("eu", &["cluster_eu", "eu.example"], None)],
        false,
    ));
    let found = mapping.signal(
        signal("unheard-of", outcome()),
        &["eu.example".into()],
        OutcomeSource::OtlpMetrics,
    );
    let found = found.expect("mapped");
    assert_eq!(
        (found.target.as_str(), found.route.as_ref().map(RouteName::as_str)),
        ("eu", Some("checkout"))
    );
}

#[test]
fn what_a_cluster_handed_to_an_endpoint_of_another_target_counts_for_that_target() {
    let mut mapping = Mapping::new(&fallback(
        vec![
            target("east", &["10.0.0.1:80"], None),
            target("west", &["10.0.0.2:80"], None),
        ],
        false,
    ));
    let by = |endpoint: &str| Signal {
        endpoint: Some(endpoint.into()),
        ..signal("east", outcome())
    };
    for (endpoint, target) in [
        ("10.0.0.1:80", "east"),
        ("10.0.0.2:80", "west"),
        ("10.0.0.3:80", "east"),
    ] {
        let found = mapping.signal(by(endpoint), &[], OutcomeSource::EnvoyAccessLog);
        assert_eq!(found.expect("mapped").target.as_str(), target, "{endpoint}");
    }
}

#[test]
fn outcomes_of_a_second_source_are_dropped_and_other_signals_are_not() {
    let targets = vec![target("eu", &[], Some(OutcomeSource::EnvoyAccessLog))];
    let mut mapping = Mapping::new(&fallback(targets, false));
    assert!(
        mapping
            .signal(signal("eu", outcome()), &[], OutcomeSource::EnvoyAccessLog)
            .is_some()
    );
    assert!(
        mapping
            .signal(signal("eu", outcome()), &[], OutcomeSource::OtlpMetrics)
            .is_none()
    );
    let health = Observation::Health(Health::Down);
    assert!(
        mapping
            .signal(signal("eu", health), &[], OutcomeSource::OtlpMetrics)
            .is_some()
    );
    assert_eq!(mapping.counters().duplicate_outcomes, 1);
}

#[test]
fn a_million_unknown_names_are_counted_in_bounded_memory() {
    let mut mapping = Mapping::new(&fallback(vec![target("eu", &[], None)], false));
    for number in 0..1_000_000 {
        assert!(
            mapping
                .signal(
                    signal(&format!("pod-{number}"), outcome()),
                    &[],
                    OutcomeSource::Native
                )
                .is_none()
        );
    }
    assert_eq!(mapping.counters().unmapped, 1_000_000);
    assert_eq!(mapping.unmapped().len(), MAX_UNMAPPED_NAMES);
    assert!(
        mapping
            .signal(signal("eu", outcome()), &[], OutcomeSource::Native)
            .is_some()
    );
}

#[test]
fn unknown_names_pass_when_discovery_is_on() {
    let mut mapping = Mapping::new(&fallback(vec![], true));
    let found = mapping
        .signal(signal("new", outcome()), &[], OutcomeSource::Native)
        .expect("discovered");
    assert_eq!(found.route.as_ref().map(RouteName::as_str), Some("envoy-route-7"));
    assert_eq!(mapping.counters().discovered, 1);
}

#[test]
fn empty_and_endless_names_and_levels_that_are_no_number_are_refused() {
    let mut mapping = Mapping::new(&fallback(vec![], true));
    let mut bad = |signal: Signal| assert!(mapping.signal(signal, &[], OutcomeSource::Native).is_none());
    bad(signal("", outcome()));
    bad(signal(&"x".repeat(MAX_NAME_BYTES + 1), outcome()));
    bad(Signal {
        endpoint: Some("x".repeat(MAX_NAME_BYTES + 1).into()),
        ..signal("a", outcome())
    });
    for value in [f64::NAN, f64::INFINITY] {
        bad(signal(
            "a",
            Observation::Gauge(Gauge {
                name: "q".into(),
                value,
                limit: None,
            }),
        ));
    }
    assert_eq!(mapping.counters().bad_names, 5);
}

#[test]
fn a_target_keeps_its_own_name_whatever_others_list() {
    let targets = vec![target("a", &["b"], None), target("b", &["x"], None)];
    let mut mapping = Mapping::new(&fallback(targets, false));
    let found = mapping
        .signal(signal("b", outcome()), &[], OutcomeSource::Native)
        .expect("mapped");
    assert_eq!(found.target.as_str(), "b");
}

#[test]
fn log_lines_find_their_target_by_the_same_names() {
    let mut mapping = Mapping::new(&fallback(vec![target("eu", &["cluster_eu"], None)], false));
    let event = LogEvent {
        time: Timestamp::from_secs(1),
        target: "cluster_eu".into(),
        template: 7,
        class: ErrorClass::Timeout,
        count: 1,
    };
    assert_eq!(
        mapping.log(event.clone(), &[]).expect("mapped").target.as_str(),
        "eu"
    );
    assert_eq!(
        mapping.log(
            LogEvent {
                target: "nobody".into(),
                ..event
            },
            &[]
        ),
        None
    );
}

#[test]
fn outcomes_of_load_reports_count_only_where_they_are_asked_for() {
    let asked = Some(OutcomeSource::EnvoyLoadReport);
    let targets = vec![target("eu", &[], None), target("us", &[], asked)];
    let mut mapping = Mapping::new(&fallback(targets, true));
    let mut counts = |name: &str, source| mapping.signal(signal(name, outcome()), &[], source).is_some();
    for (name, by_report, by_log) in [("eu", false, true), ("us", true, false), ("unknown", false, true)] {
        assert_eq!(counts(name, OutcomeSource::EnvoyLoadReport), by_report, "{name}");
        assert_eq!(counts(name, OutcomeSource::EnvoyAccessLog), by_log, "{name}");
    }
}
