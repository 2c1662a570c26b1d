//! The fallback configuration that goes with a recording.

use std::fmt::Write;

use foreshift_domain::Duration;
use foreshift_domain::fallback::{Criticality, Role};

use crate::recording::{Recording, RouteSpec, TargetSpec};

/// Head of every such file: live time scales, and mode auto, since a recording is there to see traffic move.
const HEAD: &str = "\
# Made by foreshift-sim for a simulated recording.
timing:
  bucket: 1s
  tick: 1s
  horizons: [30s, 2m, 10m]
  guard: 5s
  windows: [5s, 30s, 5m, 1h]

defaults:
  mode: auto
  limits:
    # A route with one primary would otherwise keep half of its traffic there whatever is predicted.
    max_predictive_shift_bp: 9500
    auto_after: off
    headroom: 0.9

routes:
";

impl Recording {
    /// The text of a `fallback.yaml`: routes, targets, capacities and SLOs of this recording. The mode is auto.
    pub fn fallback_yaml(&self) -> String {
        let mut text = HEAD.to_owned();
        for route in &self.routes {
            // Writing to a string cannot fail.
            let _ = write_route(&mut text, route);
        }
        text
    }
}

fn write_route(text: &mut String, route: &RouteSpec) -> std::fmt::Result {
    writeln!(text, "  - name: {}", route.name)?;
    writeln!(text, "    criticality: {}", criticality(route.criticality))?;
    writeln!(text, "    slo:")?;
    writeln!(text, "      error_ratio: {}", route.slo_error_ratio)?;
    writeln!(text, "      latency_p99: {}", millis(route.slo_latency_p99))?;
    writeln!(text, "    targets:")?;
    route
        .targets
        .iter()
        .try_for_each(|target| write_target(text, target))
}

fn write_target(text: &mut String, target: &TargetSpec) -> std::fmt::Result {
    writeln!(text, "      - name: {}", target.name)?;
    writeln!(text, "        role: {}", role(target.role))?;
    if target.baseline_bp > 0 || target.role == Role::Primary {
        writeln!(text, "        baseline_bp: {}", target.baseline_bp)?;
    }
    writeln!(text, "        capacity: {} rps", target.capacity_rps.floor())?;
    writeln!(text, "        failure_domain: {}", target.failure_domain)
}

fn millis(span: Duration) -> String {
    format!("{}ms", span.as_micros() / 1_000)
}

const fn criticality(criticality: Criticality) -> &'static str {
    match criticality {
        Criticality::Low => "low",
        Criticality::Normal => "normal",
        Criticality::Critical => "critical",
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Secondary => "secondary",
    }
}

#[cfg(test)]
mod tests {
    use crate::Scenario;

    #[test]
    fn the_configuration_names_every_target_and_the_baseline_sums_to_all() {
        let recording = Scenario::Demo.recording(1);
        let text = recording.fallback_yaml();
        for (route, target) in recording.targets() {
            assert!(text.contains(&format!("- name: {}", target.name)), "{text}");
            let sum: u32 = route.targets.iter().map(|target| target.baseline_bp).sum();
            assert_eq!(sum, 10_000);
        }
    }
}
