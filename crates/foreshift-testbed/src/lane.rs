//! One way of running a gateway: its Envoy, its upstreams, and Foreshift where it has one.

mod envoy;
mod foreshift;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::kafka::Kafka;
use crate::process::{Process, free_ports};
use crate::scenario::Scenario;
use crate::upstream::{self, Upstream};

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
    /// Envoy alone, and Foreshift that watches: for recordings.
    Shadow,
}

impl Setup {
    /// What is compared.
    pub(crate) const COMPARED: [Self; 6] = [
        Self::Envoy,
        Self::OutlierDefaults,
        Self::OutlierTuned,
        Self::HealthChecks,
        Self::Reactive,
        Self::Predictive,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Envoy => "envoy",
            Self::OutlierDefaults => "outlier-defaults",
            Self::OutlierTuned => "outlier-tuned",
            Self::HealthChecks => "health-checks",
            Self::Reactive => "reactive",
            Self::Predictive => "predictive",
            Self::Shadow => "shadow",
        }
    }

    pub(crate) const fn has_foreshift(self) -> bool {
        matches!(self, Self::Reactive | Self::Predictive | Self::Shadow)
    }
}

/// The binaries that a lane starts.
#[derive(Clone)]
pub(crate) struct Binaries {
    pub(crate) envoy: std::path::PathBuf,
    pub(crate) foreshift: std::path::PathBuf,
    /// A model in place of the built-in one, made for the pace of the scenarios.
    pub(crate) model: Option<std::path::PathBuf>,
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
    envoy: Process,
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
        let config = envoy::config(
            setup,
            scenario,
            &ports,
            &envoy::Ports {
                admin,
                ingress,
                grpc,
                receive,
            },
        );
        let envoy = envoy::start(&config, admin, place).await?;
        Ok(Self {
            setup,
            ingress,
            envoy,
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
        drop(self.envoy);
        ended.map_or(Ok(()), |ended| ended?.context("an upstream ended"))
    }
}
