//! `foreshift init` reads real Envoys, and what it writes is valid.

use std::path::Path;
use std::process::{Command, Output};

use foreshift_tests::{Envoy, binary, free_ports, kept_logs, target, workspace};
use serde_json::Value;
use tempfile::TempDir;

fn init(url: &str, dir: &Path, more: &[&str]) -> Output {
    let command = Command::new(binary("foreshift"))
        .args(["init", "--envoy", url, "--dir"])
        .arg(dir)
        .args(more)
        .output();
    command.expect("the binary starts")
}

fn text(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    both.concat()
}

/// Runs `init` against an Envoy, lets its files be validated, and gives back what it says as JSON.
fn initialised(envoy: &Envoy) -> (TempDir, Value) {
    let dir = TempDir::with_prefix("foreshift-init-").expect("a directory can be made");
    let url = format!("http://127.0.0.1:{}", envoy.admin_port());
    let output = init(&url, dir.path(), &["-o", "json"]);
    assert!(output.status.success(), "{}", text(&output));
    let told = serde_json::from_slice(&output.stdout).expect("JSON");
    let validated = Command::new(binary("foreshift"))
        .args(["config", "validate"])
        .current_dir(dir.path())
        .output()
        .expect("the binary starts");
    assert!(validated.status.success(), "{}", text(&validated));
    let again = init(&url, dir.path(), &[]);
    assert!(
        !again.status.success() && text(&again).contains("--force"),
        "{}",
        text(&again)
    );
    assert!(init(&url, dir.path(), &["--force"]).status.success());
    (dir, told)
}

/// An Envoy as this file of the documentation configures it.
fn documented(name: &str, file: &str) -> Envoy {
    let ports = free_ports::<2>();
    let mut config =
        std::fs::read_to_string(workspace().join("docs/gateways").join(file)).expect("documented");
    let targets = [target("east"), target("west")];
    for (documented, ours) in ["9901", "10000", "8081", "8082"]
        .iter()
        .zip([ports, targets].concat())
    {
        config = config.replace(
            &format!("port_value: {documented}}}"),
            &format!("port_value: {ours}}}"),
        );
    }
    Envoy::with_config(name, &config, ports)
}

fn levels(told: &Value, about: &str) -> Vec<String> {
    let findings = told["findings"].as_array().expect("findings").iter();
    let findings =
        findings.filter(|finding| finding["about"].as_str().is_some_and(|of| of.starts_with(about)));
    findings
        .map(|finding| finding["level"].as_str().expect("a level").to_owned())
        .collect()
}

#[test]
fn a_plain_envoy_gets_all_that_is_missing() {
    let envoy = documented("init-plain", "plain-envoy.yaml");
    let (dir, told) = initialised(&envoy);
    let route = &told["found"]["routes"][0];
    assert_eq!(
        (&route["name"], &route["targets"]),
        (
            &"checkout".into(),
            &serde_json::json!([["checkout-east", 5000], ["checkout-west", 5000]])
        )
    );
    for about in ["node", "runtime layer", "cluster foreshift", "listener", "route"] {
        let levels = levels(&told, about);
        assert!(
            !levels.is_empty() && levels.iter().all(|level| level == "warn"),
            "{about}: {told:#}"
        );
    }
    let patch = std::fs::read_to_string(dir.path().join("foreshift-envoy-patch.yaml")).expect("written");
    assert!(
        patch.contains("runtime_key_prefix: foreshift.checkout") && patch.contains("access_log:"),
        "{patch}"
    );
}

#[test]
fn the_documented_envoy_has_all_of_it_already() {
    let envoy = documented("init-wired", "envoy.yaml");
    let (_dir, told) = initialised(&envoy);
    let findings = told["findings"].as_array().expect("findings");
    assert!(
        findings.iter().all(|finding| finding["level"] == "ok"),
        "{told:#}"
    );
}

#[test]
fn routes_and_clusters_that_a_control_plane_serves_are_found_too() {
    let dir = kept_logs("init-dynamic");
    let ports @ [admin, ingress] = free_ports();
    let cluster = |name: &str, port: u16, zone: &str| {
        serde_json::json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": name, "type": "STATIC", "connect_timeout": "1s",
            "load_assignment": {"cluster_name": name, "endpoints": [{
                "locality": {"region": "eu", "zone": zone},
                "lb_endpoints": [{"endpoint": {"address": {"socket_address": {
                    "address": "127.0.0.1", "port_value": port}}}}],
            }]},
        })
    };
    let clusters = [
        cluster("outbound|80||a.internal", target("a"), "z1"),
        cluster("b", target("b"), "z2"),
    ];
    let way = |name: &str, weight: u32| serde_json::json!({"name": name, "weight": weight});
    let routes = serde_json::json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": "from-rds",
        "virtual_hosts": [{"name": "shop.example.com", "domains": ["*"], "routes": [
            {"match": {"prefix": "/only"}, "route": {"cluster": "b"}},
            {"match": {"prefix": "/asked"}, "route": {"cluster_header": "x-cluster"}},
            {"match": {"prefix": "/old"}, "redirect": {"path_redirect": "/"}},
            {"match": {"prefix": "/"}, "route": {"weighted_clusters": {
                "clusters": [way("outbound|80||a.internal", 2), way("b", 1)]}}},
        ]}],
    });
    let write = |name: &str, resources: Value| {
        let path = dir.join(name);
        let text = serde_json::json!({"version_info": "1", "resources": resources}).to_string();
        std::fs::write(&path, text).expect("a file");
        serde_json::json!({"resource_api_version": "V3", "path_config_source": {"path": path}})
    };
    let (cds, rds) = (
        write("cds.json", clusters.to_vec().into()),
        write("rds.json", vec![routes].into()),
    );
    let address =
        |port: u16| serde_json::json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let http = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    let config = serde_json::json!({
        "node": {"id": "edge-7", "cluster": "edge"},
        "admin": {"address": address(admin)},
        "dynamic_resources": {"cds_config": cds},
        "static_resources": {"listeners": [{
            "name": "in", "address": address(ingress),
            "filter_chains": [{"filters": [{"name": "http", "typed_config": {
                "@type": http, "stat_prefix": "in",
                "rds": {"route_config_name": "from-rds", "config_source": rds},
                "http_filters": [{"name": "router", "typed_config": {"@type": router}}],
            }}]}],
        }]},
    });
    let envoy = Envoy::with_config("init-dynamic", &config.to_string(), ports);
    let (dir, told) = initialised(&envoy);
    let found = &told["found"];
    let names: Vec<_> = found["routes"]
        .as_array()
        .expect("routes")
        .iter()
        .map(|route| &route["name"])
        .collect();
    assert_eq!(names, ["shop-example-com-only", "shop-example-com"]);
    assert_eq!(found["routes"][1]["targets"][0][1], 6_667);
    assert_eq!(found["routes"][1]["places"][0]["is_dynamic"], true);
    assert_eq!(found["left_out"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["targets"]["b"]["failure_domain"], "z2");
    assert_eq!(levels(&told, "node"), ["ok"]);
    let patch = std::fs::read_to_string(dir.path().join("foreshift-envoy-patch.yaml")).expect("written");
    assert!(
        patch.contains("name: shop-example-com  #") && patch.contains("served over RDS"),
        "{patch}"
    );
}

#[test]
fn what_is_no_admin_endpoint_is_said_and_nothing_is_written() {
    let dir = TempDir::with_prefix("foreshift-init-").expect("a directory can be made");
    let [nobody] = free_ports();
    let other = target("no envoy");
    for (url, why) in [
        (format!("http://127.0.0.1:{nobody}"), "nobody answers"),
        (
            format!("http://127.0.0.1:{other}"),
            "is no configuration of an Envoy",
        ),
        ("https://127.0.0.1:9901".to_owned(), "http://127.0.0.1:9901"),
        ("not an address".to_owned(), "is no address"),
    ] {
        let output = init(&url, dir.path(), &[]);
        assert!(
            !output.status.success() && text(&output).contains(why),
            "{url}: {}",
            text(&output)
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
}
