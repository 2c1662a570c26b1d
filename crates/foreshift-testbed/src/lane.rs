//! One way of running a gateway: its process, its upstreams, and Foreshift where it has one.

mod envoy;
mod foreshift;
mod litellm;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::kafka::Kafka;
use crate::process::{Process, free_ports};
use crate::scenario::{Gateway, Scenario};
use crate::upstream::{self, Upstream};

/// The route's name for Foreshift.
const ROUTE: &str = "live";

/// What stands between clients and upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Setup {
    /// Envoy with configured weights and nothing else.
    Envoy,
    /// Envoy's outlier detection, as it comes.
    OutlierDefaults,
    /// The same, set for few hosts.
    OutlierTuned,
    /// Envoy's active health checks.
    HealthChecks,
    /// Tuned outlier detection, and Foreshift without predictions.
    Reactive,
    /// Tuned outlier detection, and Foreshift.
    Predictive,
    /// LiteLLM's router with configured weights and its cooldowns.
    Litellm,
    /// The same, and Foreshift.
    LitellmForeshift,
    /// Envoy alone, and Foreshift that watches: for recordings.
    Shadow,
}

impl Setup {
    /// What is compared.
    pub(crate) const COMPARED: [Self; 8] = [
        Self::Envoy,
        Self::OutlierDefaults,
        Self::OutlierTuned,
        Self::HealthChecks,
        Self::Reactive,
        Self::Predictive,
        Self::Litellm,
        Self::LitellmForeshift,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::OutlierDefaults => "outlier-defaults",
            Self::OutlierTuned => "outlier-tuned",
            Self::HealthChecks => "health-checks",
            Self::Reactive => "reactive",
            Self::Predictive => "predictive",
            Self::Litellm => "litellm",
            Self::LitellmForeshift => "litellm-foreshift",
            Self::Shadow => "shadow",
        }
    }

    pub(crate) const fn has_foreshift(self) -> bool {
        matches!(self, Self::Reactive | Self::Shadow) || self.predicts()
    }

    /// Whether Foreshift moves traffic on its predictions.
    pub(crate) const fn predicts(self) -> bool {
        matches!(self, Self::Predictive | Self::LitellmForeshift)
    }

    pub(crate) const fn gateway(self) -> Gateway {
        match self {
            Self::Litellm | Self::LitellmForeshift => Gateway::Litellm,
            _ => Gateway::Envoy,
        }
    }
}

/// The binaries that a lane starts.
#[derive(Clone)]
pub(crate) struct Binaries {
    pub(crate) envoy: std::path::PathBuf,
    pub(crate) foreshift: std::path::PathBuf,
    /// A model in place of the built-in one, made for the pace of the scenarios.
    pub(crate) model: Option<std::path::PathBuf>,
    /// A Python with LiteLLM and Foreshift's client.
    pub(crate) litellm_python: Option<std::path::PathBuf>,
}

impl Binaries {
    /// Those of the setups that can carry this scenario's traffic.
    pub(crate) fn playable(&self, setups: &[Setup], scenario: &Scenario) -> Vec<Setup> {
        let is_here = scenario.gateway == Gateway::Envoy || self.litellm_python.is_some();
        let fits = |setup: &Setup| is_here && setup.gateway() == scenario.gateway;
        setups.iter().copied().filter(fits).collect()
    }
}

/// What a lane is made with, and where its files go.
pub(crate) struct Place<'a> {
    pub(crate) binaries: &'a Binaries,
    /// Telemetry goes over it; without it, straight to Foreshift.
    pub(crate) kafka: Option<&'a Kafka>,
    pub(crate) dir: &'a Path,
}

/// A lane whose processes run. Dropping it ends them.
pub(crate) struct Lane {
    pub(crate) setup: Setup,
    /// Where clients send requests.
    pub(crate) ingress: u16,
    gateway: Process,
    foreshift: Option<foreshift::Started>,
    ports: Vec<u16>,
    receive: u16,
    upstreams: JoinSet<anyhow::Result<()>>,
}

impl Lane {
    /// Starts the processes.
    pub(crate) async fn start(setup: Setup, scenario: &Scenario, place: &Place<'_>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(place.dir)?;
        let mut ports = Vec::new();
        for _ in &scenario.targets {
            let [port] = free_ports()?;
            ports.push(port);
        }
        let [admin, ingress, grpc, operator, http, receive] = free_ports()?;
        let addresses = foreshift::Addresses {
            grpc,
            operator,
            http,
            receive,
        };
        let foreshift = if setup.has_foreshift() {
            Some(foreshift::start(setup, scenario, &ports, &addresses, place).await?)
        } else {
            None
        };
        let listening = envoy::Ports {
            admin,
            ingress,
            grpc,
            receive,
        };
        let gateway = match setup.gateway() {
            Gateway::Envoy => {
                let config = envoy::config(setup, scenario, &ports, &listening);
                envoy::start(&config, admin, place).await?
            }
            Gateway::Litellm => litellm::start(setup, scenario, &ports, &listening, place).await?,
        };
        Ok(Self {
            setup,
            ingress,
            gateway,
            foreshift,
            ports,
            receive,
            upstreams: JoinSet::new(),
        })
    }

    /// Starts the upstreams; their script begins at `start`.
    pub(crate) fn open(&mut self, scenario: &Arc<Scenario>, seed: u64, start: Instant) {
        for (index, port) in self.ports.iter().enumerate() {
            let upstream = Arc::new(Upstream::new(Arc::clone(scenario), index, *port, seed, start));
            self.upstreams.spawn(upstream::serve(Arc::clone(&upstream)));
            if self.foreshift.is_some() {
                self.upstreams.spawn(upstream::report(
                    upstream,
                    format!("http://127.0.0.1:{}", self.receive),
                ));
            }
        }
    }

    /// Ends everything, Foreshift in good order so that its files are whole.
    ///
    /// # Errors
    /// When an upstream could not do its part: what clients saw then says nothing.
    pub(crate) async fn close(mut self) -> anyhow::Result<()> {
        let ended = self.upstreams.try_join_next();
        self.upstreams.shutdown().await;
        if let Some(foreshift) = self.foreshift.take() {
            drop(foreshift.collect);
            foreshift.run.end().await;
        }
        drop(self.gateway);
        ended.map_or(Ok(()), |ended| ended?.context("an upstream ended"))
    }
}
