//! What receivers take beside access logs, from real gateways.

use std::time::Duration;

use foreshift_domain::signal::OutcomeCounts;
use foreshift_tests::{Envoy, Foreshift, Settings, eventually};

const PATIENCE: Duration = Duration::from_secs(60);
const REQUESTS: u64 = 40;

/// Envoy sends its load reports to the receivers too.
const LOAD_REPORTS: &str = "
cluster_manager:
  load_stats_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: foreshift_receive}}]
";

fn foreshift(name: &str, telemetry: &str) -> Foreshift {
    let fallback = format!(
        "
routes:
  - name: checkout
    targets:
      - {{name: checkout-east, role: primary, baseline: 50%, telemetry: {{{telemetry}}}}}
      - {{name: checkout-west, role: primary, baseline: 50%, telemetry: {{{telemetry}}}}}
"
    );
    Foreshift::start(
        name,
        &Settings {
            brokers: String::new(),
            topics: Vec::new(),
            dead_letter: None,
            time: "{clock: wall}".to_owned(),
            snapshot_interval: "1s",
            fallback,
            more: "",
        },
    )
}

fn counted(foreshift: &Foreshift) -> u64 {
    let published = foreshift.status().expect("a status");
    let outcomes = published.targets.values().map(|state| &state.outcomes);
    outcomes.map(OutcomeCounts::total).sum()
}

/// Sends requests through an Envoy that reports them in two ways; all are counted, and none twice.
fn counts_each_request_once(name: &str, telemetry: &str) {
    let foreshift = foreshift(name, telemetry);
    let envoy = Envoy::start_with(name, &foreshift, "DELTA_GRPC", LOAD_REPORTS);
    let taken = |receiver: &str| {
        let name = format!("foreshift_ingest_received_items_total{{receiver=\"{receiver}\"}}");
        foreshift.metric(&name)
    };
    eventually("both ways are in use", PATIENCE, || {
        envoy.answer()?;
        (taken("als") > 0.0 && taken("lrs") > 0.0).then_some(())
    });
    // What was under way is in before the count begins.
    std::thread::sleep(Duration::from_secs(3));
    let before = counted(&foreshift);
    for _ in 0..REQUESTS {
        assert!(envoy.answer().is_some());
    }
    eventually("all are counted", PATIENCE, || {
        (counted(&foreshift) >= before + REQUESTS).then_some(())
    });
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(counted(&foreshift), before + REQUESTS);
    assert!(foreshift.metric("foreshift_ingest_duplicate_outcomes_total") > 0.0);
}

#[test]
fn of_load_reports_and_access_logs_the_access_logs_count() {
    counts_each_request_once("receive-both", "");
}

#[test]
fn load_reports_count_where_they_are_asked_for() {
    counts_each_request_once("receive-load-reports", "outcomes_from: envoy_load_report");
}
