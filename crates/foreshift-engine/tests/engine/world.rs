//! A small configuration, and inputs for it.

use std::sync::Arc;

use foreshift_domain::command::{Action, Command};
use foreshift_domain::decision::Decision;
use foreshift_domain::fallback::Fallback;
use foreshift_domain::log::{ErrorClass, LogEvent};
use foreshift_domain::signal::{Health, Observation, Outcome, OutcomeKind, Signal};
use foreshift_domain::weights::RouteWeights;
use foreshift_domain::{Duration, Input, Timestamp, Watermark};
use foreshift_engine::{Engine, Output, fresh_model};

/// Two primaries and an idle secondary on one route; an even pair on the other.
pub(crate) const YAML: &str = "
timing: {bucket: 1s, tick: 5s, horizons: [30s, 2m], guard: 0s, cooldown: 10s, staleness: 30s}
defaults:
  mode: auto
  limits: {auto_after: off}
  triggers: {risk: {horizon: 2m, enter: 0.5, exit: 0.3, full: 0.8}, recover_after: 5s}
routes:
  - name: llm
    targets:
      - {name: alpha, role: primary, baseline: 60%, capacity: 500 rps}
      - {name: beta, role: primary, baseline: 40%, capacity: 500 rps}
      - {name: spare, role: secondary, capacity: 500 rps}
  - name: pay
    targets:
      - {name: east, role: primary, baseline: 50%, capacity: 500 rps}
      - {name: west, role: primary, baseline: 50%, capacity: 500 rps}
";

pub(crate) const START: i64 = 1_700_000_000;

pub(crate) fn fallback(yaml: &str) -> Arc<Fallback> {
    Arc::new(
        foreshift_config::parse_fallback(yaml, "test.yaml")
            .map_err(|errors| errors.to_string())
            .unwrap()
            .value,
    )
}

pub(crate) fn engine(yaml: &str) -> Engine {
    let fallback = fallback(yaml);
    let model = fresh_model(&fallback);
    Engine::new(1, fallback, model)
}

pub(crate) fn at(second: f64) -> Timestamp {
    Timestamp::from_secs(START) + Duration::from_secs_f64(second)
}

pub(crate) fn signal(second: f64, target: &str, observation: Observation) -> Input {
    Input::Signal(Signal {
        time: at(second),
        target: target.into(),
        route: None,
        gateway: None,
        endpoint: None,
        observation,
    })
}

pub(crate) fn outcome(second: f64, target: &str, kind: OutcomeKind) -> Input {
    let latency = Some(Duration::from_millis(20));
    signal(
        second,
        target,
        Observation::Outcome(Outcome {
            kind,
            latency,
            ttfb: None,
            count: 1,
        }),
    )
}

pub(crate) fn health(second: f64, target: &str, health: Health) -> Input {
    signal(second, target, Observation::Health(health))
}

pub(crate) fn log(second: f64, target: &str, template: u64, class: ErrorClass, count: u32) -> Input {
    Input::Log(LogEvent {
        time: at(second),
        target: target.into(),
        template,
        class,
        count,
    })
}

pub(crate) fn watermark(second: f64) -> Input {
    Input::Watermark(Watermark {
        time: at(second),
        idle_partitions: 0,
    })
}

pub(crate) fn clock(second: f64) -> Input {
    Input::Clock(at(second))
}

pub(crate) fn command(second: f64, id: &str, action: Action) -> Input {
    Input::Command(Command {
        request_id: id.into(),
        actor: "sre".into(),
        on_behalf_of: None,
        reason: "test".into(),
        issued_at: at(second),
        expires_at: Some(at(second + 60.0)),
        expected_version: None,
        action,
    })
}

/// Steady traffic on all targets at rest from one second to another, then the time of the end.
pub(crate) fn steady(from: u32, to: u32) -> Vec<Input> {
    let mut inputs = Vec::new();
    for second in from..to {
        for target in ["alpha", "beta", "east", "west"] {
            for part in 0..4 {
                inputs.push(outcome(
                    f64::from(second) + f64::from(part) / 4.0,
                    target,
                    OutcomeKind::Success,
                ));
            }
        }
        inputs.push(watermark(f64::from(second) + 1.0));
        inputs.push(clock(f64::from(second) + 1.0));
    }
    inputs
}

pub(crate) fn feed(engine: &mut Engine, inputs: &[Input]) -> Vec<Output> {
    let mut outputs = Vec::new();
    for input in inputs {
        engine.handle(input);
        outputs.extend(std::iter::from_fn(|| engine.poll_output()));
    }
    outputs
}

pub(crate) fn weights<'a>(outputs: &'a [Output], route: &str) -> Vec<&'a RouteWeights> {
    let all = outputs.iter().filter_map(|output| match output {
        Output::Weights(weights) if weights.route.as_str() == route => Some(weights.as_ref()),
        _ => None,
    });
    all.collect()
}

pub(crate) fn decisions(outputs: &[Output]) -> Vec<Decision> {
    let all = outputs.iter().filter_map(|output| match output {
        Output::Decision(decision, _) => Some(Decision::clone(decision)),
        _ => None,
    });
    all.collect()
}

/// The newest weight of a target on a route, as the engine publishes it.
pub(crate) fn weight_bp(engine: &Engine, route: &str, target: &str) -> u32 {
    let published = engine.publish();
    let weights = published.routes.get(route).unwrap();
    weights
        .targets
        .iter()
        .find(|weight| weight.target.as_str() == target)
        .unwrap()
        .weight_bp
}
