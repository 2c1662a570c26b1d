//! What `fallback.yaml` may not say: each mistake with its place, its path and a hint.

use super::*;

/// The file is refused once, at that line and path, with words that say why and how to mend it.
#[track_caller]
fn refused(text: &str, line: u64, path: &str, why: &str) -> ConfigError {
    let errors = errors(text);
    let [error] = errors.as_slice() else {
        panic!("expected one error: {errors:#?}")
    };
    assert_eq!((error.line(), error.path.as_str()), (Some(line), path), "{error}");
    assert!(error.message.contains(why), "{error}");
    assert!(!error.hint.is_empty(), "no hint: {error}");
    error.clone()
}

#[test]
fn an_unknown_key_is_refused_where_it_stands_with_the_nearest_known_one() {
    let error = refused(
        &format!("timing:\n  buckt: 1s\n{SMALL}"),
        2,
        "timing.buckt",
        "unknown key",
    );
    assert!(error.hint.contains("did you mean `bucket`?"), "{error}");
    assert_eq!(error.place, crate::error::Place::File { line: 2, column: 3 });
    let error = refused(
        &SMALL.replace("role: secondary", "role: secondary, capcity: 1 rps"),
        5,
        "routes[chat].targets[b].capcity",
        "unknown",
    );
    assert!(error.hint.contains("capacity"), "{error}");
}

#[test]
fn an_unknown_word_is_refused_with_the_nearest_known_one() {
    let error = refused(
        &SMALL.replace("name: chat", "name: chat\n    mode: atuo"),
        3,
        "routes[chat].mode",
        "`atuo`",
    );
    assert!(
        error.hint.contains("did you mean `auto`?") && error.hint.contains("recommend"),
        "{error}"
    );
    refused(
        &SMALL.replace("role: secondary", "role: spare"),
        5,
        "routes[chat].targets[b].role",
        "`spare`",
    );
}

#[test]
fn wrong_types_are_refused_with_what_was_expected() {
    let with = |line: &str| format!("{line}\n{SMALL}");
    let error = refused(
        &with("timing: {bucket: 30}"),
        1,
        "timing.bucket",
        "a span of time",
    );
    assert!(error.hint.contains("30s"), "{error}");
    refused(
        &with("timing: {bucket: 1 hour}"),
        1,
        "timing.bucket",
        "found `1 hour`",
    );
    refused(
        &with("learning: {online: 1}"),
        1,
        "learning.online",
        "true or false",
    );
    refused(
        &with("learning: {online: yes}"),
        1,
        "learning.online",
        "true or false",
    );
    refused(
        &with("fleet: {max_targets: many}"),
        1,
        "fleet.max_targets",
        "a whole number, found the text `many`",
    );
    refused(
        &with("fleet: {max_targets: 1.5}"),
        1,
        "fleet.max_targets",
        "a whole number",
    );
    refused(
        &with("defaults: {triggers: {risk: on}}"),
        1,
        "defaults.triggers.risk",
        "`on` is not known",
    );
    refused(
        &with("timing: []"),
        1,
        "timing",
        "a section with keys, found a list",
    );
    refused(
        &SMALL.replace("name: chat", "name: 12"),
        2,
        "routes[0].name",
        "expected text",
    );
    refused("routes: {}\n", 1, "routes", "expected a list");
    refused("[1]\n", 1, "", "a section with keys");
}

#[test]
fn numbers_outside_their_range_are_refused() {
    let with = |line: &str| format!("defaults: {line}\n{SMALL}");
    for (line, path) in [
        ("{limits: {floor_bp: 10001}}", "limits.floor_bp"),
        ("{limits: {floor_bp: 0}}", "limits.floor_bp"),
        ("{limits: {max_step_bp_per_s: 0}}", "limits.max_step_bp_per_s"),
        (
            "{limits: {max_predictive_shift_bp: -1}}",
            "limits.max_predictive_shift_bp",
        ),
        (
            "{limits: {max_flips_per_hour: 4294967296}}",
            "limits.max_flips_per_hour",
        ),
        ("{limits: {headroom: 0}}", "limits.headroom"),
        ("{limits: {headroom: 1.01}}", "limits.headroom"),
        ("{slo: {error_ratio: 0.0}}", "slo.error_ratio"),
        ("{triggers: {error_ratio: 2}}", "triggers.error_ratio"),
    ] {
        let errors = errors(&with(line));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].path, format!("defaults.{path}"));
        assert!(errors[0].message.starts_with("must be "), "{}", errors[0]);
    }
    let text = with("{limits: {headroom: .nan}}");
    assert!(errors(&text)[0].message.contains("a number"));
}

#[test]
fn what_is_missing_is_told_at_its_section() {
    assert!(
        errors("routes:\n  - name: r\n")[0]
            .message
            .contains("`targets` is missing")
    );
    assert!(
        errors("routes:\n  - {targets: [{name: a, role: primary}]}\n")[0]
            .message
            .contains("`name` is missing")
    );
    assert!(
        errors("routes: [{name: r, targets: []}]")[0]
            .message
            .contains("1 to 1000")
    );
    assert!(errors("")[0].message.contains("nothing to follow"));
    assert!(
        errors("# only a comment\n")[0]
            .message
            .contains("nothing to follow")
    );
}

#[test]
fn baselines_must_sum_to_all_of_the_route() {
    let two = |a: &str, b: &str| {
        format!(
            "routes:\n  - name: r\n    targets:\n      - {{name: a, role: primary, {a}}}\n      - {{name: b, role: primary, {b}}}\n"
        )
    };
    assert!(parse_fallback(&two("baseline: 33.34%", "baseline_bp: 6666"), "f").is_ok());
    assert!(parse_fallback(&two("baseline: 33.34%", "failure_domain: z"), "f").is_err());
    refused(
        &two("baseline: 50%", "baseline: 49.99%"),
        4,
        "routes[r].targets",
        "99.99% (9999 basis points)",
    );
    refused(
        &two("baseline: 50%, baseline_bp: 5000", "baseline: 50%"),
        4,
        "routes[r].targets[a].baseline",
        "both",
    );
    refused(
        &two("baseline_bp: 10001", "baseline: 0%"),
        4,
        "routes[r].targets[a].baseline_bp",
        "at most 10000",
    );
    refused(
        &two("baseline: 70", "baseline: 30%"),
        4,
        "routes[r].targets[a].baseline",
        "percentage",
    );
    let warnings = load(&two("baseline: 100%", "baseline: 0%")).warnings;
    assert!(warnings[0].contains("never serves at rest"), "{warnings:?}");
}

#[test]
fn a_secondary_must_declare_its_capacity() {
    let error = refused(
        &SMALL.replace(", capacity: 50 rps", ""),
        5,
        "routes[chat].targets[b]",
        "no capacity",
    );
    assert!(error.hint.contains("capacity: 500 rps"), "{error}");
    refused(
        &SMALL.replace("50 rps", "0 rps"),
        5,
        "routes[chat].targets[b].capacity",
        "above zero",
    );
    let parts = "capacity: {amount: 50, unit: requests_per_second}";
    assert_eq!(
        load(&SMALL.replace("capacity: 50 rps", parts)).value.targets,
        load(SMALL).value.targets
    );
    let wrong = "capacity: {amount: 0, unit: requests_per_second}";
    refused(
        &SMALL.replace("capacity: 50 rps", wrong),
        5,
        "routes[chat].targets[b].capacity.amount",
        "above 0",
    );
    refused(
        &SMALL.replace("capacity: 50 rps", "capacity: 50"),
        5,
        "routes[chat].targets[b].capacity",
        "such as `500 rps`",
    );
}

#[test]
fn a_route_needs_a_primary() {
    let text = SMALL.replace("role: primary", "role: secondary, baseline: 100%");
    refused(&text, 4, "routes[chat].targets", "no primary");
}

#[test]
fn names_stand_once() {
    let twice = format!("{SMALL}  - name: chat\n    targets: [{{name: c, role: primary}}]\n");
    refused(&twice, 6, "routes[chat].name", "there twice");
    refused(
        &SMALL.replace("name: b", "name: a"),
        5,
        "routes[chat].targets[a].name",
        "there twice",
    );
}

#[test]
fn two_routes_do_not_share_a_key_at_gateways() {
    let dotted = "routes:\n  - {name: api, targets: [{name: v2.eu, role: primary}]}\n  - {name: api.v2, targets: [{name: eu, role: primary}]}\n";
    refused(dotted, 3, "routes[api.v2].targets[eu].name", "`api.v2.eu`");
}

#[test]
fn names_are_valid() {
    let long = "x".repeat(foreshift_domain::names::MAX_NAME_BYTES + 1);
    assert!(
        errors(&SMALL.replace("name: chat", &format!("name: {long}")))[0]
            .message
            .contains("512 bytes")
    );
    refused(
        &SMALL.replace("name: chat", "name: ''"),
        2,
        "routes[].name",
        "may not be empty",
    );
    refused(
        &SMALL.replace("name: chat", "name: ' x'"),
        2,
        "routes[ x].name",
        "begin or end with a space",
    );
}

#[test]
fn routes_that_share_a_target_must_agree_on_it() {
    let second =
        |what: &str| format!("{SMALL}  - name: s\n    targets: [{{name: a, role: primary, {what}}}]\n");
    assert!(parse_fallback(&second("capacity: 100 rps"), "f").is_ok());
    refused(
        &second("capacity: 99 rps"),
        7,
        "routes[s].targets[a].capacity",
        "another route says something else",
    );
}

#[test]
fn a_name_of_telemetry_belongs_to_one_target() {
    let named = |a: &str, b: &str| {
        SMALL
            .replace(
                "role: primary",
                &format!("role: primary, telemetry: {{names: [{a}]}}"),
            )
            .replace(
                "role: secondary",
                &format!("role: secondary, telemetry: {{names: [{b}]}}"),
            )
    };
    assert!(parse_fallback(&named("x", "y"), "f").is_ok());
    refused(
        &named("x", "x"),
        5,
        "routes[chat].targets[b].telemetry.names",
        "belongs to `a`",
    );
    refused(
        &named("b", "y"),
        4,
        "routes[chat].targets[a].telemetry.names",
        "belongs to `b`",
    );
}

#[test]
fn probabilities_of_a_risk_are_in_order_and_its_horizon_is_predicted() {
    let with = |risk: &str| {
        SMALL.replace(
            "name: chat",
            &format!("name: chat\n    triggers:\n      risk: {risk}"),
        )
    };
    refused(
        &with("{exit: 0.5}"),
        4,
        "routes[chat].triggers.risk.exit",
        "must be below enter",
    );
    refused(
        &with("{full: 0.2}"),
        4,
        "routes[chat].triggers.risk.full",
        "at least enter",
    );
    refused(
        &with("{horizon: 1h}"),
        4,
        "routes[chat].triggers.risk.horizon",
        "30s, 2m, 10m",
    );
    refused(
        &with("{enter: 1.5}"),
        4,
        "routes[chat].triggers.risk.enter",
        "at most 1",
    );
    // The default horizon is held to the same rule, and the message says what it is.
    let error = refused(
        &format!("timing: {{horizons: [1m]}}\n{SMALL}"),
        3,
        "routes[chat].triggers.risk.horizon",
        "2m is not",
    );
    assert!(error.hint.contains("defaults"), "{error}");
}

#[test]
fn time_scales_fit_each_other() {
    let with = |timing: &str| format!("timing:\n  {timing}\n{SMALL}");
    refused(
        &with("tick: 1500ms"),
        2,
        "timing.tick",
        "multiple of timing.bucket (1s)",
    );
    refused(
        &with("windows: [5s, 30s, 30s, 1h]"),
        2,
        "timing.windows",
        "must ascend",
    );
    refused(&with("windows: [5s, 30s, 1h]"), 2, "timing.windows", "exactly 4");
    refused(
        &with("windows: [1500ms, 30s, 5m, 1h]"),
        2,
        "timing.windows[0]",
        "multiple of timing.bucket",
    );
    refused(
        &with("windows: [1s, 30s, 5m, 30d]"),
        2,
        "timing.windows[3]",
        "more than 100000 buckets",
    );
    refused(&with("horizons: [2m, 1m]"), 2, "timing.horizons", "must ascend");
    refused(
        &with("horizons: [10s, 30s, 1m, 2m, 3m]"),
        2,
        "timing.horizons",
        "1 to 4",
    );
    refused(&with("horizons: []"), 2, "timing.horizons", "1 to 4");
    refused(
        &with("guard: 30s"),
        2,
        "timing.horizons[0]",
        "longer than timing.guard (30s)",
    );
    refused(
        &with("forget_after: 20s"),
        2,
        "timing.forget_after",
        "at least timing.staleness (30s)",
    );
    refused(
        &with("staleness: 0s"),
        2,
        "timing.staleness",
        "at least timing.bucket",
    );
    refused(&with("guard: -5s"), 2, "timing.guard", "found `-5s`");
    refused(
        &with("cooldown: 4000d"),
        2,
        "timing.cooldown",
        "longer than 3650 days",
    );
}

#[test]
fn an_empty_section_has_every_default() {
    let text = format!(
        "timing:\ndefaults:\n  triggers:\n{}",
        SMALL.replace("name: chat", "name: chat\n    slo:")
    );
    assert_eq!(load(&text).value.routes, load(SMALL).value.routes);
}

#[test]
fn a_bucket_of_nothing_is_refused_and_divides_nothing() {
    let errors = errors(&format!("timing: {{bucket: 0s}}\n{SMALL}"));
    assert!(
        errors.iter().any(|error| error.path == "timing.bucket"),
        "{errors:?}"
    );
}

#[test]
fn limits_fit_the_time_scales() {
    let with = |line: &str| SMALL.replace("name: chat", &format!("name: chat\n    {line}"));
    refused(
        &with("limits: {max_hard_down_step_bp_per_s: 100}"),
        3,
        "routes[chat].limits.max_hard_down_step_bp_per_s",
        "at least max_step_bp_per_s",
    );
    refused(
        &with("limits: {valid_for: 500ms}"),
        3,
        "routes[chat].limits.valid_for",
        "at least timing.tick",
    );
    refused(
        &with("limits: {decay: 0s}"),
        3,
        "routes[chat].limits.decay",
        "longer than nothing",
    );
    refused(
        &with("slo: {window: 100ms}"),
        3,
        "routes[chat].slo.window",
        "at least timing.bucket",
    );
    refused(
        &with("triggers: {latency_p99: 0s}"),
        3,
        "routes[chat].triggers.latency_p99",
        "longer than nothing",
    );
}

#[test]
fn the_fleet_bounds_hold_for_the_file_itself() {
    refused(
        &format!("fleet:\n  max_targets: 1\n{SMALL}"),
        2,
        "fleet.max_targets",
        "2 targets are configured",
    );
    refused(
        &format!("fleet:\n  blast_window: 0s\n{SMALL}"),
        2,
        "fleet.blast_window",
        "longer than nothing",
    );
    let two =
        format!("fleet:\n  max_routes: 1\n{SMALL}  - {{name: s, targets: [{{name: a, role: primary}}]}}\n");
    refused(&two, 2, "fleet.max_routes", "2 routes are configured");
}

#[test]
fn patterns_have_their_star_at_the_end() {
    refused(
        "discover:\n  rules:\n    - pattern: a*b\n",
        3,
        "discover.rules[a*b].pattern",
        "only at the end",
    );
    let warnings =
        load("discover:\n  rules: [{pattern: 'a*'}, {pattern: 'ab*'}, {pattern: b, mode: auto}]\n").warnings;
    assert!(
        warnings[0].contains("never matches") && warnings[1].contains("stays in shadow"),
        "{warnings:?}"
    );
}

#[test]
fn a_feature_that_cannot_be_worked_out_is_refused_with_the_place_in_its_expression() {
    let with = |feature: &str| format!("features:\n  - {feature}\n{SMALL}");
    refused(
        &with("{name: a, expression: latency_z + latency_y}"),
        2,
        "features[a].expression",
        "at character 13: there is no feature `latency_y`",
    );
    refused(
        &with("{name: latency_z, expression: '1'}"),
        2,
        "features[latency_z].name",
        "already",
    );
    refused(
        &with("{name: a, expression: '1', knots: [2, 1]}"),
        2,
        "features[a].knots",
        "ascend",
    );
}
