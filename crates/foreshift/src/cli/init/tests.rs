use proptest::prelude::*;
use serde_json::{Value, json};

use super::found::{FoundRoute, shares_bp};
use super::*;
use crate::cli::render::Level;

fn section(kind: &str, mut rest: Value) -> Value {
    rest["@type"] = format!("type.googleapis.com/envoy.admin.v3.{kind}").into();
    rest
}

fn weighted(name: &str, clusters: &[(&str, u32)], prefix: &str) -> Value {
    let clusters = clusters
        .iter()
        .map(|(name, weight)| json!({"name": name, "weight": weight}));
    json!({
        "name": name,
        "match": {"prefix": format!("/{name}")},
        "route": {"weighted_clusters": {"clusters": clusters.collect::<Vec<_>>(), "runtime_key_prefix": prefix}},
    })
}

/// A dump with these routes, static ones in virtual host `www` and those over RDS in `*`.
fn dump(routes: &[Value], dynamic: &[Value], rest: &[Value]) -> Found {
    let mut configs = vec![
        section(
            "SecretsConfigDump",
            json!({"static_secrets": [{"name": "unread"}]}),
        ),
        section(
            "RoutesConfigDump",
            json!({
                "static_route_configs": [{"route_config": {
                    "name": "local", "virtual_hosts": [{"name": "www", "domains": ["*"], "routes": routes}],
                }}],
                "dynamic_route_configs": [{"version_info": "7", "route_config": {
                    "name": "rds", "virtual_hosts": [{"name": "*", "domains": ["*"], "routes": dynamic}],
                }}],
            }),
        ),
    ];
    configs.extend(rest.iter().cloned());
    Found::of(serde_json::from_value(json!({"configs": configs})).unwrap())
}

fn names(found: &Found) -> Vec<&str> {
    found.routes.iter().map(|route| route.name.as_str()).collect()
}

#[track_caller]
fn is_valid(found: &Found) {
    let text = written::fallback(found);
    let fallback = foreshift_config::parse_fallback(&text, "fallback.yaml");
    let fallback = fallback.unwrap_or_else(|errors| panic!("{errors}\n{text}")).value;
    let written: Vec<_> = fallback
        .routes
        .iter()
        .map(|route| route.name.as_str().to_owned())
        .collect();
    let mut wanted = names(found);
    wanted.sort_by_key(|name| {
        let route = found.routes.iter().find(|route| route.name == *name);
        !route.is_some_and(FoundRoute::is_steerable)
    });
    assert_eq!(written, wanted);
    let process = written::process("127.0.0.1".parse().unwrap());
    let loaded =
        foreshift_config::parse_process(&process, "foreshift.yaml", Path::new(""), std::iter::empty());
    assert!(loaded.is_ok_and(|loaded| loaded.warnings.is_empty()), "{process}");
}

#[test]
fn routes_static_and_over_rds_are_found_with_baselines_that_sum_to_all() {
    let found = dump(
        &[
            weighted("shop", &[("a", 1), ("b", 1), ("c", 1)], ""),
            weighted("idle", &[("a", 100), ("b", 0)], ""),
        ],
        &[weighted("api", &[("outbound|443||x.internal", 95), ("b", 5)], "")],
        &[],
    );
    assert_eq!(names(&found), ["shop", "idle", "api"]);
    let shares: Vec<_> = found.routes[0].targets.iter().map(|(_, share)| *share).collect();
    assert_eq!(shares, [3_334, 3_333, 3_333]);
    assert_eq!(
        found.routes[2].targets[0],
        ("outbound|443||x.internal".to_owned(), 9_500)
    );
    assert!(found.routes[2].places[0].is_dynamic && !found.routes[0].places[0].is_dynamic);
    is_valid(&found);
}

#[test]
fn routes_without_names_get_one_each_and_equal_ones_are_one() {
    let unnamed = |prefix: &str, clusters: &[(&str, u32)]| {
        let mut route = weighted("", clusters, "");
        route["match"] = json!({"prefix": prefix});
        route
    };
    let found = dump(
        &[
            unnamed("/", &[("a", 50), ("b", 50)]),
            unnamed("/v1/chat", &[("a", 50), ("b", 50)]),
            unnamed("/v1-chat", &[("a", 10), ("b", 90)]),
            weighted("named", &[("a", 50), ("b", 50)], ""),
        ],
        &[
            weighted("named", &[("a", 50), ("b", 50)], ""),
            weighted("named", &[("a", 20), ("b", 80)], ""),
        ],
        &[],
    );
    assert_eq!(
        names(&found),
        ["www", "www-v1-chat", "www-www-v1-chat", "named", "all-named"]
    );
    assert_eq!(found.routes[3].places.len(), 2);
    is_valid(&found);
    let patch = patch::routes(&found);
    assert!(
        patch.contains("name: www-v1-chat  #") && !patch.contains("name: named"),
        "{patch}"
    );
}

#[test]
fn one_way_is_watched_only_and_what_only_requests_know_is_left_out_and_said() {
    let found = dump(
        &[
            json!({"name": "one", "match": {"path": "/one"}, "route": {"cluster": "a"}}),
            json!({"match": {"prefix": "/h"}, "route": {"cluster_header": "x-to"}}),
            json!({"match": {"prefix": "/p"}, "route": {"inline_cluster_specifier_plugin": {}}}),
            json!({"match": {"prefix": "/w"}, "route": {"weighted_clusters": {"clusters": [
                {"cluster_header": "x-to", "weight": 1}, {"name": "a", "weight": 1}]}}}),
            json!({"match": {"prefix": "/gone"}, "redirect": {"path_redirect": "/"}}),
            json!({"match": {"safe_regex": {"regex": "/[a-z]+"}}, "direct_response": {"status": 404}}),
        ],
        &[],
        &[],
    );
    assert_eq!(names(&found), ["one"]);
    assert!(!found.routes[0].is_steerable());
    let why: Vec<_> = found.left_out.iter().map(|left| left.why.as_str()).collect();
    assert!(why.len() == 3 && why[0].contains("`x-to`"), "{why:?}");
    is_valid(&found);
    let text = written::fallback(&found);
    assert!(text.contains("Watch only") && text.contains("Left out"), "{text}");
    let patch = patch::routes(&found);
    assert!(!patch.contains("runtime_key_prefix"), "{patch}");
}

#[test]
fn names_that_mean_something_to_yaml_are_names_all_the_same() {
    for name in ["yes", "1.5", "a: b", "#x", "*", "{a}", "a b", "ü", "NULL", "- x"] {
        let found = dump(&[weighted(name, &[(name, 1), ("other", 1)], "")], &[], &[]);
        assert_eq!(names(&found), [name]);
        is_valid(&found);
    }
}

#[test]
fn what_is_wired_already_is_seen_part_by_part_and_not_written_again() {
    let access_log = json!({"typed_config": {"common_config": {
        "grpc_service": {"envoy_grpc": {"cluster_name": "foreshift_receive"}}}}});
    let connections = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "access_log": [access_log],
    });
    let rest = |layers: Value, clusters: Value| {
        [
            section(
                "BootstrapConfigDump",
                json!({"bootstrap": {"node": {"id": "e", "cluster": "c"}, "layered_runtime": {"layers": layers}}}),
            ),
            section("ClustersConfigDump", json!({"static_clusters": clusters})),
            section(
                "ListenersConfigDump",
                json!({"dynamic_listeners": [{"name": "l", "active_state": {"listener": {
                "name": "l",
                "filter_chains": [
                    {"filters": [{"typed_config": {"@type": "type.googleapis.com/other"}}]},
                    {"filters": [{"typed_config": connections}]},
                    {"filters": [{"typed_config": connections}]},
                ]}}}]}),
            ),
        ]
    };
    let layer = json!({"name": "w", "rtds_layer": {"name": "foreshift"}});
    let admin = json!({"name": "a", "admin_layer": {}});
    let cluster = |name| json!({"cluster": {"name": name, "outlier_detection": {}}});
    let clusters = json!([
        cluster("foreshift"),
        cluster("foreshift_receive"),
        cluster("a"),
        cluster("b")
    ]);
    let route = weighted("shop", &[("a", 1), ("b", 1)], "foreshift.shop");
    let found = dump(
        std::slice::from_ref(&route),
        &[],
        &rest(json!([layer, admin]), clusters),
    );
    let open: Vec<_> = findings::findings(&found)
        .into_iter()
        .filter(|finding| finding.level != Level::Ok)
        .collect();
    assert_eq!(open, vec![]);
    assert_eq!(found.listeners.len(), 1, "filter chains alike are one");
    let bootstrap = patch::bootstrap(&found, "127.0.0.1".parse().unwrap());
    assert!(
        bootstrap
            .lines()
            .all(|line| line.is_empty() || line.starts_with('#')),
        "{bootstrap}"
    );
    let routes = patch::routes(&found);
    assert!(
        routes.lines().all(|line| line == "---" || line.starts_with('#')),
        "{routes}"
    );

    // An admin layer beneath does not win.
    let found = dump(&[route], &[], &rest(json!([admin, layer]), json!([])));
    assert!(found.wiring.has_layer && !found.wiring.has_admin_layer);
    let bootstrap = patch::bootstrap(&found, "10.0.0.1".parse().unwrap());
    assert!(
        bootstrap.contains("admin_layer")
            && !bootstrap.contains("rtds_layer")
            && bootstrap.contains("10.0.0.1"),
        "{bootstrap}"
    );
    let open = findings::findings(&found);
    assert_eq!(
        open.iter().filter(|finding| finding.level == Level::Warn).count(),
        5,
        "{open:?}"
    );
}

#[test]
fn a_prefix_of_the_users_own_is_said_to_be_replaced() {
    let found = dump(&[weighted("shop", &[("a", 1), ("b", 1)], "mine.shop")], &[], &[]);
    let patch = patch::routes(&found);
    assert!(patch.contains("reads weights from mine.shop now"), "{patch}");
    assert!(patch.contains("runtime_key_prefix: foreshift.shop"), "{patch}");
}

#[test]
fn zones_and_logged_names_of_clusters_are_taken_over() {
    let endpoints = |name: &str, zones: &[&str]| {
        let endpoints = zones
            .iter()
            .map(|zone| json!({"locality": {"region": "eu", "zone": zone}}));
        json!({"endpoint_config": {"cluster_name": name, "endpoints": endpoints.collect::<Vec<_>>()}})
    };
    let rest = [
        section(
            "ClustersConfigDump",
            json!({"dynamic_active_clusters": [{"cluster": {"name": "a", "alt_stat_name": "short"}}]}),
        ),
        section(
            "EndpointsConfigDump",
            json!({"dynamic_endpoint_configs": [endpoints("a", &["z1", "z1"]), endpoints("b", &["z1", "z2"])]}),
        ),
    ];
    let found = dump(&[weighted("shop", &[("a", 1), ("b", 1)], "")], &[], &rest);
    assert_eq!(found.targets["a"].failure_domain.as_deref(), Some("z1"));
    assert_eq!(found.targets["b"].failure_domain.as_deref(), Some("eu"));
    let text = written::fallback(&found);
    assert!(text.contains("names: [short]"), "{text}");
    is_valid(&found);
}

#[test]
fn no_file_is_overwritten_unless_asked_and_then_all_are() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| File {
        path: dir.path().join(name),
        text: text.to_owned(),
    };
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    std::fs::write(dir.path().join("b"), "of a person, and longer").unwrap();
    let files = [file("a", "new"), file("b", "new")];
    let refused = write(dir.path(), &files, false).unwrap_err().to_string();
    assert!(refused.contains("--force"), "{refused}");
    assert_eq!(
        (read("a"), read("b")),
        (String::new(), "of a person, and longer".to_owned())
    );
    write(dir.path(), &files, true).unwrap();
    assert_eq!((read("a"), read("b")), ("new".to_owned(), "new".to_owned()));
}

proptest! {
    #[test]
    fn shares_sum_to_all_and_no_weight_without_a_share_of_its_own(
        weights in proptest::collection::vec(0u64..=u64::from(u32::MAX), 1..50),
    ) {
        prop_assume!(weights.iter().sum::<u64>() > 0);
        let shares = shares_bp(&weights);
        prop_assert_eq!(shares.iter().sum::<u32>(), 10_000);
        let sum: u64 = weights.iter().sum();
        for (weight, share) in weights.iter().zip(shares) {
            let exact = *weight as f64 * 10_000.0 / sum as f64;
            prop_assert!((f64::from(share) - exact).abs() < 1.0 + 1e-6, "{share} of {exact}");
        }
    }
}
