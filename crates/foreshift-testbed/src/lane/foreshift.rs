//! The Foreshift of a lane: the documented defaults, with all time scales at the scenario's pace.

use std::fmt::Write;
use std::path::Path;

use tokio::process::Command;

use super::envoy::ROUTE;
use super::{Binaries, Setup};
use crate::process::Process;
use crate::scenario::Scenario;

/// Where it listens.
pub(super) struct Addresses {
    pub(super) grpc: u16,
    pub(super) operator: u16,
    pub(super) http: u16,
    pub(super) receive: u16,
}

pub(super) async fn start(
    setup: Setup,
    scenario: &Scenario,
    targets: &[u16],
    addresses: &Addresses,
    binaries: &Binaries,
    dir: &Path,
) -> anyhow::Result<Process> {
    let path = dir.join("foreshift.yaml");
    let mut process_yaml = process_yaml(scenario, addresses);
    if let Some(model) = &binaries.model {
        let _ = writeln!(process_yaml, "model_path: {}", model.display());
    }
    std::fs::write(&path, process_yaml)?;
    std::fs::write(dir.join("fallback.yaml"), fallback_yaml(setup, scenario, targets))?;
    let mut command = Command::new(&binaries.foreshift);
    command.args(["run", "--config"]).arg(&path);
    let mut process = Process::start("foreshift", &mut command, &dir.join("foreshift.log"))?;
    process.ready(addresses.http, "/readyz").await?;
    Ok(process)
}

/// A span of production at the scenario's pace.
fn scaled(scenario: &Scenario, seconds: f64) -> String {
    format!("{}ms", (seconds * 1e3 / scenario.pace).round())
}

fn process_yaml(scenario: &Scenario, addresses: &Addresses) -> String {
    let scaled = |seconds| scaled(scenario, seconds);
    format!(
        "receive: {{address: \"127.0.0.1:{}\"}}
time: {{lateness: {}, idle_timeout: {}}}
listen:
  grpc: {{address: \"127.0.0.1:{}\"}}
  operator: {{address: \"127.0.0.1:{}\"}}
  http: {{address: \"127.0.0.1:{}\"}}
xds: {{ttl: {}}}
storage: {{dir: state}}
shutdown_deadline: 5s
",
        addresses.receive,
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
        Setup::Predictive => format!("{{horizon: {}}}", scaled(120.0)),
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
      consecutive_errors: 5
      window: {}
      recover_after: {}
    limits:
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
        let _ = write_target(&mut text, target, *port);
    }
    text
}

fn write_target(text: &mut String, target: &crate::scenario::Target, port: u16) -> std::fmt::Result {
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
    writeln!(
        text,
        "        telemetry: {{names: [\"127.0.0.1:{port}\"], outcomes_from: envoy_access_log}}"
    )
}
