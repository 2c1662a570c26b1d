//! A network between Envoy and Foreshift that carries nothing more, and tells nobody.

use std::time::Duration;

use foreshift_tests::{Envoy, Foreshift, Relay, Settings, eventually};

/// Far longer than a renewal or a reconnect takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many requests in a row go one way by chance once in 2^40.
const REQUESTS: usize = 40;

const FALLBACK: &str = "
routes:
  - name: checkout
    targets:
      - {name: checkout-east, role: primary, baseline: 50%}
      - {name: checkout-west, role: primary, baseline: 50%}
";

#[test]
fn an_envoy_that_is_cut_off_serves_on_returns_to_its_own_weights_and_follows_again() {
    let foreshift = Foreshift::start(
        "envoy-partition",
        &Settings {
            brokers: String::new(),
            topics: Vec::new(),
            dead_letter: None,
            time: "{clock: wall}".to_owned(),
            snapshot_interval: "1s",
            fallback: FALLBACK.to_owned(),
            more: "xds: {ttl: 2s}\n",
        },
    );
    let relay = Relay::to(foreshift.grpc_port());
    let envoy = Envoy::between(
        "envoy-partition",
        relay.port(),
        foreshift.receive_port(),
        "DELTA_GRPC",
    );
    pin(&foreshift, "west");
    goes_all(&envoy, "west");

    relay.partition();
    let mut served = 0;
    eventually("cut off, Envoy is back at its own weights", PATIENCE, || {
        served += 1;
        let answers: Vec<_> = (0..REQUESTS).map(|_| envoy.answer()).collect();
        assert!(answers.iter().all(Option::is_some), "a request failed");
        answers.contains(&Some("east".to_owned())).then_some(())
    });
    assert!(served > 1, "it had Foreshift's weights until they expired");
    // What Foreshift says meanwhile reaches nobody.
    pin(&foreshift, "east");
    assert!(envoy.both_answer(REQUESTS), "Envoy's own weights hold");

    relay.heal();
    goes_all(&envoy, "east");
    assert_eq!(foreshift.metric("foreshift_xds_refused_total"), 0.0);
}

fn pin(foreshift: &Foreshift, to: &str) {
    let of = |target: &str| if target == to { "100%" } else { "0%" };
    let line = format!(
        "pin checkout checkout-east={} checkout-west={} --for 1h --reason test",
        of("east"),
        of("west")
    );
    let output = foreshift.cli(&line.split(' ').collect::<Vec<_>>());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn goes_all(envoy: &Envoy, to: &str) {
    eventually(&format!("Envoy sends all to {to}"), PATIENCE, || {
        envoy.all_go_to(to, REQUESTS).then_some(())
    });
}
