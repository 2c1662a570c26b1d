//! What `fallback.yaml` means and what it may not say.

use foreshift_domain::fallback::{CapacityUnit, Criticality, DomainSource, Mode, OutcomeSource, Role};
use foreshift_domain::{Digest, Duration, RouteName, TargetName};

use super::*;
use crate::error::ConfigError;
use crate::origin::From;

mod refused;

const SMALL: &str = "\
routes:
  - name: chat
    targets:
      - {name: a, role: primary, capacity: 100 rps}
      - {name: b, role: secondary, capacity: 50 rps}
";

fn load(text: &str) -> Loaded<Fallback> {
    parse_fallback(text, "f.yaml").unwrap_or_else(|errors| panic!("{errors}"))
}

fn errors(text: &str) -> Vec<ConfigError> {
    parse_fallback(text, "f.yaml")
        .expect_err("must be refused")
        .errors()
        .to_vec()
}

fn example(name: &str) -> Loaded<Fallback> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/examples")
        .join(name);
    load_fallback(&path).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_small_file_has_every_default() {
    let Loaded { value, warnings, .. } = load(SMALL);
    let secs = Duration::from_secs;
    assert_eq!(value.digest, Digest::of(SMALL.as_bytes()));
    assert_eq!(
        (value.timing.bucket, value.timing.tick, value.timing.guard),
        (secs(1), secs(1), secs(5))
    );
    assert_eq!(value.timing.horizons, [secs(30), secs(120), secs(600)]);
    assert_eq!(value.timing.windows, [secs(5), secs(30), secs(300), secs(3_600)]);
    assert_eq!(value.timing.forget_after, Duration::DAY);
    assert!(value.learning.online && value.discover.is_none() && warnings.is_empty());
    assert_eq!(
        (value.fleet.max_routes_shifted, value.fleet.blast_window),
        (3, secs(60))
    );
    let settings = &value.routes[0].settings;
    assert_eq!(
        (settings.mode, settings.criticality),
        (Mode::Shadow, Criticality::Normal)
    );
    let risk = settings.triggers.risk.as_ref().expect("on by default");
    assert_eq!(
        (risk.horizon, risk.enter, risk.exit, risk.full),
        (secs(120), 0.3, 0.15, 0.6)
    );
    assert_eq!(
        (settings.limits.floor_bp, settings.limits.max_step_bp_per_s),
        (500, 500)
    );
    assert_eq!(
        (settings.triggers.latency_p99, settings.slo.latency_p99),
        (None, None)
    );
}

#[test]
fn a_lone_primary_serves_all_and_a_secondary_nothing() {
    let route = &load(SMALL).value.routes[0];
    let shares: Vec<_> = route
        .targets
        .iter()
        .map(|target| (target.role, target.baseline_bp))
        .collect();
    assert_eq!(shares, [(Role::Primary, 10_000), (Role::Secondary, 0)]);
}

#[test]
fn the_annotated_example_loads_without_a_warning() {
    let Loaded { value, warnings, .. } = example("fallback.yaml");
    assert_eq!(warnings, Vec::<String>::new());
    let chat = value.route(&RouteName::from("llm-chat")).expect("llm-chat");
    let shares: Vec<_> = chat.targets.iter().map(|target| target.baseline_bp).collect();
    assert_eq!(shares, [7_000, 3_000, 0]);
    let vllm = value
        .target(&TargetName::from("own-vllm"))
        .and_then(|target| target.capacity);
    assert_eq!(
        vllm.map(|capacity| capacity.unit),
        Some(CapacityUnit::ConcurrentRequests)
    );
    let us = value
        .target(&TargetName::from("payments-us"))
        .expect("payments-us");
    assert!(us.sync.as_ref().is_some_and(|sync| sync.max == 5.0));
    assert_eq!(us.telemetry.outcomes_from, Some(OutcomeSource::EnvoyAccessLog));
    assert!(refuse_for_live(&value).is_ok());
}

#[test]
fn declared_features_come_with_their_expression_and_scale() {
    let text = format!(
        "features:\n  - name: slow_and_failing\n    expression: failure_trend * max(latency_z, 0)\n    knots: [0, 1, 10]\n{SMALL}"
    );
    let features = load(&text).value.features;
    assert_eq!(features.len(), 1);
    assert_eq!(features[0].expression, "failure_trend * max(latency_z, 0)");
    assert_eq!(features[0].knots, [0.0, 1.0, 10.0]);
}

#[test]
fn the_annotated_example_writes_the_defaults_as_they_are() {
    let example = example("fallback.yaml").value;
    let small = load(SMALL).value;
    assert_eq!(
        (&example.timing, &example.learning, &example.fleet),
        (&small.timing, &small.learning, &small.fleet)
    );
    let (chat, plain) = (&example.routes[0].settings, &small.routes[0].settings);
    assert_eq!(
        (&chat.limits, &chat.triggers.risk),
        (&plain.limits, &plain.triggers.risk)
    );
    assert_eq!(chat.slo.error_ratio, plain.slo.error_ratio);
}

/// Every key of the schema is explained somewhere in the example.
#[test]
fn the_annotated_example_names_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/fallback.yaml");
    let text = std::fs::read_to_string(path).expect("the example");
    let schema = fallback_schema();
    let sections = schema["$defs"]
        .as_object()
        .expect("definitions")
        .values()
        .chain([&schema]);
    for key in sections
        .filter_map(|section| section["properties"].as_object())
        .flat_map(|keys| keys.keys())
    {
        assert!(text.contains(&format!("{key}:")), "`{key}` is not in the example");
    }
}

#[test]
fn the_outages_example_loads_and_is_refused_live() {
    let Loaded { value, warnings, .. } = example("outages.yaml");
    let discover = value.discover.as_ref().expect("discover");
    assert!(discover.confirm_baselines && discover.failure_domain == DomainSource::Endpoint);
    let rule = &discover.rules[0];
    assert!(
        rule.matches(&RouteName::from("frontends/ProxiTok")) && !rule.matches(&RouteName::from("x/status"))
    );
    assert_eq!(rule.settings.mode, Mode::Auto);
    assert_eq!(
        rule.settings.triggers.risk.as_ref().map(|risk| risk.horizon),
        Some(Duration::HOUR)
    );
    assert_eq!(value.timing.horizons, [Duration::HOUR, Duration::HOUR * 6]);
    assert_eq!(
        (value.timing.staleness, value.timing.guard),
        (Duration::DAY * 3, Duration::ZERO)
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("only replay accepts this"), "{warnings:?}");
    assert!(refuse_for_live(&value).is_err_and(|why| why.contains("replay only")));
}

#[test]
fn discover_true_is_discover_with_its_defaults() {
    let discover = load("discover: true\n").value.discover.expect("on");
    assert!(!discover.confirm_baselines && discover.rules.is_empty());
    assert_eq!(load("discover:\n").value.discover, Some(discover));
    assert_eq!(load(&format!("discover: false\n{SMALL}")).value.discover, None);
}

#[test]
fn defaults_reach_every_route_and_rule_and_give_way_to_them() {
    let text = "\
defaults:
  mode: auto
  triggers: {risk: {enter: 0.6}, consecutive_errors: 7}
discover:
  rules: [{pattern: 'x*', mode: off}]
routes:
  - name: r
    triggers: {risk: {full: 0.9}}
    targets: [{name: a, role: primary, baseline: 50%}, {name: b, role: primary, baseline: 50%}]
  - name: s
    triggers: {risk: off}
    targets: [{name: a, role: primary}, {name: c, role: secondary, capacity: 1 rps}]
";
    let value = load(text).value;
    let triggers = &value.routes[0].settings.triggers;
    let risk = triggers.risk.as_ref().expect("on");
    assert_eq!(
        (risk.enter, risk.full, risk.exit, triggers.consecutive_errors),
        (0.6, 0.9, 0.15, 7)
    );
    assert_eq!(value.routes[1].settings.triggers.risk, None);
    assert_eq!(value.routes[1].settings.mode, Mode::Auto);
    let rule = &value.discover.expect("on").rules[0];
    assert_eq!(
        (rule.settings.mode, rule.settings.triggers.consecutive_errors),
        (Mode::Off, 7)
    );
}

#[test]
fn a_shared_target_is_one_target_and_takes_what_either_route_says() {
    let text = "\
routes:
  - name: r
    targets: [{name: a, role: primary, failure_domain: z}]
  - name: s
    targets: [{name: b, role: primary}, {name: a, role: secondary, capacity: 10 rps}]
";
    let value = load(text).value;
    let names: Vec<_> = value.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        value.targets[0]
            .failure_domain
            .as_ref()
            .map(|domain| domain.as_str()),
        Some("z")
    );
    assert_eq!(
        value.targets[0].capacity.map(|capacity| capacity.amount),
        Some(10.0)
    );
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text = "\
timing:
  tick: 1500ms
  forget_after: 1s
defaults:
  limits: {valid_for: 1s}
routes:
  - name: r
    triggers: {risk: {exit: 0.9}}
    targets:
      - {name: a, role: primary, baseline: 50%}
      - {name: b, role: secondary}
  - name: s
    targets: [{name: a, role: primary}]
";
    let lines: Vec<_> = errors(text).iter().filter_map(ConfigError::line).collect();
    assert_eq!(lines, [2, 3, 5, 8, 10, 11]);
    let shape = errors("timing: {x: 1, y: 2}\nroutes: [{name: 1, targets: 2}]\n");
    assert_eq!(shape.len(), 4, "{shape:?}");
}

const EDS: &str = "
routes:
  - name: search
    eds: {cluster: search}
    targets:
      - {name: a, role: primary, baseline: 60%, endpoints: ['10.0.0.1:80', '[2001:db8::1]:80']}
      - {name: b, role: primary, baseline: 40%, endpoints: ['10.0.0.2:80'], telemetry: {names: [b-too]}}
";

#[test]
fn a_cluster_has_the_endpoints_of_its_routes_targets_and_telemetry_knows_them_by_them() {
    let fallback = load(EDS).value;
    let cluster = &fallback.eds[0];
    assert_eq!(
        (cluster.route.as_str(), cluster.strict_priorities),
        ("search", false)
    );
    let targets: Vec<_> = cluster
        .targets
        .iter()
        .map(|target| (target.target.as_str(), target.baseline_bp, target.endpoints.len()))
        .collect();
    assert_eq!(targets, [("a", 6_000, 2), ("b", 4_000, 1)]);
    assert_eq!(
        fallback.targets[0].telemetry.names,
        ["10.0.0.1:80", "[2001:db8::1]:80"]
    );
    assert_eq!(fallback.targets[1].telemetry.names, ["b-too", "10.0.0.2:80"]);
}

#[test]
fn endpoints_are_addresses_of_one_target_and_a_cluster_belongs_to_one_route() {
    let refused = |from: &str, to: &str, why: &str| {
        let text = EDS.replace(from, to);
        assert_ne!(text, EDS);
        let errors = parse_fallback(&text, "f").expect_err("refused").to_string();
        assert!(errors.contains(why), "{errors}");
    };
    refused("10.0.0.2:80", "10.0.0.1:80", "belongs to `a` already");
    refused("'[2001:db8::1]:80'", "'10.0.0.1:80'", "belongs to `a` already");
    refused(
        "10.0.0.2:80",
        "search.internal:80",
        "expected an IP address with a port",
    );
    refused("10.0.0.2:80", "10.0.0.2:0", "expected an IP address with a port");
    refused("endpoints: ['10.0.0.2:80'], ", "", "`b` has no endpoints");
    let twice = "routes:\n  - {name: other, eds: {cluster: search}, targets: [{name: a, role: primary}]}";
    refused("routes:", twice, "belongs to the route `other` already");
}

#[test]
fn a_lone_target_in_auto_is_doubtful() {
    let text = "routes: [{name: r, mode: auto, targets: [{name: a, role: primary}]}]";
    assert!(load(text).warnings[0].contains("nowhere to move"));
}

#[test]
fn origins_tell_default_from_file_and_its_line() {
    let text = format!(
        "timing:\n  tick: 2s\ndefaults:\n  mode: off\n{}",
        SMALL.replace("role: primary", "role: primary, baseline: 100%")
    );
    let origins = load(&text).origins;
    let from = |path: &str| {
        let origin = origins
            .iter()
            .find(|origin| origin.path == path)
            .unwrap_or_else(|| panic!("no {path}"));
        (origin.value.clone(), origin.from.to_string())
    };
    assert_eq!(from("timing.tick"), ("2s".into(), "f.yaml:2".to_owned()));
    assert_eq!(from("timing.bucket"), ("1s".into(), "default".to_owned()));
    assert_eq!(from("routes[chat].mode"), ("off".into(), "f.yaml:4".to_owned()));
    assert_eq!(
        from("routes[chat].targets[a].baseline_bp"),
        (10_000.into(), "f.yaml:8".to_owned())
    );
    assert_eq!(
        from("routes[chat].targets[b].baseline_bp"),
        (0.into(), "default".to_owned())
    );
    assert_eq!(from("timing.windows").1, "default");
    assert!(
        origins
            .iter()
            .all(|origin| origin.from != From::Environment(String::new()))
    );
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_name() {
    let errors = load_fallback(Path::new("/nowhere/fallback.yaml")).expect_err("not there");
    assert!(
        errors
            .to_string()
            .starts_with("/nowhere/fallback.yaml:1:1: cannot be read"),
        "{errors}"
    );
}

#[test]
fn bytes_that_are_not_text_are_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("f.yaml");
    std::fs::write(&path, [0xff, 0xfe, 0x00]).expect("written");
    assert!(
        load_fallback(&path)
            .expect_err("not text")
            .to_string()
            .contains("UTF-8")
    );
}

#[test]
fn the_effective_file_printed_and_read_back_is_the_same() {
    for name in ["fallback.yaml", "outages.yaml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../docs/examples")
            .join(name);
        let mut tree = Tree::parse(&std::fs::read_to_string(path).expect("example"), name).expect("YAML");
        desugar(&mut tree);
        let written: FallbackFile = shaped(&tree, name).expect("of the shape");
        // JSON is YAML, so the printed form is a file again.
        let printed = serde_json::to_string(&written).expect("prints");
        let (first, mut second) = (example(name).value, load(&printed).value);
        second.digest = first.digest;
        assert_eq!(first, second);
    }
}

proptest::proptest! {
    /// Whatever is cut out of a valid file, it loads or is refused with a place, and never panics.
    #[test]
    fn a_mangled_file_never_panics(start in 0_usize..12_000, length in 1_usize..200) {
        let text = include_str!("../../../../docs/examples/fallback.yaml");
        let mangled: String = text.chars().enumerate().filter(|(i, _)| !(start..start + length).contains(i)).map(|(_, c)| c).collect();
        if let Err(errors) = parse_fallback(&mangled, "f.yaml") {
            proptest::prop_assert!(!errors.errors().is_empty());
        }
    }
}
