//! A real Apache Kafka for the time of a measurement: `tests/kafka`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

const START_WITHIN: Duration = Duration::from_secs(60);

/// A broker on loopback; it ends with this value.
pub(crate) struct Broker {
    process: Child,
    pub(crate) address: String,
}

impl Broker {
    /// Starts one in this empty folder. Topics are made with this many partitions when they are first asked for.
    pub(crate) fn start(dir: &Path, partitions: i32) -> anyhow::Result<Self> {
        let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/kafka");
        let set_up = Command::new(scripts.join("setup.sh"))
            .stdout(Stdio::null())
            .status();
        ensure!(
            set_up.context("cannot run tests/kafka/setup.sh")?.success(),
            "tests/kafka/setup.sh failed"
        );
        let (port, controller) = (free_port()?, free_port()?);
        let process = Command::new(scripts.join("start.sh"))
            .arg(dir)
            .args([port.to_string(), controller.to_string()])
            .args([
                "auto.create.topics.enable=true",
                &format!("num.partitions={partitions}"),
            ])
            .spawn()
            .context("cannot run tests/kafka/start.sh")?;
        let mut broker = Self {
            process,
            address: format!("127.0.0.1:{port}"),
        };
        broker.wait_until_it_serves()?;
        Ok(broker)
    }

    fn client(&self) -> anyhow::Result<BaseConsumer> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.address)
            .set("reconnect.backoff.max.ms", "500");
        Ok(config
            .set("allow.auto.create.topics", "true")
            .set("log_level", "0")
            .create()?)
    }

    /// Makes a topic by asking for it.
    pub(crate) fn make_topic(&self, name: &str) -> anyhow::Result<()> {
        let client = self.client()?;
        let began = Instant::now();
        while began.elapsed() < START_WITHIN {
            let answer = client.fetch_metadata(Some(name), Duration::from_secs(5))?;
            let topic = answer.topics().first();
            if topic.is_some_and(|topic| topic.error().is_none() && !topic.partitions().is_empty()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("the topic {name} does not appear")
    }

    fn wait_until_it_serves(&mut self) -> anyhow::Result<()> {
        let client = self.client()?;
        let began = Instant::now();
        while began.elapsed() < START_WITHIN {
            if let Some(status) = self.process.try_wait()? {
                bail!("the broker ended with {status}");
            }
            let answer = client.fetch_metadata(None, Duration::from_secs(1));
            if answer.is_ok_and(|metadata| !metadata.brokers().is_empty()) {
                return Ok(());
            }
        }
        bail!("the broker does not serve within {} s", START_WITHIN.as_secs())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nothing is to be kept, so it need not end in good order.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
