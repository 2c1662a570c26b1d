//! Telemetry over `foreshift collect` and a real Kafka says what it says when it is sent to `foreshift run` itself.

use std::collections::BTreeMap;
use std::time::Duration;

use foreshift_domain::signal::{OutcomeCounts, OutcomeKind};
use foreshift_tests::{
    Collector, Envoy, Foreshift, Kafka, Settings, eventually, free_ports, silent_target, target,
};

const PATIENCE: Duration = Duration::from_secs(60);
const REQUESTS: u64 = 40;
const TARGETS: [&str; 4] = ["east", "west", "dead", "silent"];

const FALLBACK: &str = "
defaults: {mode: shadow}
routes:
  - name: checkout
    targets:
      - {name: east, role: primary, baseline: 50%}
      - {name: west, role: primary, baseline: 50%}
  - name: troubled
    targets:
      - {name: dead, role: primary, baseline: 50%}
      - {name: silent, role: primary, baseline: 50%}
";

fn settings(brokers: String, topics: Vec<(String, &'static str)>) -> Settings {
    Settings {
        brokers,
        topics,
        dead_letter: None,
        time: "{clock: wall}".to_owned(),
        snapshot_interval: "1s",
        fallback: FALLBACK.to_owned(),
        more: "",
    }
}

/// An Envoy that sends its access log to two receivers at once.
fn envoy(name: &str, receivers: [u16; 2]) -> Envoy {
    let ports @ [admin, ingress, nobody] = free_ports();
    let loggers: String = (0..receivers.len())
        .map(|number| {
            format!(
                "
          - name: envoy.access_loggers.http_grpc
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig
              common_config:
                log_name: ingress
                transport_api_version: V3
                buffer_flush_interval: 0.1s
                grpc_service: {{envoy_grpc: {{cluster_name: receiver-{number}}}}}"
            )
        })
        .collect();
    let http2 = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: \
                 {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, \
                 explicit_http_config: {http2_protocol_options: {}}}}, ";
    let receivers = receivers.into_iter().enumerate();
    let receivers = receivers.map(|(number, port)| (format!("receiver-{number}"), port, http2));
    let targets = [
        ("east", target("east")),
        ("west", target("west")),
        ("dead", nobody),
        ("silent", silent_target()),
    ];
    let targets = targets.map(|(name, port)| (name.to_owned(), port, ""));
    let clusters: String = receivers
        .chain(targets)
        .map(|(name, port, more)| {
            format!(
                "
    - {{name: {name}, type: STATIC, connect_timeout: 1s, {more}load_assignment: {{cluster_name: {name}, endpoints: \
                 [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}}}"
            )
        })
        .collect();
    let config = format!(
        "
node: {{id: edge-1, cluster: edge}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
static_resources:
  listeners:
  - name: ingress
    address: {{socket_address: {{address: 127.0.0.1, port_value: {ingress}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          access_log:{loggers}
          route_config:
            virtual_hosts:
            - name: all
              domains: ['*']
              routes:
              - match: {{prefix: /own-answer}}
                direct_response: {{status: 503}}
              - match: {{prefix: /dead}}
                route: {{cluster: dead, retry_policy: {{retry_on: connect-failure, num_retries: 1}}}}
              - match: {{prefix: /slow}}
                route: {{cluster: silent, timeout: 0.2s}}
              - match: {{prefix: /left}}
                route: {{cluster: silent, timeout: 60s}}
              - name: checkout
                match: {{prefix: /}}
                route: {{weighted_clusters: {{clusters: [{{name: east, weight: 50}}, {{name: west, weight: 50}}]}}}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:{clusters}
"
    );
    Envoy::with_config(name, &config, [ports[0], ports[1]])
}

fn counted(foreshift: &Foreshift) -> BTreeMap<&'static str, OutcomeCounts> {
    let published = foreshift.status().expect("a status");
    let counts = TARGETS.map(|target| {
        let state = published.targets.get(target);
        (target, state.map(|state| state.outcomes).unwrap_or_default())
    });
    counts.into_iter().collect()
}

fn total(counts: &BTreeMap<&'static str, OutcomeCounts>) -> u64 {
    counts.values().map(OutcomeCounts::total).sum()
}

#[test]
fn what_envoy_tells_a_collector_arrives_once_and_as_it_does_without_one() {
    let kafka = Kafka::shared();
    let topics = ["als", "metrics", "logs", "traces"].map(|kind| kafka.topic(kind, 2));
    let [als, metrics, logs, traces] = &topics;
    let mut collector = Collector::start("collect", &kafka.brokers(), [als, metrics, logs, traces]);
    let read = vec![(als.clone(), "envoy_als")];
    let behind = Foreshift::start("collect-behind", &settings(kafka.brokers(), read));
    let direct = Foreshift::start("collect-direct", &settings(String::new(), Vec::new()));
    let envoy = envoy("collect", [collector.receive_port(), direct.receive_port()]);

    // The first requests told that Envoy serves.
    for _ in 0..REQUESTS {
        assert!(envoy.answer().is_some());
    }
    for path in ["/dead", "/slow", "/own-answer"] {
        for _ in 0..3 {
            assert_eq!(envoy.get(path).map(|(status, _)| status / 100), Some(5), "{path}");
        }
    }
    envoy.leave("/left");
    let expected = |target: &str, kind| match (target, kind) {
        ("dead", OutcomeKind::ConnectFailure) | ("silent", OutcomeKind::Timeout) => 3,
        ("silent", OutcomeKind::ClientAbort) => 1,
        _ => 0,
    };
    let sent = REQUESTS + 7;
    let by_itself = eventually("all is heard of without Kafka", PATIENCE, || {
        Some(counted(&direct)).filter(|counts| total(counts) >= sent)
    });
    eventually("all is heard of over Kafka", PATIENCE, || {
        (total(&counted(&behind)) >= total(&by_itself)).then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    let over_kafka = counted(&behind);
    assert_eq!(over_kafka, counted(&direct), "both ways say the same");
    for target in ["dead", "silent"] {
        for kind in [
            OutcomeKind::ConnectFailure,
            OutcomeKind::Timeout,
            OutcomeKind::ClientAbort,
            OutcomeKind::Success,
        ] {
            assert_eq!(
                over_kafka[target].of(kind),
                expected(target, kind),
                "{target} {kind:?}"
            );
        }
    }
    assert!(over_kafka["east"].total() + over_kafka["west"].total() >= REQUESTS);
    assert_eq!(
        over_kafka["east"].of(OutcomeKind::Success),
        over_kafka["east"].total()
    );

    let delivered = collector.metric("foreshift_collect_delivered_total");
    let records: i64 = [0, 1].map(|partition| kafka.records(als, partition)).iter().sum();
    assert_eq!(delivered as i64, records, "what is counted is there");
    assert_eq!(
        collector.metric("foreshift_ingest_received_dropped_total{receiver=\"als\"}"),
        0.0
    );
    assert!(collector.terminate(Duration::from_secs(20)).success());
}

#[test]
fn what_a_collector_took_is_in_kafka_when_it_has_stopped() {
    let kafka = Kafka::shared();
    let topics = ["als", "metrics", "logs", "traces"].map(|kind| kafka.topic(kind, 1));
    let [als, metrics, logs, traces] = &topics;
    let mut collector = Collector::start("collect-stop", &kafka.brokers(), [als, metrics, logs, traces]);
    let direct = Foreshift::start("collect-stop-direct", &settings(String::new(), Vec::new()));
    let envoy = envoy("collect-stop", [collector.receive_port(), direct.receive_port()]);
    for _ in 0..REQUESTS {
        assert!(envoy.answer().is_some());
    }
    let taken = || collector.metric("foreshift_ingest_received_items_total{receiver=\"als\"}");
    eventually("the collector has taken all", PATIENCE, || {
        (taken() >= REQUESTS as f64).then_some(())
    });
    let taken = taken() as u64;
    assert!(collector.terminate(Duration::from_secs(20)).success());
    let behind = Foreshift::start(
        "collect-stop-behind",
        &settings(kafka.brokers(), vec![(als.clone(), "envoy_als")]),
    );
    eventually("all that was taken is counted", PATIENCE, || {
        (total(&counted(&behind)) == taken).then_some(())
    });
}
