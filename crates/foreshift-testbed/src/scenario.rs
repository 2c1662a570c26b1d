//! Scenarios as files: which traffic, which targets, what goes wrong with them and when.
//!
//! Times in a file are those of the story as it happens in production; `pace` says how many times as fast it is
//! played. Rates and latencies are not scaled: they are what the wire sees.

mod faults;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

pub(crate) use faults::{Effects, Fault, FaultKind, Topic};

/// What a scenario is there to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// The fault shows signs before requests fail.
    Precursor,
    /// It shows none.
    Abrupt,
    /// All targets suffer at once: there is nowhere to go.
    Brownout,
    /// Nothing fails.
    Quiet,
}

/// What carries a scenario's traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gateway {
    #[default]
    Envoy,
    /// LiteLLM's router, for streams of tokens.
    Litellm,
}

/// A scenario, as its file says it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// One line for people.
    pub(crate) about: String,
    pub(crate) class: Class,
    #[serde(default)]
    pub(crate) gateway: Gateway,
    /// How many times as fast as in production it is played; above 0, at most 10.
    pub(crate) pace: f64,
    /// When clients stop, in seconds of production.
    pub(crate) length_s: f64,
    pub(crate) traffic: Traffic,
    pub(crate) targets: Vec<Target>,
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
}

/// What clients send.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traffic {
    /// Mean of the Poisson arrivals, in requests a second of the wire.
    pub(crate) rate_rps: f64,
    /// The gateway gives up on a request after this.
    pub(crate) timeout_ms: u64,
    /// A good answer that took longer counts as slow.
    pub(crate) slow_ms: u64,
    /// Answers are streams of tokens.
    #[serde(default)]
    pub(crate) tokens: Option<Tokens>,
    /// Times with more requests.
    #[serde(default)]
    pub(crate) surges: Vec<Surge>,
}

/// How an answer is streamed.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    pub(crate) count: u32,
    pub(crate) gap_ms: f64,
}

/// More requests for a while.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Surge {
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    pub(crate) factor: f64,
}

/// An upstream: workers behind a bounded queue, with a pool of connections to something behind it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Share of the traffic at rest, in percent; 0 is an idle secondary.
    pub(crate) baseline_pct: u32,
    pub(crate) capacity_rps: f64,
    /// Mean time of work on a request.
    pub(crate) service_ms: f64,
    /// Requests that a provider's quota allows for the length of the story; none without one.
    #[serde(default)]
    pub(crate) quota: Option<f64>,
}

impl Target {
    /// How many requests it works on at once: what its capacity needs, and a little more.
    pub(crate) fn workers(&self, tokens: Option<Tokens>) -> usize {
        let stream_ms = tokens.map_or(0.0, |tokens| f64::from(tokens.count) * tokens.gap_ms);
        ((self.capacity_rps * (self.service_ms + stream_ms) / 1e3 * 1.1).ceil() as usize).max(1)
    }
}

impl Scenario {
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let scenario: Self =
            serde_saphyr::from_str(&text).with_context(|| format!("{} is no scenario", path.display()))?;
        scenario.check().with_context(|| format!("{}", path.display()))?;
        Ok(scenario)
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.pace > 0.0 && self.pace <= 10.0,
            "pace must be above 0 and at most 10, is {}",
            self.pace
        );
        ensure!(
            self.targets.len() >= 2,
            "a route needs at least two targets to move traffic between"
        );
        ensure!(
            self.gateway == Gateway::Envoy || self.traffic.tokens.is_some(),
            "LiteLLM carries streams of tokens: traffic.tokens is missing"
        );
        let baseline: u32 = self.targets.iter().map(|target| target.baseline_pct).sum();
        ensure!(
            baseline == 100,
            "the baselines must sum to 100, they sum to {baseline}"
        );
        for fault in &self.faults {
            if !self.targets.iter().any(|target| target.name == fault.target) {
                bail!(
                    "a fault names the target {:?}, which is not among the targets",
                    fault.target
                );
            }
            ensure!(
                fault.signs_at_s <= fault.fails_at_s && fault.fails_at_s < fault.ends_at_s,
                "a fault of {:?} must have signs_at_s <= fails_at_s < ends_at_s",
                fault.target
            );
        }
        Ok(())
    }

    /// A span of the story on the wall clock.
    pub(crate) fn real(&self, story_s: f64) -> Duration {
        Duration::from_secs_f64((story_s / self.pace).max(0.0))
    }

    /// How far the story is after this time on the wall clock.
    pub(crate) fn story_s(&self, real: Duration) -> f64 {
        real.as_secs_f64() * self.pace
    }

    /// Requests a second of the wire at a moment of the story.
    pub(crate) fn rate_rps(&self, story_s: f64) -> f64 {
        let within = |surge: &&Surge| (surge.from_s..surge.to_s).contains(&story_s);
        let factor: f64 = self
            .traffic
            .surges
            .iter()
            .filter(within)
            .map(|surge| surge.factor)
            .product();
        self.traffic.rate_rps * factor
    }

    /// The same with the signs before faults at `strength` times their own; the faults stay as they are.
    pub(crate) fn with_signs(&self, strength: f64) -> Self {
        let mut scenario = self.clone();
        for fault in &mut scenario.faults {
            fault.strength *= strength;
        }
        scenario
    }
}

/// The scenario files that are named, and those in folders that are named.
pub(crate) fn files(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut inside: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        inside.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let folders = ["", "unscaled", "leads", "calm"].map(|inside| folder.join(inside));
        let entries = folders
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.is_file()).collect()
    }

    #[test]
    fn every_scenario_file_loads_and_each_gateway_has_one() {
        let scenarios: Vec<_> = files()
            .iter()
            .map(|path| Scenario::load(path).expect("a scenario"))
            .collect();
        for gateway in [Gateway::Envoy, Gateway::Litellm] {
            assert!(scenarios.iter().any(|scenario| scenario.gateway == gateway));
        }
    }

    #[test]
    fn litellm_is_refused_without_tokens() {
        let path = files()
            .into_iter()
            .find(|path| path.ends_with("llm-router.yaml"))
            .expect("the file");
        let mut scenario = Scenario::load(&path).expect("a scenario");
        scenario.traffic.tokens = None;
        assert!(scenario.check().is_err());
    }
}
