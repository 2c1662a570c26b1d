//! The Envoy of a lane: a route over one cluster for each target.
//!
//! Each cluster has the other targets' endpoints as its second priority, so that whatever Envoy itself finds
//! unhealthy hands its traffic over. All setups have the same routes and clusters; they differ in how Envoy is to find
//! out, and in whether weights come from Foreshift. Timers are scaled with the pace of the scenario.

use std::fmt::Write;

use tokio::process::Command;

use super::{Place, ROUTE, Setup};
use crate::process::Process;
use crate::scenario::{Scenario, Target};

/// Ports of this lane.
pub(super) struct Ports {
    pub(super) admin: u16,
    pub(super) ingress: u16,
    pub(super) grpc: u16,
    pub(super) receive: u16,
}

pub(super) async fn start(config: &str, admin: u16, place: &Place<'_>) -> anyhow::Result<Process> {
    let path = place.dir.join("envoy.yaml");
    std::fs::write(&path, config)?;
    let mut command = Command::new(&place.binaries.envoy);
    command.arg("-c").arg(&path).args([
        "--concurrency",
        "1",
        "--use-dynamic-base-id",
        "--log-level",
        "warning",
    ]);
    let mut process = Process::start("Envoy", &mut command, &place.dir.join("envoy.log"))?;
    process.ready(admin, "/ready").await?;
    Ok(process)
}

/// A span of production at the scenario's pace.
fn scaled(scenario: &Scenario, seconds: f64) -> String {
    format!("{:.3}s", (seconds / scenario.pace).max(0.001))
}

pub(super) fn config(setup: Setup, scenario: &Scenario, targets: &[u16], ports: &Ports) -> String {
    let mut text = head(setup, ports);
    text.push_str(&listener(setup, scenario, ports));
    text.push_str("  clusters:\n");
    let beneath = detection(setup, scenario);
    for (index, target) in scenario.targets.iter().enumerate() {
        text.push_str(&cluster(target, &endpoints(index, scenario, targets), &beneath));
    }
    if setup.has_foreshift() {
        text.push_str(&foreshift_cluster("foreshift", ports.grpc));
        text.push_str(&foreshift_cluster("foreshift_receive", ports.receive));
    }
    text
}

fn head(setup: Setup, ports: &Ports) -> String {
    let mut text = format!(
        "node: {{id: {}, cluster: testbed}}
admin:
  address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}
",
        setup.name(),
        ports.admin
    );
    if setup.has_foreshift() {
        text.push_str(
            "layered_runtime:
  layers:
    - {name: static, static_layer: {}}
    - name: foreshift
      rtds_layer:
        name: foreshift
        rtds_config:
          resource_api_version: V3
          initial_fetch_timeout: 1s
          api_config_source:
            api_type: DELTA_GRPC
            transport_api_version: V3
            grpc_services: [{envoy_grpc: {cluster_name: foreshift}}]
    - {name: admin, admin_layer: {}}
",
        );
    }
    text.push_str("static_resources:\n");
    text
}

fn listener(setup: Setup, scenario: &Scenario, ports: &Ports) -> String {
    let weights = scenario
        .targets
        .iter()
        .map(|target| format!("{{name: {}, weight: {}}}", target.name, target.baseline_pct * 100));
    let weights = weights.collect::<Vec<_>>().join(", ");
    let prefix = if setup.has_foreshift() {
        format!("runtime_key_prefix: foreshift.{ROUTE}, ")
    } else {
        String::new()
    };
    let log = if setup.has_foreshift() {
        format!(
            "
          access_log:
            - name: envoy.access_loggers.http_grpc
              typed_config:
                \"@type\": type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig
                common_config:
                  log_name: ingress
                  transport_api_version: V3
                  buffer_flush_interval: {}
                  grpc_service: {{envoy_grpc: {{cluster_name: foreshift_receive}}}}",
            scaled(scenario, 0.5)
        )
    } else {
        String::new()
    };
    format!(
        "  listeners:
  - name: ingress
    address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress{log}
          route_config:
            virtual_hosts:
            - name: all
              domains: [\"*\"]
              routes:
              - name: {ROUTE}
                match: {{prefix: /}}
                route:
                  timeout: {:.3}s
                  weighted_clusters: {{{prefix}clusters: [{weights}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
",
        ports.ingress,
        scenario.traffic.timeout_ms as f64 / 1e3
    )
}

/// The target's own endpoint first; then all others, by capacity.
fn endpoints(index: usize, scenario: &Scenario, ports: &[u16]) -> String {
    let mut text = format!(
        "      - priority: 0\n        lb_endpoints:\n{}",
        endpoint(ports[index], 1)
    );
    text.push_str("      - priority: 1\n        lb_endpoints:\n");
    for (other, port) in ports.iter().enumerate().filter(|(other, _)| *other != index) {
        text.push_str(&endpoint(
            *port,
            scenario.targets[other].capacity_rps.max(1.0) as u32,
        ));
    }
    text
}

fn endpoint(port: u16, weight: u32) -> String {
    format!(
        "        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
          load_balancing_weight: {weight}\n"
    )
}

/// How Envoy finds out by itself.
fn detection(setup: Setup, scenario: &Scenario) -> String {
    let scaled = |seconds| scaled(scenario, seconds);
    match setup {
        Setup::Envoy | Setup::Shadow | Setup::Litellm | Setup::LitellmForeshift => String::new(),
        Setup::OutlierDefaults => format!(
            "    outlier_detection: {{interval: {}, base_ejection_time: {}, max_ejection_time: {}}}\n",
            scaled(10.0),
            scaled(30.0),
            scaled(300.0)
        ),
        Setup::OutlierTuned | Setup::Reactive | Setup::Predictive => format!(
            "    outlier_detection: {{interval: {}, base_ejection_time: {}, max_ejection_time: {}, max_ejection_percent: 100, \
             consecutive_5xx: 3, enforcing_failure_percentage: 100, failure_percentage_threshold: 20, \
             failure_percentage_minimum_hosts: 1, failure_percentage_request_volume: 20}}\n",
            scaled(2.0),
            scaled(30.0),
            scaled(300.0)
        ),
        Setup::HealthChecks => format!(
            "    health_checks: [{{interval: {}, no_traffic_interval: {}, timeout: 0.400s, unhealthy_threshold: 2, \
             healthy_threshold: 2, http_health_check: {{path: /health}}}}]\n",
            scaled(5.0),
            scaled(5.0)
        ),
    }
}

fn cluster(target: &Target, endpoints: &str, detection: &str) -> String {
    let mut text = format!(
        "  - name: {name}
    type: STATIC
    connect_timeout: 0.250s
{detection}    load_assignment:
      cluster_name: {name}
      endpoints:
{endpoints}",
        name = target.name
    );
    // Defaults allow 1,024 requests at once; a queue of ours is shorter.
    let _ = writeln!(
        text,
        "    circuit_breakers: {{thresholds: [{{max_requests: 4096, max_pending_requests: 4096}}]}}"
    );
    text
}

fn foreshift_cluster(name: &str, port: u16) -> String {
    format!(
        "  - name: {name}
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{http2_protocol_options: {{}}}}
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
"
    )
}
