//! Whatever is planned for the endpoints of a cluster, a real Envoy takes it over ADS, beside the runtime layer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use foreshift_domain::fallback::{EdsCluster, EdsTarget, Mode, Role};
use foreshift_domain::weights::{FULL_BP, RouteWeights, TargetWeight, Version};
use foreshift_domain::{Timestamp, decision::Reason, prediction::ModelVersion};
use foreshift_tests::{Envoy, Relay, Seed, WeightServer, eventually, free_ports, workspace};

const PATIENCE: Duration = Duration::from_secs(30);
/// Random steps are taken for so long over either variant of xDS, and at least so many: each break is among them.
const TIME: Duration = Duration::from_secs(8);
const MIN_STEPS: u64 = 20;
const NOW: Timestamp = Timestamp::from_secs(1_000);

/// Of a target, as Envoy has it: the sum of its endpoints' weights, how many they are, their state and priority.
type Had = BTreeMap<String, (u64, usize, String, u64)>;

/// Shares that sum to the whole; now and then all is on one.
fn shares(seed: &mut Seed, count: usize) -> Vec<u32> {
    let mut shares = vec![0; count];
    let mut rest = FULL_BP;
    if seed.below(3) > 0 {
        for share in &mut shares {
            *share = seed.below(u64::from(rest) + 1) as u32;
            rest -= *share;
        }
    }
    shares[seed.below(count as u64) as usize] += rest;
    shares
}

/// A cluster whose targets are told apart by the third part of their addresses.
fn cluster(seed: &mut Seed) -> EdsCluster {
    let count = 1 + seed.below(5) as usize;
    let baselines = shares(seed, count);
    let target = |(index, baseline_bp): (u8, u32)| EdsTarget {
        target: format!("t{index}").into(),
        role: if index == 0 || seed.below(2) == 0 {
            Role::Primary
        } else {
            Role::Secondary
        },
        baseline_bp,
        endpoints: (0..=seed.below(4) as u8)
            .map(|host| SocketAddr::from(([127, 0, index, host + 1], 9)))
            .collect(),
    };
    let targets = (0..).zip(baselines).map(target).collect();
    EdsCluster {
        name: "search".to_owned(),
        route: "search".into(),
        strict_priorities: seed.below(2) == 0,
        targets,
    }
}

fn plan(seed: &mut Seed, cluster: &EdsCluster, sequence: u64) -> RouteWeights {
    let weights = shares(seed, cluster.targets.len());
    let targets = cluster
        .targets
        .iter()
        .zip(weights)
        .map(|(target, weight_bp)| TargetWeight {
            target: target.target.clone(),
            role: target.role,
            baseline_bp: target.baseline_bp,
            weight_bp,
            planned_bp: weight_bp,
            health: None,
            risks: Vec::new(),
        });
    RouteWeights {
        route: "search".into(),
        targets: targets.collect(),
        version: Version { epoch: 1, sequence },
        mode: Mode::Auto,
        reason: Reason::PredictedRisk,
        decision: sequence,
        model: ModelVersion::default(),
        decided_at: NOW,
        // Some hold no more: then endpoints have their weights at rest.
        valid_until: Timestamp::from_secs(if seed.below(4) == 0 { 900 } else { 1_000_000 }),
        baseline_confirmed: true,
        propensity: 1.0,
    }
}

/// What Envoy is to have, said once more in other words.
fn expected(cluster: &EdsCluster, plan: &RouteWeights) -> Had {
    let weight = |index: usize| {
        if plan.valid_until > NOW {
            plan.targets[index].weight_bp
        } else {
            cluster.targets[index].baseline_bp
        }
    };
    let is_primary = |index: usize| cluster.targets[index].role == Role::Primary;
    let all = 0..cluster.targets.len();
    let secondaries_rest = all
        .clone()
        .filter(|index| !is_primary(*index))
        .all(|index| weight(index) == 0);
    let told = |index: usize| {
        let target = &cluster.targets[index];
        let count = target.endpoints.len();
        let is_lower = cluster.strict_priorities && !is_primary(index);
        let (sum, state) = match weight(index) {
            0 if is_lower && secondaries_rest => (1_000, "HEALTHY"),
            0 => (count as u64, "DRAINING"),
            weight_bp => (u64::from(weight_bp) * 1_000, "HEALTHY"),
        };
        (
            target.target.to_string(),
            (sum, count, state.to_owned(), u64::from(is_lower)),
        )
    };
    all.map(told).collect()
}

fn had(envoy: &Envoy) -> Had {
    let json: serde_json::Value =
        serde_json::from_str(&envoy.admin("GET", "/clusters?format=json")).expect("Envoy writes JSON");
    let clusters = json["cluster_statuses"].as_array().expect("clusters");
    let cluster = clusters.iter().find(|cluster| cluster["name"] == "search");
    let hosts = cluster.and_then(|cluster| cluster["host_statuses"].as_array());
    let mut had = Had::new();
    for host in hosts.into_iter().flatten() {
        let address = host["address"]["socket_address"]["address"]
            .as_str()
            .expect("an address");
        let target = format!("t{}", address.split('.').nth(2).expect("four parts"));
        let state = host["health_status"]["eds_health_status"]
            .as_str()
            .expect("a state");
        let priority = host["priority"].as_u64().unwrap_or_default();
        let told = had.entry(target).or_insert((0, 0, state.to_owned(), priority));
        told.0 += host["weight"].as_u64().expect("a weight");
        told.1 += 1;
        assert_eq!(
            (told.2.as_str(), told.3),
            (state, priority),
            "one target, one state"
        );
    }
    had
}

/// The documented configuration, over ADS, with a runtime layer on the same stream.
fn over_ads(api_type: &str, weights: u16, [admin, ingress]: [u16; 2]) -> String {
    let documented = workspace().join("docs/gateways/envoy-eds.yaml");
    let mut config = std::fs::read_to_string(documented).expect("documented");
    let mut put = |from: &str, to: &str| {
        assert!(config.contains(from), "the documented configuration has {from}");
        config = config.replace(from, to);
    };
    put("port_value: 9901}", &format!("port_value: {admin}}}"));
    put("port_value: 10000}", &format!("port_value: {ingress}}}"));
    put("port_value: 7400}", &format!("port_value: {weights}}}"));
    let source = "          api_config_source:
            api_type: DELTA_GRPC
            transport_api_version: V3
            grpc_services:
              - envoy_grpc: {cluster_name: foreshift}
";
    put(source, "          ads: {}\n");
    format!(
        "{config}
dynamic_resources:
  ads_config:
    api_type: {api_type}
    transport_api_version: V3
    grpc_services: [{{envoy_grpc: {{cluster_name: foreshift}}}}]
layered_runtime:
  layers:
    - name: foreshift
      rtds_layer: {{name: foreshift, rtds_config: {{resource_api_version: V3, ads: {{}}}}}}
"
    )
}

/// Random plans, breaks and restarts for a while; Envoy refuses nothing, and has after each what is planned.
fn takes_every_plan(api_type: &str) {
    let test = format!("envoy-endpoint-plans-{}", api_type.to_lowercase());
    let mut seed = Seed::of(&test, 21);
    let mut server = WeightServer::start(NOW);
    let relay = Relay::to(server.port());
    let mut known = cluster(&mut seed);
    server.set_clusters(vec![known.clone()]);
    let ports = free_ports();
    let envoy = Envoy::with_config(&test, &over_ads(api_type, relay.port(), ports), ports);
    let mut steps = 0_u64;
    let until = Instant::now() + TIME;
    while Instant::now() < until || steps < MIN_STEPS {
        if seed.below(4) == 0 {
            known = cluster(&mut seed);
            server.set_clusters(vec![known.clone()]);
        }
        match steps % 30 {
            5 => relay.cut(),
            15 => server.restart(),
            _ => {}
        }
        steps += 1;
        let plan = plan(&mut seed, &known, steps);
        server.publish(std::iter::once(plan.clone()));
        let wanted = expected(&known, &plan);
        let what = format!("step {steps}: Envoy has {wanted:?}");
        eventually(&what, PATIENCE, || (had(&envoy) == wanted).then_some(()));
    }
    println!("{test}: {steps} steps");
    assert_eq!(server.counter("xds_refused_total"), 0.0);
    let stats = envoy.admin("GET", "/stats?filter=update_rejected");
    let mut rejected = stats.lines().filter(|line| line.contains("update_rejected: "));
    assert!(rejected.all(|line| line.ends_with(": 0")), "{stats}");
}

#[test]
fn envoy_takes_every_plan_of_endpoints_over_delta_xds() {
    takes_every_plan("DELTA_GRPC");
}

#[test]
fn envoy_takes_every_plan_of_endpoints_over_state_of_the_world_xds() {
    takes_every_plan("GRPC");
}
