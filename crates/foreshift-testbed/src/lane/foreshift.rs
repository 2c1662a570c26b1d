//! The Foreshift of a lane, with all time scales at the scenario's pace. Rules that count requests within such a time ask
//! for fewer: there are that much fewer. What a prediction may move is not the default: the other targets have room.

use std::fmt::Write;

use tokio::process::Command;

use super::{Place, ROUTE, Setup};
use crate::kafka::Kafka;
use crate::process::{Process, free_ports};
use crate::scenario::{Gateway, Scenario};

/// Where it listens.
pub(super) struct Addresses {
    pub(super) grpc: u16,
    pub(super) operator: u16,
    pub(super) http: u16,
    pub(super) receive: u16,
}

/// The processes of a lane: Foreshift, and where telemetry goes over Kafka the collector before it.
pub(super) struct Started {
    pub(super) run: Process,
    pub(super) collect: Option<Process>,
}

pub(super) async fn start(
    setup: Setup,
    scenario: &Scenario,
    targets: &[u16],
    addresses: &Addresses,
    place: &Place<'_>,
) -> anyhow::Result<Started> {
    std::fs::write(
        place.dir.join("fallback.yaml"),
        fallback_yaml(setup, scenario, targets),
    )?;
    let telemetry = match place.kafka {
        None => format!("receive: {{address: \"127.0.0.1:{}\"}}\n", addresses.receive),
        Some(kafka) => over_kafka(setup, kafka, &topics(kafka, place).await?),
    };
    let mut config = telemetry + &process_yaml(scenario, addresses);
    if let Some(model) = &place.binaries.model {
        writeln!(config, "model_path: {}", model.display())?;
    }
    let mut run = process("run", &config, place)?;
    run.ready(addresses.http, "/readyz").await?;
    let collect = match place.kafka {
        None => None,
        Some(kafka) => Some(collector(kafka, addresses, place).await?),
    };
    Ok(Started { run, collect })
}

fn process(command: &str, config: &str, place: &Place<'_>) -> anyhow::Result<Process> {
    let path = place.dir.join(format!("{command}.yaml"));
    std::fs::write(&path, config)?;
    let mut started = Command::new(&place.binaries.foreshift);
    started.args([command, "--config"]).arg(&path);
    Process::start(
        "foreshift",
        &mut started,
        &place.dir.join(format!("{command}.log")),
    )
}

/// Topics of this lane: access logs, metrics, logs, traces.
fn names(place: &Place<'_>) -> [String; 4] {
    let lane = place.dir.iter().rev().take(2).map(|part| part.to_string_lossy());
    let lane = lane.collect::<Vec<_>>().join(".");
    ["als", "metrics", "logs", "traces"].map(|kind| format!("{lane}.{kind}"))
}

async fn topics(kafka: &Kafka, place: &Place<'_>) -> anyhow::Result<[String; 4]> {
    let names = names(place);
    kafka.create(&names).await?;
    Ok(names)
}

fn over_kafka(setup: Setup, kafka: &Kafka, [access_logs, metrics, logs, traces]: &[String; 4]) -> String {
    // Only what is written to is read: an idle topic would hold the others up.
    let outcomes = match setup.gateway() {
        Gateway::Envoy => format!("{{name: {access_logs}, format: envoy_als}}"),
        Gateway::Litellm => format!("{{name: {traces}, format: otlp_proto, kind: traces}}"),
    };
    format!(
        "kafka:
  brokers: [\"{}\"]
  consume: assign
  dead_letter: null
  topics:
    - {outcomes}
    - {{name: {metrics}, format: otlp_proto, kind: metrics}}
    - {{name: {logs}, format: otlp_proto, kind: logs}}
",
        kafka.brokers()
    )
}

async fn collector(kafka: &Kafka, addresses: &Addresses, place: &Place<'_>) -> anyhow::Result<Process> {
    let [access_logs, metrics, logs, traces] = names(place);
    let [http] = free_ports()?;
    let config = format!(
        "receive: {{address: \"127.0.0.1:{}\"}}
kafka: {{brokers: [\"{}\"]}}
collect: {{access_logs: {access_logs}, metrics: {metrics}, logs: {logs}, traces: {traces}}}
listen: {{http: {{address: \"127.0.0.1:{http}\"}}}}
",
        addresses.receive,
        kafka.brokers(),
    );
    let mut collector = process("collect", &config, place)?;
    collector.ready(http, "/readyz").await?;
    Ok(collector)
}

/// A span of production at the scenario's pace.
fn scaled(scenario: &Scenario, seconds: f64) -> String {
    format!("{}ms", (seconds * 1e3 / scenario.pace).round())
}

fn process_yaml(scenario: &Scenario, addresses: &Addresses) -> String {
    let scaled = |seconds| scaled(scenario, seconds);
    format!(
        "time: {{lateness: {}, idle_timeout: {}}}
listen:
  grpc: {{address: \"127.0.0.1:{}\"}}
  operator: {{address: \"127.0.0.1:{}\"}}
  http: {{address: \"127.0.0.1:{}\"}}
xds: {{ttl: {}}}
storage: {{dir: state}}
shutdown_deadline: 5s
",
        scaled(5.0),
        scaled(30.0),
        addresses.grpc,
        addresses.operator,
        addresses.http,
        scaled(30.0),
    )
}

fn fallback_yaml(setup: Setup, scenario: &Scenario, targets: &[u16]) -> String {
    let scaled = |seconds| scaled(scenario, seconds);
    let risk = match setup {
        // The other targets have room: to move traffic costs little, so a small chance is reason enough, and enough for
        // all of it. `enter` was chosen on recorded stories that the model has not learned from: a few false alarms in
        // nine target-hours.
        _ if setup.predicts() => format!(
            "{{horizon: {}, enter: 0.35, exit: 0.17, full: 0.4}}",
            scaled(120.0)
        ),
        _ => "off".to_owned(),
    };
    let mode = if setup == Setup::Shadow { "shadow" } else { "auto" };
    let slow_ms = scenario.traffic.slow_ms;
    let mut text = format!(
        "timing:
  bucket: {}
  tick: {}
  horizons: [{}, {}, {}]
  guard: {}
  windows: [{}, {}, {}, {}]
  cooldown: {}
  staleness: {}
fleet: {{blast_window: {}}}
routes:
  - name: {ROUTE}
    mode: {mode}
    slo: {{error_ratio: 0.1, latency_p99: {slow_ms}ms, window: {}, min_requests: 20}}
    triggers:
      risk: {risk}
      consecutive_errors: 3
      window: {}
      min_requests: 4
      recover_after: {}
    limits:
      max_predictive_shift_bp: 9500
      auto_after: off
      max_step_bp_per_s: {}
      min_dwell: {}
      valid_for: {}
      decay: {}
    targets:
",
        scaled(1.0),
        scaled(1.0),
        scaled(30.0),
        scaled(120.0),
        scaled(600.0),
        scaled(5.0),
        scaled(5.0),
        scaled(30.0),
        scaled(300.0),
        scaled(3_600.0),
        scaled(60.0),
        scaled(30.0),
        scaled(60.0),
        scaled(30.0),
        scaled(10.0),
        scaled(30.0),
        (500.0 * scenario.pace).round().min(10_000.0),
        scaled(120.0),
        scaled(60.0),
        scaled(60.0),
    );
    for (target, port) in scenario.targets.iter().zip(targets) {
        // Writing to a string cannot fail.
        let _ = write_target(&mut text, setup, target, *port);
    }
    text
}

fn write_target(
    text: &mut String,
    setup: Setup,
    target: &crate::scenario::Target,
    port: u16,
) -> std::fmt::Result {
    writeln!(text, "      - name: {}", target.name)?;
    if target.baseline_pct == 0 {
        writeln!(text, "        role: secondary")?;
    } else {
        writeln!(
            text,
            "        role: primary\n        baseline: {}%",
            target.baseline_pct
        )?;
    }
    writeln!(text, "        capacity: {} rps", target.capacity_rps)?;
    writeln!(text, "        failure_domain: {}", target.name)?;
    match setup.gateway() {
        Gateway::Envoy => writeln!(
            text,
            "        telemetry: {{names: [\"127.0.0.1:{port}\"], outcomes_from: envoy_access_log}}"
        ),
        Gateway::Litellm => writeln!(text, "        telemetry: {{outcomes_from: otlp_spans}}"),
    }
}
