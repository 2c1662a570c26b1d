//! A real Envoy follows weights, and is back at its own when Foreshift is gone, however it goes.

use std::process::Command;
use std::time::Duration;

use foreshift_tests::{Envoy, Foreshift, Settings, eventually};

/// Far longer than a renewal or a reconnect takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many requests in a row go one way by chance once in 2^40.
const REQUESTS: usize = 40;

const FALLBACK: &str = "
defaults: {mode: shadow}
routes:
  - name: checkout
    targets:
      - {name: checkout-east, role: primary, baseline: 50%}
      - {name: checkout-west, role: primary, baseline: 50%}
";

/// Without Kafka: Envoy's access logs are the telemetry.
fn foreshift(name: &str) -> Foreshift {
    Foreshift::start(
        name,
        &Settings {
            brokers: String::new(),
            topics: Vec::new(),
            dead_letter: None,
            time: "{clock: wall}".to_owned(),
            snapshot_interval: "1s",
            fallback: FALLBACK.to_owned(),
            more: "xds: {ttl: 2s}\n",
        },
    )
}

fn pin_to_west(foreshift: &Foreshift) {
    let line = "pin checkout checkout-east=0% checkout-west=100% --for 1h --reason test";
    let output = foreshift.cli(&line.split(' ').collect::<Vec<_>>());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn signal(foreshift: &Foreshift, signal: &str) {
    let process = foreshift.process().to_string();
    let sent = Command::new("kill")
        .args(["-s", signal, &process])
        .status()
        .expect("kill is there");
    assert!(sent.success());
}

fn goes_west(envoy: &Envoy) -> Option<()> {
    envoy.all_go_to("west", REQUESTS).then_some(())
}

fn goes_both_ways(envoy: &Envoy) -> Option<()> {
    envoy.both_answer(REQUESTS).then_some(())
}

/// Envoy follows weights over this variant of xDS, keeps them, and finds back after a restart.
fn follows(variant: &str) {
    let name = format!("envoy-{}", variant.to_lowercase());
    let mut foreshift = foreshift(&name);
    let envoy = Envoy::start(&name, &foreshift, variant);
    eventually("in shadow Envoy's own weights hold", PATIENCE, || {
        goes_both_ways(&envoy)
    });

    pin_to_west(&foreshift);
    eventually("Envoy follows a pin", PATIENCE, || goes_west(&envoy));
    eventually("what Envoy applied is known", PATIENCE, || {
        let published = foreshift.status()?;
        let intended = published.routes.get("checkout")?.version;
        let applied = published.applied.get("checkout")?.get("edge-1")?;
        (applied.version == intended && applied.error.is_none()).then_some(())
    });
    // Renewals keep the layer alive for many times its life.
    std::thread::sleep(Duration::from_secs(6));
    assert!(envoy.all_go_to("west", REQUESTS), "the layer is renewed");

    foreshift.kill();
    foreshift.start_again();
    eventually("the pin survives, and Envoy finds back", PATIENCE, || {
        goes_west(&envoy)
    });
    assert_eq!(foreshift.metric("foreshift_xds_refused_total"), 0.0);
    let stats = envoy.admin("GET", "/stats?filter=update_rejected");
    let mut rejected = stats.lines().filter(|line| line.contains("update_rejected: "));
    assert!(rejected.all(|line| line.ends_with(": 0")), "{stats}");
}

#[test]
fn an_envoy_follows_weights_over_delta_xds() {
    follows("DELTA_GRPC");
}

#[test]
fn an_envoy_follows_weights_over_state_of_the_world_xds() {
    follows("GRPC");
}

/// Envoy is back at its own weights when Foreshift is gone, however it goes.
fn is_left_alone(variant: &str) {
    let name = format!("envoy-alone-{}", variant.to_lowercase());
    let mut foreshift = foreshift(&name);
    let envoy = Envoy::start(&name, &foreshift, variant);
    pin_to_west(&foreshift);
    eventually("Envoy follows a pin", PATIENCE, || goes_west(&envoy));
    signal(&foreshift, "STOP");
    eventually("a Foreshift that hangs steers no more", PATIENCE, || {
        goes_both_ways(&envoy)
    });
    signal(&foreshift, "CONT");
    eventually("it steers again when it goes on", PATIENCE, || goes_west(&envoy));
    foreshift.kill();
    eventually("a Foreshift that was killed steers no more", PATIENCE, || {
        goes_both_ways(&envoy)
    });
}

#[test]
fn an_envoy_is_back_at_its_own_weights_when_foreshift_hangs_or_is_killed() {
    is_left_alone("DELTA_GRPC");
}

#[test]
fn so_it_is_over_state_of_the_world() {
    is_left_alone("GRPC");
}

#[test]
fn every_request_that_envoy_served_is_counted_once_without_kafka() {
    let foreshift = foreshift("envoy-access-log");
    let envoy = Envoy::start("envoy-access-log", &foreshift, "DELTA_GRPC");
    let before = counted(&foreshift);
    assert!(envoy.both_answer(REQUESTS));
    let after = eventually("the access log has come", PATIENCE, || {
        let after = counted(&foreshift);
        (after[0] + after[1] >= before[0] + before[1] + REQUESTS as u64).then_some(after)
    });
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(counted(&foreshift), after, "nothing comes twice");
    assert!(after.iter().all(|count| *count > 0), "{after:?}");
}

/// Requests counted for east and west.
fn counted(foreshift: &Foreshift) -> [u64; 2] {
    let published = foreshift.status().expect("a status");
    ["checkout-east", "checkout-west"].map(|target| {
        let state = published.targets.get(target);
        state.map_or(0, |state| state.outcomes.total())
    })
}

#[test]
fn break_glass_takes_a_hung_foreshift_out_of_the_loop_at_once() {
    let foreshift = foreshift("envoy-break-glass");
    let envoy = Envoy::start("envoy-break-glass", &foreshift, "DELTA_GRPC");
    pin_to_west(&foreshift);
    eventually("Envoy follows a pin", PATIENCE, || goes_west(&envoy));
    signal(&foreshift, "STOP");
    envoy.admin(
        "POST",
        "/runtime_modify?foreshift.checkout.checkout-east=10000&foreshift.checkout.checkout-west=0",
    );
    assert!(
        envoy.all_go_to("east", REQUESTS),
        "what a person sets is above Foreshift's layer"
    );
    signal(&foreshift, "CONT");
    std::thread::sleep(Duration::from_secs(3));
    assert!(
        envoy.all_go_to("east", REQUESTS),
        "and stays there when Foreshift is back"
    );
    envoy.admin(
        "POST",
        "/runtime_modify?foreshift.checkout.checkout-east=&foreshift.checkout.checkout-west=",
    );
    eventually("taken back, Foreshift steers again", PATIENCE, || {
        goes_west(&envoy)
    });
}
