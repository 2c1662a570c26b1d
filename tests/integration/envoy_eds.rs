//! A real Envoy whose cluster takes its endpoints from Foreshift, with the configuration of docs/gateways/envoy-eds.md.

use std::collections::BTreeMap;
use std::time::Duration;

use foreshift_tests::{Envoy, Foreshift, Settings, eventually, target};

/// Far longer than a change or a reconnect takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many requests in a row miss a quarter of the endpoints' weight once in 10^12, were they drawn by chance.
const REQUESTS: usize = 96;

const TARGETS: [&str; 3] = ["a", "b", "c"];

fn fallback(ports: [u16; 3], eds: &str) -> String {
    let target = |(name, port): (&str, u16)| {
        let baseline = if name == "a" { "34%" } else { "33%" };
        format!(
            "      - {{name: {name}, role: primary, baseline: {baseline}, endpoints: ['127.0.0.1:{port}']}}\n"
        )
    };
    let targets: String = TARGETS.into_iter().zip(ports).map(target).collect();
    format!("routes:\n  - name: search\n{eds}    targets:\n{targets}")
}

fn pin(foreshift: &Foreshift, shares: [u32; 3]) {
    let shares = TARGETS
        .iter()
        .zip(shares)
        .map(|(target, share)| format!("{target}={share}%"));
    let line = format!(
        "pin search {} --for 1h --reason test",
        shares.collect::<Vec<_>>().join(" ")
    );
    let output = foreshift.cli(&line.split(' ').collect::<Vec<_>>());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Who answers, how often; a request that fails ends the test.
fn answers(envoy: &Envoy) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..REQUESTS {
        *counts
            .entry(envoy.answer().expect("a request failed"))
            .or_default() += 1;
    }
    counts
}

fn is_three_to_one(counts: &BTreeMap<String, usize>) -> bool {
    let of = |target: &str| counts.get(target).copied().unwrap_or_default();
    let quarter = REQUESTS / 4;
    of("c") == 0 && of("b").abs_diff(quarter) <= quarter / 4
}

fn follows(variant: &str) {
    let name = format!("envoy-eds-{}", variant.to_lowercase());
    let ports = TARGETS.map(target);
    let mut foreshift = Foreshift::start(
        &name,
        &Settings {
            brokers: String::new(),
            topics: Vec::new(),
            dead_letter: None,
            time: "{clock: wall}".to_owned(),
            snapshot_interval: "1s",
            fallback: fallback(ports, "    eds: {cluster: search}\n"),
            more: "",
        },
    );
    let connected = [
        ("7400", foreshift.grpc_port()),
        ("7403", foreshift.receive_port()),
    ];
    let mut envoy = Envoy::documented(&name, "envoy-eds.yaml", variant, &connected);
    eventually("in shadow all serve as at rest", PATIENCE, || {
        (answers(&envoy).len() == 3).then_some(())
    });

    pin(&foreshift, [100, 0, 0]);
    eventually("most endpoints drained stay drained", PATIENCE, || {
        envoy.all_go_to("a", REQUESTS).then_some(())
    });
    pin(&foreshift, [75, 25, 0]);
    eventually("requests are split as the weights are", PATIENCE, || {
        is_three_to_one(&answers(&envoy)).then_some(())
    });
    eventually("what Envoy applied is known", PATIENCE, || {
        let published = foreshift.status()?;
        let intended = published.routes.get("search")?.version;
        let applied = published.applied.get("search")?.get("edge-1")?;
        (applied.version == intended && applied.error.is_none()).then_some(())
    });
    eventually("telemetry knows targets by their endpoints", PATIENCE, || {
        let published = foreshift.status()?;
        let is_counted = |target: &str| Some(published.targets.get(target)?.outcomes.total() > 0);
        (is_counted("a")? && is_counted("b")?).then_some(())
    });

    foreshift.kill();
    assert!(is_three_to_one(&answers(&envoy)), "nothing of it expires");
    foreshift.start_again();
    for _ in 0..20 {
        assert!(is_three_to_one(&answers(&envoy)), "a restart changes nothing");
        std::thread::sleep(Duration::from_millis(100));
    }
    envoy.restart();
    assert!(
        is_three_to_one(&answers(&envoy)),
        "an Envoy that comes anew is told at once"
    );
    assert_eq!(foreshift.metric("foreshift_xds_refused_total"), 0.0);
    let stats = envoy.admin("GET", "/stats?filter=update_rejected");
    let mut rejected = stats.lines().filter(|line| line.contains("update_rejected: "));
    assert!(rejected.all(|line| line.ends_with(": 0")), "{stats}");

    std::fs::write(foreshift.dir().join("fallback.yaml"), fallback(ports, "")).expect("a file");
    eventually("the new configuration is there", PATIENCE, || {
        foreshift
            .log()
            .contains("a new fallback configuration")
            .then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        is_three_to_one(&answers(&envoy)),
        "a cluster that Foreshift knows no more keeps its endpoints"
    );
}

#[test]
fn an_envoy_follows_the_weights_of_its_endpoints_over_delta_xds() {
    follows("DELTA_GRPC");
}

#[test]
fn an_envoy_follows_the_weights_of_its_endpoints_over_state_of_the_world_xds() {
    follows("GRPC");
}
