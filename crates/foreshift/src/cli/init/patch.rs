//! What Envoy needs: a bootstrap that it merges with its own, and what to paste into listeners and routes. Only what
//! is missing is written; what is there already is said.

use std::net::IpAddr;

use super::found::{Found, LAYER, RECEIVE_CLUSTER, WEIGHTS_CLUSTER};
use super::written::{RECEIVE_PORT, WEIGHTS_PORT, one_line, quoted};

/// What Envoy merges into its bootstrap.
pub(super) const BOOTSTRAP_FILE: &str = "foreshift-envoy-bootstrap.yaml";
/// What a person pastes.
pub(super) const ROUTES_FILE: &str = "foreshift-envoy-patch.yaml";

/// The access log, to be written into an `http_connection_manager`.
const ACCESS_LOG: &str = r#"access_log:
  - name: envoy.access_loggers.http_grpc
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig
      common_config:
        log_name: foreshift
        transport_api_version: V3
        buffer_flush_interval: 0.2s
        grpc_service:
          envoy_grpc: {cluster_name: foreshift_receive}
      additional_response_trailers_to_log: [grpc-status]
"#;

/// The parts of the bootstrap.
pub(super) fn bootstrap(found: &Found, address: IpAddr) -> String {
    let wiring = &found.wiring;
    let mut text = format!(
        "# What Envoy's bootstrap needs for Foreshift. Envoy merges it with its own when it is started so:\n\
         #   envoy -c YOUR.yaml --config-yaml \"$(cat {BOOTSTRAP_FILE})\"\n\
         # or write it into your bootstrap.\n"
    );
    let whole = text.len();
    if wiring.node_id.is_none() || !wiring.has_node_cluster {
        text.push_str("\n# How this gateway is named in `foreshift status`: each Envoy needs an id of its own.\nnode:\n");
        if wiring.node_id.is_none() {
            text.push_str("  id: edge-1\n");
        }
        if !wiring.has_node_cluster {
            text.push_str("  cluster: edge\n");
        }
    }
    text.push_str(&runtime(found));
    let clusters = [
        (
            wiring.has_weights_cluster,
            WEIGHTS_CLUSTER,
            WEIGHTS_PORT,
            "weights come from here",
        ),
        (
            wiring.has_receive_cluster,
            RECEIVE_CLUSTER,
            RECEIVE_PORT,
            "access logs go here",
        ),
    ];
    if clusters.iter().any(|(is_there, ..)| !is_there) {
        text.push_str("\nstatic_resources:\n  clusters:\n");
    }
    for (is_there, name, port, why) in clusters {
        match is_there {
            true => text.push_str(&format!("# The cluster {name} is there already.\n")),
            false => text.push_str(&cluster(name, address, port, why)),
        }
    }
    if text.len() == whole {
        text.push_str("# Nothing is missing.\n");
    }
    text
}

fn runtime(found: &Found) -> String {
    let wiring = &found.wiring;
    let mut text = String::new();
    if wiring.has_layer && wiring.has_admin_layer {
        return format!("\n# The runtime layer {LAYER} and an admin layer above it are there already.\n");
    }
    if wiring.has_layers {
        text.push_str(
            "\n# Your runtime has layers: these go on top of them. A layer of yours with `admin_layer` must be removed, since\n\
             # there may be one only, and only above Foreshift's is what you set by hand sure to win.\n",
        );
    } else {
        text.push_str("\n# The weights come in as a runtime layer; what you set by hand at the admin endpoint lies above it.\n");
    }
    text.push_str("layered_runtime:\n  layers:\n");
    if !wiring.has_layer {
        text.push_str(&format!(
            "    - name: {LAYER}
      rtds_layer:
        name: {LAYER}                 # xds.layer in foreshift.yaml
        rtds_config:
          resource_api_version: V3
          initial_fetch_timeout: 1s     # without Foreshift, Envoy starts all the same
          api_config_source:
            api_type: DELTA_GRPC        # over GRPC the layer would not expire
            transport_api_version: V3
            grpc_services:
              - envoy_grpc: {{cluster_name: {WEIGHTS_CLUSTER}}}
"
        ));
    }
    text.push_str("    - name: foreshift-admin\n      admin_layer: {}\n");
    text
}

fn cluster(name: &str, address: IpAddr, port: u16, why: &str) -> String {
    format!(
        "    - name: {name}  # {why}
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config:
            http2_protocol_options:
              connection_keepalive: {{interval: 5s, timeout: 2s}}
      load_assignment:
        cluster_name: {name}
        endpoints:
          - lb_endpoints:
              - endpoint: {{address: {{socket_address: {{address: \"{address}\", port_value: {port}}}}}}}
"
    )
}

/// What goes into listeners and routes: a YAML document for each place.
pub(super) fn routes(found: &Found) -> String {
    let mut text = String::from(
        "# What goes into your listeners and routes: a document for each place. Where they are served by a control plane\n\
         # of yours, its configuration is the place.\n",
    );
    for listener in &found.listeners {
        let name = format!(
            "listener {}, http_connection_manager with stat_prefix {}",
            one_line(&listener.listener),
            one_line(&listener.stat_prefix)
        );
        match listener.has_access_log {
            true => text.push_str(&format!("---\n# {name}: sends its access log already.\n")),
            false => text.push_str(&format!(
                "---\n# {name}: add this entry to its access logs.\n{ACCESS_LOG}"
            )),
        }
    }
    for route in found.routes.iter().filter(|route| route.is_steerable()) {
        for place in &route.places {
            let served = if place.is_dynamic { ", served over RDS" } else { "" };
            let name = format!(
                "route {}, in {}, virtual host {}, {}{served}",
                one_line(&route.name),
                one_line(&place.route_config),
                one_line(&place.virtual_host),
                one_line(&place.matches)
            );
            let prefix = route.prefix();
            if place.prefix.as_ref() == Some(&prefix) && place.is_named {
                text.push_str(&format!("---\n# {name}: reads its weights already.\n"));
                continue;
            }
            text.push_str(&format!("---\n# {name}: add these keys.\n"));
            if let Some(other) = place.prefix.as_ref().filter(|other| **other != prefix) {
                text.push_str(&format!(
                    "# It reads weights from {} now: that key is replaced, and what was set there no longer counts.\n",
                    one_line(other)
                ));
            }
            if !place.is_named {
                text.push_str(&format!(
                    "name: {}  # says in access logs which route it was\n",
                    quoted(&route.name)
                ));
            }
            if place.prefix.as_ref() != Some(&prefix) {
                text.push_str(&format!(
                    "route:\n  weighted_clusters:\n    runtime_key_prefix: {}\n",
                    quoted(&prefix)
                ));
            }
        }
    }
    text
}
