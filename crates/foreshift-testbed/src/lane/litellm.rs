//! The LiteLLM router of a lane, in a small gateway of Python. Timers are scaled with the pace of the scenario.

use anyhow::Context;
use serde_json::json;
use tokio::process::Command;

use super::envoy::Ports;
use super::{Place, ROUTE, Setup};
use crate::process::Process;
use crate::scenario::Scenario;

const PROGRAM: &str = include_str!("../../../../tests/testbed/litellm_gateway.py");
/// What LiteLLM comes with: how long a deployment is cooled down, and over how long its failures are counted.
const COOLDOWN_S: f64 = 5.0;
const MINUTE_S: f64 = 60.0;

pub(super) async fn start(
    setup: Setup,
    scenario: &Scenario,
    targets: &[u16],
    ports: &Ports,
    place: &Place<'_>,
) -> anyhow::Result<Process> {
    let python = place
        .binaries
        .litellm_python
        .as_ref()
        .context("no Python with LiteLLM")?;
    let program = place.dir.join("gateway.py");
    std::fs::write(&program, PROGRAM)?;
    let config = place.dir.join("gateway.json");
    std::fs::write(&config, json(setup, scenario, targets, ports).to_string())?;
    let mut command = Command::new(python);
    command.arg(&program).arg(&config);
    // Prices and limits of models from the package: nothing is fetched.
    command.env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    let mut process = Process::start("LiteLLM", &mut command, &place.dir.join("gateway.log"))?;
    process.ready(ports.ingress, "/ready").await?;
    Ok(process)
}

fn json(setup: Setup, scenario: &Scenario, targets: &[u16], ports: &Ports) -> serde_json::Value {
    let deployments = scenario.targets.iter().zip(targets);
    let deployments = deployments
        .map(|(target, port)| json!({"target": target.name, "port": port, "weight": target.baseline_pct}));
    json!({
        "port": ports.ingress,
        "route": ROUTE,
        "timeout_s": scenario.traffic.timeout_ms as f64 / 1e3,
        "cooldown_s": COOLDOWN_S / scenario.pace,
        "minute_s": MINUTE_S / scenario.pace,
        "deployments": deployments.collect::<Vec<_>>(),
        "foreshift": setup.has_foreshift().then(|| json!({
            "grpc": format!("http://127.0.0.1:{}", ports.grpc),
            "receive": format!("http://127.0.0.1:{}", ports.receive),
        })),
    })
}
