//! A real Apache Kafka, as `tests/kafka` starts it, and topics in it.

use std::path::Path;

use anyhow::Context;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use tempfile::TempDir;
use tokio::process::Command;

use crate::process::{Process, free_ports};

/// How long the broker may take to take its first order.
const START: std::time::Duration = std::time::Duration::from_secs(120);
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);

/// A running broker. Dropping it ends it and removes what it stored.
pub(crate) struct Kafka {
    port: u16,
    // The process ends before its folder goes.
    _process: Process,
    _dir: TempDir,
}

impl Kafka {
    /// Starts one by its script, `tests/kafka/start.sh`.
    pub(crate) async fn start(script: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("foreshift-kafka-").tempdir()?;
        let [port, controller] = free_ports()?;
        let mut command = Command::new("bash");
        command
            .arg(script)
            .arg(dir.path())
            .args([port.to_string(), controller.to_string()]);
        let process = Process::start("Kafka", &mut command, &dir.path().join("start.log"))?;
        let kafka = Self {
            port,
            _process: process,
            _dir: dir,
        };
        let until = tokio::time::Instant::now() + START;
        while let Err(error) = kafka.create(&["foreshift.testbed.ready".to_owned()]).await {
            anyhow::ensure!(
                tokio::time::Instant::now() < until,
                "Kafka does not answer ({error:#}); has tests/kafka/setup.sh been run?"
            );
            tokio::time::sleep(LOOK).await;
        }
        Ok(kafka)
    }

    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Creates topics of one partition each.
    pub(crate) async fn create(&self, topics: &[String]) -> anyhow::Result<()> {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", self.brokers())
            .set("log_level", "0")
            .create()?;
        let new: Vec<_> = topics
            .iter()
            .map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)))
            .collect();
        let options = AdminOptions::new()
            .operation_timeout(Some(START))
            .request_timeout(Some(LOOK * 25));
        for created in admin
            .create_topics(&new, &options)
            .await
            .context("cannot create topics")?
        {
            created.map_err(|(topic, code)| anyhow::anyhow!("cannot create the topic {topic}: {code}"))?;
        }
        Ok(())
    }
}
