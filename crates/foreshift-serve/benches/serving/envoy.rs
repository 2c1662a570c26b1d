//! How long a real Envoy takes from the publication of weights to having them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use foreshift_domain::weights::FULL_BP;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::world::{World, weights};
use crate::{ms, quantile, row};

const CHANGES: u64 = 300;
/// Between two looks at what Envoy has: each is work for the thread that also takes in weights.
const LOOK: Duration = Duration::from_millis(1);
/// Between two changes: a tick would be a second.
const PAUSE: Duration = Duration::from_millis(20);
const STUCK: Duration = Duration::from_secs(30);
const ASKED_US: u64 = 250_000;

pub(crate) async fn measure() -> anyhow::Result<()> {
    let targets = ["checkout-east".to_owned(), "checkout-west".to_owned()];
    let mut world = World::start(vec![weights("checkout", &targets, 1, 5_000)]).await?;
    println!(
        "  a real Envoy 1.40, the configuration of docs/gateways/envoy.yaml; {CHANGES} changes of weights"
    );
    for api in ["DELTA_GRPC", "GRPC"] {
        let sequence = 2 + if api == "GRPC" { CHANGES } else { 0 };
        let (applied, accepted) = changes(&mut world, &targets, api, sequence).await?;
        let p99 = quantile(&applied, 0.99);
        row(
            &format!("{api}: from publication to the weight in Envoy's runtime: p50, p99, ms"),
            &format!("{}, {}", ms(quantile(&applied, 0.5)), ms(p99)),
            "p99 <= 250 ms",
            Some(p99 <= ASKED_US),
        );
        row(
            &format!("{api}: from publication to Envoy's ACK: p50, p99, ms"),
            &format!(
                "{}, {}",
                ms(quantile(&accepted, 0.5)),
                ms(quantile(&accepted, 0.99))
            ),
            "",
            None,
        );
    }
    Ok(())
}

/// Waits in microseconds, sorted: until the weight is in the runtime, and until it is accepted.
async fn changes(
    world: &mut World,
    targets: &[String],
    api: &str,
    first: u64,
) -> anyhow::Result<(Vec<u64>, Vec<u64>)> {
    let envoy = Envoy::start(world.serving.addresses.listen.port(), api).await?;
    let (mut applied, mut accepted) = (Vec::new(), Vec::new());
    for change in 0..CHANGES {
        sleep(PAUSE).await;
        let (sequence, east_bp) = (first + change, FULL_BP - 1 - u32::try_from(first + change)?);
        let published = Instant::now();
        world.publish(weights("checkout", targets, sequence, east_bp));
        let reports = &mut world.applied;
        let is_accepted = async {
            while let Some(report) = reports.recv().await {
                if report.version.sequence == sequence {
                    return Ok(published.elapsed());
                }
            }
            anyhow::bail!("the server ended")
        };
        let is_applied = async {
            while envoy.weight("foreshift.checkout.checkout-east").await? != Some(east_bp) {
                sleep(LOOK).await;
            }
            Ok(published.elapsed())
        };
        let both = async { tokio::try_join!(is_accepted, is_applied) };
        let (ack, weight) = timeout(STUCK, both).await??;
        accepted.push(u64::try_from(ack.as_micros())?);
        applied.push(u64::try_from(weight.as_micros())?);
    }
    applied.sort_unstable();
    accepted.sort_unstable();
    Ok((applied, accepted))
}

/// A real Envoy; it ends with this value.
struct Envoy {
    _process: Child,
    _dir: tempfile::TempDir,
    admin: u16,
}

impl Envoy {
    async fn start(foreshift: u16, api: &str) -> anyhow::Result<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let set_up = Command::new(project.join("tests/envoy/setup.sh"))
            .output()
            .await?;
        ensure!(set_up.status.success(), "tests/envoy/setup.sh failed");
        let binary = PathBuf::from(String::from_utf8(set_up.stdout)?.trim());
        let admin = free_port().await?;
        let mut config = std::fs::read_to_string(project.join("docs/gateways/envoy.yaml"))?;
        config = config.replace("api_type: DELTA_GRPC", &format!("api_type: {api}"));
        let ports = [
            ("9901", admin),
            ("10000", free_port().await?),
            ("7400", foreshift),
        ];
        for (documented, ours) in ports {
            config = config.replace(
                &format!("port_value: {documented}}}"),
                &format!("port_value: {ours}}}"),
            );
        }
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("envoy.yaml");
        std::fs::write(&path, config)?;
        let process = Command::new(binary)
            .arg("-c")
            .arg(path)
            .args([
                "--concurrency",
                "1",
                "--use-dynamic-base-id",
                "--log-level",
                "error",
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("Envoy starts")?;
        let envoy = Self {
            _process: process,
            _dir: dir,
            admin,
        };
        let serves = async {
            while !matches!(
                envoy.weight("foreshift.checkout.checkout-east").await,
                Ok(Some(_))
            ) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(STUCK, serves).await.context("Envoy has weights")?;
        Ok(envoy)
    }

    /// What is in force in Envoy's runtime.
    async fn weight(&self, key: &str) -> anyhow::Result<Option<u32>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin)).await?;
        let request = "GET /runtime?format=json HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        // Looked for in the text: parsing it whole each millisecond would be most of what is measured.
        let entry = answer
            .split_once(&format!("\"{key}\""))
            .and_then(|(_, rest)| rest.split_once('}'));
        let value = entry.and_then(|(entry, _)| entry.split_once("\"final_value\""));
        let number = value.map(|(_, value)| value.chars().filter(char::is_ascii_digit).collect::<String>());
        Ok(number.and_then(|number| number.parse().ok()))
    }
}

async fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?.port())
}
