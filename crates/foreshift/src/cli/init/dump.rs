//! What is read of Envoy's `/config_dump`. All else in it is ignored.

use serde::Deserialize;
use serde_json::Value;

/// The dump.
#[derive(Debug, Deserialize)]
pub(super) struct Dump {
    pub(super) configs: Vec<Section>,
}

/// One section of it.
#[derive(Debug, Deserialize)]
#[serde(tag = "@type")]
pub(super) enum Section {
    #[serde(rename = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump")]
    Bootstrap { bootstrap: Box<Bootstrap> },
    #[serde(rename = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump")]
    Clusters {
        #[serde(default)]
        static_clusters: Vec<ClusterState>,
        #[serde(default)]
        dynamic_active_clusters: Vec<ClusterState>,
    },
    #[serde(rename = "type.googleapis.com/envoy.admin.v3.ListenersConfigDump")]
    Listeners {
        #[serde(default)]
        static_listeners: Vec<ListenerState>,
        #[serde(default)]
        dynamic_listeners: Vec<DynamicListener>,
    },
    #[serde(rename = "type.googleapis.com/envoy.admin.v3.RoutesConfigDump")]
    Routes {
        #[serde(default)]
        static_route_configs: Vec<RouteState>,
        #[serde(default)]
        dynamic_route_configs: Vec<RouteState>,
    },
    #[serde(rename = "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump")]
    Endpoints {
        #[serde(default)]
        static_endpoint_configs: Vec<EndpointState>,
        #[serde(default)]
        dynamic_endpoint_configs: Vec<EndpointState>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bootstrap {
    pub(super) node: Node,
    pub(super) layered_runtime: Option<LayeredRuntime>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    pub(super) id: String,
    pub(super) cluster: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LayeredRuntime {
    pub(super) layers: Vec<Layer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) rtds_layer: Option<RtdsLayer>,
    pub(super) admin_layer: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RtdsLayer {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ClusterState {
    pub(super) cluster: Cluster,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) alt_stat_name: String,
    pub(super) outlier_detection: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListenerState {
    pub(super) listener: Listener,
}

#[derive(Debug, Deserialize)]
pub(super) struct DynamicListener {
    #[serde(default)]
    pub(super) active_state: Option<ListenerState>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) filter_chains: Vec<FilterChain>,
    pub(super) default_filter_chain: Option<FilterChain>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FilterChain {
    pub(super) filters: Vec<Filter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    pub(super) typed_config: Option<FilterConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "@type")]
pub(super) enum FilterConfig {
    #[serde(
        rename = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    )]
    Http {
        #[serde(default)]
        stat_prefix: String,
        #[serde(default)]
        access_log: Vec<AccessLog>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AccessLog {
    pub(super) typed_config: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct RouteState {
    pub(super) route_config: RouteConfiguration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteConfiguration {
    pub(super) name: String,
    pub(super) virtual_hosts: Vec<VirtualHost>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VirtualHost {
    pub(super) name: String,
    pub(super) routes: Vec<Route>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Route {
    pub(super) name: String,
    #[serde(rename = "match")]
    pub(super) matched: Value,
    pub(super) route: Option<RouteAction>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteAction {
    pub(super) cluster: Option<String>,
    pub(super) cluster_header: Option<String>,
    pub(super) weighted_clusters: Option<WeightedClusters>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WeightedClusters {
    pub(super) clusters: Vec<WeightedCluster>,
    pub(super) runtime_key_prefix: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WeightedCluster {
    pub(super) name: String,
    pub(super) weight: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct EndpointState {
    pub(super) endpoint_config: LoadAssignment,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LoadAssignment {
    pub(super) cluster_name: String,
    pub(super) endpoints: Vec<LocalityEndpoints>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LocalityEndpoints {
    pub(super) locality: Locality,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Locality {
    pub(super) region: String,
    pub(super) zone: String,
}
